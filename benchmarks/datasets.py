"""The real images in ../shared/data turned into datasets with a training and a test split.

Nothing of these images is part of this repository; where they are missing a program says so and
ends without an error. What defaults may be chosen on is in validation.py; of magnetic-tile that is
another half than the one tested here, and kolektorsdd and cookie are never part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keenline.data.dataset import Dataset, content_hash
from keenline.data.reading import probe, read_mask
from keenline.types import GOOD, Sample

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
DATA = SHARED / "data"
WEIGHTS = SHARED / "weights"

DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class RealSet:
    """One set of real images and how it is split."""

    name: str
    about: str
    read: Callable[[Path, int], list[Sample]]
    """(folder, seed) to samples whose `split` is `train` or `test`."""
    folder: str

    def dataset(self, seed: int) -> Dataset:
        """The split of this seed; good images of `train` are learnt, all of `test` is measured."""
        root = DATA / self.folder
        return Dataset(root=root, samples=tuple(self.read(root, seed)), layout=self.name)

    @property
    def is_here(self) -> bool:
        return (DATA / self.folder).is_dir()


def magnetic_tile(root: Path, seed: int) -> list[Sample]:
    """300 good images at random to learn from; 130 others and half the defects to test."""
    learnt = [sample for sample in magnetic_tile_validation(root, seed) if sample.split == "train"]
    tested, _ = _magnetic_good(root)
    return learnt + tested + _magnetic_defects(root, tested=True)


def magnetic_tile_validation(root: Path, seed: int) -> list[Sample]:
    """The same 300 to learn from; the 130 good and the half of the defects that are no test."""
    _, others = _magnetic_good(root)
    return _halves(others, 300, seed) + _magnetic_defects(root, tested=False)


def kolektor_by_part(root: Path, seed: int) -> list[Sample]:
    """The good images of 60 % of the parts to learn from; other parts' and all defects to test."""
    samples = kolektor(root)
    parts = sorted({sample.part for sample in samples})
    order = np.random.default_rng(seed).permutation(len(parts))
    learnt = {parts[i] for i in order[: round(0.6 * len(parts))]}
    return [
        replace(s, split="train" if s.is_good and s.part in learnt else "test") for s in samples
    ]


def kolektor_by_image(root: Path, seed: int) -> list[Sample]:
    """60 % of the good images at random to learn from, whichever part they show."""
    samples = kolektor(root)
    good = [sample for sample in samples if sample.is_good]
    rest = [replace(sample, split="test") for sample in samples if not sample.is_good]
    return _halves(good, round(0.6 * len(good)), seed) + rest


def cookie(root: Path, _seed: int) -> list[Sample]:
    """The publisher's split, so every seed has the same: 31 good images to learn from."""
    files, tests = root / "dataset-files", root / "test-images"
    samples = [
        Sample(path, GOOD, part=path.name, split="train")
        for path in _images(files / "training-images", "normal-*.jpg")
    ]
    for path in _images(files / "training-images", "anomaly-*.jpg"):
        samples.append(_defect(path, DEFECT, files / "mask-images" / f"{path.stem}.png"))
    for path in _images(tests, "test-*.jpg"):
        label = GOOD if "normal" in path.name else DEFECT
        samples.append(Sample(path, label, part=path.name, split="test"))
    return samples


def deep_pcb(root: Path, seed: int) -> list[Sample]:
    """60 templates at random to learn from; 40 templates and the 100 scans with defects to test."""
    good = [Sample(path, GOOD, part=path.name) for path in _images(root, "*_temp.jpg")]
    samples = _halves(good, 60, seed)
    return samples + [
        Sample(path, DEFECT, part=path.name, split="test") for path in _images(root, "*_test.jpg")
    ]


def bs_data(root: Path, seed: int) -> list[Sample]:
    """12 images without annotation to learn from; the other 8 and the 45 annotated to test."""
    good = [Sample(path, GOOD, part=path.name) for path in _images(root / "unannotated", "*.jpg")]
    marked = [path for path in _images(root, "*.jpg") if path.with_suffix(".json").is_file()]
    return _halves(good, 12, seed) + [
        Sample(path, "pitting", part=path.name, split="test") for path in marked
    ]


