"""Marked defects turned into a bundle that looks closely only at patches that a gate lets pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keenline.errors import Code, TrainingError
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.learn import Run
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.settings import Settings

if TYPE_CHECKING:
    from keenline.training.cascade.finishing import CascadeFinisher
    from keenline.training.supervised.lesson import Lesson

MODEL = "cascade"


class CascadeRun(Run):
    """What one run works on."""

    model = MODEL

    @classmethod
    def settled(cls, settings: Settings) -> Settings:
        return replace(settings, attention=True, loss=settings.loss or "focal")

    def network(self) -> Any:
        from keenline.training.cascade.network import Cascade

        settings, multiple = self._settings, self._encoder.about.multiple_of
        if settings.patch % multiple:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "A patch of this side does not fit the encoder",
                where="recipe, [learning] patch",
                expected=f"a multiple of {multiple} px",
                got=f"{settings.patch} px",
            )
        return Cascade(
            self._encoder,
            len(self._classes),
            patch=settings.patch,
            dropout=settings.dropout,
            frozen=settings.frozen,
        )

    def crop_of(self, longest: int) -> int:
        from keenline.training.cascade.lesson import crop_of

        return crop_of(self._network, self._settings.side, longest)

    def crops_for(self, learning: LabelledViews) -> int | None:  # noqa: ARG002 - larger ones
        return None

    def lesson(self, lots: Lots, share_of_defects: float) -> Lesson:
        from keenline.training.cascade.lesson import CascadeLesson

        about = self._encoder.about
        feed = (about.scale, about.offset)
        return CascadeLesson(self._network, self._settings, lots, share_of_defects, feed)

    def finisher(self, out: LabelledViews) -> type[CascadeFinisher]:
        import numpy as np

        from keenline.training.cascade.finishing import CascadeFinisher
        from keenline.training.cascade.gating import answers_of, gating_for

        answers = answers_of(self._network, self._encoder.about, out)
        good = np.array([sample.is_good for sample in out.samples])
        asked = self._settings.patch_recall
        self._gating = gating_for(answers, self._parts[self._out], good, asked)
        self._network.limit.fill_(self._gating.limit)
        return CascadeFinisher

    def facts(self) -> dict[str, object]:
        network = self._network
        return {
            **super().facts(),
            "patch": network.patch,
            "halo": network.halo,
            "gate_weights": sum(p.numel() for p in network.gate.parameters()),
            "gate": self._gating.facts(),
        }

    def said(self) -> dict[str, str]:
        return {"gate": self._gating.statement}


learn = CascadeRun.learn
"""As `keenline.training.supervised.learn.learn`, with a gate before a U-Net with attention.

The loss is focal unless another is named. The gate's limit is found on the parts left out. Raises
what that raises, and TrainingError (OPTION_CONFLICT) for a patch that does not fit the encoder.
"""
