"""The ablation computes what a bundle computes, changes one choice at a time and tests nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from ablation import FACTORS, TOGETHER, rows
from ablation_bank import Choices, Study
from ablation_features import BRIGHTNESS, features, keep_features
from datasets import SETS
from tests.models.graphs import in_onnxruntime
from tests.small_parts import dented, good_part, learning_set, save_image, tiny_backbone
from validation import VALIDATION, Picture, Split, ValidationSet, halves, pieces

from keenline.evaluation.metrics import auroc
from keenline.models.backbones import open_backbone
from keenline.models.base import silent
from keenline.models.memory_bank import MemoryBank
from keenline.recipe import Recipe
from keenline.types import GOOD

ROWS = rows(tuple(FACTORS))
GOOD_PARTS = [good_part(seed) for seed in range(8)]
DENTED = [dented(20), dented(21, (20, 40))]
EVERYTHING = 100_000
"""More members than there are patches: then no random choice is left."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("ablation")
    pictures = [
        Picture(save_image(folder / f"{i}.png", image), GOOD if i < 8 else "dent", f"part {i}")
        for i, image in enumerate([*GOOD_PARTS, *DENTED])
    ]
    backbone = open_backbone(tiny_backbone(folder))
    folders = keep_features(pictures, backbone, folder / "kept")
    made = [(path / "places.npy").stat().st_mtime_ns for path in folders]
    assert keep_features(pictures, backbone, folder / "kept") == folders
    assert [(path / "places.npy").stat().st_mtime_ns for path in folders] == made
    looked = features(folders)
    varied = [*(row.choices for row in ROWS), Choices(members=EVERYTHING)]
    return Study(looked, pictures, Split(np.arange(6), np.arange(6, 10)), 0, varied)


def test_scores_are_those_of_the_deployed_graph(
    study: Study, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backbone = open_backbone(tiny_backbone(tmp_path_factory.mktemp("backbone")))
    learnt = MemoryBank(backbone, bank_size=EVERYTHING).learn(
        learning_set(GOOD_PARTS[:6]), seed=3, progress=silent
    )
    expected = [
        in_onnxruntime(learnt.graph, {"image": image[None]})["score"][0]
        for image in [*GOOD_PARTS[6:], *DENTED]
    ]
    found = study.scores(Choices(members=EVERYTHING))
    np.testing.assert_allclose(found, expected, rtol=5e-3)
    assert study.auroc(Choices(members=EVERYTHING)) == auroc(expected[:2], expected[2:])


def test_choices_that_were_not_announced_are_refused(study: Study) -> None:
    with pytest.raises(ValueError, match="members=7"):
        study.auroc(Choices(members=7))


def test_every_row_can_be_scored_and_few_are_the_same(study: Study) -> None:
    scores = {tuple(study.scores(row.choices)) for row in ROWS}
    # The default is a row of each choice, and 20 channels have no 64 or 128 components.
    assert len(scores) > len(ROWS) / 2
    assert all(np.isfinite(each).all() for each in scores)


def test_one_choice_at_a_time_is_changed() -> None:
    plain = asdict(Choices())
    alone = [row for row in ROWS if row.factor != TOGETHER]
    for row in alone:
        changed = [name for name, value in asdict(row.choices).items() if plain[name] != value]
        assert len(changed) == ("*" not in row.value)
    factors = [row.factor for row in alone if "*" in row.value]
    assert len(factors) == len(set(factors)) == len({row.factor for row in alone})


def test_defaults_are_those_of_the_recipe() -> None:
    assert Choices().members == Recipe().detector.bank_size
    assert Recipe().augment.brightness == BRIGHTNESS


@pytest.mark.parametrize("one", VALIDATION, ids=lambda one: one.name)
def test_nothing_tested_is_looked_at(one: ValidationSet, shared: Path) -> None:
    pictures = one.pictures()
    seen = {picture.path for picture in pictures}
    for real in SETS:
        if real.name not in ("bsdata", "deeppcb"):  # whose table says that they are no tests
            tested = {s.image for s in real.dataset(0).samples if s.split == "test"}
            assert not tested & seen, real.name
    split = one.split(pictures, 0)
    assert all(pictures[i].is_good for i in split.learnt)
    assert not {pictures[i].part for i in split.learnt} & {pictures[i].part for i in split.ranked}
    assert {pictures[i].is_good for i in split.ranked} == {True, False}


def test_a_piece_is_good_without_and_defective_with_a_whole_mark(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", np.zeros((100, 150, 3), np.uint8))
    found = pieces(path, "a", [[10, 10, 20, 20], [90, 60, 110, 70]], 50)
    labels = {piece.piece: piece.is_good for piece in found}
    assert labels == {
        (0, 0, 50, 50): False,
        (50, 0, 100, 50): True,
        (100, 0, 150, 50): True,
        (0, 50, 50, 100): True,
    }


def test_parts_do_not_straddle(tmp_path: Path) -> None:
    pictures = [Picture(tmp_path / f"{i}.png", GOOD, f"{i // 4}") for i in range(40)]
    split = halves(pictures, 1)
    assert len(split.learnt) == len(split.ranked) == 20
    assert not {i // 4 for i in split.learnt} & {i // 4 for i in split.ranked}
