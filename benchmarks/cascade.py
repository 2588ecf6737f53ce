"""What a gate saves: a cascade beside the same U-Net on every patch, and on whole views.

Each cascade is learnt from few labelled defects in a given time. Then the finished graph and the
same graph with a gate that lets everything pass score the same images in turns, in one process;
the U-Net on whole views is one of the same shape, whose time is the same whatever it learnt.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from datasets import DATA
from labelled_sets import kolektor_all, magnetic_tile_fifty, untouched
from onnx import TensorProto, helper
from results_file import Start, circumstances, table, write_section

from keenline.data.dataset import Dataset
from keenline.data.reading import read_image
from keenline.evaluation.metrics import auroc
from keenline.inference.engine import Engine
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.framing import Framing
from keenline.models.base import silent
from keenline.recipe import Recipe
from keenline.training.cascade.graph import KEPT
from keenline.training.cascade.learn import learn
from keenline.training.supervised.judging import judge
from keenline.training.supervised.learn import Learnt
from keenline.training.supervised.settings import Settings
from keenline.types import Image, Sample

SECTION = "cascade"
ABOUT = """\
A gate of {gate} weights looks at each patch of 64 x 64 px with 8 px around it; a U-Net with
attention ({weights} weights) at those that it lets pass. "All patches": the same graph with a gate
that lets everything pass. "Whole views": a U-Net of the same shape without patches, whose time is
the same whatever it learnt; patches overlap by their surroundings, so all patches cost more than
the whole. The gate's limit was found on parts left out of learning, {asked:.0%} of whose defective
patches were to pass. Each image in turns with each graph, one thread, float32; medians of
{rounds} rounds. Learnt in {minutes:g} minutes of a busy machine."""


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    import torch

    torch.set_num_threads(asked.threads)
    start = Start.now()
    ways: dict[str, Callable[[], Dataset]] = {
        "magnetic-tile": lambda: _magnetic_tile(asked.seed),
        "kolektorsdd": lambda: _kolektor(asked.seed),
    }
    rows, statements, about = [], [], ""
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        for name in asked.sets or ways:
            dataset = ways[name]()
            learnt = _learnt(dataset, Path(folder) / f"{name}.keen", asked)
            tested = _tested(dataset, asked.images, asked.seed)
            rows += _rows(name, learnt, tested, asked.rounds)
            statements.append(f"{name}: the gate {learnt.said['gate']}.")
            facts = learnt.bundle.manifest.facts
            about = ABOUT.format(
                gate=facts["gate_weights"],
                weights=int(str(facts["weights"])) - int(str(facts["gate_weights"])),
                asked=Settings().patch_recall,
                rounds=asked.rounds,
                minutes=asked.minutes,
            )
    header = (
        "set, images",
        "engine",
        "patches discarded",
        "of good images",
        "cascade ms",
        "all patches ms",
        "whole views ms",
        "times as fast as all patches",
        "as whole views",
        "AUROC",
        "all patches",
        "pixel F1",
        "all patches",
        "verdicts alike",
    )
    text = "\n\n".join(
        ["## A gate before a U-Net", about, circumstances(start), table(header, rows), *statements]
    )
    print(text)
    if asked.write:
        write_section(SECTION, text)


def _learnt(dataset: Dataset, path: Path, asked: argparse.Namespace) -> Learnt:
    settings = Settings(epochs=1000, seconds=60 * asked.minutes, seed=asked.seed)
    return learn(
        dataset, path, recipe=Recipe(), settings=settings, told=lambda line: print(dict(line))
    )


def _rows(
    name: str, learnt: Learnt, samples: Sequence[Sample], rounds: int
) -> list[tuple[object, ...]]:
    manifest = learnt.bundle.manifest
    framing = Framing(manifest.framing)
    images = [read_image(s.image, bit_depth=manifest.framing.bit_depth) for s in samples]
    good = np.array([sample.is_good for sample in samples])
    graph = learnt.bundle.graph
    every = _letting_all_pass(graph)
    whole = _whole(learnt)
    discarded = _discarded(graph, images, framing)
    rows = []
    said = []
    for engine in ENGINES:
        opened = [
            open_engine(each, name=engine, precision="f32", threads=1)
            for each in (graph, every, whole)
        ]
        ms = _in_turns(opened, [framing.frame(image).views for image in images], rounds)
        found = [
            judge(each, samples, framing, manifest.recipe.inspect, silent) for each in opened[:2]
        ]
        said.append(
            np.column_stack([found[0].scores > manifest.threshold.value, found[0].classes > 0.5])
        )
        alike = (said[0] == said[-1]).all(axis=1)
        rows.append(
            (
                f"{name}, {int(good.sum())} good and {int((~good).sum())} defective",
                engine,
                f"{np.concatenate(discarded).mean():.1%}",
                f"{np.concatenate([discarded[at] for at in np.flatnonzero(good)]).mean():.1%}",
                *(f"{value:.1f}" for value in ms),
                f"{ms[1] / ms[0]:.2f}",
                f"{ms[2] / ms[0]:.2f}",
                *(f"{auroc(each.scores[good], each.scores[~good]):.3f}" for each in found),
                *(f"{each.pixel_f1:.3f}" for each in found),
                f"{int(alike.sum())} of {len(alike)}",
            )
        )
    return rows


def _in_turns(engines: Sequence[Engine], views: Sequence[np.ndarray], rounds: int) -> list[float]:
    """Milliseconds an image, the median of the rounds' means, for each engine."""
    for engine in engines:
        for each in views[:5]:
            engine.run(each)
    taken: list[list[float]] = [[] for _ in engines]
    for _ in range(rounds):
        sums = [0.0 for _ in engines]
        for each in views:
            for place, engine in enumerate(engines):
                began = time.perf_counter()
                for view in each:
                    engine.run(view[None])
                sums[place] += time.perf_counter() - began
        for place, total in enumerate(sums):
            taken[place].append(1e3 * total / len(views))
    return [statistics.median(each) for each in taken]


