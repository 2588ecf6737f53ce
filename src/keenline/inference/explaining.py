"""A finding turned into evidence: the place in the image, and the normal patch it was held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from keenline.bundle import GRAPH, MEMORY, PATCHES, Bundle
from keenline.inference.bank import EMBEDDING, INSIDE, memory_from, nearest_member
from keenline.inference.engines import open_engine
from keenline.inference.framing import Framed, Framing
from keenline.inference.patch_sheet import PATCH_SIDE, cut_square, patch_picture
from keenline.inference.references import SHEET, References
from keenline.types import Image, Region


class Explained(NamedTuple):
    """One finding explained."""

    region: Region
    crop: Image
    """The place, (side, side, 3), at the scale at which the graph saw it."""
    normal: Image | None
    """The most similar patch of a good part (of a fixtured part: at this very place); None where
    the detector keeps no patches."""
    source: str
    """Which good part the patch is from; empty when there is none."""


class Explainer:
    """Explains findings of one bundle; compiles a graph with one more output."""

    def __init__(self, bundle: Bundle) -> None:
        self._framing = Framing(bundle.manifest.framing)
        self._sheet = bundle.members.get(PATCHES, b"")
        self._memory = memory_from(bundle.members[MEMORY]) if MEMORY in bundle.members else None
        self._references = References(bundle.members) if SHEET in bundle.members else None
        self._tensor = INSIDE + EMBEDDING.format(0)
        graph = bundle.members[GRAPH]
        if self._memory is not None:
            graph = _with_output(graph, self._tensor)
        facts = bundle.manifest.engine
        self._engine = open_engine(graph, name=facts.name, precision=facts.precision)

    def explain(self, image: Image, regions: Sequence[Region], limit: int) -> list[Explained]:
        """The highest `limit` regions; the order is kept."""
        if not regions or limit < 1:
            return []
        framed = self._framing.frame(image)
        found = []
        for region in regions[:limit]:
            found.append(self._explain(framed, region, (image.shape[1], image.shape[0])))
        return found

    def _explain(self, framed: Framed, region: Region, size: tuple[int, int]) -> Explained:
        box = self._working_box(framed, region, size)
        middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
        number = _view_of(framed, middle)
        place, view = framed.places[number], framed.views[number]
        outputs = self._engine.run(view[None])
        scores = outputs["map"][0]
        stride_x, stride_y = view.shape[1] / scores.shape[1], view.shape[0] / scores.shape[0]
        left, right = _cells(box[0] - place.x, box[2] - place.x, stride_x, scores.shape[1])
        top, bottom = _cells(box[1] - place.y, box[3] - place.y, stride_y, scores.shape[0])
        inside = scores[top:bottom, left:right]
        down, across = np.unravel_index(int(inside.argmax()), inside.shape)
        row, column = int(down) + top, int(across) + left
        x, y = int((column + 0.5) * stride_x), int((row + 0.5) * stride_y)
        crop = cut_square(view, x, y, PATCH_SIDE)
        if self._references is not None:
            return Explained(region, crop, *self._references.at(view, x, y))
        if self._memory is None or not self._sheet:
            return Explained(region, crop, None, "")
        bank = self._memory.banks[0]
        member = nearest_member(bank, _vector(outputs[self._tensor][0], row, column, scores.shape))
        source = int(bank.source[member])
        name = self._memory.names[source] if source < len(self._memory.names) else ""
        return Explained(region, crop, patch_picture(self._sheet, member), name)

    @staticmethod
    def _working_box(
        framed: Framed, region: Region, size: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """left, top, right, bottom in working pixels."""
        x, y = framed.size[0] / size[0], framed.size[1] / size[1]
        box = region.box
        return (
            int(box.x * x),
            int(box.y * y),
            int((box.x + box.width) * x),
            int((box.y + box.height) * y),
        )


def _view_of(framed: Framed, point: tuple[int, int]) -> int:
    for number, place in enumerate(framed.places):
        left, top, right, bottom = place.keep
        if left <= point[0] < right and top <= point[1] < bottom:
            return number
    return 0


def _cells(low: int, high: int, stride: float, count: int) -> tuple[int, int]:
    first = min(max(0, int(low / stride)), count - 1)
    return first, min(count, max(first + 1, int(np.ceil(high / stride))))


def _vector(
    grid: NDArray[np.float32], row: int, column: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    down = min(int((row + 0.5) * grid.shape[1] / shape[0]), grid.shape[1] - 1)
    across = min(int((column + 0.5) * grid.shape[2] / shape[1]), grid.shape[2] - 1)
    return np.ascontiguousarray(grid[:, down, across])


def _with_output(graph: bytes, tensor: str) -> bytes:
    model = onnx.load_from_string(graph)
    model.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    return bytes(model.SerializeToString())
