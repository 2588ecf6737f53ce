"""A taught cascade turned into a graph with thresholds on which torch and both engines agree."""

from __future__ import annotations

from typing import Any

import onnx

from keenline.models.backbones import Description
from keenline.models.class_head import ClassHead
from keenline.training.cascade.graph import cascade_features
from keenline.training.cascade.network import cascade_head
from keenline.training.supervised.finishing import Finisher, Settled
from keenline.training.supervised.graphs import Size
from keenline.training.supervised.labelled_views import LabelledViews


class CascadeFinisher(Finisher):
    """What one cascade is finished with."""

    def built(
        self, network: Any, about: Description, size: Size | None
    ) -> tuple[ClassHead, onnx.ModelProto]:
        head = cascade_head(network, self._evidence.classes)
        return head, cascade_features(network, about, size)

    def settled(self, views: LabelledViews) -> tuple[Settled, tuple[str, ...]]:
        """The graph in float32: in int8 the gate would answer otherwise than where its limit was
        found. Raises TrainingError (VERDICT_PARITY)."""
        del views
        return self._settled(self._features, "f32"), ()
