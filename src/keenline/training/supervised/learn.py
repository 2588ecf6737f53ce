"""A labelled dataset turned into a bundle whose network learnt where defects are and what they are.

Unlike `keenline train` and `keenline teach` it teaches every weight, so it needs the extra `train`
and minutes; torch is imported inside functions: whoever imports this need not have it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keenline.bundle import check_writable
from keenline.data.dataset import Dataset
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.supervised.run import Learnt as Learnt
from keenline.training.supervised.run import Run as Run
from keenline.training.supervised.settings import Settings, check_extra

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
    """Teach a U-Net with a dataset's good images and marked defects, and write its bundle.

    Of a layout with a training split only that is read. About a fifth of the parts is left out of
    learning: they decide when it ends, and every number is measured on them. The encoder is the
    recipe's backbone. resume: go on from `OUTPUT.checkpoint`, which is there from the first epoch
    until the bundle is written. told: each epoch.

    Raises EnvironmentMissing, DatasetError, BackboneError, TrainingError, EngineError or
    OutputError; no bundle is written then.
    """
    start = time.perf_counter()
    check_extra()
    output, recipe = Path(output), recipe or Recipe()
    settings = settings or Settings()
    check_writable(output)
    run = Run(dataset, output, recipe, settings, progress)
    fitted = run.teach(resume=resume, told=told)
    return run.finish(fitted, start)
