"""A part in a fixture is compared place by place: definition, graph, and what that finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from tests.models.graphs import ENGINES, in_onnxruntime
from tests.small_parts import dented, good_folder, good_part, learning_set, tiny_backbone

from keenline.bundle import read_bundle
from keenline.data.importers import open_dataset
from keenline.errors import Code, TrainingError
from keenline.inference.bank import EMBEDDING
from keenline.inference.inspector import Inspector
from keenline.models.backbones import Backbone, open_backbone
from keenline.models.base import LearningSet, silent
from keenline.models.coreset import reach
from keenline.models.feature_graph import SCALES, embedding_graph, raw_features
from keenline.models.learnt_bank import combined
from keenline.models.memory_bank import MemoryBank
from keenline.models.positioned_bank import PositionedBank
from keenline.models.positioned_cells import CellBank, cell_distances, choose_cell_bank
from keenline.models.positioned_graph import positioned_graph
from keenline.models.projection import StreamingPca
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.training.quantize import quantise
from keenline.types import Image

GOOD = [good_part(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return open_backbone(tiny_backbone(tmp_path_factory.mktemp("backbone")))


# The bank of each cell


def _cells(
    number: int, pictures: int = 6, grid: tuple[int, int] = (4, 5)
) -> tuple[NDArray[np.float32], CellBank]:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(pictures, grid[0] * grid[1], 7)).astype(np.float32)
    source = np.arange(pictures) // 2
    groups = np.arange(pictures)
    return vectors, choose_cell_bank(vectors, grid, source, groups, number, rng)


def _around(cell: int, grid: tuple[int, int]) -> list[int]:
    row, column = divmod(cell, grid[1])
    rows = [min(max(row + step, 0), grid[0] - 1) for step in (-1, 0, 1)]
    columns = [min(max(column + step, 0), grid[1] - 1) for step in (-1, 0, 1)]
    return [y * grid[1] + x for y in rows for x in columns]


def test_members_come_from_the_cell_and_its_neighbours_and_name_their_part() -> None:
    vectors, bank = _cells(number=5)
    for cell in range(20):
        near = _around(cell, (4, 5))
        for member, source in zip(bank.vectors[cell], bank.source[cell], strict=True):
            pictures, places = np.nonzero((vectors[:, near] == member).all(axis=2))
            assert len(places)
            assert set(pictures // 2) == {source}


def test_the_reach_is_that_of_the_ordinary_bank_within_the_neighbourhood() -> None:
    vectors, bank = _cells(number=5)
    for cell in (0, 7, 19):
        pool = vectors[:, _around(cell, (4, 5))].reshape(-1, 7)
        expected = reach(
            bank.vectors[cell], bank.source[cell], pool, np.repeat(np.arange(6) // 2, 9)
        )
        np.testing.assert_allclose(bank.reach[cell], expected, rtol=1e-4)


def test_every_patch_is_covered_when_there_is_room_for_all() -> None:
    vectors, bank = _cells(number=54)
    for cell in (0, 12):
        for patch in vectors[:, _around(cell, (4, 5))].reshape(-1, 7):
            assert (bank.vectors[cell] == patch).all(axis=1).any()


def test_members_are_spread_out() -> None:
    # One cell, two clusters of 30 and one stranger: three members find all three.
    rng = np.random.default_rng(0)
    centres = np.repeat([[0, 0], [9, 0]], 30, axis=0)
    vectors = np.vstack([centres + rng.normal(0, 0.1, (60, 2)), [[0, 9]]]).astype(np.float32)
    numbers = np.arange(61)
    bank = choose_cell_bank(vectors[:, None], (1, 1), numbers, numbers, 3, rng)
    nearest = {int(np.abs(member - [[0, 0], [9, 0], [0, 9]]).sum(axis=1).argmin())
               for member in bank.vectors[0]}  # fmt: skip
    assert nearest == {0, 1, 2}


def test_passing_over_members_raises_the_distance_and_never_leaves_a_cell_without() -> None:
    vectors, bank = _cells(number=9)
    embedding = np.ascontiguousarray(vectors[1].T.reshape(7, 4, 5))
    none = np.zeros(bank.source.shape, bool)
    plain = cell_distances(bank, embedding, none)
    without = cell_distances(bank, embedding, bank.source == 0)
    assert (without >= plain).all()
    assert (without > plain).any()
    np.testing.assert_array_equal(cell_distances(bank, embedding, ~none), plain)


# The graph


@pytest.mark.parametrize("engine", ENGINES)
def test_the_graph_computes_what_the_definition_says(backbone: Backbone, engine: str) -> None:
    images = np.stack([good_part(70), dented(71), np.full_like(GOOD[0], 255)])
    projections = []
    for number in range(len(SCALES)):
        pca = StreamingPca(20)
        for part in GOOD:
            grid = in_onnxruntime(raw_features(backbone), {"image": part[None]})
            pca.add(grid[EMBEDDING.format(number)][0].reshape(20, -1).T)
        projections.append(pca.projection(6))
    embeddings = embedding_graph(backbone, projections, GOOD[0].shape[:2])
    looked = in_onnxruntime(embeddings, {"image": np.stack(GOOD)})
    found = in_onnxruntime(embeddings, {"image": images})
    banks, expected = [], []
    numbers = np.arange(len(GOOD))
    for number in range(len(SCALES)):
        name = EMBEDDING.format(number)
        shape = looked[name].shape
        vectors = np.ascontiguousarray(looked[name].reshape(shape[0], shape[1], -1).swapaxes(1, 2))
        rng = np.random.default_rng(number)
        bank = choose_cell_bank(vectors, shape[2:], numbers, numbers, 4, rng)
        banks.append(bank)
        keep = np.zeros(bank.source.shape, bool)
        expected.append([cell_distances(bank, each, keep) for each in found[name]])
    inside = np.ones(banks[0].grid, bool)
    inside[:3] = False
    weights = (0.6, 0.4)
    graph = positioned_graph(embeddings, banks, weights, inside)
    outputs = ENGINES[engine](graph, {"image": images})
    for place in range(len(images)):
        whole = combined([scale[place] for scale in expected], weights) * inside
        np.testing.assert_allclose(outputs["map"][place], whole, rtol=2e-3, atol=2e-3)
        number = int(np.ceil(0.01 * inside.sum()))
        top = np.sort(whole[inside])[-number:].mean()
        assert outputs["score"][place] == pytest.approx(top, rel=2e-3)


# What it finds

HOLES = ((44, 36), (140, 84), (44, 84))


def _drilled(seed: int, holes: tuple[tuple[int, int], ...] = HOLES) -> Image:
    """Brushed metal that fills the picture, with holes: nothing else says where one is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :192].astype(np.float32)
    dx, dy = rng.uniform(-1, 1, 2)
    grain = ndimage.gaussian_filter1d(rng.standard_normal(x.shape), 5, axis=1)
    grey = 140 + 14 * grain / grain.std()
    for left, top in holes:
        far = np.hypot(x - left - dx, y - top - dy)
        grey = np.where(far < 10, 40, np.where(far < 13, 205, grey))
    grey = ndimage.gaussian_filter(grey, 0.6) + rng.normal(0, 2, x.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _auroc(graph: Any, good: list[Image], bad: list[Image]) -> float:
    scores = in_onnxruntime(graph, {"image": np.stack(good + bad)})["score"]
    return float((scores[len(good) :, None] > scores[None, : len(good)]).mean())


@pytest.mark.slow
def test_a_right_feature_in_the_wrong_place_is_found_only_place_by_place() -> None:
    backbone = open_backbone("filterbank")
    learning = learning_set([_drilled(seed) for seed in range(16)])
    ordinary = MemoryBank(backbone, bank_size=1000).learn(learning, seed=0, progress=silent)
    placed = PositionedBank(backbone).learn(learning, seed=0, progress=silent)
    good = [_drilled(seed) for seed in range(100, 112)]
    elsewhere = [_drilled(seed, (*HOLES[:2], (92, 50))) for seed in range(200, 212)]
    missing = [_drilled(seed, HOLES[:2]) for seed in range(300, 312)]
    for bad in (elsewhere, missing):
        assert _auroc(placed.graph, good, bad) == 1.0
        assert _auroc(ordinary.graph, good, bad) < 0.85


def test_leaving_out_estimates_what_a_new_good_part_scores(backbone: Backbone) -> None:
    learnt = PositionedBank(backbone).learn(
        learning_set([good_part(seed) for seed in range(20)]), seed=0, progress=silent
    )
    new = np.stack([good_part(seed) for seed in range(200, 230)])
    fresh = in_onnxruntime(learnt.graph, {"image": new})["score"]
    assert 0.95 < learnt.leave_one_out().mean() / fresh.mean() < 1.25


def test_int8_embeddings_score_as_float_ones_do(backbone: Backbone) -> None:
    # Each bank scales its scores by the spread of its own parts; a few would leave that to chance.
    learning = learning_set([good_part(seed) for seed in range(24)])
    exact = PositionedBank(backbone).learn(learning, seed=0, progress=silent)
    rough = PositionedBank(backbone, precision="int8", quantise=quantise, fall_back=True).learn(
        learning, seed=0, progress=silent
    )
    assert rough.precision == "int8"
    images = {"image": np.stack([good_part(seed) for seed in range(60, 75)] + [dented(62)])}
    one, other = (in_onnxruntime(each.graph, images)["score"] for each in (exact, rough))
    np.testing.assert_allclose(one, other, rtol=0.1)
    assert other[-1] > other[:-1].max()


# What it refuses


@pytest.mark.parametrize(
    ("more", "learning", "words"),
    [
        ({"rotations": (90,)}, learning_set(GOOD), "rotations"),
        ({}, learning_set([good_part(0), good_part(1, (128, 64))], fixed_size=False), "sizes"),
        ({}, LearningSet([np.stack([part, part]) for part in GOOD]), "2 tiles"),
        ({"most_bytes": 40_000}, learning_set(GOOD), "MB"),
    ],
    ids=["rotations", "sizes", "tiles", "too large"],
)
def test_what_is_not_fixtured_is_refused(
    backbone: Backbone, more: dict[str, Any], learning: LearningSet, words: str
) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        PositionedBank(backbone, **more).learn(learning, seed=0, progress=silent)
    assert caught.value.code is Code.OPTION_CONFLICT
    assert "fixtured = false" in str(caught.value)


def test_a_cell_gets_fewer_members_where_memory_is_short(backbone: Backbone) -> None:
    plenty = PositionedBank(backbone).learn(learning_set(GOOD), seed=0, progress=silent)
    one = sum(plenty.facts["cells"]) * plenty.facts["dimensions"] * 4  # type: ignore[call-overload, operator]
    short = PositionedBank(backbone, most_bytes=6 * one).learn(
        learning_set(GOOD), seed=0, progress=silent
    )
    assert plenty.facts["members_a_cell"] == 16
    assert short.facts["members_a_cell"] == 6


# With a recipe


def _fixtured(backbone: str, detector: str = "memory_bank") -> Recipe:
    return Recipe.model_validate(
        {"inspect": {"fixtured": True}, "detector": {"name": detector, "backbone": backbone}}
    )


def test_a_finding_is_shown_with_the_same_place_of_a_good_part(tmp_path: Path) -> None:
    data = open_dataset(good_folder(tmp_path / "data"))
    path = tmp_path / "part.keen"
    train(data, path, recipe=_fixtured(tiny_backbone(tmp_path)))
    assert "memory.npz" not in read_bundle(path).members
    inspector = Inspector.open(path)
    image = dented(40, (70, 16))
    found = inspector.inspect(image)
    assert found.prediction is not None
    first = inspector.explain(image, found.prediction.regions)[0]
    assert first.source in {f"{seed:03}.png" for seed in range(6)}
    assert first.normal is not None
    assert first.normal.shape == first.crop.shape
    assert (first.crop < 30).sum() > 200
    assert (first.normal < 30).sum() < 20


def test_the_classical_detector_does_not_tell_places_apart(tmp_path: Path) -> None:
    data = open_dataset(good_folder(tmp_path / "data"))
    with pytest.raises(TrainingError, match="places") as caught:
        train(data, tmp_path / "part.keen", recipe=_fixtured("filterbank", "classical"))
    assert caught.value.code is Code.OPTION_CONFLICT
    assert not (tmp_path / "part.keen").exists()
