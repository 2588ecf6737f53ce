"""Marked boxes and masks turned into how well a Mask R-CNN finds them, on images it never saw.

`neu-det-voc` has boxes and no good image, so no bundle can be made of it: the network is taught as
`keenline learn` teaches it, and its graph is measured. On magnetic-tile the whole command runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from datasets import DATA
from defect_measures import Pixels, certainty, told_apart
from labelled_sets import magnetic_tile_fifty
from numpy.typing import NDArray
from results_file import Start, circumstances, table, write_section

from keenline.data.class_masks import class_masks
from keenline.data.importers import read_folder
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.enlarging import enlarge
from keenline.inference.framing import framing_for
from keenline.inference.inspector import Inspector
from keenline.models.base import silent
from keenline.training.quantize import quantise
from keenline.training.supervised.encoder import open_encoder
from keenline.training.supervised.fitting import fit
from keenline.training.supervised.instances.anchors import anchors_for
from keenline.training.supervised.instances.byte_weights import in_bytes
from keenline.training.supervised.instances.examining import Precision, examined
from keenline.training.supervised.instances.finishing import TorchDetector
from keenline.training.supervised.instances.graphs import (
    answering_graph,
    deployed_graph,
    pyramid_graph,
)
from keenline.training.supervised.instances.learn import learn
from keenline.training.supervised.instances.lesson import InstanceLesson
from keenline.training.supervised.instances.lots import InstanceLots
from keenline.training.supervised.instances.marked import InstanceViews
from keenline.training.supervised.instances.network import MaskRCNN, levels_of
from keenline.training.supervised.settings import Settings

ABOUT = """\
Mask R-CNN on the built-in backbone, one seed, one core. neu-det-voc: a fifth of the images of each
class to test, an eighth of the others to say when learning ends; images at {side} px; {minutes:g}
minutes of learning ({processor} of processor time; {epochs} epochs of {crops} crops, the best
{best}). Published detectors, fully
trained on graphics processors, reach a mAP50 of .74 to .84. The built-in backbone was distilled on
images of this set too, without labels, the tested ones among them."""

CROPS, SIDE = 200, 192


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    found, names, said = _steel(asked.minutes, asked.seed)
    rows = [
        [name, f"{each.mean_half:.3f}", f"{each.strict:.3f}"]
        + [f"{each.half[number]:.3f}" for number in range(1, 1 + len(names))]
        for name, each in found.items()
    ]
    text = [
        "## Boxes and outlines",
        ABOUT.format(minutes=asked.minutes, side=SIDE, crops=CROPS, **said),
        circumstances(start),
        table(("neu-det-voc, 20 % tested", "mAP50", "mAP50-95", *names), rows),
    ]
    if asked.tile_minutes:
        text.append(_tiles(asked.tile_minutes, asked.seed))
    print("\n\n".join(text), flush=True)
    if asked.write:
        write_section("detector", "\n\n".join(text))


def _steel(minutes: float, seed: int) -> tuple[dict[str, Precision], list[str], dict[str, object]]:
    """By engine how well boxes are found; the classes; and how learning went."""
    dataset = read_folder(DATA / "neu-det-voc")
    names = sorted(dataset.classes)
    encoder = open_encoder("keenline", weights=None, from_scratch=False, seed=seed)
    about = encoder.about
    framing = framing_for(
        [(200, 200)],
        size=SIDE,
        auto_side=SIDE,
        multiple=about.multiple_of,
        tile=SIDE,
        overlap=0,
        bit_depth=None,
    )
    views = InstanceViews(dataset.samples, names, framing, silent)
    tested = _share([sample.label for sample in views.samples], 5, seed)
    known, unseen = views.only(~tested), views.only(tested)
    held = _share([sample.label for sample in known.samples], 8, seed + 1)
    learning, ending = known.only(~held), known.only(held)
    assert isinstance(learning, InstanceViews)
    assert isinstance(unseen, InstanceViews)
    boxes = np.array([instance.box for _, instance in learning.instances()], np.float32)
    anchors = anchors_for(boxes, levels_of(encoder))
    network = MaskRCNN(encoder, len(names), anchors, masks=False)
    settings = Settings(
        seconds=60 * minutes, epochs=100_000, patience=100_000, crop=SIDE, crops=CROPS, seed=seed
    )
    lots = InstanceLots(learning, seed=seed, crop=SIDE, crops=CROPS, brightness=0.2)
    before = time.process_time()
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        fitted = fit(
            InstanceLesson(network, settings, lots, (about.scale, about.offset)),
            ending,
            Path(folder) / "checkpoint",
            {},
            resume=False,
            progress=silent,
            told=lambda line: print(dict(line), flush=True),
            said=print,
        )
    taken = f"{(time.process_time() - before) / 60:.1f} minutes"
    size = (SIDE, SIDE)
    features, answering = pyramid_graph(network, about, size), answering_graph(network, size)
    shift = np.zeros(len(names), np.float32)
    some = [learning.view(each).pixels[None] for each in learning.known[::4]]
    graphs = {
        "f32": deployed_graph(features, answering, shift, None),
        "int8": deployed_graph(quantise(features, some), in_bytes(answering), shift, None),
    }
    found = {"torch": examined(TorchDetector(network, about, None), unseen)}
    for precision, graph in graphs.items():
        content = graph.SerializeToString()
        for name in ENGINES:
            engine = open_engine(content, name=name, precision=precision)
            title = f"{name}, {precision}, {len(content) / 1e6:.1f} MB"
            found[title] = examined(engine, unseen)
            print(title, found[title], flush=True)
    return (
        found,
        names,
        {
            "epochs": fitted.epochs,
            "best": fitted.best_epoch,
            "processor": taken,
        },
    )


def _tiles(minutes: float, seed: int) -> str:
    """One sentence on the outlines of magnetic-tile."""
    dataset = magnetic_tile_fifty(DATA / "magnetic-tile", seed)
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        settings = Settings(seconds=60 * minutes, epochs=100_000, patience=100_000, seed=seed)
        told = learn(
            dataset,
            f"{folder}/part.keen",
            settings=settings,
            told=lambda line: print(dict(line), flush=True),
        )
        inspector = Inspector.open(told.path)
    tested = [sample for sample in dataset.samples if sample.split == "test"]
    pixels, scores = Pixels(), []
    for sample in tested:
        inspection = inspector.inspect(sample.image)
        found = inspection.prediction
        assert found is not None, inspection.decision
        scores.append(certainty(found))
        size = inspection.size
        masks = class_masks(sample, size).values()
        true = np.logical_or.reduce([np.zeros(size[::-1], np.bool_), *masks])
        if sample.is_good or true.any():  # four masks of the set are empty
            highest = np.max(list(found.class_maps.values()), axis=0)
            pixels.add(enlarge(highest, true.shape) > 0.5, true)
    good = np.array([sample.is_good for sample in tested])
    return (
        f"magnetic-tile, 50 defects and 200 good tiles to learn from, {minutes:g} minutes: on "
        f"{len(tested)} other tiles pixel F1 {pixels.f1:.2f} at its own confidence of 0.5, "
        f"AUROC of defective against good tiles {told_apart(scores, good):.3f}; "
        f"{told.said['boxes']}; the bundle computes in {told.bundle.manifest.engine.precision}."
    )


def _share(labels: list[str], every: int, seed: int) -> NDArray[np.bool_]:
    """One of `every` of each label, drawn."""
    rng = np.random.default_rng(seed)
    of = np.array(labels)
    chosen = np.zeros(len(of), np.bool_)
    for label in sorted(set(labels)):
        mine = np.flatnonzero(of == label)
        chosen[rng.permutation(mine)[: len(mine) // every]] = True
    return chosen


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="of learning, neu-det-voc")
    parser.add_argument("--tile-minutes", type=float, default=0.0, help="magnetic-tile; 0: not")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
