"""Both engines run any graph the same way and answer a broken one with an EngineError."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.errors import Code, EngineError
from keenline.inference.engines import ENGINES, open_engine
from keenline.models.graph_writer import GraphWriter


def _graph(*, renamed: bool = False) -> onnx.ModelProto:
    """Mean grey of 8 x 8 cells, as `map`; and its maximum, as `score`."""
    writer = GraphWriter()
    grey = writer.op("Cast", "image", to=TensorProto.FLOAT)
    planes = writer.op("Transpose", grey, perm=[0, 3, 1, 2])
    cells = writer.op("AveragePool", planes, kernel_shape=[8, 8], strides=[8, 8])
    found = writer.op("ReduceMean", cells, axes=[1], keepdims=0)
    if renamed:
        found = writer.op("Identity", writer.op("Identity", found))
    writer.op("Identity", found, name="map")
    writer.op("ReduceMax", "map", axes=[1, 2], keepdims=0, name="score")
    return writer.model(
        "cells",
        {"image": (TensorProto.UINT8, ("batch", "height", "width", 3))},
        {"map": ("batch", "h", "w"), "score": ("batch",)},
    )


@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("name", ENGINES)
def test_it_runs_a_graph_and_says_what_it_is(name: str, threads: int) -> None:
    engine = open_engine(_graph().SerializeToString(), name=name, precision="f32", threads=threads)
    assert engine.name == name
    assert engine.precision == "f32"
    assert engine.version.startswith(f"{name} ")
    assert engine.version.split()[1][0].isdigit()
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), np.uint8)
    found = engine.run(images)
    expected = images.reshape(3, 2, 8, 3, 8, 3).mean(axis=(2, 4, 5))
    np.testing.assert_allclose(found["map"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["score"], expected.max(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("name", ENGINES)
def test_outputs_go_by_their_own_names_only(name: str, renamed: bool) -> None:
    graph = _graph(renamed=renamed).SerializeToString()
    engine = open_engine(graph, name=name, precision="f32")
    assert set(engine.run(np.zeros((1, 8, 8, 3), np.uint8))) == {"map", "score"}


@pytest.mark.parametrize("name", ENGINES)
def test_what_was_answered_is_not_changed_by_the_next_image(name: str) -> None:
    engine = open_engine(_graph().SerializeToString(), name=name, precision="f32")
    first = engine.run(np.full((1, 8, 8, 3), 10, np.uint8))["map"]
    engine.run(np.full((1, 8, 8, 3), 200, np.uint8))
    assert first[0, 0, 0] == 10


@pytest.mark.parametrize("name", ENGINES)
def test_images_may_be_read_only_or_lie_scattered(name: str) -> None:
    engine = open_engine(_graph().SerializeToString(), name=name, precision="f32")
    images = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), np.uint8)
    expected = engine.run(images[:, ::-1].copy())["map"]
    assert np.array_equal(engine.run(images[:, ::-1])["map"], expected)
    locked = images[:, ::-1].copy()
    locked.setflags(write=False)
    assert np.array_equal(engine.run(locked)["map"], expected)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("graph", [b"", b"nonsense", _graph().SerializeToString()[:200]])
def test_a_broken_graph(name: str, graph: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(graph, name=name, precision="f32")
    assert caught.value.code is Code.ENGINE_COMPILE


@pytest.mark.parametrize("name", ENGINES)
def test_an_image_that_the_graph_cannot_take(name: str) -> None:
    engine = open_engine(_graph().SerializeToString(), name=name, precision="f32")
    with pytest.raises(EngineError) as caught:
        engine.run(np.zeros((1, 8, 8, 5), np.uint8))
    assert caught.value.code in (Code.ENGINE_RUN, Code.ENGINE_INPUT_SHAPE)
    assert engine.run(np.zeros((1, 8, 8, 3), np.uint8))["score"] == 0


def test_bf16_is_refused_where_it_cannot_be() -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(_graph().SerializeToString(), name="onnxruntime", precision="bf16")
    assert caught.value.code is Code.ENGINE_COMPILE


@pytest.mark.parametrize("name", ENGINES)
def test_one_engine_is_loaded_without_the_other(name: str) -> None:
    (other,) = set(ENGINES) - {name}
    program = (
        "import sys; from keenline.inference.engines import open_engine\n"
        "from keenline.errors import EngineError\n"
        f"try: open_engine(b'', name='{name}', precision='f32')\n"
        "except EngineError: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert name in loaded
    assert other not in loaded
    assert "onnx" not in loaded


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("name", ENGINES)
def test_several_images_are_answered_in_their_order(name: str, side_by_side: bool) -> None:
    graph = _graph().SerializeToString()
    engine = open_engine(graph, name=name, precision="f32", threads=3, side_by_side=side_by_side)
    rng = np.random.default_rng(2)
    # Sizes differ, so that a slow one is followed by fast ones.
    images = [rng.integers(0, 256, (1, 8 * (1 + i % 7) ** 2, 64, 3), np.uint8) for i in range(40)]
    for image, found in zip(images, engine.run_each(images), strict=True):
        assert np.array_equal(found["map"], engine.run(image)["map"])


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("name", ENGINES)
def test_images_are_taken_only_as_they_are_needed(name: str, side_by_side: bool) -> None:
    graph = _graph().SerializeToString()
    engine = open_engine(graph, name=name, precision="f32", threads=2, side_by_side=side_by_side)
    taken = []

    def images() -> Iterator[NDArray[np.uint8]]:
        for number in range(50):
            taken.append(number)
            yield np.full((1, 8, 8, 3), number, np.uint8)

    answers = engine.run_each(images())
    for number in range(5):
        assert next(answers)["score"] == pytest.approx(number)
        assert len(taken) <= number + 4


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("name", ENGINES)
def test_one_image_that_cannot_be_run_among_several(name: str, side_by_side: bool) -> None:
    graph = _graph().SerializeToString()
    engine = open_engine(graph, name=name, precision="f32", threads=2, side_by_side=side_by_side)
    good, wrong = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 5), np.uint8)
    answers = engine.run_each([good, wrong, good])
    assert next(answers)["score"] == 0
    with pytest.raises(EngineError):
        next(answers)
    assert engine.run(good)["score"] == 0


_FIRST_IMAGES = """\
import sys
from pathlib import Path
import numpy as np
from keenline.inference.openvino import OpenVinoEngine

graph = Path(sys.argv[1]).read_bytes()
engine = OpenVinoEngine(graph, precision="f32", threads=2, side_by_side=True)
sys.setswitchinterval(1e-6)  # the threads take turns as often as they can
images = [np.zeros((1, 8, 8, 3), np.uint8) for _ in range(8)]
assert len(list(engine.run_each(images))) == 8
"""


@pytest.mark.slow
def test_the_first_images_of_a_process_may_come_side_by_side(tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(_graph().SerializeToString())
    command = [sys.executable, "-c", _FIRST_IMAGES, str(graph)]
    for _ in range(8):
        subprocess.run(command, check=True, timeout=20)
