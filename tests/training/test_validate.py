"""Parts are left out in turn: what a bundle is tried on, and nothing like it, it never learnt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import recipe, tiny_backbone
from tests.training.test_teach import labelled_folder

from keenline.batch import on_this_machine
from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.errors import Code, DatasetError, TrainingError
from keenline.evaluation.cross_validation import Judged
from keenline.inference.inspector import Inspector
from keenline.training.lesson_samples import classes_of
from keenline.training.validate import Outcome, Turn, try_on_seeded, validate
from keenline.types import Sample, Verdict


class Noted:
    """Gives no work away but notes the turns; a bundle that knows its classes passes every part."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def __call__(self, _work, items) -> Iterator[tuple[int, Outcome]]:
        self.turns = list(items)
        for place in reversed(range(len(items))):
            yield place, self._outcome(items[place])

    @staticmethod
    def _outcome(turn: Turn) -> Outcome:
        known = set().union(*map(classes_of, turn.learnt.samples))
        said = [
            Judged(
                sample.image,
                part,
                classes_of(sample),
                dict.fromkeys(known, 0.1),
                dict.fromkeys(known, 0.5),
                0.5,
                Verdict.PASS,
            )
            for sample, part in zip(turn.tried, turn.parts, strict=True)
        ]
        return Outcome(tuple(said), ())


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Dataset:
    """14 good parts, 6 with a dent and 6 with a scratch; one dent is of the part of a scratch, one
    good image is a copy of another, and two views show the first good part."""
    dataset = open_dataset(labelled_folder(tmp_path_factory.mktemp("labelled")))
    good = dataset.root / "good"
    (good / "013.png").write_bytes((good / "012.png").read_bytes())
    parts = {"dent/0.png": "K1", "scratch/5.png": "K1", "good/000.png": "K2", "good/001.png": "K2"}
    samples = tuple(
        replace(sample, part=parts.get(sample.image.relative_to(dataset.root).as_posix(), ""))
        for sample in dataset.samples
    )
    return Dataset(dataset.root, samples)


def bears(turn: Turn) -> Counter[str]:
    return Counter(name for sample in turn.tried for name in classes_of(sample) or {"good"})


@pytest.mark.parametrize("how", ["leave-one-out", "k-fold"])
def test_each_part_is_left_out_once_and_then_not_learnt(labelled, how):
    noted = Noted()
    found = validate(labelled, how=how, folds=4, fan_out=noted)
    tried = [sample.image for turn in noted.turns for sample in turn.tried]
    assert sorted(tried) == sorted(sample.image for sample in labelled.samples)
    assert found.estimate.parts == 26 - 3
    for turn in noted.turns:
        learnt = turn.learnt.samples
        assert not {s.image for s in learnt} & {s.image for s in turn.tried}
        assert not {s.part for s in learnt if s.part} & {s.part for s in turn.tried}
        hashes = labelled.hashes()
        assert not {hashes[s.image] for s in learnt} & {hashes[s.image] for s in turn.tried}
        assert len(learnt) + len(turn.tried) == 26


def test_leave_one_out_leaves_out_one_defective_part_at_a_time(labelled):
    noted = Noted()
    found = validate(labelled, fan_out=noted)
    assert found.folds == len(noted.turns) == 11
    for turn in noted.turns:
        assert len({p for p, s in zip(turn.parts, turn.tried, strict=True) if not s.is_good}) == 1
    good = [sum(sample.is_good for sample in turn.tried) for turn in noted.turns]
    assert max(good) <= 3


def test_k_fold_gives_each_turn_its_share_of_every_class(labelled):
    noted = Noted()
    validate(labelled, how="k-fold", folds=3, fan_out=noted)
    for turn in noted.turns:
        assert 1 <= bears(turn)["dent"] <= 3
        assert 1 <= bears(turn)["scratch"] <= 3
        assert 3 <= bears(turn)["good"] <= 6


