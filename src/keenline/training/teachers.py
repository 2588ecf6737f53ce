"""Feature graphs by name turned into what a student is to predict: their channels side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.errors import BackboneError, Code
from keenline.inference.engine import Engine
from keenline.inference.engines import open_engine
from keenline.models.backbones import Backbone, open_backbone
from keenline.models.fed_scales import fed_at_scales
from keenline.models.graph_writer import GraphWriter
from keenline.training.student import LEVELS, STRIDES

_SMALLEST_STD = 0.02
"""Of a channel, relative to the median of its output: what hardly moves is not blown up."""

Features: TypeAlias = dict[str, NDArray[np.float32]]
"""For each level of the student (batch, channels, height / stride, width / stride)."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which channels of a level come from which teacher."""

    teacher: str
    output: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each channel of each level, over crops."""

    mean: dict[str, NDArray[np.float32]]
    std: dict[str, NDArray[np.float32]]


class Teachers:
    """Backbones that are run side by side on the same images."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        precision: str = "f32",
        engine: str = "openvino",
        threads: int = 0,
    ) -> None:
        """Raises BackboneError: an unknown name, or one without outputs at strides 8 and 16."""
        self.backbones = tuple(open_backbone(name) for name in names)
        self.precision, self._engine, self._threads = precision, engine, threads
        self.parts: dict[str, tuple[Part, ...]] = {level: self._place(level) for level in LEVELS}
        self._open: dict[tuple[int, ...], list[Engine]] = {}

    @property
    def channels(self) -> tuple[int, int]:
        """Of the levels, finest first."""
        fine, coarse = (self.parts[level][-1].end for level in LEVELS)
        return fine, coarse

    @property
    def multiple_of(self) -> int:
        """Sides of images are multiples of this."""
        return max(backbone.description.multiple_of for backbone in self.backbones)

    def features(self, images: NDArray[np.uint8]) -> Features:
        """For images (batch, height, width, 3), uint8. Raises EngineError."""
        if images.shape not in self._open:
            self._open[images.shape] = [
                self._compiled(backbone, images.shape) for backbone in self.backbones
            ]
        found = [engine.run(images) for engine in self._open[images.shape]]
        rows = {backbone.name: run for backbone, run in zip(self.backbones, found, strict=True)}
        return {
            level: np.concatenate([rows[part.teacher][part.output] for part in parts], axis=1)
            for level, parts in self.parts.items()
        }

    def statistics(self, batches: Iterable[NDArray[np.uint8]]) -> Statistics:
        """Mean and standard deviation of every channel over batches of images."""
        count = dict.fromkeys(LEVELS, 0)
        total = {level: np.zeros(n) for level, n in zip(LEVELS, self.channels, strict=True)}
        squares = {level: np.zeros(n) for level, n in zip(LEVELS, self.channels, strict=True)}
        for batch in batches:
            for level, values in self.features(batch).items():
                count[level] += values[:, 0].size
                total[level] += values.sum(axis=(0, 2, 3), dtype=np.float64)
                squares[level] += np.square(values, dtype=np.float64).sum(axis=(0, 2, 3))
        mean = {level: total[level] / count[level] for level in LEVELS}
        std = {
            level: np.sqrt(np.maximum(squares[level] / count[level] - mean[level] ** 2, 0))
            for level in LEVELS
        }
        for level, parts in self.parts.items():
            for part in parts:
                own = std[level][part.first : part.end]
                own[:] = np.maximum(own, _SMALLEST_STD * max(float(np.median(own)), 1e-6))
        return Statistics(
            {level: values.astype(np.float32) for level, values in mean.items()},
            {level: values.astype(np.float32) for level, values in std.items()},
        )

    def _place(self, level: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        for backbone in self.backbones:
            fitting = [n for n, output in backbone.levels if output.stride == STRIDES[level]]
            if not fitting:
                raise BackboneError(
                    Code.BACKBONE_GRAPH,
                    "This backbone cannot teach: it has no output at a stride that is needed",
                    where=backbone.name,
                    expected="levels at strides 8 and 16",
                    got=", ".join(f"{n} at {output.stride}" for n, output in backbone.levels),
                    next="name another teacher, or other levels in its description",
                )
            first = parts[-1].end if parts else 0
            end = first + backbone.description.outputs[fitting[-1]].channels
            parts.append(Part(backbone.name, fitting[-1], first, end))
        return tuple(parts)

    def _compiled(self, backbone: Backbone, shape: tuple[int, ...]) -> Engine:
        graph = from_pixels(backbone, shape).SerializeToString()
        return open_engine(
            graph, name=self._engine, precision=self.precision, threads=self._threads
        )


def from_pixels(backbone: Backbone, shape: tuple[int, ...]) -> onnx.ModelProto:
    """A backbone's levels of images (batch, height, width, 3), uint8; the batch is left open.

    Of a size that is known, which is several times faster than one that is not.
    """
    writer = GraphWriter()
    about = backbone.description
    (fed,) = fed_at_scales(writer, about, (shape[1], shape[2]), (1.0,))
    names = [name for name, _ in backbone.levels]
    found = writer.include(backbone.model, {about.input: fed}, names, "inside/")
    outputs = {}
    for tensor, (name, level) in zip(found, backbone.levels, strict=True):
        cells = (shape[1] // level.stride, shape[2] // level.stride)
        outputs[writer.op("Identity", tensor, name=name)] = ("batch", level.channels, *cells)
    return writer.model("teacher", {"image": (TensorProto.UINT8, ("batch", *shape[1:]))}, outputs)
