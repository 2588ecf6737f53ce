"""Samples without splits turned into samples with them, keeping every split that stands already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keenline.data.dataset_version import DatasetVersion, Gone, Split, VersionSample
from keenline.data.dealing import FEWEST_GROUPS, Shares, deal
from keenline.data.splits import independent_parts
from keenline.errors import Code, DatasetError
from keenline.types import Sample

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Which splits stand before anything is dealt."""

    before: DatasetVersion | None = None
    """The version that is followed."""
    given: Mapping[str, Split] | None = None
    """The folder's own splits, by path; only for what was in no earlier version."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What came of it."""

    samples: tuple[VersionSample, ...]
    left_out: tuple[str, ...]
    """Paths of new samples that belong to two splits at once."""
    gone: tuple[Gone, ...]
    notes: tuple[str, ...]


def assign_splits(
    samples: Sequence[VersionSample],
    standing: Standing,
    shares: Shares,
    seed: int,
    *,
    across_lots: bool = False,
) -> Assigned:
    """Give each sample its split and its group.

    A sample of an earlier version, known by its content, else by its path, keeps its split; a new
    one that belongs to it by part, lot or content follows it; the others are dealt. A new one
    that belongs to samples of different splits is left out: in neither would it be independent.
    Raises DatasetError (DATASET_LEAK) when a group lies in two of the folder's own splits.
    """
    gone = _gone(standing.before, samples)
    earlier = _earlier(standing.before, samples)
    given = {path: one for path, one in (standing.given or {}).items() if path not in earlier}
    stands = given | earlier
    groups = _groups(samples, gone, across_lots=across_lots)
    pieces: list[tuple[list[VersionSample], Split | None]] = []
    left_out: list[VersionSample] = []
    torn = 0
    for members, absent in groups:
        splits = {stands[each.path] for each in members if each.path in stands}
        splits |= {each.split for each in absent}
        if len(splits) < 2:
            pieces.append((members, next(iter(splits), None)))
            continue
        _require_no_leak(members, given)
        left_out += [each for each in members if each.path not in stands]
        kept = {one: [each for each in members if stands.get(each.path) == one] for one in splits}
        torn += sum(map(bool, kept.values())) > 1
        pieces += [(kept[one], one) for one in sorted(kept) if kept[one]]
    pieces = [piece for piece in pieces if piece[0]]
    counts = [Counter(name for each in members for name in each.classes) for members, _ in pieces]
    fixed = {place: one for place, (_, one) in enumerate(pieces) if one is not None}
    dealt = deal(counts, shares, seed, fixed)
    done = [
        replace(sample, split=one, group=_name(members))
        for (members, _), one in zip(pieces, dealt, strict=True)
        for sample in members
    ]
    notes = _notes(counts, torn, left_out)
    if not across_lots and any(each.provenance.lot for each in samples):
        notes.append(f"images of one lot stay together: {len(groups)} independent groups")
    remembered = _remembered(gone, done)
    return Assigned(tuple(done), tuple(each.path for each in left_out), remembered, tuple(notes))


def _gone(before: DatasetVersion | None, samples: Sequence[VersionSample]) -> tuple[Gone, ...]:
    """What earlier versions had and these samples have not: a content, as of its part and lot."""
    if before is None:
        return ()
    here = {(each.sha256, each.provenance.part, each.provenance.lot) for each in samples}
    had = (
        Gone(each.path, each.sha256, each.split, each.provenance.part, each.provenance.lot)
        for each in before.samples
    )
    all_known = dict.fromkeys((*before.gone, *had))
    return tuple(each for each in all_known if (each.sha256, each.part, each.lot) not in here)


def _remembered(gone: Sequence[Gone], samples: Sequence[VersionSample]) -> tuple[Gone, ...]:
    """Those whose content, part or lot no sample has that is here."""
    contents = {each.sha256 for each in samples}
    parts = {each.provenance.part for each in samples} | {""}
    lots = {each.provenance.lot for each in samples} | {""}
    return tuple(
        each
        for each in gone
        if not (each.sha256 in contents and each.part in parts and each.lot in lots)
    )


