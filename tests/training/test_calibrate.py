"""A threshold on which both engines agree, with the claim that its parts carry and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto
from tests.small_parts import good_folder, recipe, save_image, tiny_backbone

import keenline
from keenline.bundle import Precision, read_bundle
from keenline.errors import Code, TrainingError
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.framing import framing_for
from keenline.inference.inspector import Inspector
from keenline.models.base import silent
from keenline.models.graph_writer import GraphWriter
from keenline.recipe import Recipe
from keenline.training.calibrate import LARGEST_DIFFERENCE, Calibration, agreeing, calibrate
from keenline.types import Sample


@dataclass(frozen=True)
class Stated:
    """A `Learnt` whose graph scores an image by its mean grey, and which states its own scores."""

    left_out: Sequence[float] = ()
    precision: Precision = "f32"
    facts: Mapping[str, object] = ()  # type: ignore[assignment]
    members: Mapping[str, bytes] = ()  # type: ignore[assignment]

    @property
    def graph(self) -> onnx.ModelProto:
        return grey_graph()

    def leave_one_out(self) -> NDArray[np.float64]:
        return np.array(self.left_out, float)


def grey_graph() -> onnx.ModelProto:
    """Score: mean grey of the image, 0..255."""
    writer = GraphWriter()
    grey = writer.op("Cast", "image", to=TensorProto.FLOAT)
    planes = writer.op("Transpose", grey, perm=[0, 3, 1, 2])
    cells = writer.op("AveragePool", planes, kernel_shape=[16, 16], strides=[16, 16])
    writer.op("ReduceMean", cells, axes=[1], keepdims=0, name="map")
    writer.op("ReduceMean", "map", axes=[1, 2], keepdims=0, name="score")
    return writer.model(
        "grey",
        {"image": (TensorProto.UINT8, ("batch", 32, 32, 3))},
        {"map": ("batch", 2, 2), "score": ("batch",)},
    )


def grey_samples(folder: Path, levels: Sequence[int]) -> list[Sample]:
    """Flat images, 32 x 32 px, each of another number."""
    return [
        Sample(save_image(folder / f"{place}.png", np.full((32, 32, 3), level, np.uint8)), "good")
        for place, level in enumerate(levels)
    ]


def calibrated(samples: list[Sample], learnt: Stated, **more: Any) -> Calibration:
    framing = framing_for(
        [(32, 32)], size=32, auto_side=32, multiple=16, tile=512, overlap=0, bit_depth=None
    )
    options = {
        "precision": "f32",
        "recipe": Recipe(),
        "parts": list(range(len(samples))),
        "held_out": False,
        "progress": silent,
    }
    return calibrate(learnt, framing=framing, samples=samples, **(options | more))


def test_with_enough_held_out_parts_the_claim_is_guaranteed(tmp_path: Path) -> None:
    levels = list(range(20, 79))
    found = calibrated(grey_samples(tmp_path, levels), Stated(), held_out=True)
    threshold = found.threshold
    assert threshold.kind == "guaranteed"
    assert threshold.held_out == 59
    assert threshold.above == 0
    assert threshold.value == pytest.approx(78, rel=1e-4)
    assert threshold.statement.startswith("59 held-out parts, none above")
    assert found.compared_images == 59
    assert found.largest_difference < 1e-3
    assert sorted(found.scores) == pytest.approx(levels, rel=1e-4)


def test_learning_parts_give_an_estimate_from_their_left_out_scores(tmp_path: Path) -> None:
    left_out = [float(n) for n in range(100, 140)]
    found = calibrated(grey_samples(tmp_path, [50] * 40), Stated(left_out))
    assert found.threshold.kind == "estimated"
    assert found.threshold.value == pytest.approx(139, rel=1e-3)
    assert "no guarantee" in found.threshold.statement
    assert sorted(found.scores) == pytest.approx(left_out, rel=1e-3)


def test_a_part_counts_once_with_its_highest_score(tmp_path: Path) -> None:
    samples = grey_samples(tmp_path, [10, 90, 20, 30, 40, 80])
    strict = Recipe.model_validate({"gates": {"false_alarm_rate": 0.5, "confidence": 0.5}})
    found = calibrated(samples, Stated(), held_out=True, parts=[0, 0, 1, 1, 2, 2], recipe=strict)
    assert sorted(found.scores) == pytest.approx([30, 80, 90], rel=1e-4)
    assert found.threshold.held_out == 3


def test_parts_that_were_not_scored_do_not_count(tmp_path: Path) -> None:
    left_out = [5.0, float("nan"), 7.0, float("nan"), float("nan"), 6.0]
    found = calibrated(grey_samples(tmp_path, [50] * 6), Stated(left_out), parts=[0, 0, 1, 2, 3, 3])
    assert sorted(found.scores) == pytest.approx([5, 6, 7], rel=1e-3)
    assert found.threshold.held_out == 3


def test_progress_is_told_for_each_engine(tmp_path: Path) -> None:
    steps: dict[str, tuple[int, int]] = {}

    def told(step: str, done: int, total: int) -> None:
        steps[step] = done, total

    samples = grey_samples(tmp_path, [50] * 4)
    calibrated(samples, Stated([50, 51, 52, 53]), progress=told)
    assert steps == {f"score good parts, {name}": (4, 4) for name in ENGINES}


def _odd_graph(drift: float) -> onnx.ModelProto:
    """A graph on which the engines differ: of NaN, one makes 0 in Relu, the other leaves NaN."""
    writer = GraphWriter()
    grey = writer.op("Cast", "image", to=TensorProto.FLOAT)
    planes = writer.op("Transpose", grey, perm=[0, 3, 1, 2])
    cells = writer.op("AveragePool", planes, kernel_shape=[16, 16], strides=[16, 16])
    found = writer.op("ReduceMean", cells, axes=[1], keepdims=0)
    zero = writer.op("Mul", found, writer.constant(0.0))
    nothing = writer.op("Relu", writer.op("Div", zero, zero))
    writer.op("Add", found, writer.op("Mul", nothing, writer.constant(drift)), name="map")
    writer.op("ReduceMean", "map", axes=[1, 2], keepdims=0, name="score")
    return writer.model(
        "odd",
        {"image": (TensorProto.UINT8, ("batch", 32, 32, 3))},
        {"map": ("batch", 2, 2), "score": ("batch",)},
    )


@given(
    value=st.floats(0, 100),
    pairs=st.lists(st.tuples(st.floats(0, 120), st.floats(0, 20)), min_size=1, max_size=30),
)
def test_the_threshold_is_raised_past_every_image_with_two_verdicts_and_no_farther(
    value: float, pairs: list[tuple[float, float]]
) -> None:
    lower = np.array([low for low, _ in pairs])
    higher = lower + np.array([gap for _, gap in pairs])

    def torn(threshold: float) -> bool:
        return bool(((higher > threshold) != (lower > threshold)).any())

    found = agreeing(value, higher, lower)
    assert found >= value
    assert not torn(found)
    # Nothing lower would do: the candidates are the value itself and the scores above it.
    for candidate in [value, *higher[(higher > value) & (higher < found)].tolist()]:
        assert candidate == found or torn(candidate)
    assert (higher > found).sum() <= (higher > value).sum()


def test_the_engines_give_one_verdict_on_every_part_that_was_compared(tmp_path: Path) -> None:
    levels = [40, 41, 43, 47, 53, 59, 61, 67]
    gates = Recipe.model_validate({"gates": {"false_alarm_rate": 0.5, "confidence": 0.9}})
    samples = grey_samples(tmp_path, levels)
    found = calibrated(samples, Stated(), held_out=True, recipe=gates)
    graph = grey_graph().SerializeToString()
    engines = [open_engine(graph, name=name, precision="f32") for name in ENGINES]
    for level in levels:
        image = np.full((1, 32, 32, 3), level, np.uint8)
        assert len({bool(e.run(image)["score"][0] > found.threshold.value) for e in engines}) == 1
    assert found.threshold.above == sum(s > found.threshold.value for s in found.scores)


def test_engines_that_do_not_agree_are_an_error(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Odd(Stated):
        @property
        def graph(self) -> onnx.ModelProto:
            return _odd_graph(1.0)

    # One engine makes the NaN a 0, the other is stopped by it: neither may become a bundle.
    with pytest.raises(keenline.KeenlineError) as caught:
        calibrated(grey_samples(tmp_path, [50] * 4), Odd([50, 51, 52, 53]))
    assert caught.value.code in (Code.VERDICT_PARITY, Code.ENGINE_NOT_FINITE)
    assert LARGEST_DIFFERENCE <= 0.1


# The whole of it


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_a_bundle_from_held_out_parts(tmp_path: Path, precision: str) -> None:
    """With a rate of 50 % at 90 %, four held-out parts are enough for a claim."""
    root = good_folder(tmp_path / "parts", 12)
    chosen = recipe(backbone=tiny_backbone(tmp_path), precision=precision).model_copy(
        update={
            "gates": Recipe.model_validate(
                {"gates": {"false_alarm_rate": 0.5, "confidence": 0.9}}
            ).gates
        }
    )
    path = tmp_path / "part.keen"
    keenline.train(keenline.open_dataset(root), path, recipe=chosen)
    manifest = read_bundle(path).manifest
    assert manifest.threshold.kind == "guaranteed"
    assert manifest.threshold.held_out == manifest.training.held_out_parts == 4
    assert manifest.engine.compared_images == 4
    assert len(manifest.held_out_scores) == 4
    inspectors = [Inspector.open(path, engine=engine) for engine in ENGINES]
    for image in root.rglob("*.png"):
        one, other = (inspector.inspect(image) for inspector in inspectors)
        assert one.prediction is not None
        # Those that were compared have one verdict; others may lie on the threshold itself.
        if abs(one.prediction.score / one.threshold - 1) > 0.02:
            assert one.decision.verdict is other.decision.verdict


def test_a_lot_never_straddles_learning_and_holding_out(tmp_path: Path) -> None:
    """Every image is there twice; a claim from six parts must not count twelve."""
    root = good_folder(tmp_path / "parts", 10)
    for path in sorted((root / "good").iterdir()):
        (root / "good" / f"copy-{path.name}").write_bytes(path.read_bytes())
    chosen = recipe(backbone=tiny_backbone(tmp_path), precision="f32").model_copy(
        update={
            "gates": Recipe.model_validate(
                {"gates": {"false_alarm_rate": 0.5, "confidence": 0.9}}
            ).gates
        }
    )
    path = tmp_path / "part.keen"
    trained = keenline.train(keenline.open_dataset(root), path, recipe=chosen)
    manifest = trained.bundle.manifest
    assert manifest.training.parts == 10
    assert manifest.training.held_out_parts == 4
    assert manifest.engine.compared_images == 8
    assert manifest.threshold.held_out == 4


def test_too_few_parts_for_a_claim_hold_out_none(tmp_path: Path) -> None:
    root = good_folder(tmp_path / "parts", 6)
    with pytest.raises(TrainingError):
        keenline.train(
            keenline.open_dataset(good_folder(tmp_path / "one", 1)),
            tmp_path / "one.keen",
            recipe=recipe(name="classical"),
        )
    trained = keenline.train(
        keenline.open_dataset(root), tmp_path / "part.keen", recipe=recipe(name="classical")
    )
    assert trained.bundle.manifest.training.held_out_parts == 0
    assert trained.bundle.manifest.threshold.kind == "estimated"
