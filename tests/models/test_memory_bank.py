"""The memory bank's graphs say what their definition says, and its members come from good parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.models.graphs import in_onnxruntime
from tests.small_parts import good_part, learning_set, tiny_backbone

from keenline.bundle import MEMORY, PATCHES
from keenline.inference.bank import EMBEDDING, INSIDE, distances, memory_from
from keenline.inference.enlarging import enlarge
from keenline.models.backbones import Backbone, open_backbone
from keenline.models.base import LearningSet, silent
from keenline.models.feature_graph import SCALES, embedding_graph, raw_features
from keenline.models.fed_scales import scaled_size
from keenline.models.learnt_bank import LearntBank, combined, scale_weights
from keenline.models.memory_bank import MemoryBank
from keenline.models.projection import StreamingPca
from keenline.training.quantize import quantise

GOOD = [good_part(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return open_backbone(tiny_backbone(tmp_path_factory.mktemp("backbone")))


def _learn(backbone: Backbone, good: LearningSet | None = None, **more: Any) -> LearntBank:
    detector = MemoryBank(backbone, **({"bank_size": 32} | more))
    return detector.learn(good or learning_set(GOOD), seed=0, progress=silent)


def _embeddings(learnt: LearntBank, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """What the deployed graph computes inside, (dimensions, height, width) a scale."""
    model = learnt.graph
    inside = type(model)()
    inside.CopyFrom(model)
    for number in range(len(SCALES)):
        value = inside.graph.output.add()
        value.name = INSIDE + EMBEDDING.format(number)
    found = in_onnxruntime(inside, {"image": image[None]})
    return [found[INSIDE + EMBEDDING.format(number)][0] for number in range(len(SCALES))]


# The graph


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_the_graph_computes_what_the_definition_says(backbone: Backbone, precision: Any) -> None:
    rounding = quantise if precision == "int8" else None
    learnt = _learn(backbone, precision=precision, quantise=rounding)
    memory = memory_from(learnt.members[MEMORY])
    image = good_part(77)
    maps = []
    for bank, grid in zip(memory.banks, _embeddings(learnt, image), strict=True):
        queries = np.ascontiguousarray(grid.reshape(len(grid), -1).T)
        maps.append(distances(bank, queries).reshape(grid.shape[1:]))
    expected = combined(maps, memory.weights)
    found = in_onnxruntime(learnt.graph, {"image": image[None]})["map"][0]
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3 * expected.max())


def test_projecting_level_by_level_is_projecting_side_by_side(backbone: Backbone) -> None:
    image = good_part(3)
    wide = in_onnxruntime(raw_features(backbone), {"image": image[None]})
    projections = []
    for number in range(len(SCALES)):
        grid = wide[EMBEDDING.format(number)][0]
        pca = StreamingPca(len(grid))
        pca.add(grid.reshape(len(grid), -1).T)
        projections.append(pca.projection(6))
    for size in (None, image.shape[:2]):
        graph = embedding_graph(backbone, projections, size)
        narrow = in_onnxruntime(graph, {"image": image[None]})
        for number, projection in enumerate(projections):
            grid = wide[EMBEDDING.format(number)][0]
            expected = projection(grid.reshape(len(grid), -1).T)
            found = narrow[EMBEDDING.format(number)][0].reshape(6, -1).T
            np.testing.assert_allclose(found, expected, rtol=1e-2, atol=2e-3)


@given(length=st.integers(16, 4000), multiple=st.sampled_from([8, 16, 32]))
def test_every_scale_has_sides_that_the_backbone_takes(length: int, multiple: int) -> None:
    for scale in SCALES:
        found = scaled_size(length, scale, multiple)
        assert found % multiple == 0
        assert found >= multiple
        assert abs(found - length * scale) <= max(multiple / 2 + 1e-6, multiple - length * scale)


@pytest.mark.parametrize("size", [(16, 16), (24, 64), (16, 200)])
def test_very_small_parts_can_be_learnt(backbone: Backbone, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(90, 130, (size[1], size[0], 3), np.uint8) for _ in range(3)]
    learnt = _learn(backbone, learning_set(parts))
    found = in_onnxruntime(learnt.graph, {"image": parts[0][None]})
    assert found["map"].shape == (1, size[1] // 4, size[0] // 4)


# The bank


def test_a_coarser_scale_has_fewer_members(backbone: Backbone) -> None:
    learnt = _learn(backbone, bank_size=120)
    banks = memory_from(learnt.members[MEMORY]).banks
    assert [len(bank.vectors) for bank in banks] == [round(120 * scale) for scale in SCALES]
    assert learnt.facts["members"] == [len(bank.vectors) for bank in banks]
    for bank in banks:
        assert bank.reach.min() >= 0
        assert set(bank.source) <= set(range(len(GOOD)))


def test_members_are_patches_of_the_parts_they_name(backbone: Backbone) -> None:
    learnt = _learn(backbone, brightness=0.0)
    bank = memory_from(learnt.members[MEMORY]).banks[0]
    for vector, source in zip(bank.vectors[:12], bank.source[:12], strict=True):
        grid = _embeddings(learnt, GOOD[source])[0]
        queries = grid.reshape(len(grid), -1).T
        assert np.linalg.norm(queries - vector, axis=1).min() < 0.02 * np.linalg.norm(vector) + 1e-2


def test_names_and_pictures_go_along(backbone: Backbone) -> None:
    names = [f"{seed}.png" for seed in range(len(GOOD))]
    members = _learn(backbone, learning_set(GOOD, names=names)).members
    assert set(members) == {MEMORY, PATCHES}
    assert memory_from(members[MEMORY]).names == tuple(names)


def test_brightness_makes_darker_and_brighter_parts_normal(backbone: Backbone) -> None:
    image = good_part(40)
    scores = []
    for brightness in (0.0, 0.2):
        learnt = _learn(backbone, brightness=brightness, bank_size=200)
        found = [
            float(in_onnxruntime(learnt.graph, {"image": each[None]})["score"][0])
            for each in (image, np.clip(image * 1.18, 0, 255).astype(np.uint8))
        ]
        scores.append(found[1] / found[0])
    assert scores[1] < scores[0]


def test_rotations_make_turned_parts_normal(backbone: Backbone) -> None:
    def striped(seed: int) -> np.ndarray:
        rows = 128 + 80 * np.sin(np.arange(64) * 0.8)
        noise = np.random.default_rng(seed).normal(0, 6, (64, 64))
        return np.repeat((rows[:, None] + noise)[..., None], 3, axis=2).clip(0, 255).astype("u1")

    turned = np.ascontiguousarray(np.rot90(striped(40)))
    ratios = []
    for rotations in ((), (90, 180, 270)):
        good = learning_set([striped(seed) for seed in range(6)])
        learnt = _learn(backbone, good, rotations=rotations, bank_size=400)
        score = in_onnxruntime(learnt.graph, {"image": turned[None]})["score"][0]
        ratios.append(float(score) / float(np.nanmax(learnt.leave_one_out())))
    assert ratios[0] > 2
    assert ratios[1] < 1.2, ratios


def test_a_turned_region_of_interest_turns_with_the_part(backbone: Backbone) -> None:
    # The lower half looks different and is not inspected: no member may come from there.
    parts = [good_part(seed, (64, 64)) for seed in range(4)]
    for part in parts:
        part[32:] = np.random.default_rng(1).integers(0, 256, (32, 64, 1), np.uint8)
    roi = np.zeros((64, 64), bool)
    roi[:24] = True
    learnt = _learn(
        backbone, learning_set(parts, roi=roi), rotations=(90, 180, 270), brightness=0.0
    )
    bank = memory_from(learnt.members[MEMORY]).banks[0]
    noise = _embeddings(learnt, parts[0])[0][:, 10:, :]
    assert distances(bank, np.ascontiguousarray(noise.reshape(len(noise), -1).T)).min() > 0


# Leaving one out


def test_of_very_many_parts_every_second_is_left_out(backbone: Backbone) -> None:
    parts = [good_part(seed, (32, 32)) for seed in range(130)]
    scores = _learn(backbone, learning_set(parts)).leave_one_out()
    assert scores.shape == (130,)
    assert np.isfinite(scores[::2]).all()
    assert np.isnan(scores[1::2]).all()


def test_a_part_is_not_held_to_its_own_members(backbone: Backbone) -> None:
    odd = good_part(50)
    odd[10:30, 20:60] = 230
    learnt = _learn(backbone, learning_set([*GOOD, odd]), bank_size=200)
    scores = learnt.leave_one_out()
    assert scores.argmax() == len(GOOD)
    assert scores[-1] > 1.3 * np.sort(scores)[-2]


def test_each_scale_varies_equally_once_weighted() -> None:
    rng = np.random.default_rng(0)
    maps = [
        [[rng.gamma(4, size, (6, 8)).astype(np.float32) for size in (10, 1, 0.1)]]
        for _ in range(400)
    ]
    weights = scale_weights(maps)
    spreads = [
        np.std([part[0][place].max() for part in maps]) * weight
        for place, weight in enumerate(weights)
    ]
    assert max(spreads) / min(spreads) < 1.5


def test_maps_of_nothing_have_weights() -> None:
    weights = scale_weights([[[np.zeros((2, 2), np.float32)] * 3]] * 3)
    assert np.isfinite(weights).all()


def test_scales_are_added_on_the_finest_grid() -> None:
    rng = np.random.default_rng(0)
    fine, coarse = rng.random((8, 6), np.float32), rng.random((4, 3), np.float32)
    found = combined([fine, coarse], [2.0, 3.0])
    np.testing.assert_allclose(found, 2 * fine + 3 * enlarge(coarse, (8, 6)), rtol=1e-5)


def test_the_embedding_of_one_level_is_found_by_its_name(tmp_path: Path) -> None:
    learnt = _learn(open_backbone(tiny_backbone(tmp_path, levels=1)))
    grids = _embeddings(learnt, GOOD[0])
    assert [len(grid) for grid in grids] == [8] * len(SCALES)
