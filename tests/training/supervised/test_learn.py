"""Marked defects make a bundle that marks them, alike each time, also when it was interrupted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import dented, good_part
from tests.training.supervised.marked_parts import marked_folder, scratched

from keenline.bundle import read_bundle
from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.errors import BundleError, Code, DatasetError, TrainingError
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.supervised.learn import Learnt, learn
from keenline.training.supervised.settings import Settings
from keenline.types import Verdict

pytestmark = pytest.mark.train

TAUGHT = Settings(epochs=10, crops=32, crop=96, batch=4)
SMALL = Settings(epochs=2, crops=6, batch=3, crop=48)


def recipe(**detector: object) -> Recipe:
    return Recipe.model_validate({"detector": {"name": "unet", **detector}})


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Dataset:
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked"), number=8, good=16))


@pytest.fixture(scope="module")
def lines() -> list[dict[str, float]]:
    return []


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, marked, lines) -> Learnt:
    path = tmp_path_factory.mktemp("learnt") / "part.keen"
    return learn(
        marked, path, recipe=recipe(), settings=TAUGHT, told=lambda line: lines.append(dict(line))
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory, marked) -> Learnt:
    """Learnt for a moment, in float32."""
    path = tmp_path_factory.mktemp("plain") / "part.keen"
    return learn(marked, path, recipe=recipe(precision="f32"), settings=SMALL)


def test_it_marks_and_names_defects_it_has_not_seen(learnt):
    inspector = Inspector.open(learnt.path)
    for at in ((25, 14), (75, 50)):
        for name, image in (("dent", dented(200, at)), ("scratch", scratched(201, at))):
            inspection = inspector.inspect(image)
            said = inspection.prediction
            assert said is not None
            assert inspection.decision.verdict is Verdict.REVIEW
            assert max(said.class_scores, key=said.class_scores.__getitem__) == name
            assert said.class_scores[name] > 0.5
            assert said.score > inspector.threshold
            box = next(region.box for region in said.regions if region.class_name == name)
            assert box.x <= at[0] + 2 <= box.x + box.width + 4
            assert box.y <= at[1] <= box.y + box.height
    for seed in (300, 301, 302):
        assert inspector.inspect(good_part(seed)).decision.verdict is Verdict.PASS


def test_the_manifest_says_what_was_learnt_and_how_it_did_on_parts_left_out(learnt, marked):
    manifest = learnt.bundle.manifest
    assert manifest.detector == "unet"
    assert [known.name for known in manifest.classes] == ["dent", "scratch"]
    for known in manifest.classes:
        assert known.images + known.tried == 8
        assert known.found == known.tried >= 1
        assert known.false_alarms == 0
    assert manifest.training.images == 32
    assert 5 <= manifest.training.held_out_parts <= 8
    assert manifest.threshold.kind == "estimated"
    assert "no guarantee" in manifest.threshold.statement
    assert manifest.engine.compared_images == manifest.training.held_out_parts
    assert "torch" in manifest.engine.compared_with
    assert "onnxruntime" in manifest.engine.compared_with
    assert manifest.backbone is not None
    assert manifest.backbone.licence == "Apache-2.0"
    assert learnt.pixel_f1 > 0.6
    assert manifest.facts["pixel_f1_left_out"] == pytest.approx(learnt.pixel_f1, abs=1e-3)
    few = "classes with fewer than 30 parts to learn from only ask for a review"
    assert any(note.startswith(few) for note in learnt.notes)


def test_each_epoch_is_told_with_the_time_left(learnt, lines):
    assert [line["epoch"] for line in lines] == list(range(1, learnt.epochs + 1))
    assert lines[-1]["validation_loss"] < 0.9 * lines[0]["validation_loss"]
    assert lines[0]["left"] > 0
    assert lines[-1]["left"] == pytest.approx(0, abs=0.01)


def test_nothing_but_the_bundle_stays(learnt):
    assert [path.name for path in learnt.path.parent.iterdir()] == ["part.keen"]


def test_both_engines_give_each_part_the_same_verdict(learnt, marked):
    first, second = (
        Inspector.open(learnt.path, engine=name) for name in ("openvino", "onnxruntime")
    )
    for sample in marked.samples:
        one, other = first.inspect(sample.image), second.inspect(sample.image)
        assert one.decision.verdict is other.decision.verdict
        assert one.prediction is not None
        assert other.prediction is not None
        assert one.prediction.class_scores == pytest.approx(other.prediction.class_scores, abs=0.1)


def test_int8_takes_a_quarter_or_it_is_said_why_not(learnt, plain, marked, tmp_path):
    precision = learnt.bundle.manifest.engine.precision
    said = " ".join(learnt.notes)
    assert "int8 takes" in said if precision == "int8" else "float32, because in int8" in said
    rounded = learn(
        marked, tmp_path / "part.keen", recipe=recipe(precision="int8"), settings=TAUGHT
    ).bundle
    assert rounded.manifest.engine.precision == "int8"
    assert plain.bundle.manifest.engine.precision == "f32"
    assert len(rounded.graph) < 0.3 * len(plain.bundle.graph)


def test_the_same_seed_learns_the_same(plain, marked, tmp_path):
    graphs = [plain.bundle.graph]
    for name, seed in (("b", 0), ("c", 1)):
        settings = replace(SMALL, seed=seed)
        done = learn(marked, tmp_path / name, recipe=recipe(precision="f32"), settings=settings)
        graphs.append(done.bundle.graph)
    assert graphs[0] == graphs[1] != graphs[2]


def test_an_interrupted_run_ends_as_if_it_had_not_been(marked, tmp_path):
    settings = replace(SMALL, epochs=4)
    whole, part = tmp_path / "whole.keen", tmp_path / "part.keen"

    def copied(line) -> None:
        # At the end of the third epoch the checkpoint is that of the second.
        if line["epoch"] == 3:
            shutil.copy(f"{whole}.checkpoint", f"{part}.checkpoint")

    plain = recipe(precision="f32")
    learn(marked, whole, recipe=plain, settings=settings, told=copied)
    told: list[float] = []
    learn(
        marked,
        part,
        recipe=plain,
        settings=settings,
        resume=True,
        told=lambda line: told.append(line["epoch"]),
    )
    assert told == [3, 4]
    assert read_bundle(part).graph == read_bundle(whole).graph
    assert not Path(f"{part}.checkpoint").exists()


def test_the_checkpoint_of_another_run_is_refused(marked, tmp_path):
    path = tmp_path / "part.keen"
    kept = tmp_path / "kept"

    def copied(line) -> None:
        if line["epoch"] == 2:
            shutil.copy(f"{path}.checkpoint", kept)

    learn(marked, path, recipe=recipe(), settings=SMALL, told=copied)
    path.unlink()
    shutil.copy(kept, f"{path}.checkpoint")
    with pytest.raises(TrainingError) as caught:
        learn(marked, path, recipe=recipe(), settings=replace(SMALL, seed=5), resume=True)
    assert caught.value.code is Code.OPTION_CONFLICT
    assert caught.value.got == "seed 5"
    Path(f"{path}.checkpoint").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="cannot be read"):
        learn(marked, path, recipe=recipe(), settings=SMALL, resume=True)
    assert not path.exists()


def test_the_time_budget_ends_it(marked, tmp_path):
    settings = replace(SMALL, epochs=1000, patience=1000, seconds=2.0)
    done = learn(marked, tmp_path / "part.keen", recipe=recipe(precision="f32"), settings=settings)
    assert 1 <= done.epochs < 100
    assert 2.0 <= float(str(done.bundle.manifest.facts["learning_seconds"])) < 20


def test_patience_ends_it(marked, tmp_path):
    # At such a rate only what batch norms remember changes, and that for a while.
    settings = replace(SMALL, epochs=60, patience=2, rate=1e-12)
    done = learn(marked, tmp_path / "part.keen", recipe=recipe(precision="f32"), settings=settings)
    assert done.epochs == int(str(done.bundle.manifest.facts["best_epoch"])) + 2 < 60


def test_a_loss_that_is_no_number_ends_it_with_words(marked, tmp_path):
    with pytest.raises(TrainingError) as caught:
        learn(
            marked,
            tmp_path / "part.keen",
            recipe=recipe(),
            settings=replace(SMALL, rate=1e30, epochs=4),
        )
    assert caught.value.code is Code.LOSS_NOT_FINITE
    assert "epoch" in str(caught.value.where)
    assert not (tmp_path / "part.keen").exists()


def test_tiles_and_a_region_of_interest(marked, tmp_path):
    values = recipe(precision="f32").model_dump(mode="json", by_alias=True)
    values["image"] |= {"size": 64}
    values["inspect"]["roi"] = [[0, 0, 96, 40]]
    done = learn(
        marked,
        tmp_path / "part.keen",
        recipe=Recipe.model_validate(values),
        settings=replace(SMALL, epochs=8, crops=24, crop=64),
    )
    said = Inspector.open(done.path).inspect(dented(200, (60, 52))).prediction
    assert said is not None
    assert not said.map[said.map.shape[0] * 3 // 4 :].any()


def test_defects_that_nobody_marked_cannot_be_learnt(marked, tmp_path):
    bare = tuple(replace(sample, mask=None) for sample in marked.samples)
    with pytest.raises(DatasetError) as caught:
        learn(replace(marked, samples=bare), tmp_path / "part.keen", settings=SMALL)
    assert caught.value.code is Code.DATASET_NO_DEFECT
    assert "keenline teach" in str(caught.value.next)


def test_a_class_without_marks_is_told_and_the_others_are_learnt(marked, tmp_path):
    bare = tuple(
        replace(sample, mask=None) if sample.label == "dent" else sample
        for sample in marked.samples
    )
    done = learn(
        replace(marked, samples=bare),
        tmp_path / "part.keen",
        recipe=recipe(precision="f32"),
        settings=SMALL,
    )
    assert [known.name for known in done.bundle.manifest.classes] == ["scratch"]
    assert len(done.skipped) == 8
    assert {skipped.error.code for skipped in done.skipped} == {Code.MASK_MISSING}


@pytest.mark.parametrize(
    ("more", "settings"),
    [({"precision": "bf16"}, SMALL), ({}, replace(SMALL, crop=50))],
)
def test_options_that_do_not_go_together_are_refused(marked, tmp_path, more, settings):
    with pytest.raises(TrainingError) as caught:
        learn(marked, tmp_path / "part.keen", recipe=recipe(**more), settings=settings)
    assert caught.value.code is Code.OPTION_CONFLICT


def test_good_images_cannot_be_added_without_teaching(learnt, marked):
    from keenline.training.update import update

    with pytest.raises(BundleError) as caught:
        update(learnt.path, marked)
    assert caught.value.code is Code.BUNDLE_CANNOT_UPDATE


def test_random_weights_are_said(marked, tmp_path):
    done = learn(
        marked,
        tmp_path / "part.keen",
        recipe=recipe(precision="f32"),
        settings=replace(SMALL, from_scratch=True, loss="focal"),
    )
    assert any("random weights" in note for note in done.notes)
    assert done.bundle.manifest.backbone is not None
    assert done.bundle.manifest.backbone.source == "random weights"


def test_the_command_writes_a_bundle_and_says_json(marked, tmp_path):
    from typer.testing import CliRunner

    from keenline.cli.app import app

    path = tmp_path / "part.keen"
    done = CliRunner().invoke(
        app,
        [
            *("learn", str(marked.root), "-o", str(path), "--json"),
            *("--epochs", "1", "--crop", "48", "--precision", "f32"),
        ],
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["bundle"] == str(path)
    assert said["epochs"] == 1
    assert [known["name"] for known in said["classes"]] == ["dent", "scratch"]
    refused = CliRunner().invoke(app, ["learn", "x", "-o", "y", "--time-budget", "soon"])
    assert refused.exit_code == 2
    assert np.isfinite(said["threshold"]["value"])
