"""The name of a model turned into the function that teaches it; nothing is imported before.

A new model is one entry of `LEARNERS` and one module with a function `learn`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keenline.errors import Code, TrainingError

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.models.base import Progress
    from keenline.recipe import Recipe
    from keenline.training.supervised.learn import Learnt
    from keenline.training.supervised.lesson import Line
    from keenline.training.supervised.settings import Settings


class Learning(Protocol):
    """What every model is taught with; `keenline.training.supervised.learn.learn` is one."""

    def __call__(
        self,
        dataset: Dataset,
        output: Path | str,
        *,
        recipe: Recipe | None,
        settings: Settings | None,
        resume: bool,
        progress: Progress,
        told: Callable[[Line], None],
    ) -> Learnt: ...


@dataclass(frozen=True, slots=True)
class Learner:
    """One model."""

    meaning: str
    """What its bundle tells, and what it learns from, in one sentence."""
    module: str
    """Whose function `learn` teaches it."""
    backbone: str | None = None
    """The encoder of which --weights are where nobody names one; None: they need a name."""

    only_defects: bool = False
    """Whether it learns also where no image is good."""

    def load(self) -> Learning:
        """Import it, and with it what it needs."""
        function: Learning = import_module(self.module).learn
        return function


LEARNERS: dict[str, Learner] = {
    "classifier": Learner(
        "the class of a whole image, and what made it say so; from images whose class is known",
        "keenline.training.supervised.classifier.learn",
        backbone="timm:efficientnet_b3",
        only_defects=True,
    ),
    "hybrid": Learner(
        "the same from convolutional features and a transformer that compares them",
        "keenline.training.supervised.classifier.hybrid",
        only_defects=True,
    ),
    "unet": Learner(
        "U-Net: which pixels are a defect and of which class; from good images and marked defects",
        "keenline.training.supervised.learn",
    ),
    "mask-rcnn": Learner(
        "Mask R-CNN: each defect on its own, a box, a class and, where some are marked, an outline",
        "keenline.training.supervised.instances.learn",
    ),
    "cascade": Learner(
        "a light gate, then a U-Net with attention on the patches it lets pass; from the same",
        "keenline.training.cascade.learn",
    ),
    "autoencoder": Learner(
        "what is strange: what a network that draws good parts cannot draw; from good images alone",
        "keenline.training.reconstruction.autoencoder",
    ),
    "vae": Learner(
        "the same of a variational autoencoder, and how far a place lies from good ones",
        "keenline.training.reconstruction.vae",
    ),
}


def learner(name: str) -> Learner:
    """The model of that name; raises TrainingError (OPTION_CONFLICT) when there is none."""
    if name not in LEARNERS:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "There is no such model to teach",
            where="model",
            expected=", ".join(LEARNERS),
            got=name,
            next="`keenline learn --help` says what each of them tells",
        )
    return LEARNERS[name]
