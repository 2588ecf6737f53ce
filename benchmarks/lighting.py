"""Real images under other light turned into the table of RESULTS.md about `[lighting]`.

A bundle is learnt from images as they are, with each option; then good and defective images are
given another light, strong, low or uneven, and judged by the bundle's own threshold (rows M14 and
M32 of the mission). Light is multiplied and what exceeds the scale is lost, as in a camera.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from datasets import DATA, REPOSITORY, bs_data, magnetic_tile_validation, named
from numpy.typing import NDArray
from results_file import Start, circumstances, table, write_section

from keenline.bundle import GRAPH
from keenline.data.dataset import Dataset
from keenline.data.reading import probe, read_image
from keenline.evaluation.metrics import auroc
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.framing import Framing
from keenline.inference.inspector import Inspector
from keenline.lighting_settings import LightingSettings
from keenline.models.lighting import lighting_for
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.types import Image, Sample

MOST = 40
"""Good images learnt, good ones judged and defective ones judged, of each set at most."""

KEPT = REPOSITORY / ".bench" / "lighting.jsonl"
VALIDATION = ("magnetic-tile validation", "bsdata validation")
TEST = ("magnetic-tile", "kolektorsdd", "cookie")
OPTIONS = {
    "none": LightingSettings(),
    "grayscale": LightingSettings(grayscale=True),
    "histogram": LightingSettings(equalise="histogram"),
    "local": LightingSettings(equalise="local"),
    "local, window 1/8": LightingSettings(equalise="local"),
    "local, window 1/16": LightingSettings(equalise="local"),
    "local, window 1/8, floor 4": LightingSettings(equalise="local", floor=4.0),
    "local, window 1/8, floor 16": LightingSettings(equalise="local", floor=16.0),
}
COSTED = ("none", "grayscale", "histogram", "local")
ROUNDS = 60
WINDOW = re.compile(r"window 1/(\d+)")
"""Of the shorter side of the first image."""

ABOUT = """\
Learnt from at most {most} good images as they are, then judged under another light: at most {most}
good and {most} defective images, every value multiplied and cut off at 255; uneven: from 0.7 on the
left to 1.3 on the right. Built-in backbone, every other default; {seeds}. In each cell: image
AUROC, and the shares of good images (false alarms) and of defective ones (recall) above the
bundle's own threshold. The defaults were chosen on the validation set."""


def _times(factor: float) -> Callable[[Image], Image]:
    return lambda image: _bytes(image * np.float32(factor))


def _uneven(image: Image) -> Image:
    return _bytes(image * np.linspace(0.7, 1.3, image.shape[1], dtype=np.float32)[:, None])


LIGHT: dict[str, Callable[[Image], Image]] = {
    "as it is": lambda image: image,
    "+20 %": _times(1.2),
    "+40 %": _times(1.4),
    "-20 %": _times(0.8),
    "-40 %": _times(0.6),
    "uneven": _uneven,
}

Numbers = dict[str, tuple[float, float, float]]
"""By light: AUROC, false alarms, recall."""


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    if not asked.resume:
        KEPT.unlink(missing_ok=True)
    found = {(run["set"], run["option"], run["seed"]): run["numbers"] for run in _kept()}
    for name in asked.sets:
        for option in asked.options:
            for seed in range(asked.seeds):
                if (name, option, seed) not in found:
                    found[name, option, seed] = numbers = _run(name, option, seed)
                    _keep({"set": name, "option": option, "seed": seed, "numbers": numbers})
                    print(name, option, seed, numbers, flush=True)
    rows = [
        [f"{name}, {option}", *(_cell(found, name, option, light) for light in LIGHT)]
        for name in (*VALIDATION, *TEST)
        for option in OPTIONS
        if any(key[:2] == (name, option) for key in found)
    ]
    seeds = "one seed" if asked.seeds == 1 else f"{asked.seeds} seeds, mean"
    about = ABOUT.format(most=MOST, seeds=seeds)
    header = ("set, option", *LIGHT)
    cost = _cost_table(_cost()) if asked.cost else []
    text = ["## Lighting normalisation", about, circumstances(start), table(header, rows), *cost]
    write_section("lighting", "\n\n".join(text))


