"""A pyramid of features turned into dense maps of each class and a list of instances.

What torchvision does after its layers gives lists whose length depends on the image, and no
engine handles every such graph. Here every list has a fixed length: what is suppressed, or was
never there, stays in it with a confidence of 0. So an image without a defect is no special case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.onnx.operators import shape_as_tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import nms, roi_align
from torchvision.ops.poolers import LevelMapper

from keenline.training.supervised.instances.network import CELL, MaskRCNN

_SEARCHED = 200
"""Places of each level that are looked at again, at most."""

_PROPOSED = 64
"""Of them all after those are left out that overlap a surer one by more than 0.7."""

FOUND = 32
"""Instances in the answer, the surest."""

_SAME_PROPOSAL, _SAME_DEFECT = 0.7, 0.5
"""Overlap above which the less sure of two boxes is left out, as torchvision has it."""

_STEEP = 4.0
"""By how much an outline is steeper than the share that the network gives."""

_NEVER, _NOWHERE = -100.0, -1.0
"""A logit, and a share, below any other."""


class Answering(nn.Module):  # type: ignore[misc]
    """The levels of one image, each (1, channels, h, w), to what `forward` says."""

    def __init__(self, network: MaskRCNN, *, varied: bool = False) -> None:
        """varied: views differ in size, so nothing may follow from that of the first one."""
        super().__init__()
        self.network, self._varied = network, varied
        self._proposals = BoxCoder((1.0, 1.0, 1.0, 1.0))
        first, *_, last = network.strides
        self._mapper = LevelMapper(first.bit_length() - 1, last.bit_length() - 1)

    def forward(self, *levels: Any) -> tuple[Any, Any]:
        """Maps (1, classes, height / `CELL`, width / `CELL`), confidence 0..1, and instances.

        Of each class at each place the confidence of the surest instance there, times how sure it
        is that it covers the place. Instances are (1, number, 6): left, top, right, bottom in
        pixels of the view, number of the class from 1, confidence; the surest first.
        """
        first = self.network.strides[0]
        height, width = (side * first for side in shape_as_tensor(levels[0])[2:].float())
        edges = torch.stack([width, height, width, height])
        boxes, proposed = self._proposed(levels, edges)
        boxes, numbers, sure = self._judged(levels, boxes, proposed, edges)
        shapes = self._outlined(levels, boxes, numbers)
        # One defect may be listed under two classes. In the maps the surer one counts alone.
        alone = sure * _apart(boxes, sure, torch.zeros_like(sure), edges, _SAME_DEFECT)
        maps = []
        for number in range(1, 1 + self.network.classes):
            mine = alone * (numbers == number).float()
            maps.append((shapes * mine[:, None, None]).amax(dim=0))
        listed = torch.cat([boxes, numbers.float()[:, None], sure[:, None]], dim=1)
        return torch.stack(maps)[None], listed[None]

    def _proposed(self, levels: Sequence[Any], edges: Any) -> tuple[Any, Any]:
        """Boxes (`_PROPOSED`, 4) and 1 or 0 for each, whether it is one."""
        found, moved = self.network.proposing.head(list(levels))
        generator = self.network.proposing.anchor_generator
        strides = (*self.network.strides, self.network.strides[-1] * 2)
        boxes, scores, level_of = [], [], []
        for place, (logits, moves) in enumerate(zip(found, moved, strict=True)):
            base = generator.cell_anchors[place].to(logits)
            anchors = _anchors(base, strides[place], logits)
            shape = (len(base), 4, logits.shape[2], logits.shape[3])
            offsets = moves.reshape(shape).permute(2, 3, 0, 1).reshape(-1, 4)
            logit = logits.permute(0, 2, 3, 1).reshape(-1)
            if self._varied:  # there may be fewer than are taken
                logit = torch.cat([logit, logit.new_full((_SEARCHED,), _NEVER)])
                anchors = torch.cat([anchors, anchors.new_zeros((_SEARCHED, 4))])
                offsets = torch.cat([offsets, offsets.new_zeros((_SEARCHED, 4))])
            number = _SEARCHED if self._varied else min(_SEARCHED, int(logit.shape[0]))
            highest, places = logit.topk(number)
            boxes.append(self._proposals.decode_single(offsets[places], anchors[places]))
            scores.append(highest)
            level_of.append(torch.full_like(highest, float(place)))
        every, surety = _inside(torch.cat(boxes), edges), torch.cat(scores)
        kept = _apart(every, surety, torch.cat(level_of), edges, _SAME_PROPOSAL)
        rank = torch.where(kept > 0, torch.sigmoid(surety), torch.full_like(surety, _NOWHERE))
        highest, places = rank.topk(min(_PROPOSED, int(rank.shape[0])))
        return every[places], (highest >= 0).float()

    def _judged(
        self, levels: Sequence[Any], boxes: Any, proposed: Any, edges: Any
    ) -> tuple[Any, Any, Any]:
        """Boxes (number, 4), classes from 1 and confidence, the surest first."""
        heads, classes = self.network.heads, self.network.classes
        pooled = heads.box_head(self._pooled(levels, boxes, 7))
        logits, offsets = heads.box_predictor(pooled)
        shares = torch.softmax(logits, dim=1)[:, 1:] * proposed[:, None]
        # One box for each class; that of the good places is left out.
        moved = heads.box_coder.decode_single(offsets, boxes).reshape(-1, 1 + classes, 4)[:, 1:]
        every = _inside(moved.reshape(-1, 4), edges)
        numbers = torch.arange(1, 1 + classes, device=boxes.device).repeat(boxes.shape[0])
        sure = shares.reshape(-1)
        kept = _apart(every, sure, numbers.float(), edges, _SAME_DEFECT)
        highest, places = (sure * kept).topk(min(FOUND, int(sure.shape[0])))
        return every[places], numbers[places], highest

    def _pooled(self, levels: Sequence[Any], boxes: Any, side: int) -> Any:
        """(boxes, channels, side, side), each box from the level that suits its size."""
        level_of = self._mapper([boxes])
        rois = torch.cat([torch.zeros_like(boxes[:, :1]), boxes], dim=1)
        total = 0.0
        for place, stride in enumerate(self.network.strides):
            part = roi_align(levels[place], rois, side, 1.0 / stride, 2, False)
            total = total + part * (level_of == place).float()[:, None, None, None]
        return total

    def _outlined(self, levels: Sequence[Any], boxes: Any, numbers: Any) -> Any:
        """How sure each instance is to cover each cell, (instances, rows, columns)."""
        cells = self.network.strides[0] // CELL
        rows, columns = (levels[0].shape[axis] * cells for axis in (2, 3))
        if not self.network.masks:
            across = _covered(boxes[:, 0], boxes[:, 2], columns)
            down = _covered(boxes[:, 1], boxes[:, 3], rows)
            return down[:, :, None] * across[:, None, :]
        heads = self.network.heads
        raw = heads.mask_predictor(heads.mask_head(self._pooled(levels, boxes, 14)))
        mine = numbers[:, None] == torch.arange(raw.shape[1], device=raw.device)[None]
        masks = _outline(torch.sigmoid((raw * mine.float()[:, :, None, None]).sum(dim=1)))
        down = _weights(boxes[:, 1], boxes[:, 3], rows, raw.shape[2])
        across = _weights(boxes[:, 0], boxes[:, 2], columns, raw.shape[3])
        return torch.matmul(torch.matmul(down, masks), across.transpose(1, 2))


def _anchors(base: Any, stride: int, grid: Any) -> Any:
    """Those of torchvision at each cell of (1, any, rows, columns): (rows x columns x kinds, 4)."""
    rows, columns = grid.shape[2], grid.shape[3]
    y, x = torch.meshgrid(
        torch.arange(rows, device=base.device),
        torch.arange(columns, device=base.device),
        indexing="ij",
    )
    corner = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4).float() * stride
    return (corner + base).reshape(-1, 4)


def _inside(boxes: Any, edges: Any) -> Any:
    return torch.minimum(boxes.clamp(min=0.0), edges)


def _apart(boxes: Any, scores: Any, groups: Any, edges: Any, most: float) -> Any:
    """1 for each box that no surer one of its group overlaps by more than `most`, else 0."""
    # Groups are moved apart, so that one pass serves all, as torchvision does.
    far = boxes + groups[:, None] * (edges.amax() + 1.0)
    places = nms(far, scores, most)
    return torch.zeros_like(scores).scatter(0, places, torch.ones_like(places).float())


def _outline(masks: Any) -> Any:
    """(instances, side, side), 0..1, as it counts in the maps: inside nearly 1, outside nearly 0.

    So an outline is the same at every threshold of confidence. It is held to its own highest value:
    one that is faint everywhere must not hide an instance that is sure.
    """
    highest = masks.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    return ((masks / highest - 0.5) * _STEEP + 0.5).clamp(0.0, 1.0)


def _covered(low: Any, high: Any, cells: int) -> Any:
    """Share of each cell between two edges in pixels, (boxes, cells)."""
    left = torch.arange(cells, device=low.device).float()[None] * CELL
    shared = torch.minimum(high[:, None], left + CELL) - torch.maximum(low[:, None], left)
    return shared.clamp(0, CELL) / CELL


def _weights(low: Any, high: Any, cells: int, side: int) -> Any:
    """(boxes, cells, side): how the `side` values between two edges mix in each cell, linearly.

    They fall to 0 within half a value beyond the edges.
    """
    centre = (torch.arange(cells, device=low.device).float()[None] + 0.5) * CELL
    # One that is thinner than a cell still has to meet one.
    width = (high - low).clamp(min=float(CELL))[:, None]
    place = (centre - (low + high)[:, None] / 2) / width * side + (side - 1) / 2
    nodes = torch.arange(side, device=low.device).float()[None, None]
    return (1 - (place[:, :, None] - nodes).abs()).clamp(min=0)
