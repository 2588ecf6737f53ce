"""Lighting settings turned into a graph from a picture to the same freed of changes of the light.

It is the first stage of the deployed graph, uint8 in and uint8 out, so that what is learnt from and
what is run are one code. Levels are whole: a detector that compares neighbouring grey levels must
not see the rounding of an engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from keenline.errors import Code, TrainingError
from keenline.inference.engine import Engine
from keenline.inference.engines import open_engine
from keenline.inference.framing import Framing
from keenline.lighting_settings import Equalise, LightingSettings
from keenline.models.equalising import equalised
from keenline.models.graph_writer import GraphWriter
from keenline.models.local_contrast import Surroundings, freed_of_surroundings
from keenline.types import Image, Mask

LIGHT = "light/"
"""What the names of the nodes of this stage begin with."""

WINDOW_SHARE = 1 / 4
"""Of the shorter side of a view; the window when the recipe does not say it."""

_LUMA = np.array([77, 150, 29], np.float32) / 256
"""ITU-R BT.601, in 256ths so that every step is exact in float32."""


@dataclass(frozen=True, eq=False)
class Lighting:
    """What is done to a view before a detector sees it; by default nothing."""

    grayscale: bool = False
    equalise: Equalise = "none"
    around: Surroundings = field(default_factory=Surroundings)
    """For `local`."""
    size: tuple[int, int] | None = None
    """Height and width of every view, None when they differ."""
    roi: Mask | None = None
    """Pixels of a view that count in histograms and means, (height, width); None: all."""

    @property
    def acts(self) -> bool:
        """False when views stay as they are."""
        return self.grayscale or self.equalise != "none"

    def before(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """The model with this stage between its input `image` and what was there."""
        if not self.acts:
            return model
        # Copied name by name: a stage of quantisation tells its nodes by how they begin.
        stage = onnx.compose.add_prefix_graph(self._graph.graph, LIGHT, rename_inputs=False)
        lit = f"{LIGHT}bytes"
        cast = helper.make_node("Cast", [LIGHT + _LIT], [lit], name=lit, to=TensorProto.UINT8)
        result = onnx.ModelProto()
        result.CopyFrom(model)
        for node in result.graph.node:
            node.input[:] = [lit if name == "image" else name for name in node.input]
        rest = list(result.graph.node)
        del result.graph.node[:]
        result.graph.node.extend([*stage.node, cast, *rest])
        result.graph.initializer.extend(stage.initializer)
        onnx.checker.check_model(result, full_check=True)
        return result

    def picture(self, view: Image) -> Image:
        """A view as what comes after this stage sees it."""
        if not self.acts:
            return view
        levels: Image = self._engine.run(view[None])[_LIT][0].astype(np.uint8)
        return levels

    def looking(self, engine: Engine) -> Engine:
        """An engine that is given views as they are and runs on what comes after this stage."""
        return _Looking(engine, self) if self.acts else engine

    @cached_property
    def _engine(self) -> Engine:
        graph = self._graph.SerializeToString()
        return open_engine(graph, name="onnxruntime", precision="f32", threads=1)

    @cached_property
    def _graph(self) -> onnx.ModelProto:
        """`image` to `_LIT`, float32 with whole levels 0..255."""
        writer = GraphWriter()
        picture = writer.op("Cast", "image", to=TensorProto.FLOAT)
        if self.grayscale:
            luma = writer.op("MatMul", picture, writer.constant(_LUMA[:, None]))
            picture = writer.op("Floor", writer.op("Add", luma, writer.constant(0.5)))
        if self.equalise == "histogram":
            picture = equalised(writer, picture, self.size, self.roi)
        elif self.equalise == "local":
            picture = freed_of_surroundings(writer, picture, self.around, self.size, self.roi)
        if self.grayscale:
            # Concat, Expand and Mul each take several times as long in OpenVINO.
            picture = writer.op("MatMul", picture, writer.constant(np.ones((1, 3))))
        writer.op("Identity", picture, name=_LIT)
        height, width = self.size or ("height", "width")
        shape = ("batch", height, width, 3)
        return writer.model("lighting", {"image": (TensorProto.UINT8, shape)}, {_LIT: shape})


class _Looking:
    """An `Engine` without the stage in its graph."""

    def __init__(self, engine: Engine, lighting: Lighting) -> None:
        self._inner, self._lighting = engine, lighting
        self.name, self.version, self.precision = engine.name, engine.version, engine.precision

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        return self._inner.run(np.stack([self._lighting.picture(image) for image in images]))

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        return (self.run(each) for each in images)


_LIT = "lit"

AS_IT_IS = Lighting()
"""Nothing is done."""


def lighting_for(settings: LightingSettings, framing: Framing, roi: Mask | None) -> Lighting:
    """What a recipe asks for, on the views of a framing.

    roi: inspected pixels of the image as it is framed, None when all are. Raises TrainingError
    (OPTION_CONFLICT) where a histogram of all inspected pixels cannot be taken in one view.
    """
    facts = framing.facts
    whole = facts.fixed_size and facts.tile is None
    if settings.equalise == "histogram" and facts.tile is not None:
        raise _no_histogram("an image seen whole", "an image cut into tiles")
    if settings.equalise == "histogram" and roi is not None and not whole:
        raise _no_histogram("images of one size", "images of different sizes, and boxes")
    shorter = facts.tile or min(facts.width, facts.height) * facts.scale
    window = WINDOW_SHARE * shorter if settings.window == "auto" else settings.window * facts.scale
    return Lighting(
        settings.grayscale,
        settings.equalise,
        Surroundings(max(3, round(window)), settings.floor, facts.multiple),
        _size(framing) if whole else None,
        roi if whole else None,
    )


def _size(framing: Framing) -> tuple[int, int]:
    facts = framing.facts
    views = framing.frame(np.zeros((facts.height, facts.width, 3), np.uint8)).views
    return views.shape[1], views.shape[2]


def _no_histogram(expected: str, got: str) -> TrainingError:
    return TrainingError(
        Code.OPTION_CONFLICT,
        "A histogram is that of one whole picture",
        where='recipe, [lighting] equalise = "histogram"',
        expected=expected,
        got=got,
        next='use equalise = "local", or set `size` in [image] to a number of pixels or auto',
    )
