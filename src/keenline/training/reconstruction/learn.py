"""Good images turned into a bundle that finds strange what a network cannot draw anew.

torch is imported inside functions: whoever imports this need not have it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from keenline.bundle import check_writable
from keenline.data.dataset import Dataset
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.detectors import Chosen
from keenline.training.fit import train, training_samples
from keenline.training.reconstruction.detector import MULTIPLE, Course, Kind, reconstruction
from keenline.training.supervised.learn import Learnt
from keenline.training.supervised.settings import Settings, check_extra, unfinished

if TYPE_CHECKING:
    from keenline.training.supervised.lesson import Line


def learn_kind(
    kind: Kind,
    dataset: Dataset,
    output: Path | str,
    *,
    recipe: Recipe | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    progress: Progress = silent,
    told: Callable[[Line], None] = lambda _: None,
) -> Learnt:
    """Teach such a network with a dataset's good images, and write its bundle.

    Defects are not looked at. The threshold is that of `keenline train`: guaranteed from parts
    held out where there are enough of them, else an estimate. The options are those of
    `keenline.training.supervised.learn.learn`; a loss, an encoder and weights are none of them.

    Raises EnvironmentMissing, DatasetError, TrainingError, EngineError or OutputError; no bundle
    is written then.
    """
    start = time.perf_counter()
    check_extra()
    output, recipe = Path(output), recipe or Recipe()
    check_writable(output)
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    settings = settings or Settings.of(recipe.learning)
    said: list[str] = []
    good = replace(dataset, samples=tuple(training_samples(dataset)))
    course = Course(
        settings,
        checkpoint,
        {"recipe": recipe.sha256, "images": good.sha256},
        resume,
        told,
        said.append,
    )
    trained = train(
        dataset,
        output,
        recipe=recipe,
        seed=settings.seed,
        progress=progress,
        chosen=Chosen(reconstruction(kind, recipe, course), MULTIPLE, name=kind),
    )
    for left in (checkpoint, unfinished(checkpoint)):
        left.unlink(missing_ok=True)
    epochs = trained.bundle.manifest.facts["epochs"]
    assert isinstance(epochs, int)
    return Learnt(
        trained.bundle,
        output,
        (*trained.notes, *said),
        trained.skipped,
        time.perf_counter() - start,
        epochs,
    )
