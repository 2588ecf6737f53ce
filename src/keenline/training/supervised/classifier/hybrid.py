"""A dataset whose images have a class turned into a bundle of convolutions and a transformer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keenline.bundle import check_writable
from keenline.data.dataset import Dataset
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.supervised.classifier.learn import ClassRun
from keenline.training.supervised.learn import Learnt
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
    """As `keenline.training.supervised.classifier.learn.learn`, with a transformer on the features.

    Its layers, heads and positions are those of the settings. Raises what that raises, and
    TrainingError (OPTION_CONFLICT) for images of several sizes.
    """
    start = time.perf_counter()
    check_extra()
    output, recipe = Path(output), recipe or Recipe()
    check_writable(output)
    run = HybridRun(dataset, output, recipe, settings or Settings(), progress)
    fitted = run.teach(resume=resume, told=told)
    return run.finish(fitted, start)


class HybridRun(ClassRun):
    """What one run works on."""

    model = "hybrid"

    def network(self) -> Any:
        from keenline.training.supervised.classifier.attention import TokenNetwork
        from keenline.training.supervised.classifier.hybrid_network import Hybrid

        settings, encoder = self._settings, self._encoder
        body = Hybrid(
            encoder,
            self.one_size("the model hybrid"),
            layers=settings.layers,
            heads=settings.heads,
            positions=settings.positions,
            dropout=settings.dropout,
        )
        return TokenNetwork(
            body,
            encoder.module,
            len(self._classes),
            stride=encoder.stride * 2 ** (len(encoder.channels) - 1),
            good=self.good_needed,
            dropout=settings.dropout,
            frozen=settings.frozen,
        )

    def facts(self) -> dict[str, object]:
        settings = self._settings
        return super().facts() | {
            "layers": settings.layers,
            "heads": settings.heads,
            "positions": settings.positions,
        }
