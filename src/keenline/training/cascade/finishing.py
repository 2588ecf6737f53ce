"""A taught cascade turned into a graph with thresholds on which torch and both engines agree."""

from __future__ import annotations

from typing import Any

import onnx

from keenline.models.backbones import Description
from keenline.models.class_head import ClassHead
from keenline.training.cascade.graph import GATE_NAMES, cascade_features
from keenline.training.cascade.network import cascade_head
from keenline.training.supervised.finishing import Finisher
from keenline.training.supervised.graphs import Size


class CascadeFinisher(Finisher):
    """What one cascade is finished with.

    The gate stays in float32 where the U-Net is rounded: its limit was found there, and coarser
    answers would let other patches pass.
    """

    exact = (GATE_NAMES,)

    def built(
        self, network: Any, about: Description, size: Size | None
    ) -> tuple[ClassHead, onnx.ModelProto]:
        head = cascade_head(network, self.evidence.classes)
        return head, cascade_features(network, about, size)