def test_what_is_held_out_stays_out(labelled):
    samples = tuple(
        replace(sample, split="test" if sample.image.stem == "3" else "train")
        for sample in labelled.samples
    )
    noted = Noted()
    validate(replace(labelled, samples=samples), fan_out=noted)
    seen = {s.image.stem for turn in noted.turns for s in (*turn.tried, *turn.learnt.samples)}
    assert "3" not in seen


def test_a_class_of_one_part_cannot_be_validated(labelled):
    few = [s for s in labelled.samples if s.label != "scratch" or s.image.stem == "1"]
    found = validate(replace(labelled, samples=tuple(few)), fan_out=Noted())
    scratch = found.estimate.classes[1]
    assert (scratch.parts, scratch.recall.n) == (1, 0)
    assert any("cannot be validated" in note and "scratch" in note for note in found.notes)


@pytest.mark.parametrize(("defects", "goods"), [(1, 14), (12, 2), (0, 14)])
def test_too_few_parts_are_refused(labelled, defects, goods):
    samples = (*labelled.defects[:defects], *labelled.good[:goods])
    with pytest.raises(TrainingError) as caught:
        validate(replace(labelled, samples=samples), fan_out=Noted())
    assert caught.value.code is Code.TOO_FEW_IMAGES
    parts = {1: "1 defective and 12", 12: "11 defective and 1", 0: "0 defective and 12"}[defects]
    assert f"{parts} good" in str(caught.value)


def held_out(labelled: Dataset, *names: str) -> Dataset:
    def split(sample: Sample) -> Sample:
        path = sample.image.relative_to(labelled.root).as_posix()
        return replace(sample, split="test" if path in names else "train")

    return replace(labelled, samples=tuple(map(split, labelled.samples)))


def test_a_seeded_set_without_a_defect_is_refused(labelled):
    for names in ((), ("good/005.png",)):
        with pytest.raises(TrainingError) as caught:
            try_on_seeded(held_out(labelled, *names))
        assert caught.value.code is Code.TOO_FEW_IMAGES


def test_a_seeded_set_that_shares_a_part_with_what_is_learnt_is_refused(labelled):
    for names in (("dent/0.png",), ("dent/1.png", "good/013.png")):
        with pytest.raises(DatasetError) as caught:
            try_on_seeded(held_out(labelled, *names))
        assert caught.value.code is Code.DATASET_LEAK
        assert names[-1] in str(caught.value)


@pytest.mark.slow
def test_any_number_of_jobs_says_the_same(tmp_path, labelled):
    chosen = recipe(backbone=tiny_backbone(tmp_path), precision="f32")
    said = [
        validate(labelled, recipe=chosen, how="k-fold", folds=2, fan_out=on_this_machine(jobs))
        for jobs in (1, 2)
    ]
    records = [json.dumps(each.estimate.as_dict()) for each in said]
    assert records[0] == records[1]
    estimate = said[0].estimate
    assert estimate.average_precision is not None
    assert estimate.average_precision > 0.8
    assert estimate.recall.events >= 8
    assert estimate.false_alarms.n == 12


@pytest.mark.slow
def test_the_seeded_set_is_tried_with_one_bundle_which_may_be_kept(tmp_path, labelled):
    names = ("dent/2.png", "dent/3.png", "scratch/2.png", "good/004.png", "good/005.png")
    kept = tmp_path / "part.keen"
    chosen = recipe(backbone=tiny_backbone(tmp_path), precision="f32")
    found = try_on_seeded(held_out(labelled, *names), recipe=chosen, keep=kept)
    assert (found.folds, found.estimate.images) == (1, 5)
    inspector = Inspector.open(kept)
    assert inspector.manifest.training.images == 12
    missed = {each.image for each in found.estimate.missed}
    for name in names[:3]:
        said = inspector.inspect(labelled.root / name).prediction
        assert said is not None
        is_named = said.class_scores[Path(name).parent.name] > 0.5
        assert is_named is (labelled.root / name not in missed)
        assert np.isfinite(said.score)
