"""The classes of a recipe and those of labelled images turned into where the two do not meet."""

from __future__ import annotations

from collections.abc import Iterable

from keenline.recipe import Recipe


def notes_on_names(recipe: Recipe, shown: Iterable[str]) -> tuple[str, ...]:
    """What the user should know, one sentence each; nothing where the recipe names no class.

    shown: the classes that labelled images show. A misspelt class is on both lists.
    """
    named, seen = {known.name for known in recipe.classes}, set(shown)
    if not named:
        return ()
    notes = []
    if seen - named:
        words = "classes that the recipe does not name, so they only ask for a review"
        notes.append(f"{words}: {', '.join(sorted(seen - named))}")
    if named - seen:
        words = "classes of the recipe that no labelled image shows, so they are not learnt"
        notes.append(f"{words}: {', '.join(sorted(named - seen))}")
    return tuple(notes)