SETS = (
    RealSet(
        "magnetic-tile",
        "300 good tiles learnt, 130 good and 198 defective tested; every size differs. The other "
        "130 good and 194 defective tiles are validation images and not tested",
        magnetic_tile,
        "magnetic-tile",
    ),
    RealSet(
        "kolektorsdd",
        "commutators, tiny cracks; split by part, copies left out",
        kolektor_by_part,
        "kolektorsdd",
    ),
    RealSet(
        "kolektorsdd-images",
        "the same images, split by image: other views of a tested part may be learnt",
        kolektor_by_image,
        "kolektorsdd",
    ),
    RealSet("cookie", "31 good learnt, 14 good and 40 defective tested", cookie, "cookie"),
    RealSet(
        "deeppcb",
        "60 templates learnt; templates are drawn clean and scans are not, so a scan differs from "
        "a template by more than its defects. Pieces of the scans are validation images",
        deep_pcb,
        "deeppcb",
    ),
    RealSet(
        "bsdata",
        "a validation set: defaults were checked on these images, so this is no test. 12 learnt; "
        "good means only that nobody annotated it, and 8 good images say little",
        bs_data,
        "bsdata",
    ),
)


def named(names: Iterable[str]) -> list[RealSet]:
    """Sets by name, all when `names` is empty; SystemExit names what is not known."""
    wanted = list(names)
    unknown = set(wanted) - {one.name for one in SETS}
    if unknown:
        raise SystemExit(f"no such set: {', '.join(sorted(unknown))}")
    return [one for one in SETS if not wanted or one.name in wanted]


def _magnetic_good(root: Path) -> tuple[list[Sample], list[Sample]]:
    """130 to test, whatever the seed, and 430 to learn from and to validate with."""
    tested, others = _by_content(_images(root / "MT_Free" / "Imgs", "*.jpg"), 130)
    return (
        [Sample(path, GOOD, part=path.name, split="test") for path in tested],
        [Sample(path, GOOD, part=path.name) for path in others],
    )


def _magnetic_defects(root: Path, *, tested: bool) -> list[Sample]:
    """Half of each class."""
    samples = []
    for folder in sorted(root.glob("MT_*")):
        if folder.name != "MT_Free":
            label = folder.name.removeprefix("MT_").lower()
            paths = _images(folder / "Imgs", "*.jpg")
            halves = _by_content(paths, -(-len(paths) // 2))
            for path in halves[0] if tested else halves[1]:
                samples.append(_defect(path, label, path.with_suffix(".png")))
    return samples


def _by_content(paths: list[Path], number: int) -> tuple[list[Path], list[Path]]:
    """The `number` files whose content has the lowest sha256, and the others, both by name."""
    first = set(sorted(paths, key=content_hash)[:number])
    return [p for p in paths if p in first], [p for p in paths if p not in first]


def kolektor(root: Path) -> list[Sample]:
    """Every image once, good or with a crack; a part is the commutator, of several views."""
    samples, seen = [], set()
    for path in sorted(root.glob("kos*/Part*.jpg")):
        content = content_hash(path)
        if content in seen:
            continue  # kos26 is kos01, and kos21 holds one image twice
        seen.add(content)
        mask = path.with_name(f"{path.stem}_label.png")
        part = path.parent.name
        sample = _defect(path, "crack", mask)
        samples.append(replace(sample, part=part) if sample.mask else Sample(path, GOOD, part=part))
    return samples


def _defect(path: Path, label: str, mask: Path) -> Sample:
    facts = probe(path)
    marks = mask.is_file() and read_mask(mask, (facts.width, facts.height)).any()
    return Sample(path, label, mask if marks else None, part=path.name, split="test")


def _halves(good: Iterable[Sample], learnt: int, seed: int) -> list[Sample]:
    samples = list(good)
    chosen = set(np.random.default_rng(seed).permutation(len(samples))[:learnt].tolist())
    return [
        replace(sample, split="train" if place in chosen else "test")
        for place, sample in enumerate(samples)
    ]


def _images(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))
