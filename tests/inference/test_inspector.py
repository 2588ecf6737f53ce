"""An inspector judges every image, or says INVALID and why; it never raises and never guesses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from tests.inference.conftest import DETECTORS, Learn
from tests.manifests import manifest
from tests.small_parts import (
    SIZE,
    dented,
    fails_on_black,
    good_folder,
    good_part,
    recipe,
    save_backbone,
    save_image,
)

import keenline
from keenline.bundle import GRAPH, Bundle, FramingFacts, read_bundle
from keenline.errors import BundleError, Code, EngineError
from keenline.inference.engines import ENGINES
from keenline.inference.inspector import Inspector
from keenline.models.graph_writer import GraphWriter
from keenline.types import Image, Verdict


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("detector", DETECTORS)
def test_good_parts_pass_and_a_dent_is_sent_to_review_with_its_place(
    learn: Learn, detector: str, engine: str
) -> None:
    inspector = Inspector.open(learn(detector), engine=engine)
    assert inspector.engine_version.startswith(engine)
    for seed in range(8):
        inspection = inspector.inspect(good_part(seed))
        assert inspection.decision.verdict is Verdict.PASS
        assert inspection.prediction is not None
        assert inspection.prediction.regions == ()
    bad = inspector.inspect(dented(60, (70, 18), radius=9))
    assert bad.decision.verdict is Verdict.REVIEW
    assert bad.prediction is not None
    assert bad.prediction.score > inspector.threshold
    region = bad.prediction.regions[0]
    assert region.box.x - 8 <= 70 <= region.box.x + region.box.width + 8
    assert region.box.y - 8 <= 18 <= region.box.y + region.box.height + 8
    assert region.area_mm2 is None


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_engines_give_the_same_scores_and_verdicts(learn: Learn, detector: str) -> None:
    images = [good_part(seed) for seed in range(30, 40)] + [dented(seed) for seed in range(5)]
    found = []
    for engine in ENGINES:
        inspector = Inspector.open(learn(detector), engine=engine)
        found.append([inspector.inspect(image) for image in images])
    tolerance = 0.05 if "int8" in detector else 1e-3  # as calibration allows
    for one, other in zip(*found, strict=True):
        assert one.prediction is not None
        assert other.prediction is not None
        assert one.prediction.score == pytest.approx(other.prediction.score, rel=tolerance)
        if abs(one.prediction.score / one.threshold - 1) > tolerance:
            assert one.decision.verdict is other.decision.verdict


def test_int8_says_nearly_what_f32_says(learn: Learn) -> None:
    exact, rounded = (Inspector.open(learn(f"memory_bank, {p}")) for p in ("f32", "int8"))
    assert rounded.manifest.engine.precision == "int8"

    def relative(inspector: Inspector, image: Image) -> float:
        # Each has its own scale of scores and its own threshold; against those they agree.
        found = inspector.inspect(image).prediction
        assert found is not None
        return found.score / inspector.threshold

    for seed in range(20, 30):
        image = good_part(seed)
        assert relative(rounded, image) == pytest.approx(relative(exact, image), rel=0.05)
    # A gross defect leaves the range of int8; it may score less, never like a good part.
    for radius in (6, 8, 10, 14):
        image = dented(radius, radius=radius)
        assert relative(rounded, image) > 0.5 * relative(exact, image)
        verdicts = [each.inspect(image).decision.verdict for each in (exact, rounded)]
        assert verdicts == [Verdict.REVIEW, Verdict.REVIEW]


def test_a_file_and_its_array_are_judged_alike(inspector: Inspector, tmp_path: Path) -> None:
    image = dented(3)
    path = save_image(tmp_path / "größe 3.png", image)
    by_path, by_text, by_array = (inspector.inspect(each) for each in (path, str(path), image))
    assert by_path.image == by_text.image == path
    assert by_array.image is None
    assert by_path.prediction is not None
    assert by_array.prediction is not None
    assert by_path.prediction.score == by_array.prediction.score
    assert by_path.size == by_array.size == SIZE
    assert by_path.milliseconds > 0


def _truncated(folder: Path) -> Path:
    path = save_image(folder / "cut.png", good_part(0))
    path.write_bytes(path.read_bytes()[:600])
    return path


def _empty(folder: Path) -> Path:
    path = folder / "empty.png"
    path.write_bytes(b"")
    return path


def _text(folder: Path) -> Path:
    path = folder / "notes.png"
    path.write_text("not an image")
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: folder / "nowhere.png", Code.IMAGE_MISSING),
        (_empty, Code.IMAGE_EMPTY),
        (_truncated, Code.IMAGE_TRUNCATED),
        (_text, Code.IMAGE_UNREADABLE),
        (lambda folder: folder, Code.IMAGE_UNREADABLE),
    ],
)
def test_what_cannot_be_read_is_invalid(
    inspector: Inspector, tmp_path: Path, make: Callable[[Path], Path], code: Code
) -> None:
    inspection = inspector.inspect(make(tmp_path))
    assert inspection.decision.verdict is Verdict.INVALID
    assert f"KL{int(code)}" in inspection.decision.reasons[0]
    assert inspection.prediction is None
    assert inspection.size == (0, 0)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((64, 96), np.uint8),
        np.zeros((64, 96, 4), np.uint8),
        np.zeros((64, 96, 3), np.float32),
        np.zeros((0, 96, 3), np.uint8),
        np.zeros((1, 64, 96, 3), np.uint8),
    ],
)
def test_an_array_that_is_no_image_is_invalid(
    inspector: Inspector, array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    inspection = inspector.inspect(array)
    assert inspection.decision.verdict is Verdict.INVALID
    assert f"KL{int(Code.IMAGE_MODE)}" in inspection.decision.reasons[0]


@pytest.mark.parametrize("size", [(64, 96), (110, 64), (96, 58), (1, 1), (960, 640)])
def test_another_size_is_invalid(inspector: Inspector, size: tuple[int, int]) -> None:
    inspection = inspector.inspect(np.zeros((size[1], size[0], 3), np.uint8))
    assert inspection.decision.verdict is Verdict.INVALID
    assert f"KL{int(Code.IMAGE_SIZE)}" in inspection.decision.reasons[0]
    assert inspection.size == size


def test_a_few_pixels_more_or_less_are_judged(inspector: Inspector) -> None:
    for size in ((96, 64), (98, 62), (93, 66)):
        assert inspector.inspect(good_part(0, size)).decision.verdict is not Verdict.INVALID


# A graph that fails


def _bundle(graph: onnx.ModelProto) -> Bundle:
    framing = FramingFacts(width=96, height=64, fixed_size=True, scale=1.0, multiple=16)
    return Bundle(manifest(framing=framing), {GRAPH: graph.SerializeToString()})


def _answering(score: float, cell: float, *, by: str = "constant") -> onnx.ModelProto:
    """A graph that says the same of every image; `by` division it is NaN only when run."""
    writer = GraphWriter()
    grey = writer.op("Cast", "image", to=TensorProto.FLOAT)
    planes = writer.op("Transpose", grey, perm=[0, 3, 1, 2])
    cells = writer.op("AveragePool", planes, kernel_shape=[16, 16], strides=[16, 16])
    flat = writer.op("ReduceMean", cells, axes=[1], keepdims=0)
    nothing = writer.op("Mul", flat, writer.constant(0.0))
    if by == "division":
        nothing = writer.op("Div", nothing, nothing)
    writer.op("Add", nothing, writer.constant(cell), name="map")
    mean = writer.op("ReduceMean", nothing, axes=[1, 2], keepdims=0)
    writer.op("Add", mean, writer.constant(score), name="score")
    return writer.model(
        "answering",
        {"image": (TensorProto.UINT8, ("batch", 64, 96, 3))},
        {"map": ("batch", 4, 6), "score": ("batch",)},
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_answers_is_believed(engine: str) -> None:
    inspector = Inspector(_bundle(_answering(0.5, 0.5)), engine=engine)
    inspection = inspector.inspect(good_part(0))
    assert inspection.decision.verdict is Verdict.PASS
    assert inspection.prediction is not None
    assert inspection.prediction.score == pytest.approx(0.5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("score", "cell", "by"),
    [
        (float("nan"), 0.0, "constant"),
        (float("inf"), 0.0, "constant"),
        (float("-inf"), 0.0, "constant"),
        (0.0, float("nan"), "constant"),
        (0.0, float("inf"), "constant"),
        (0.0, 0.0, "division"),
    ],
)
def test_a_graph_that_answers_nonsense_never_passes_a_part(
    engine: str, score: float, cell: float, by: str
) -> None:
    inspector = Inspector(_bundle(_answering(score, cell, by=by)), engine=engine)
    inspection = inspector.inspect(good_part(0))
    assert inspection.decision.verdict is Verdict.INVALID
    assert f"KL{int(Code.ENGINE_NOT_FINITE)}" in inspection.decision.reasons[0]


@pytest.mark.parametrize("fixtured", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_nonsense_inside_the_graph_never_passes_a_part(
    tmp_path: Path, engine: str, fixtured: bool
) -> None:
    """Features that are NaN must not come out of the search as a distance of 0."""
    backbone = save_backbone(tmp_path, fails_on_black(), {"fine": (3, 8)}, offset=0.0)
    good_folder(tmp_path / "parts", 4)
    path = tmp_path / "part.keen"
    chosen = recipe(backbone=backbone, precision="f32")
    inspect = chosen.inspect.model_copy(update={"fixtured": fixtured})
    chosen = chosen.model_copy(update={"inspect": inspect})
    keenline.train(keenline.open_dataset(tmp_path / "parts"), path, recipe=chosen)
    inspector = Inspector.open(path, engine=engine)
    assert inspector.inspect(good_part(0)).decision.verdict is Verdict.PASS
    black = good_part(0)
    black[8:40, 8:48] = 0
    for image in (black, np.zeros_like(black)):
        assert inspector.inspect(image).decision.verdict is Verdict.INVALID


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_is_none_is_an_error_at_the_start(engine: str) -> None:
    broken = Bundle(manifest(), {GRAPH: b"not a graph"})
    with pytest.raises(EngineError) as caught:
        Inspector(broken, engine=engine)
    assert caught.value.code is Code.ENGINE_COMPILE


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_of_another_input_size_makes_every_image_invalid(engine: str) -> None:
    framing = FramingFacts(width=128, height=64, fixed_size=True, scale=1.0, multiple=16)
    graph = _answering(0.5, 0.5).SerializeToString()
    inspector = Inspector(Bundle(manifest(framing=framing), {GRAPH: graph}), engine=engine)
    inspection = inspector.inspect(good_part(0, (128, 64)))
    assert inspection.decision.verdict is Verdict.INVALID
    reason = inspection.decision.reasons[0]
    assert f"KL{int(Code.ENGINE_RUN)}" in reason or f"KL{int(Code.ENGINE_INPUT_SHAPE)}" in reason


def test_an_unknown_engine_is_named(learn: Learn) -> None:
    with pytest.raises(EngineError) as caught:
        Inspector.open(learn("classical"), engine="abacus")
    assert caught.value.code is Code.ENGINE_UNKNOWN


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Inspector.open(tmp_path / "none.keen")


def test_opening_by_text_and_moving_the_file_afterwards(learn: Learn, tmp_path: Path) -> None:
    path = Path(shutil.copy(learn("classical"), tmp_path / "copy.keen"))
    inspector = Inspector.open(str(path), threads=1)
    path.unlink()
    assert inspector.inspect(good_part(0)).decision.verdict is Verdict.PASS
    assert inspector.bundle.sha256 == read_bundle(learn("classical")).sha256
