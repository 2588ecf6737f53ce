"""What a recipe lets classes do on their own turned into what a new bundle has earned: nothing."""

from __future__ import annotations

from keenline.recipe import Recipe

NOBODY = Recipe()


def unearned(recipe: Recipe) -> Recipe:
    """The recipe for a new bundle: every class only flags.

    No class has shown yet what `[readiness]` asks for; `keenline authority grant` gives authority
    to those that have.
    """
    return recipe.with_authority_of(NOBODY)


def unearned_notes(recipe: Recipe) -> tuple[str, ...]:
    """Says which classes of the recipe would reject and only flag for now."""
    if not recipe.rejecting:
        return ()
    words = (
        f"the recipe lets {', '.join(recipe.rejecting)} reject; a class of a new bundle only asks"
    )
    return (f"{words} for a review until it was granted more: keenline readiness tells how",)