def _run(name: str, option: str, seed: int) -> Numbers:
    dataset = _dataset(name, seed)
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        recipe = Recipe(lighting=_settings(option, dataset.samples[0]))
        trained = train(dataset, f"{folder}/part.keen", recipe=recipe, seed=seed)
        inspector = Inspector.open(trained.path)
    tested = [sample for sample in dataset.samples if sample.split == "test"]
    pictures = [(sample.is_good, read_image(sample.image)) for sample in tested]
    found: Numbers = {}
    for light, change in LIGHT.items():
        scores: dict[bool, list[float]] = {True: [], False: []}
        for is_good, picture in pictures:
            inspection = inspector.inspect(change(picture))
            if inspection.prediction is not None:
                scores[is_good].append(inspection.prediction.score)
        above = [float((np.array(scores[good]) > inspector.threshold).mean()) for good in scores]
        found[light] = (auroc(scores[True], scores[False]), above[0], above[1])
    return found


def _settings(option: str, sample: Sample) -> LightingSettings:
    said = WINDOW.search(option)
    if said is None:
        return OPTIONS[option]
    facts = probe(sample.image)
    window = round(min(facts.width, facts.height) / int(said[1]))
    return OPTIONS[option].model_copy(update={"window": window})


def _cost() -> dict[str, dict[str, float]]:
    """By engine and option: time of the graph with the stage, as a multiple of that without.

    One bundle's graph, each option before it, in turns in one process; medians.
    """
    dataset = _dataset(VALIDATION[1], 0)
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        bundle = train(dataset, f"{folder}/part.keen").bundle
    framing = Framing(bundle.manifest.framing)
    model = onnx.load_from_string(bundle.members[GRAPH])
    view = framing.frame(read_image(dataset.samples[0].image)).views
    ratios: dict[str, dict[str, float]] = {}
    for name in ENGINES:
        engines = {
            option: open_engine(
                lighting_for(OPTIONS[option], framing, None).before(model).SerializeToString(),
                name=name,
                precision=bundle.manifest.engine.precision,
                threads=1,
            )
            for option in COSTED
        }
        times: dict[str, list[float]] = {option: [] for option in engines}
        for _ in range(ROUNDS):
            for option, engine in engines.items():
                began = time.perf_counter()
                engine.run(view)
                times[option].append(time.perf_counter() - began)
        median = {option: statistics.median(found) for option, found in times.items()}
        ratios[name] = {option: found / median["none"] for option, found in median.items()}
    return ratios


def _cost_table(ratios: dict[str, dict[str, float]]) -> list[str]:
    rows = [
        [name, *(f"{found[option]:.2f}" for option in COSTED)] for name, found in ratios.items()
    ]
    about = f"""\
Time of one graph with the stage, as a multiple of the same graph without: bsdata at 384 px (square
of equal area), int8, one thread, {ROUNDS} images in turns, medians."""
    return [about, table(("engine", *COSTED), rows)]


def _dataset(name: str, seed: int) -> Dataset:
    """At most `MOST` of each kind, at random."""
    if name == VALIDATION[0]:
        root = DATA / "magnetic-tile"
        samples = magnetic_tile_validation(root, seed)
    elif name == VALIDATION[1]:
        root = DATA / "bsdata"
        samples = bs_data(root, seed)
    else:
        (real,) = named([name])
        root, samples = DATA / real.folder, list(real.dataset(seed).samples)
    kinds: dict[tuple[str, bool], list[Sample]] = {}
    for sample in samples:
        split = sample.split or "test"
        kinds.setdefault((split, sample.is_good), []).append(replace(sample, split=split))
    rng = np.random.default_rng(seed)
    chosen = [
        kind[place]
        for key, kind in sorted(kinds.items())
        if key != ("train", False)
        for place in sorted(rng.permutation(len(kind))[:MOST])
    ]
    return Dataset(root=root, samples=tuple(chosen), layout=name)


def _cell(found: dict[tuple[str, str, int], Numbers], name: str, option: str, light: str) -> str:
    runs = [numbers[light] for key, numbers in found.items() if key[:2] == (name, option)]
    first, alarms, recall = (statistics.mean(values) for values in zip(*runs, strict=True))
    return f"{first:.3f} {alarms:.2f} {recall:.2f}"


def _kept() -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in KEPT.read_text("utf-8").splitlines()]
        if KEPT.is_file()
        else []
    )


def _keep(run: dict[str, Any]) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def _bytes(values: NDArray[np.floating]) -> Image:
    levels: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[*VALIDATION, *TEST])
    parser.add_argument("--options", nargs="*", default=list(OPTIONS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cost", action="store_true", help="measure what the stage costs, too")
    parser.add_argument("--resume", action="store_true", help="keep what was run before")
    return parser.parse_args()


if __name__ == "__main__":
    main()
