"""A student learns what its teachers answer, alike each time, also when it was interrupted."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.training.small_teachers import image_folder, settings, tiny_teacher

from keenline.errors import BackboneError, Code, EnvironmentMissing, OutputError, TrainingError
from keenline.inference.engines import open_engine
from keenline.models.backbones import open_backbone
from keenline.training.distill import CHECKPOINT, CURVE, GRAPH, Line, distill
from keenline.training.distill_step import rate_at
from keenline.training.unlabelled import Unlabelled, read_folders


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Unlabelled:
    found = read_folders([image_folder(tmp_path_factory.mktemp("images"))])
    assert found.held_out  # or nothing would be measured
    return found


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


def _weights(folder: Path) -> bytes:
    return open_backbone(f"onnx:{folder / GRAPH}").model.SerializeToString()


def _curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / CURVE).read_text("utf-8").splitlines()]


@pytest.mark.train
def test_a_student_learns_to_predict_two_teachers(
    unlabelled: Unlabelled, teacher: str, tmp_path: Path
):
    other = tiny_teacher(tmp_path / "other", seed=4, channels=(3, 5))
    lines: list[Line] = []
    first: list[Line] = []
    wanted = settings(teacher, other, steps=120, pool=8, checkpoint_minutes=0.0)
    done = distill(unlabelled, replace(wanted, steps=1), tmp_path / "first", told=first.append)
    before = done.explained
    assert _curve(tmp_path / "first") == first
    done = distill(
        unlabelled, replace(wanted, checkpoint_minutes=0.03), tmp_path / "run", told=lines.append
    )
    assert done.steps == lines[-1]["step"] == 120
    for level in ("procedural_s8", "procedural_s16"):
        assert before[level] < 0.05
        assert done.explained[level] > 0.15
    assert _curve(tmp_path / "run") == lines

    backbone = open_backbone(f"onnx:{done.graph}")
    assert [(n, level.channels, level.stride) for n, level in backbone.levels] == [
        ("s8", 9, 8),
        ("s16", 15, 16),
    ]
    assert backbone.description.licence == "Apache-2.0"
    assert "Random convolutions" in backbone.description.source


@pytest.mark.train
def test_the_same_seed_teaches_the_same_and_another_does_not(
    unlabelled: Unlabelled, teacher: str, tmp_path: Path
):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        distill(unlabelled, settings(teacher, steps=4, seed=seed), tmp_path / name)
    assert _weights(tmp_path / "a") == _weights(tmp_path / "b")
    assert _weights(tmp_path / "a") != _weights(tmp_path / "c")


@pytest.mark.train
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    unlabelled: Unlabelled, teacher: str, tmp_path: Path
):
    # Crops grow at step 10 of 12 and the pool is renewed at step 10: after the interruption.
    wanted = settings(teacher, checkpoint_minutes=0.0)
    whole, part = tmp_path / "whole", tmp_path / "part"

    def copied(line: Line) -> None:
        if line["step"] == 5:
            shutil.copytree(whole, part)

    distill(unlabelled, wanted, whole, told=copied)
    # The curve is ahead of the checkpoint, as after a crash between the two.
    with (part / CURVE).open("a", encoding="utf-8") as curve:
        curve.write('{"step": 6, "minutes": 0.0, "loss": 9.0}\n')
    done = distill(unlabelled, wanted, part, resume=True)
    assert done.steps == 12
    assert _weights(part) == _weights(whole)
    losses = [{k: v for k, v in line.items() if k != "minutes"} for line in _curve(part)]
    assert losses == [{k: v for k, v in line.items() if k != "minutes"} for line in _curve(whole)]


@pytest.mark.train
def test_a_finished_run_taken_up_again_changes_nothing(
    unlabelled: Unlabelled, teacher: str, tmp_path: Path
):
    wanted = settings(teacher, steps=3)
    distill(unlabelled, wanted, tmp_path)
    before = _weights(tmp_path), _curve(tmp_path)
    assert distill(unlabelled, wanted, tmp_path, resume=True).steps == 3
    assert (_weights(tmp_path), _curve(tmp_path)) == before


@pytest.mark.train
def test_minutes_end_a_run_too(unlabelled: Unlabelled, teacher: str, tmp_path: Path):
    wanted = settings(teacher, steps=None, minutes=0.02)
    done = distill(unlabelled, wanted, tmp_path)
    assert done.steps > 0
    assert 0.02 <= done.minutes < 1


@pytest.mark.train
def test_the_exported_student_runs_in_both_engines_alike(
    unlabelled: Unlabelled, teacher: str, tmp_path: Path
):
    distill(unlabelled, settings(teacher, steps=3), tmp_path)
    graph = (tmp_path / GRAPH).read_bytes()  # as it is stored, in halves
    picture = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 80)).astype(np.float32)
    one, other = (
        open_engine(graph, name=name, precision="f32").run(picture)  # type: ignore[arg-type]
        for name in ("openvino", "onnxruntime")
    )
    for level, shape in (("s8", (2, 6, 6, 10)), ("s16", (2, 10, 3, 5))):
        assert one[level].shape == shape
        np.testing.assert_allclose(one[level], other[level], atol=1e-4)


@pytest.mark.train
def test_another_runs_checkpoint_is_refused(unlabelled: Unlabelled, teacher: str, tmp_path: Path):
    wanted = settings(teacher, steps=2)
    distill(unlabelled, wanted, tmp_path)
    with pytest.raises(TrainingError) as caught:
        distill(unlabelled, replace(wanted, seed=5), tmp_path, resume=True)
    assert caught.value.code is Code.OPTION_CONFLICT
    assert caught.value.got == "seed 5"
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="cannot be read"):
        distill(unlabelled, wanted, tmp_path, resume=True)


@pytest.mark.train
def test_a_side_that_does_not_fit_is_refused(unlabelled: Unlabelled, teacher: str, tmp_path: Path):
    with pytest.raises(TrainingError) as caught:
        distill(unlabelled, settings(teacher, size=40), tmp_path / "run")
    assert caught.value.expected == "multiples of 16 px"
    assert not (tmp_path / "run").exists()


@pytest.mark.train
def test_an_unknown_teacher_is_named(unlabelled: Unlabelled, tmp_path: Path):
    with pytest.raises(BackboneError) as caught:
        distill(unlabelled, settings("mobilnet"), tmp_path / "run")
    assert caught.value.code is Code.BACKBONE_UNKNOWN
    assert caught.value.got == "mobilnet"


@pytest.mark.train
def test_a_folder_that_is_a_file_is_an_error(unlabelled: Unlabelled, teacher: str, tmp_path: Path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError) as caught:
        distill(unlabelled, settings(teacher), tmp_path / "run")
    assert caught.value.code is Code.OUTPUT_NOT_WRITABLE


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # None is what Python itself keeps there for a module that must not be found.
    monkeypatch.setitem(sys.modules, "torch", None)
    nothing = Unlabelled((), np.empty(0), (), 0, ())
    with pytest.raises(EnvironmentMissing) as caught:
        distill(nothing, settings("filterbank"), tmp_path / "run")
    assert caught.value.code is Code.EXTRA_MISSING
    assert caught.value.next == "pip install 'keenline[train]'"
    assert not (tmp_path / "run").exists()


def test_the_rate_rises_shortly_and_falls_to_nothing():
    parts = np.linspace(0, 1, 201)
    rates = np.array([rate_at(part) for part in parts])
    top = int(rates.argmax())
    assert rates.max() == 1
    assert 0 < parts[top] < 0.05
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[0] > 0
