"""The head in the graph says what its weights say, in both engines, and costs the rest nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import onnx
import pytest
from tests.models.graphs import ENGINES
from tests.small_parts import dented, good_part, learning_set, tiny_backbone

from keenline.inference.bank import EMBEDDING, INSIDE
from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, cells_counted, confidence
from keenline.inference.engines import open_engine
from keenline.models.backbones import open_backbone
from keenline.models.base import silent
from keenline.models.class_head import (
    CELLS,
    ClassHead,
    cells_graph,
    embeds,
    with_head,
    without_head,
)
from keenline.models.classical import Classical
from keenline.models.memory_bank import MemoryBank


@pytest.fixture(scope="module", params=[True, False], ids=["one size", "any size"])
def deployed(request, tmp_path_factory) -> onnx.ModelProto:
    backbone = open_backbone(tiny_backbone(tmp_path_factory.mktemp("backbone")))
    good = learning_set([good_part(seed) for seed in range(4)], fixed_size=request.param)
    return MemoryBank(backbone, bank_size=16).learn(good, seed=0, progress=silent).graph


def random_head(deployed: onnx.ModelProto, classes: int = 2, shift: float = 0.0) -> ClassHead:
    rng = np.random.default_rng(5)
    dimensions = run(cells_graph(deployed, None), good_part(9))[CELLS].shape[1]
    return ClassHead(
        tuple(f"class {number}" for number in range(classes)),
        rng.normal(0, 0.05, (8, dimensions)).astype(np.float32),
        rng.normal(0, 0.5, 8).astype(np.float32),
        rng.normal(0, 0.5, (1 + classes, 8)).astype(np.float32),
        rng.normal(0, 0.5, 1 + classes).astype(np.float32),
        np.full(classes, shift, np.float32),
        looks_around=True,
    )


def run(graph: onnx.ModelProto, image, engine: str = "openvino"):
    opened = open_engine(graph.SerializeToString(), name=engine, precision="f32")
    return opened.run(image[None])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_graph_says_what_the_weights_say(deployed, engine):
    head = random_head(deployed)
    image = dented(3)
    found = run(with_head(deployed, head, None), image, engine)
    cells = run(cells_graph(deployed, None), image, engine)[CELLS][0]
    expected = head.probabilities(cells.reshape(len(cells), -1).T).T
    np.testing.assert_allclose(found[CLASS_MAP][0].reshape(2, -1), expected, atol=1e-4)
    np.testing.assert_allclose(found[CLASS_SCORE][0], confidence(expected), atol=1e-4)


def test_a_shift_moves_every_confidence_alike(deployed):
    image = dented(3)
    plain = run(with_head(deployed, random_head(deployed), None), image)[CLASS_SCORE][0]
    moved = run(with_head(deployed, random_head(deployed, shift=2.0), None), image)[CLASS_SCORE][0]
    logits = [np.log(scores / (1 - scores)) for scores in (plain, moved)]
    np.testing.assert_allclose(logits[0] - logits[1], 2.0, atol=1e-3)


def test_anomaly_is_what_it_was(deployed):
    image = dented(3)
    plain, headed = (
        run(deployed, image),
        run(with_head(deployed, random_head(deployed), None), image),
    )
    np.testing.assert_array_equal(plain["map"], headed["map"])
    np.testing.assert_array_equal(plain["score"], headed["score"])


def test_a_head_can_be_taken_off_again(deployed):
    bare = without_head(with_head(deployed, random_head(deployed), None))
    assert [output.name for output in bare.graph.output] == ["map", "score"]
    assert len(bare.graph.node) == len(deployed.graph.node)
    assert without_head(bare) is bare
    again = with_head(bare, random_head(bare), None)
    assert CLASS_SCORE in run(again, good_part(1))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_mean_of_a_view_is_that_of_the_inspected_places(deployed, engine):
    shape = run(deployed, good_part(1))["map"].shape[1:]
    mask = np.zeros(shape, np.float32)
    mask[:, : shape[1] // 2] = 1
    everywhere = run(cells_graph(deployed, None), dented(3), engine)[CELLS][0]
    there = run(cells_graph(deployed, mask), dented(3), engine)[CELLS][0]
    local, around = np.split(there, 2)
    np.testing.assert_allclose(local, np.split(everywhere, 2)[0], atol=1e-5)
    np.testing.assert_allclose(around, around[:, :1, :1] * np.ones_like(around), atol=1e-6)
    # The coarse scales are averaged on their own grids, so only the finest is known exactly.
    finest = slice(0, fine_dimensions(deployed))
    expected = local[finest, :, : shape[1] // 2].mean(axis=(1, 2))
    np.testing.assert_allclose(around[finest, 0, 0], expected, atol=1e-4)
    all_of_it = np.split(everywhere, 2)[1][finest, 0, 0]
    np.testing.assert_allclose(all_of_it, local[finest].mean(axis=(1, 2)), atol=1e-4)
    assert np.abs(all_of_it - expected).max() > 1e-3


def fine_dimensions(deployed: onnx.ModelProto) -> int:
    """Dimensions of the finest scale: the first that `CELLS` joins."""
    named = f"{INSIDE}{EMBEDDING.format(0)}"
    model = onnx.ModelProto.FromString(deployed.SerializeToString())
    model.graph.output.append(onnx.helper.make_tensor_value_info(named, 1, None))
    return int(run(model, good_part(1), "onnxruntime")[named].shape[1])


def test_a_head_taught_on_places_alone_still_works(deployed):
    """Bundles of before have such heads."""
    head = random_head(deployed)
    half = head.hidden.shape[1] // 2
    alone = replace(head, hidden=head.hidden[:, :half], looks_around=False)
    zeros = replace(head, hidden=np.hstack([head.hidden[:, :half], 0 * head.hidden[:, half:]]))
    image = dented(3)
    found, same = (run(with_head(deployed, one, None), image) for one in (alone, zeros))
    np.testing.assert_allclose(found[CLASS_MAP], same[CLASS_MAP], atol=1e-6)
    stored = dict(np.load(io.BytesIO(alone.to_bytes())))
    del stored["looks_around"]
    out = io.BytesIO()
    np.savez(out, **stored)
    assert not ClassHead.from_bytes(out.getvalue()).looks_around


def test_what_is_not_inspected_shows_no_class(deployed):
    shape = run(deployed, good_part(1))["map"].shape[1:]
    mask = np.zeros(shape, np.float32)
    mask[:, : shape[1] // 2] = 1
    found = run(with_head(deployed, random_head(deployed), mask), dented(3))[CLASS_MAP][0]
    assert found[:, :, shape[1] // 2 :].max() < 1e-5
    assert found[:, :, : shape[1] // 2].max() > 1e-3


def test_its_file_brings_it_back(deployed):
    head = random_head(deployed, shift=0.25)
    back = ClassHead.from_bytes(head.to_bytes())
    assert back.classes == head.classes
    for name in ("hidden", "hidden_bias", "output", "output_bias", "shift", "looks_around"):
        np.testing.assert_array_equal(getattr(back, name), getattr(head, name))


def test_only_detectors_that_compare_embeddings_take_a_head(deployed):
    good = learning_set([good_part(seed) for seed in range(6)])
    classical = Classical().learn(good, seed=0, progress=silent)
    assert embeds(deployed)
    assert not embeds(classical.graph)


def test_at_least_one_cell_counts():
    assert cells_counted(10) == 1
    assert cells_counted(2304) == 5
    assert confidence(np.empty((2, 0), np.float32)).tolist() == [0, 0]
