"""A name is enough to have a model taught; asking for names imports nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from keenline.errors import Code, TrainingError
from keenline.learning_settings import LearningSettings
from keenline.training.supervised.learners import LEARNERS, learner
from keenline.training.supervised.settings import LOSSES, Settings

ARGUMENTS = ["recipe", "settings", "resume", "progress", "told"]


@pytest.mark.parametrize("name", LEARNERS)
def test_every_entry_is_a_module_with_the_function_and_its_arguments(name):
    taken = inspect.signature(LEARNERS[name].load()).parameters.values()
    assert [a.name for a in taken if a.kind is a.POSITIONAL_OR_KEYWORD] == ["dataset", "output"]
    assert [a.name for a in taken if a.kind is a.KEYWORD_ONLY] == ARGUMENTS
    assert "." not in LEARNERS[name].meaning


def test_names_are_told_without_torch_or_images():
    code = (
        "import sys; from keenline.training.supervised import learners as l; print(*l.LEARNERS);"
        "assert not {'torch', 'lightning', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(LEARNERS)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(TrainingError) as caught:
        learner("resnet")
    assert caught.value.code is Code.OPTION_CONFLICT
    assert "unet" in str(caught.value.expected)


def test_everything_the_recipe_says_reaches_the_settings():
    keys = set(LearningSettings.model_fields) - {"model"}
    said = LearningSettings(
        loss="focal",
        balance="none",
        attention=True,
        frozen=True,
        dropout=0.5,
        weight_decay=0.5,
        layers=6,
        heads=16,
        positions="sine",
        epochs=7,
        patience=3,
        batch=2,
        crop=64,
        patch=128,
        patch_recall=0.9,
        rate=0.5,
        encoder_rate=0.5,
    )
    settings = Settings.of(said, seed=4)
    assert {key: getattr(settings, key) for key in keys} == said.model_dump(exclude={"model"})
    assert Settings.of(LearningSettings()) == Settings()
    assert said.model_fields_set == keys


def test_a_loss_of_another_model_is_refused():
    assert Settings().loss_among(LOSSES) == LOSSES[0]
    with pytest.raises(TrainingError, match="not taught with that loss"):
        Settings(loss="cross-entropy").loss_among(LOSSES)