def _letting_all_pass(graph: bytes) -> bytes:
    """The same with a limit below any answer."""
    model = onnx.ModelProto.FromString(graph)
    compare = next(node for node in model.graph.node if node.op_type == "Greater")
    compare.input[1] = "no_limit"
    model.graph.initializer.append(
        helper.make_tensor("no_limit", TensorProto.FLOAT, [], [float(np.finfo(np.float32).min)])
    )
    return model.SerializeToString()


def _discarded(graph: bytes, images: Sequence[Image], framing: Framing) -> list[np.ndarray]:
    """Of each image which patches are not looked at, (patches,)."""
    import onnxruntime

    model = onnx.ModelProto.FromString(graph)
    name = next(
        output for node in model.graph.node for output in node.output if output.endswith(KEPT)
    )
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.BOOL, None))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return [
        np.concatenate(
            [
                ~session.run([name], {"image": view[None]})[0].ravel()
                for view in framing.frame(image).views
            ]
        )
        for image in images
    ]


def _whole(learnt: Learnt) -> bytes:
    """A U-Net of the same shape on whole views of any size, not taught."""
    from keenline.training.supervised.encoder import open_encoder
    from keenline.training.supervised.graphs import deployed_graph, feature_graph
    from keenline.training.supervised.network import UNet, head_of

    encoder = open_encoder("keenline", weights=None, from_scratch=False, seed=0)
    classes = [known.name for known in learnt.bundle.manifest.classes]
    network = UNet(encoder, len(classes), attention=True)
    features = feature_graph(network, encoder.about, None)
    return deployed_graph(features, head_of(network, classes), None).SerializeToString()


def _magnetic_tile(seed: int) -> Dataset:
    """50 defects and 200 good of the half that is never tested; the other half to test."""
    root = DATA / "magnetic-tile"
    tested = untouched(root)
    learnt = magnetic_tile_fifty(root, seed, among=lambda path: path not in tested)
    parts = {sample.part for sample in learnt.samples if sample.split == "train"}
    rest = [
        sample
        for sample in magnetic_tile_fifty(root, seed).samples
        if sample.image in tested and sample.part not in parts
    ]
    train = [sample for sample in learnt.samples if sample.split == "train"]
    samples = (*train, *(replace(sample, split="test") for sample in rest))
    return Dataset(root=root, samples=samples, layout="magnetic-tile")


def _kolektor(seed: int) -> Dataset:
    """Every other part that shows a crack, and half of the others, to learn from."""
    whole = kolektor_all(DATA / "kolektorsdd")
    cracked = sorted({sample.part for sample in whole.samples if not sample.is_good})
    others = sorted({sample.part for sample in whole.samples} - set(cracked))
    rng = np.random.default_rng(seed)
    learnt = set(rng.permutation(cracked)[::2]) | set(rng.permutation(others)[::2])
    samples = tuple(
        replace(sample, split="train" if sample.part in learnt else "test")
        for sample in whole.samples
    )
    return Dataset(root=whole.root, samples=samples, layout=whole.layout)


def _tested(dataset: Dataset, number: int, seed: int) -> list[Sample]:
    """At most `number` good and as many defective images of the test split, drawn at random."""
    rng = np.random.default_rng(seed)
    chosen: list[Sample] = []
    for wanted in (True, False):
        mine = [s for s in dataset.samples if s.split == "test" and s.is_good is wanted]
        chosen += [mine[place] for place in sorted(rng.permutation(len(mine))[:number])]
    return chosen


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[], choices=["magnetic-tile", "kolektorsdd"])
    parser.add_argument("--minutes", type=float, default=8.0, help="of learning, each set")
    parser.add_argument("--images", type=int, default=100, help="good and defective ones to test")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch while it learns")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
