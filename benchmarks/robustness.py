"""Test images under other light, blur and rotation turned into the robustness table of RESULTS.md.

A bundle is learnt from the images as they are, with every default. Then all test images, good and
defective, are disturbed in the same way, as they would be after a lamp has aged or a lens was
touched, and ranked again: what falls is what the features lose (row M32 of the mission).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable

import numpy as np
from accuracy import detector_with
from datasets import DATA, RealSet, named
from numpy.typing import NDArray
from PIL import Image as PillowImage
from results_file import Start, circumstances, table, write_section
from scipy import ndimage

from keenline.data.reading import read_image
from keenline.evaluation.metrics import auroc
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.types import Image

SETS = ("magnetic-tile", "kolektorsdd", "cookie")
FEATURES = ("keenline", "mobilenet_v2")
ABOUT = """\
Image AUROC of the undisturbed test images, and by how many points it changes when all of them are
disturbed; below it the share of good images above the bundle's own threshold, which a shift of the
scores moves even where the ranking stays. {seeds} seeds, mean."""


def _gamma(exponent: float) -> Callable[[Image], Image]:
    return lambda image: _bytes(255 * (image / 255.0) ** exponent)


def _brighter(factor: float) -> Callable[[Image], Image]:
    return lambda image: _bytes(image * factor)


def _blurred(image: Image) -> Image:
    return _bytes(ndimage.gaussian_filter(image.astype(np.float32), (1.0, 1.0, 0.0)))


def _turned(degrees: float) -> Callable[[Image], Image]:
    def turn(image: Image) -> Image:
        """Around the middle; what comes in from outside repeats the border, mirrored."""
        pad = max(image.shape[:2]) // 8
        wide = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
        turned = PillowImage.fromarray(wide).rotate(degrees, PillowImage.Resampling.BICUBIC)
        return np.ascontiguousarray(np.asarray(turned)[pad:-pad, pad:-pad])

    return turn


DISTURBANCES: dict[str, Callable[[Image], Image]] = {
    "as it is": lambda image: image,
    "20 % darker": _brighter(0.8),
    "20 % brighter": _brighter(1.2),
    "gamma 0.8": _gamma(0.8),
    "gamma 1.25": _gamma(1.25),
    "blur, 1 px": _blurred,
    "turned by 2 degrees": _turned(2),
    "turned by 5 degrees": _turned(5),
}


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    rows = []
    for real in named(asked.sets):
        for features in asked.features:
            runs = [_run(real, features, seed) for seed in range(asked.seeds)]
            rows += _rows(real.name, features, runs)
            print(*rows[-2], sep=" | ", flush=True)
    header = ("set, features", *DISTURBANCES)
    about = ABOUT.format(seeds=asked.seeds)
    text = ["## Robustness", about, circumstances(start), table(header, rows)]
    write_section("robustness", "\n\n".join(text))


Run = dict[str, tuple[float, float]]
"""AUROC and false-alarm rate by disturbance."""


def _run(real: RealSet, features: str, seed: int) -> Run:
    dataset = real.dataset(seed)
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        recipe = Recipe(detector=detector_with(features))
        trained = train(dataset, f"{folder}/part.keen", recipe=recipe, seed=seed)
        inspector = Inspector.open(trained.path)
    tested = [sample for sample in dataset.samples if sample.split == "test"]
    pictures = [(sample.is_good, read_image(sample.image)) for sample in tested]
    found: Run = {}
    for name, disturb in DISTURBANCES.items():
        scores: dict[bool, list[float]] = {True: [], False: []}
        for is_good, picture in pictures:
            inspection = inspector.inspect(disturb(picture))
            # An image of a size that was not learnt has no score, disturbed or not.
            if inspection.prediction is not None:
                scores[is_good].append(inspection.prediction.score)
        above = np.mean(np.array(scores[True]) > inspector.threshold)
        found[name] = auroc(scores[True], scores[False]), float(above)
    return found


def _rows(name: str, features: str, runs: list[Run]) -> list[list[str]]:
    mean = {key: statistics.mean(run[key][0] for run in runs) for key in DISTURBANCES}
    alarms = {key: statistics.mean(run[key][1] for run in runs) for key in DISTURBANCES}
    first, *others = DISTURBANCES
    changes = [f"{100 * (mean[key] - mean[first]):+.1f}" for key in others]
    return [
        [f"{name}, {features}", f"{mean[first]:.3f}", *changes],
        ["... false alarms", *(f"{alarms[key]:.2f}" for key in DISTURBANCES)],
    ]


def _bytes(values: NDArray[np.floating]) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--features", nargs="*", default=list(FEATURES))
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