def _earlier(before: DatasetVersion | None, samples: Sequence[VersionSample]) -> dict[str, Split]:
    """The split of each path that an earlier version knows, by its content or else by its path."""
    had: list[Gone | VersionSample] = []
    if before is not None:
        had = [*before.gone, *before.samples]
    by_path = {each.path: each.split for each in had}
    by_content = {each.sha256: each.split for each in had}
    same = {each.sha256 for each in samples if each.path in by_path and each.sha256 in by_content}
    found: dict[str, Split | None] = {}
    for each in samples:
        if each.path in by_path or each.sha256 not in same:
            found[each.path] = by_content.get(each.sha256, by_path.get(each.path))
        # Else a copy of what is still here: new, and it follows by its content.
    return {path: one for path, one in found.items() if one is not None}


def _groups(
    samples: Sequence[VersionSample], gone: Sequence[Gone], *, across_lots: bool
) -> list[tuple[list[VersionSample], list[Gone]]]:
    """What belongs together by part, lot or content: samples, and those that are gone."""
    here = {Path("here", each.path): each for each in samples}
    absent = {Path("gone", str(place)): each for place, each in enumerate(gone)}
    members = [Sample(path, each.label, part=each.provenance.part) for path, each in here.items()]
    members += [Sample(path, "", part=each.part) for path, each in absent.items()]
    hashes = {path: each.sha256 for path, each in here.items()}
    hashes |= {path: each.sha256 for path, each in absent.items()}
    lots: dict[Path, str] = {}
    if not across_lots:
        lots |= {path: each.provenance.lot for path, each in here.items()}
        lots |= {path: each.lot for path, each in absent.items()}
    return [
        (
            [here[each.image] for each in group if each.image in here],
            [absent[each.image] for each in group if each.image in absent],
        )
        for group in independent_parts(members, hashes, lots)
    ]


def _require_no_leak(members: Sequence[VersionSample], given: Mapping[str, Split]) -> None:
    """The folder's own splits are wrong when they tear apart what belongs together."""
    own = [each for each in members if each.path in given]
    if len({given[each.path] for each in own}) < 2:
        return
    shown = ", ".join(f"{each.path} ({given[each.path]})" for each in own[:_SHOWN])
    raise DatasetError(
        Code.DATASET_LEAK,
        "The folder's own splits share a part, a lot or an image",
        where=members[0].provenance.part or members[0].path,
        got=shown + ", ..." * (len(own) > _SHOWN),
        next="bring what belongs together into one split, or have the splits dealt anew",
    )


def _name(members: Sequence[VersionSample]) -> str:
    """The part, where the group is one; else the first path, which no other group has."""
    parts = {each.provenance.part for each in members}
    return (
        parts.pop() if len(parts) == 1 and "" not in parts else min(each.path for each in members)
    )


def _notes(
    counts: Sequence[Mapping[str, int]], torn: int, left_out: Sequence[VersionSample]
) -> list[str]:
    notes = []
    groups = Counter(name for each in counts for name in each)
    few = [f"{name} {groups[name]}" for name in sorted(groups) if groups[name] < FEWEST_GROUPS]
    if few:
        notes.append(
            f"fewer than {FEWEST_GROUPS} independent groups, so none is dealt to be held out: "
            + ", ".join(few)
        )
    if torn:
        notes.append(
            f"groups that earlier versions took for several and held in different splits: {torn}; "
            "they stay there, so what is measured on them may flatter"
        )
    if left_out:
        names = ", ".join(each.path for each in left_out[:_SHOWN])
        notes.append(
            f"new images that belong to samples of different splits, left out: {len(left_out)} "
            f"({names}{', ...' if len(left_out) > _SHOWN else ''})"
        )
    return notes
