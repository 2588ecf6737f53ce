"""Good images turned into the bundle of an autoencoder, for `keenline learn`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keenline.data.dataset import Dataset
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.reconstruction.learn import learn_kind
from keenline.training.supervised.learn import Learnt
from keenline.training.supervised.settings import Settings

if TYPE_CHECKING:
    from keenline.training.supervised.lesson import Line


def learn(
    dataset: Dataset,
    output: Path | str,
    *,
    recipe: Recipe | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    progress: Progress = silent,
    told: Callable[[Line], None] = lambda _: None,
) -> Learnt:
    """As `learn_kind` says."""
    return learn_kind(
        "autoencoder",
        dataset,
        output,
        recipe=recipe,
        settings=settings,
        resume=resume,
        progress=progress,
        told=told,
    )
