"""What may be asked for is checked before anything is learnt."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.training.supervised.marked_parts import marked_folder

from keenline.data.importers import open_dataset
from keenline.errors import Code, EnvironmentMissing, TrainingError
from keenline.training.supervised.learn import learn
from keenline.training.supervised.memory_short import with_smaller_batches
from keenline.training.supervised.settings import Settings, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2m ", 120)]
)
def test_a_time_is_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "0m", "10 minutes", "1e3s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="no time such as"):
        seconds_of(text)


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # None is what Python itself keeps there for a module that must not be found.
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    dataset = open_dataset(marked_folder(tmp_path / "marked", number=1, good=2))
    with pytest.raises(EnvironmentMissing) as caught:
        learn(dataset, tmp_path / "part.keen")
    assert caught.value.code is Code.EXTRA_MISSING
    assert "no torch and no " in str(caught.value.got)
    assert caught.value.next == "pip install 'keenline[train]'"
    assert not (tmp_path / "part.keen").exists()


def test_each_model_has_its_own_crops_unless_others_are_asked_for():
    from keenline.training.cascade.learn import CascadeRun
    from keenline.training.supervised.classifier.learn import ClassRun
    from keenline.training.supervised.instances.learn import InstanceRun
    from keenline.training.supervised.run import Run

    found = {
        run.model: (settled.at_once, settled.side)
        for run in (Run, CascadeRun, ClassRun, InstanceRun)
        for settled in (run.settled(Settings()),)
    }
    assert found.pop("unet") == (32, 96)
    assert set(found.values()) == {(8, 192)}
    asked = Run.settled(Settings(batch=4, crop=64))
    assert (asked.at_once, asked.side) == (4, 64)


def test_how_long_to_go_on_may_change_when_a_run_is_taken_up():
    lasting = Settings(epochs=3, seconds=5.0, batch=2).lasting()
    assert lasting == Settings(epochs=9, patience=4).lasting()
    assert lasting != Settings(seed=1).lasting()


def _needs(most: int, error: Exception):
    tried = []

    def attempt(batch: int) -> int:
        tried.append(batch)
        if batch > most:
            raise error
        return batch

    return attempt, tried


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    ],
)
def test_a_batch_shrinks_until_it_fits_and_says_so(error):
    attempt, tried = _needs(3, error)
    said: list[str] = []
    assert with_smaller_batches(attempt, 16, said.append) == 2
    assert tried == [16, 8, 4, 2]
    assert said[-1] == "memory was too short for that: going on with batches of 2"
    assert len(said) == 3


def test_one_crop_that_does_not_fit_is_an_error():
    attempt, tried = _needs(0, MemoryError("no room"))
    with pytest.raises(TrainingError) as caught:
        with_smaller_batches(attempt, 2, lambda _: None)
    assert caught.value.code is Code.MEMORY_SHORT
    assert tried == [2, 1]


def test_another_fault_is_not_taken_for_short_memory():
    attempt, tried = _needs(0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        with_smaller_batches(attempt, 8, lambda _: None)
    assert tried == [8]
