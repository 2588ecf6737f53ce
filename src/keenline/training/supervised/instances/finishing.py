"""A taught detector turned into a graph with thresholds on which torch and both engines agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from keenline.inference.class_outputs import (
    CLASS_MAP,
    CLASS_SCORE,
    INSTANCES,
    LEAST,
    confidence,
)
from keenline.inference.engine import Engine
from keenline.inference.scoring import top_mean
from keenline.models.backbones import Description
from keenline.training.supervised.finishing import Finisher
from keenline.training.supervised.graphs import Size
from keenline.training.supervised.instances.answering import Answering
from keenline.training.supervised.instances.byte_weights import in_bytes
from keenline.training.supervised.instances.graphs import (
    answering_graph,
    deployed_graph,
    pyramid_graph,
)
from keenline.training.supervised.instances.network import MaskRCNN


class InstanceFinisher(Finisher):
    """In int8 the encoder and the pyramid compute; what follows keeps its weights in int8, and
    computes in float32."""

    def forms(
        self, network: Any, about: Description, size: Size | None
    ) -> tuple[onnx.ModelProto, Engine]:
        self._answering = answering_graph(network, size)
        return (
            pyramid_graph(network, about, size),
            TorchDetector(network, about, self._mask),
        )

    def deployed(
        self, features: onnx.ModelProto, shift: NDArray[np.float32]
    ) -> tuple[onnx.ModelProto, Mapping[str, bytes]]:
        """As `Finisher` says; there is no other member."""
        rounded = any(node.op_type == "QuantizeLinear" for node in features.graph.node)
        answering = in_bytes(self._answering) if rounded else self._answering
        return deployed_graph(features, answering, shift, self._mask), {}


class TorchDetector:
    """The network as it was taught, answering as the exported graph does, not shifted."""

    name, precision = "torch", "f32"

    def __init__(
        self, network: MaskRCNN, about: Description, mask: NDArray[np.float32] | None
    ) -> None:
        """mask: 1 where it is inspected, (map height, map width); None when all is."""
        self.version = f"torch {torch.__version__}"
        self._network, self._mask = network.eval(), mask
        self._answering = Answering(network)
        self._scale, self._offset = (
            torch.tensor(values)[None, :, None, None] for values in (about.scale, about.offset)
        )

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """As `keenline.inference.engine.Engine` says, one image at a time."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
            levels = self._network.levels(pixels * self._scale + self._offset)
            found, listed = (each.numpy() for each in self._answering(*levels))
        inside = np.ones(found.shape[2:], np.float32) if self._mask is None else self._mask
        shares: NDArray[np.float32] = found[0] * inside
        maps = shares.max(axis=0)
        by_class = np.clip(shares, LEAST, 1 - LEAST)
        return {
            "map": maps[None],
            "score": np.array([top_mean(maps[inside > 0])], np.float32),
            CLASS_MAP: by_class[None],
            CLASS_SCORE: confidence(by_class[:, inside > 0])[None],
            INSTANCES: listed,
        }

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """As `keenline.inference.engine.Engine` says."""
        return (self.run(each) for each in images)
