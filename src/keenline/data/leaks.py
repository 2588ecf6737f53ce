"""A dataset with splits turned into what lies on both sides of them, which would flatter."""

from __future__ import annotations

from keenline.data.dataset import Dataset
from keenline.data.splits import independent_parts
from keenline.errors import Code, DatasetError
from keenline.types import Sample

_SHOWN = 4


def leaks(dataset: Dataset) -> list[list[Sample]]:
    """The samples of each part of which some are in `train` and some in `test`.

    Images that are equal byte for byte are one part. Raises ImageError when a file has gone.
    """
    sides = {sample.split for sample in dataset.samples}
    if not {"train", "test"} <= sides:
        return []
    groups = independent_parts(dataset.samples, dataset.hashes())
    return [group for group in groups if {"train", "test"} <= {sample.split for sample in group}]


def leak_note(dataset: Dataset) -> tuple[str, ...]:
    """One sentence when there are any."""
    found = leaks(dataset)
    if not found:
        return ()
    tested = sum(sample.split == "test" for group in found for sample in group)
    note = (
        f"{tested} images of test/ are of a part that train/ holds too, or copies of its images: "
        f"what is measured on them flatters ({_names(dataset, found[0])})"
    )
    return (note,)


def require_no_leak(dataset: Dataset) -> None:
    """Raise DatasetError (DATASET_LEAK) when there are any."""
    found = leaks(dataset)
    if found:
        raise DatasetError(
            Code.DATASET_LEAK,
            "The splits share a part or an image",
            where=found[0][0].part or found[0][0].image,
            got=f"{len(found)} parts in both train and test, such as {_names(dataset, found[0])}",
            next="bring what belongs together into one split",
        )


def _names(dataset: Dataset, group: list[Sample]) -> str:
    ordered = sorted(group, key=lambda sample: sample.split)
    # One of each side at least.
    shown = [ordered[0], *ordered[-_SHOWN + 1 :]] if len(ordered) > _SHOWN else ordered
    names = ", ".join(sample.image.relative_to(dataset.root).as_posix() for sample in shown)
    return names + ", ..." * (len(ordered) > _SHOWN)
