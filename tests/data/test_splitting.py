"""Over any generations of a dataset, no part, lot or content is ever in two splits."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from keenline.data.dataset_version import DatasetVersion, Provenance, VersionSample
from keenline.data.dealing import Shares
from keenline.data.splitting import Standing, assign_splits

SHARES = Shares(0.3, 0.1, 0.2)


@st.composite
def universe(draw: st.DrawFn) -> list[VersionSample]:
    """Up to 16 images of some parts, lots and contents, named or not."""
    facts = st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 9), st.booleans())
    return [
        VersionSample(
            path=f"{place}.png",
            sha256=f"content {content}" if content else f"only {place}",
            label="good" if is_good else "dent",
            split="train",
            group="",
            provenance=Provenance(f"P{part}" if part else "", f"L{lot}" if lot else ""),
        )
        for place, (part, lot, content, is_good) in enumerate(draw(st.lists(facts, max_size=16)))
    ]


@given(universe(), st.data(), st.booleans())
def test_nothing_ever_straddles_or_moves(
    images: list[VersionSample], data: st.DataObject, across_lots: bool
) -> None:
    seen: defaultdict[str, set[str]] = defaultdict(set)
    before: DatasetVersion | None = None
    for seed in range(data.draw(st.integers(1, 4))):
        places = data.draw(st.sets(st.integers(0, 15)))
        here = [each for place, each in enumerate(images) if place in places]
        done = assign_splits(here, Standing(before), SHARES, seed, across_lots=across_lots)
        assert {each.path for each in here} == {*done.left_out} | {s.path for s in done.samples}
        for sample in done.samples:
            keys = [f"content {sample.sha256}", f"part {sample.provenance.part or sample.path}"]
            if not across_lots:
                keys.append(f"lot {sample.provenance.lot or sample.path}")
            for key in keys:
                seen[key].add(sample.split)
        groups: defaultdict[str, set[str]] = defaultdict(set)
        for sample in done.samples:
            groups[sample.group].add(sample.split)
        assert all(len(splits) == 1 for splits in groups.values())
        made = datetime(2026, 1, 1, tzinfo=UTC)
        before = DatasetVersion(".", done.samples, made, "Ana", gone=done.gone)
    assert {key: splits for key, splits in seen.items() if len(splits) > 1} == {}
