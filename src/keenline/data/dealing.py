"""Groups of images turned into splits: each class in its shares, no group in two splits.

Classes are dealt one after the other, the rarest first, as in iterative stratification
(K. Sechidis, G. Tsoumakas and I. Vlahavas, On the Stratification of Multi-label Data, ECML PKDD
2011): what shows a rare class is placed while every split still has room for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from keenline.data.dataset_version import Split
from keenline.errors import Code, DatasetError

FEWEST_GROUPS = 4
"""Of a class before any of it is held out: with fewer, too little is left to learn from."""

_ORDER: tuple[Split, ...] = ("seeded", "acceptance", "validation", "train")
"""Who gets a group that two splits lack alike."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Which share of the images of each class goes where, 0..1; the rest is learnt from."""

    seeded: float = 0.3
    """15 of 50."""
    validation: float = 0.15
    acceptance: float = 0.0

    def __post_init__(self) -> None:
        """Raises DatasetError (DATASET_SHARES) unless something is left to learn from."""
        shares = (self.seeded, self.validation, self.acceptance)
        if not (all(0 <= share < 1 for share in shares) and sum(shares) < 1):
            raise DatasetError(
                Code.DATASET_SHARES,
                "The shares of the splits cannot be dealt",
                expected="each from 0 to below 1, and together below 1",
                got=", ".join(f"{name} {share:g}" for name, share in asdict(self).items()),
            )

    def wanted(self, images: int, groups: int) -> dict[Split, int]:
        """How many images of a class go to each split, of `images` in `groups`.

        At least one to each split that has a share; all to train below `FEWEST_GROUPS`.
        """
        if groups < FEWEST_GROUPS:
            return {"seeded": 0, "acceptance": 0, "validation": 0, "train": images}
        left = images - 1  # one to learn from at the least
        wanted: dict[Split, int] = {}
        for split in _ORDER[:-1]:
            share = asdict(self)[split]
            wanted[split] = min(left, max(1, int(share * images + 0.5))) if share else 0
            left -= wanted[split]
        return wanted | {"train": left + 1}


def deal(
    groups: Sequence[Mapping[str, int]],
    shares: Shares,
    seed: int,
    fixed: Mapping[int, Split],
) -> list[Split]:
    """The split of each group.

    groups: images of each class in each group; an image that shows two classes counts for both.
    fixed: groups whose split stands, by their place. What is dealt fills up what the fixed ones
    leave of each class's share. The same groups, seed and fixed splits are dealt the same.
    """
    splits: dict[int, Split] = dict(fixed)
    images: Counter[str] = Counter()
    for counts in groups:
        images.update(counts)
    rng = np.random.default_rng(seed)
    for name in sorted(images, key=lambda name: (images[name], name)):
        bearing = [place for place, counts in enumerate(groups) if counts.get(name)]
        lacking: dict[Split, int] = shares.wanted(images[name], len(bearing))
        for place in bearing:
            if place in splits:
                lacking[splits[place]] -= groups[place][name]
        shuffled = [bearing[index] for index in rng.permutation(len(bearing))]
        # Large groups first, while there is room for them; equal ones as they were shuffled.
        for place in sorted(shuffled, key=lambda place: -groups[place][name]):
            if place not in splits:
                split = max(_ORDER, key=lambda split: lacking[split])
                splits[place] = split
                lacking[split] -= groups[place][name]
    return [splits.get(place, "train") for place in range(len(groups))]
