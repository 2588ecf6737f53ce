"""Real defects, drawn ones and good images turned into a folder of synthetic defective images."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keenline.augment_settings import ClassAugment
from keenline.data.augment import policy_for
from keenline.data.dataset import Skipped, content_hash
from keenline.data.defect_library import Cut, path_below, png
from keenline.data.formats.writing import write_file
from keenline.data.naming import is_folder_name
from keenline.data.paste import Pasted, paste
from keenline.data.procedural_defects import Drawn, DrawnKind, drawn_defect
from keenline.data.reading import read_image
from keenline.data.synthetic_index import INDEX, PREFIX, Made, Origin, SyntheticIndex
from keenline.errors import Code, DatasetError, ImageError
from keenline.recipe import Recipe
from keenline.types import Image, Mask, Sample
from keenline.version import VERSION

LARGEST_SHARE = 0.9
TRIES = 12
"""Pairs of a defect and a good image that are tried for one synthetic image."""

RegionOf = Callable[[int, int], Mask | None]
"""Width and height of an image to where defects may lie, (height, width); None: everywhere."""


@dataclass(frozen=True, slots=True)
class Synthesised:
    """What was written."""

    index: SyntheticIndex
    without_place: dict[str, int] = field(default_factory=dict)
    """Images of each class that were not made: no good image had a surface like the defect's."""
    without_cut: tuple[str, ...] = ()
    """Classes with real images but no defect that could be cut, and none to be drawn."""
    skipped: tuple[Skipped, ...] = ()
    """Good images that could not be read."""

    def share_of(self, name: str) -> float:
        """Of synthetic images among the defective ones of a class, as far as they were made."""
        made = sum(one.class_name == name for one in self.index.images)
        return made / max(1, made + self.index.real.get(name, 0))


def synthesise(
    samples: Sequence[Sample],
    cuts: Sequence[Cut],
    recipe: Recipe,
    folder: Path,
    *,
    share: float = 0.25,
    drawn: Mapping[str, Sequence[DrawnKind]] | None = None,
    seed: int = 0,
    region: RegionOf = lambda _width, _height: None,
    root: Path | None = None,
) -> Synthesised:
    """Write synthetic images until each class has `share` of them, as far as places are found.

    Of `samples` the good ones are what is pasted onto, and the defective ones are counted for the
    share; those of a test split are left alone. drawn: kinds of procedural defects that a class may
    also be given, in turn with its cuts. root: of the dataset, below which images are named.

    The folder holds `train/CLASS/keenline-synthetic-N.png` and `ground_truth/CLASS/..._mask.png`,
    which other programs read as MVTec AD, and the index.

    Raises DatasetError (DATASET_NO_GOOD, DATASET_NO_DEFECT), ImageError, OutputError.
    """
    if not 0 < share <= LARGEST_SHARE:
        raise ValueError(f"share {share} is not above 0 and at most {LARGEST_SHARE}")
    drawn = drawn or {}
    usable = [sample for sample in samples if sample.split != "test"]
    good = [sample for sample in usable if sample.is_good]
    real = Counter(name for sample in usable for name in _shown(sample))
    _check(good, real, cuts, drawn)
    works = _Works(good, recipe, folder, np.random.default_rng(seed), region, root)
    made: list[Made] = []
    missing: dict[str, int] = {}
    for name, wanted in _wanted(real, drawn, share).items():
        own = [cut for cut in cuts if cut.class_name == name]
        sources: list[Cut | DrawnKind] = [*own, *drawn.get(name, ())]
        for _ in range(wanted if sources else 0):
            one = works.make(len(made), name, sources)
            if one is None:
                missing[name] = missing.get(name, 0) + 1
            else:
                made.append(one)
    cut_classes = {cut.class_name for cut in cuts} | set(drawn)
    index = SyntheticIndex(
        software=f"keenline {VERSION}",
        recipe_sha256=recipe.sha256,
        seed=seed,
        share=share,
        real=dict(sorted(real.items())),
        images=tuple(made),
        networks=tuple({c.network.sha256: c.network for c in cuts if c.network}.values()),
    )
    write_file(folder / INDEX, index.model_dump_json(by_alias=True, indent=1) + "\n")
    skipped = tuple(works.skipped.values())
    return Synthesised(index, missing, tuple(sorted(set(real) - cut_classes)), skipped)


def untested(cuts: Iterable[Cut], tested: Collection[str]) -> tuple[Cut, ...]:
    """Those in which nothing is of the image files with these hashes."""
    return tuple(
        cut
        for cut in cuts
        if cut.source_sha256 not in tested
        and (cut.network is None or not {*tested} & {*cut.network.learnt_from})
    )


