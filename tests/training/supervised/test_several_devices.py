"""Two processes, as though for two GPUs, share each batch and come to one network."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.training.supervised.marked_parts import marked_folder

from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.errors import Code, TrainingError
from keenline.models.base import silent
from keenline.recipe import Recipe
from keenline.training.supervised.learn import Run, learn
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.settings import Settings

pytestmark = pytest.mark.train

RECIPE = Recipe.model_validate({"detector": {"name": "unet", "precision": "f32"}})
TWO = Settings(epochs=3, crops=10, batch=4, crop=48, devices=2, dropout=0.2)


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Dataset:
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked"), number=8, good=16))


class Written(Lots):
    """Lots that write down which crop of which epoch each process asked for."""

    def __getitem__(self, number: int) -> Any:
        with Path(os.environ["KEENLINE_TEST_DRAWN"]).open("a") as drawn:
            drawn.write(f"{os.environ['LOCAL_RANK']} {self.epoch} {number}\n")
        return super().__getitem__(number)


class ShortOfMemory(Lots):
    """Lots for which memory is short once, in the second process alone; then it is astray."""

    def __getitem__(self, number: int) -> Any:
        if os.environ["LOCAL_RANK"] == "1":
            before = Path(os.environ["KEENLINE_TEST_DRAWN"])
            if before.exists():
                raise TrainingError(Code.LOSS_NOT_FINITE, "Astray", where=f"crop {number}")
            before.touch()
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().__getitem__(number)


class Killed(Lots):
    """Lots whose second process is ended by the system."""

    def __getitem__(self, number: int) -> Any:
        if os.environ["LOCAL_RANK"] == "1" and self.epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(number)


class Drawing(Run):
    """A run whose crops are drawn by `lots_class`."""

    lots_class: type[Lots] = Lots

    def drawn_by(self) -> type[Lots]:
        return self.lots_class


class Stopped(Exception):
    """Stands for a user's interruption."""


@pytest.fixture
def drawn(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "drawn"
    monkeypatch.setenv("KEENLINE_TEST_DRAWN", str(path))
    return path


def run_of(dataset: Dataset, output: Path, lots: type[Lots]) -> Drawing:
    run = Drawing(dataset, output, RECIPE, TWO, silent)
    run.lots_class = lots
    return run


def weights_of(run: Drawing) -> dict[str, Any]:
    return dict(run._network.state_dict())


def test_an_interrupted_run_ends_as_if_it_had_not_been(marked, tmp_path, drawn):
    lines: list[Any] = []
    whole = run_of(marked, tmp_path / "whole.keen", Written)
    fitted = whole.teach(resume=False, told=lines.append)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert fitted.epochs == 3
    assert lines[fitted.best_epoch - 1]["validation_loss"] == pytest.approx(
        fitted.validation_loss, abs=1e-4
    )
    every = [tuple(map(int, line.split())) for line in drawn.read_text().splitlines()]
    for epoch in range(3):
        assert Counter(n for _, e, n in every if e == epoch) == Counter(range(10))
    for number in (0, 1):
        assert {n % 2 for device, _, n in every if device == number} == {number}

    def stopping(line: Any) -> None:
        if line["epoch"] == 2:
            raise Stopped

    part = run_of(marked, tmp_path / "part.keen", Written)
    with pytest.raises(Stopped):
        part.teach(resume=False, told=stopping)
    again, told = run_of(marked, tmp_path / "part.keen", Written), []
    again.teach(resume=True, told=told.append)
    assert [line["epoch"] for line in told] in ([2, 3], [3])
    first, second = weights_of(whole), weights_of(again)
    assert all(first[name].equal(second[name]) for name in first)


def test_the_time_budget_ends_both_and_a_bundle_is_written(marked, tmp_path):
    path = tmp_path / "part.keen"
    settings = replace(TWO, epochs=1000, patience=1000, seconds=2.0)
    done = learn(marked, path, recipe=RECIPE, settings=settings)
    assert 1 <= done.epochs < 100
    assert 2.0 <= float(str(done.bundle.manifest.facts["learning_seconds"])) < 20
    assert "2 devices share each batch" in done.notes
    assert [each.name for each in tmp_path.iterdir()] == ["part.keen"]


def test_memory_short_in_one_process_makes_batches_smaller_and_its_errors_are_told(
    marked, tmp_path, drawn
):
    assert not drawn.exists()
    run = run_of(marked, tmp_path / "part.keen", ShortOfMemory)
    with pytest.raises(TrainingError, match="Astray") as caught:
        run.teach(resume=False, told=_unheard)
    assert caught.value.code is Code.LOSS_NOT_FINITE
    assert any("batches of 2" in said for said in run._said)


@pytest.mark.skipif(os.name == "nt", reason="processes are ended otherwise there")
def test_a_process_that_ends_without_a_word_is_told(marked, tmp_path):
    run = run_of(marked, tmp_path / "part.keen", Killed)
    with pytest.raises(TrainingError) as caught:
        run.teach(resume=False, told=_unheard)
    assert caught.value.code is Code.DEVICE_FAILED
    assert caught.value.where == "device 1"
    assert "-9" in str(caught.value.got)
    assert Path(f"{tmp_path / 'part.keen'}.checkpoint").is_file()


def _unheard(_: Any) -> None:
    pass
