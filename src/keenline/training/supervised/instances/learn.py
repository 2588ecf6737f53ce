"""A labelled dataset turned into a bundle whose network finds each defect on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from keenline.errors import Code, TrainingError
from keenline.training.supervised.instances.anchors import Anchors, anchors_for
from keenline.training.supervised.instances.marked import InstanceViews
from keenline.training.supervised.learn import Run
from keenline.training.supervised.settings import Settings
from keenline.types import Sample

if TYPE_CHECKING:
    from keenline.training.supervised.finishing import Finisher
    from keenline.training.supervised.labelled_views import LabelledViews
    from keenline.training.supervised.lesson import Lesson
    from keenline.training.supervised.lots import Lots


class InstanceRun(Run):
    """What one run works on."""

    model = "mask-rcnn"

    _anchors: Anchors
    _outlined: bool
    _found: dict[str, float] | None = None

    @classmethod
    def settled(cls, settings: Settings) -> Settings:
        _check_settings(settings)
        return settings

    def views_of(self, samples: Sequence[Sample], classes: Sequence[str]) -> LabelledViews:
        return InstanceViews(samples, classes, self._framing, self._progress)

    def network(self) -> Any:
        from keenline.training.supervised.instances.network import MaskRCNN, levels_of

        learning = self._views.only(~self._out)
        assert isinstance(learning, InstanceViews)
        instances = [instance for _, instance in learning.instances()]
        boxes = np.array([instance.box for instance in instances], np.float32)
        bare = sum(instance.mask is None for instance in instances)
        self._outlined = bare < len(instances)
        if bare:
            self._said.append(
                f"{bare} of {len(instances)} defects are marked with a box alone: "
                + ("their outlines are not learnt" if self._outlined else "none is outlined")
            )
        self._anchors = anchors_for(boxes, levels_of(self._encoder))
        return MaskRCNN(
            self._encoder,
            len(self._classes),
            self._anchors,
            masks=self._outlined,
            frozen=self._settings.frozen,
        )

    def crop_of(self, longest: int) -> int:
        """Of whole cells of the coarsest level, so that places mean the same in any crop."""
        multiple: int = max(self._encoder.about.multiple_of, 2 * self._network.strides[-1])
        wanted = min(self._settings.side, longest)
        return -(-wanted // multiple) * multiple

    def crops_for(self, learning: LabelledViews) -> int | None:  # noqa: ARG002 - larger ones
        return None

    def drawn_by(self) -> type[Lots]:
        from keenline.training.supervised.instances.lots import InstanceLots

        return InstanceLots

    def lesson(self, lots: Lots, share_of_defects: float) -> Lesson:  # noqa: ARG002 - others do
        from keenline.training.supervised.instances.lesson import InstanceLesson

        about = self._encoder.about
        return InstanceLesson(self._network, self._settings, lots, (about.scale, about.offset))

    def finisher(self, out: LabelledViews) -> type[Finisher]:  # noqa: ARG002 - others do
        from keenline.training.supervised.instances.finishing import InstanceFinisher

        return InstanceFinisher

    def facts(self) -> dict[str, object]:
        settings = self._settings
        return {
            "balance": settings.balance,
            "frozen": settings.frozen,
            "outlines": self._outlined,
            "anchors": asdict(self._anchors),
            "box_precision": self._precision(),
        }

    def said(self) -> dict[str, str]:
        found = self._precision()
        return {
            "boxes": f"average precision {found['half']:.2f} at an overlap of .50, "
            f"{found['strict']:.2f} over .50 to .95, on parts left out"
        }

    def _precision(self) -> dict[str, float]:
        """Of the parts left out, as torch has it."""
        from keenline.training.supervised.instances.examining import examined
        from keenline.training.supervised.instances.finishing import TorchDetector

        if self._found is not None:
            return self._found
        out = self._views.only(self._out)
        assert isinstance(out, InstanceViews)
        found = examined(TorchDetector(self._network, self._encoder.about, None), out)
        self._found = {"half": round(found.mean_half, 4), "strict": round(found.strict, 4)}
        return self._found


def _check_settings(settings: Settings) -> None:
    """Raise TrainingError for what another model reads, so that nobody believes it did anything."""
    asked = {
        "loss": settings.loss,
        "attention": settings.attention,
        "dropout": settings.dropout,
        "balance": "weights" if settings.balance == "weights" else None,
    }
    unread = [f"{name} {value}" for name, value in asked.items() if value]
    if unread:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "Mask R-CNN does not read that",
            where="learning",
            expected="its own losses; balance oversample or none; no attention and no dropout",
            got=", ".join(unread),
        )


learn = InstanceRun.learn
"""Teach a Mask R-CNN with a dataset's good images and marked defects, and write its bundle.

A mark is an instance; of a mask file each connected piece. What is marked with a box alone is
learnt as a box: where no mark has an outline the network is a Faster R-CNN. The rest is as
`keenline.training.supervised.learn.learn` says.
"""