class _Works:
    """Where one image after the other is made."""

    def __init__(
        self,
        good: Sequence[Sample],
        recipe: Recipe,
        folder: Path,
        rng: np.random.Generator,
        region: RegionOf,
        root: Path | None,
    ) -> None:
        self._good = good
        self._recipe = recipe
        self._folder = folder
        self._rng = rng
        self._region = region
        self._root = root
        self._order: list[int] = []
        self.skipped: dict[Path, Skipped] = {}

    def make(self, number: int, name: str, sources: Sequence[Cut | DrawnKind]) -> Made | None:
        """One image of a class, or None when no place was found for any defect that was tried."""
        policy = policy_for(self._recipe, [name])
        for _ in range(TRIES):
            source = self._chosen(sources)
            background, image = self._next_good()
            allowed = self._region(image.shape[1], image.shape[0])
            found = self._with_defect(source, image, allowed, policy)
            if found is not None:
                return self._written(number, name, source, background, found)
        return None

    def _chosen(self, sources: Sequence[Cut | DrawnKind]) -> Cut | DrawnKind:
        """Any of them; of imagined ones, of which there are as many as you like, one in two."""
        imagined = [one for one in sources if isinstance(one, Cut) and one.network is not None]
        others = [one for one in sources if isinstance(one, DrawnKind) or one.network is None]
        if imagined and others:
            sources = imagined if self._rng.random() < 0.5 else others
        return sources[int(self._rng.integers(len(sources)))]

    def _with_defect(
        self, source: Cut | DrawnKind, image: Image, allowed: Mask | None, policy: ClassAugment
    ) -> Pasted | Drawn | None:
        if isinstance(source, Cut):
            return paste(source, image, allowed, policy, self._rng)
        return drawn_defect(source, image, allowed, self._rng)

    def _next_good(self) -> tuple[Sample, Image]:
        """Each good image once before any comes again; one that cannot be read is passed over.

        Raises ImageError when none can.
        """
        while True:
            if not self._order:
                self._order = self._rng.permutation(len(self._good)).tolist()
            sample = self._good[self._order.pop()]
            try:
                return sample, read_image(sample.image, bit_depth=self._recipe.image.bit_depth)
            except ImageError as error:
                self.skipped[sample.image] = Skipped(sample.image, error)
                if len(self.skipped) == len({good.image for good in self._good}):
                    raise

    def _written(
        self,
        number: int,
        name: str,
        source: Cut | DrawnKind,
        background: Sample,
        found: Pasted | Drawn,
    ) -> Made:
        stem = f"{PREFIX}{number:05}"
        files = {
            "image": (f"train/{name}/{stem}.png", png(found.image)),
            "mask": (f"ground_truth/{name}/{stem}_mask.png", png(_as_grey(found.mask))),
        }
        facts: dict[str, object] = {}
        for what, (path, content) in files.items():
            write_file(self._folder / path, content)
            facts |= {what: path, f"{what}_sha256": hashlib.sha256(content).hexdigest()}
        if isinstance(source, Cut):
            facts["origin"] = source.origin
            facts["defect"] = Origin(image=source.source, sha256=source.source_sha256)
            facts["network"] = None if source.network is None else source.network.sha256
        else:
            facts["origin"] = f"drawn {source.value}"
        if isinstance(found, Pasted):
            facts |= {"angle": round(found.turn.angle, 3), "is_mirrored": found.turn.is_mirrored}
            facts |= {"scale": round(found.scale, 4), "blend": found.blend}
        digest = content_hash(background.image)
        facts |= {"class": name, "box": found.box}
        facts["background"] = Origin(image=path_below(self._root, background.image), sha256=digest)
        return Made.model_validate(facts)


def _shown(sample: Sample) -> set[str]:
    if sample.is_good:
        return set()
    return {mark.class_name for mark in sample.marks} or {sample.label}


def _wanted(
    real: Mapping[str, int], drawn: Mapping[str, Sequence[DrawnKind]], share: float
) -> dict[str, int]:
    """Synthetic images of each class; one without a real image gets as many as the rarest."""
    least = min(real.values(), default=1)
    names = sorted({*real, *drawn})
    return {name: round(real.get(name, least) * share / (1 - share)) for name in names}


def _check(
    good: Sequence[Sample],
    real: Mapping[str, int],
    cuts: Sequence[Cut],
    drawn: Mapping[str, Sequence[DrawnKind]],
) -> None:
    if not good:
        raise DatasetError(
            Code.DATASET_NO_GOOD,
            "There are no good images to put defects on",
            expected="good images outside test/",
            got="none",
        )
    if not cuts and not drawn:
        raise DatasetError(
            Code.DATASET_NO_DEFECT,
            "There are no defects to make synthetic images of",
            expected="defects with a mask or marks, away from the border of their image",
            got=", ".join(f"{name} {count}" for name, count in real.items()) or "no defects",
            next="mark where the defects are, or have some drawn with --draw",
        )
    for name in {*real, *drawn}:
        if not is_folder_name(name):
            raise DatasetError(
                Code.DATASET_SYNTHETIC,
                "The name of a class cannot be that of a folder",
                expected="a name without / and the like, and not one for good parts",
                got=name,
                next="rename the class",
            )


def _as_grey(mask: Mask) -> Image:
    return mask.astype(np.uint8) * 255
