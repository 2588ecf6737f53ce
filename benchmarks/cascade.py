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
from keenline.training.fit import suitable_framing
from keenline.training.supervised.judging import judge
from keenline.training.supervised.learn import Learnt
from keenline.training.supervised.settings import Settings
from keenline.types import Sample

SECTION = "cascade"
CURVE = "cascade, time"
LOWEST = float(np.finfo(np.float32).min)
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9)
CURVE_ABOUT = """\
How long a cascade takes by the share of patches that its gate keeps back, on {images} tiles of
magnetic-tile. It is not taught: its limit is moved until so many patches of all images are kept
back, and the time of a network is the same whatever it learnt. Each image in turns with each
graph, one thread, float32, medians of {rounds} rounds; ratios mean something on a busy machine,
milliseconds do not."""
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
    if asked.curve:
        text = _curve(start, asked)
        print(text)
        if asked.write:
            write_section(CURVE, text)
        return
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


def _curve(start: Start, asked: argparse.Namespace) -> str:
    """What each share of patches kept back saves, as a section of its own."""
    from keenline.training.cascade.graph import GATE, cascade_features
    from keenline.training.cascade.network import Cascade, cascade_head
    from keenline.training.supervised.encoder import open_encoder
    from keenline.training.supervised.graphs import deployed_graph

    samples = _tested(_magnetic_tile(asked.seed), asked.images // 2, asked.seed)
    encoder = open_encoder("keenline", weights=None, from_scratch=False, seed=0)
    _, framing, _ = suitable_framing(samples, Recipe(), encoder.about.multiple_of)
    views = [framing.frame(read_image(sample.image)).views for sample in samples]
    network = Cascade(encoder, 5)
    network.limit.fill_(0.0)
    features = cascade_features(network, encoder.about, None)
    head = cascade_head(network, tuple("abcde"))
    graph = deployed_graph(features, head, None).SerializeToString()
    answers = np.concatenate(_inside(graph, views, GATE))
    limits = [LOWEST, *(float(np.quantile(answers, share)) for share in SHARES[1:])]
    graphs = [*(_with_limit(graph, limit) for limit in limits), _whole(5)]
    rows = []
    for name in ENGINES:
        engines = [open_engine(each, name=name, precision="f32", threads=1) for each in graphs]
        *ms, whole = _in_turns(engines, views, asked.rounds)
        for share, limit, value in zip(SHARES, limits, ms, strict=True):
            kept_back = 1 - np.mean(np.concatenate(_inside(_with_limit(graph, limit), views, KEPT)))
            row = (name, f"{share:.0%}", f"{kept_back:.1%}", f"{value:.1f}")
            rows.append((*row, f"{ms[0] / value:.2f}", f"{whole / value:.2f}"))
    header = (
        "engine",
        "asked",
        "kept back",
        "ms",
        "times as fast as all patches",
        "as whole views",
    )
    about = CURVE_ABOUT.format(images=len(samples), rounds=asked.rounds)
    return "\n\n".join(
        ["## What patches kept back save", about, circumstances(start), table(header, rows)]
    )


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
    every = _with_limit(graph, LOWEST)
    whole = _whole(len(manifest.classes))
    views = [framing.frame(image).views for image in images]
    discarded = [~kept for kept in _inside(graph, views, KEPT)]
    rows = []
    said = []
    for engine in ENGINES:
        opened = [
            open_engine(each, name=engine, precision="f32", threads=1)
            for each in (graph, every, whole)
        ]
        ms = _in_turns(opened, views, rounds)
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


def _with_limit(graph: bytes, limit: float) -> bytes:
    """The same with another limit of its gate."""
    model = onnx.ModelProto.FromString(graph)
    compare = next(node for node in model.graph.node if node.op_type == "Greater")
    compare.input[1] = "other_limit"
    model.graph.initializer.append(
        helper.make_tensor("other_limit", TensorProto.FLOAT, [], [limit])
    )
    return model.SerializeToString()


def _inside(graph: bytes, views: Sequence[np.ndarray], wanted: str) -> list[np.ndarray]:
    """What a tensor of the graph that is no output holds, one array an image."""
    import onnxruntime

    model = onnx.ModelProto.FromString(graph)
    made = [output for node in model.graph.node for output in node.output]
    name = next(output for output in made if output.endswith(wanted))
    kind = TensorProto.BOOL if wanted == KEPT else TensorProto.FLOAT
    model.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return [
        np.concatenate([session.run([name], {"image": view[None]})[0].ravel() for view in each])
        for each in views
    ]


def _whole(number: int) -> bytes:
    """A U-Net of the same shape for so many classes, on whole views of any size, not taught."""
    from keenline.training.supervised.encoder import open_encoder
    from keenline.training.supervised.graphs import deployed_graph, feature_graph
    from keenline.training.supervised.network import UNet, head_of

    encoder = open_encoder("keenline", weights=None, from_scratch=False, seed=0)
    classes = [f"class {place}" for place in range(number)]
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
    parser.add_argument("--curve", action="store_true", help="time by share kept back, alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch while it learns")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
