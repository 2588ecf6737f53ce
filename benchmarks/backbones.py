"""Backbones turned into a table of what each costs: arithmetic, weights and time at 256 px."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import onnx
from datasets import WEIGHTS
from numpy.typing import NDArray
from onnx import numpy_helper
from results_file import Start, circumstances, table, write_section

from keenline.data.procedural import procedural_image
from keenline.inference.engine import Engine
from keenline.inference.engines import open_engine
from keenline.models.backbones import Backbone, Description, open_backbone
from keenline.training.quantize import quantise
from keenline.training.student import LEVELS, STRIDES, Shape
from keenline.training.teachers import from_pixels

SIDE = 256
WARM, TIMED = 3, 15
"""Calls in one turn before timing, and timed."""

PRECISIONS = ("f32", "bf16", "int8")
REFERENCES = ("mobilenet_v2", "resnet18", "efficientnetv2_b0")
CANDIDATES = {
    # What students of other shapes would cost; random weights, because time does not depend on
    # them. The first is the shape that was chosen.
    "16/64/96/192, pairs 0/1/2": Shape((16, 64, 96, 192), (0, 1, 2)),
    "24/48/96/192, pairs 0/1/2": Shape((24, 48, 96, 192), (0, 1, 2)),
    "32/64/96/192, pairs 0/1/2": Shape((32, 64, 96, 192), (0, 1, 2)),
    "16/64/64/192, pairs 0/2/2": Shape((16, 64, 64, 192), (0, 2, 2)),
    "24/48/96/192, pairs 0/1/3": Shape((24, 48, 96, 192), (0, 1, 3)),
    "16/64/128/256, pairs 0/1/2": Shape((16, 64, 128, 256), (0, 1, 2)),
    "32/64/128/256, pairs 0/1/2": Shape((32, 64, 128, 256), (0, 1, 2)),
}
CHANNELS = (80, 208)
"""Of the two outputs of a candidate: those of mobilenet_v2 and efficientnetv2_b0 together."""


@dataclass(slots=True)
class Measured:
    """One backbone."""

    name: str
    macs: float
    """Multiplications for one image."""
    weights: int
    engines: dict[str, Engine]
    times: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each call, by precision."""

    def milliseconds(self, precision: str) -> float:
        return 1000 * statistics.median(self.times[precision])

    @property
    def best(self) -> tuple[float, str]:
        """Milliseconds and precision of the fastest."""
        return min((self.milliseconds(precision), precision) for precision in self.times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--candidates", action="store_true", help="students of other shapes too")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    asked = parser.parse_args()
    start = Start.now()
    backbones = {name: open_backbone(name) for name in ("keenline", "filterbank")}
    for name in REFERENCES:
        if (WEIGHTS / name).is_dir():
            backbones[name] = open_backbone(f"onnx:{WEIGHTS / name / 'features.onnx'}")
    if asked.candidates:
        backbones |= candidates()
    rows = [prepared(name, backbone) for name, backbone in backbones.items()]
    image = np.stack([procedural_image(0, 0, side=SIDE)])
    for _ in range(asked.rounds):
        for row in rows:
            take_turn(row, image)
    text = "\n\n".join(["## Backbones", circumstances(start), as_table(rows), conclusion(rows)])
    print(text)
    if asked.write:
        write_section("backbones", text)


def candidates() -> dict[str, Backbone]:
    """Students with random weights; none where there is no torch to make them."""
    if find_spec("torch") is None:
        print("skipped: students of other shapes need the extra `train`", file=sys.stderr)
        return {}
    from keenline.training.student_export import MULTIPLE_OF, OFFSET, SCALE

    about = {
        "network": "candidate",
        "scale": [SCALE] * 3,
        "offset": [OFFSET] * 3,
        "multiple_of": MULTIPLE_OF,
        "levels": list(LEVELS),
        "licence": "Apache-2.0",
        "source": "random",
        "outputs": {
            level: {"channels": channels, "stride": STRIDES[level]}
            for level, channels in zip(LEVELS, CHANNELS, strict=True)
        },
    }
    description = Description.model_validate(about)
    return {
        name: Backbone(name, random_student(shape), description, "")
        for name, shape in CANDIDATES.items()
    }


def random_student(shape: Shape) -> onnx.ModelProto:
    """All of its numbers random; as a run begins, some are equal, and stored once."""
    import torch

    from keenline.models.half_weights import in_full
    from keenline.training.student import build_student
    from keenline.training.student_export import exported

    torch.manual_seed(0)
    student = build_student(shape, CHANNELS)
    for parameter in student.parameters():
        parameter.data.normal_(0, 0.05)
    return in_full(exported(student))


def prepared(name: str, backbone: Backbone) -> Measured:
    """Every precision compiled, for one thread."""
    exact = from_pixels(backbone, (1, SIDE, SIDE, 3))
    views = [procedural_image(1, number, side=SIDE)[None] for number in range(8)]
    graphs = {"f32": exact, "bf16": exact, "int8": quantise(exact, views)}
    engines = {
        precision: open_engine(
            graph.SerializeToString(), name="openvino", precision=precision, threads=1
        )
        for precision, graph in graphs.items()
    }
    stored = sum(numpy_helper.to_array(t).size for t in backbone.model.graph.initializer)
    return Measured(name, multiplications(exact), stored, engines, {p: [] for p in engines})


def take_turn(row: Measured, image: NDArray[np.uint8]) -> None:
    for precision, engine in row.engines.items():
        for call in range(WARM + TIMED):
            began = time.perf_counter()
            engine.run(image)
            if call >= WARM:
                row.times[precision].append(time.perf_counter() - began)


def multiplications(model: onnx.ModelProto) -> float:
    """Of all convolutions, for one image; the sizes are those that come out when it runs."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    convolutions = [node for node in watched.graph.node if node.op_type == "Conv"]
    known = {output.name for output in watched.graph.output}
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
        for node in convolutions
        if node.output[0] not in known
    )
    engine = open_engine(watched.SerializeToString(), name="onnxruntime", precision="f32")
    found = engine.run(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    kernels = {t.name: t.dims for t in watched.graph.initializer}
    return float(
        sum(
            np.prod(found[node.output[0]].shape[2:]) * np.prod(kernels[node.input[1]])
            for node in convolutions
        )
    )


def as_table(rows: list[Measured]) -> str:
    """One row a backbone: what its best precision costs is bold."""
    header = ["backbone", "GMAC", "million weights", *(f"{p}, ms" for p in PRECISIONS)]
    lines = []
    for row in rows:
        cells = [f"{row.milliseconds(precision):.2f}" for precision in PRECISIONS]
        best = PRECISIONS.index(row.best[1])
        cells[best] = f"**{cells[best]}**"
        lines.append([row.name, f"{row.macs / 1e9:.2f}", f"{row.weights / 1e6:.2f}", *cells])
    return table(header, lines)


def conclusion(rows: list[Measured]) -> str:
    """What was to be reached, and whether it was."""
    found = {row.name: row.best for row in rows}
    about = (
        f"From uint8 pixels to two levels of features, {SIDE} x {SIDE} px, one thread, OpenVINO; "
        "medians of calls in turns. Candidates have random weights."
    )
    if not {"mobilenet_v2", "resnet18"} <= set(found):
        return about
    ours, theirs, slower = (found[name] for name in ("keenline", "mobilenet_v2", "resnet18"))
    return (
        f"{about} In its best precision ({ours[1]}) the built-in backbone takes {ours[0]:.2f} ms: "
        f"{theirs[0] / ours[0]:.2f} times as fast as mobilenet_v2 ({theirs[1]}; goal 1) and "
        f"{slower[0] / ours[0]:.2f} times as fast as resnet18 ({slower[1]}; goal 2)."
    )


if __name__ == "__main__":
    sys.exit(main())
