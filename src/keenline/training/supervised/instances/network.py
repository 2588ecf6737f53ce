"""An encoder and torchvision's detector turned into a network that finds defects one by one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss, maskrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from keenline.training.supervised.encoder import Encoder
from keenline.training.supervised.instances.anchors import Anchors

WIDTH = 64
"""Channels of the pyramid. torchvision has 256, for 80 classes of a hundred thousand images; these
are learnt from hundreds, on a processor."""

CELL = 2
"""Pixels for one cell of the maps, as the U-Net on the built-in backbone has it."""

_HIDDEN = 256
"""Units of the layer that tells classes apart."""

_FINEST = 4
"""Stride of the finest level that is searched, as in the paper."""

_SAMPLED = {"rpn": 128, "boxes": 64}
"""Places of a crop that count for the loss; crops are a quarter of the photographs of the paper."""


class MaskRCNN(nn.Module):  # type: ignore[misc]
    """Mask R-CNN (He et al., 2017), or Faster R-CNN where nobody drew outlines.

    Its parts are torchvision's; only the sampling of masks is changed, because some defects may
    have an outline while others have a box alone.
    """

    stride = CELL

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        anchors: Anchors,
        *,
        masks: bool,
        frozen: bool = False,
    ) -> None:
        """anchors: of `levels_of` levels. masks: whether outlines are learnt. frozen: the encoder
        is not taught."""
        super().__init__()
        self.classes = classes
        self.strides = strides_of(encoder)
        self.encoder = encoder.module.requires_grad_(not frozen)
        self._first = len(encoder.channels) - len(self.strides)
        self.pyramid = FeaturePyramidNetwork(
            list(encoder.channels[self._first :]), WIDTH, extra_blocks=LastLevelMaxPool()
        )
        levels = levels_of(encoder)
        generator = AnchorGenerator(anchors.sizes, (anchors.ratios,) * levels)
        self.proposing = RegionProposalNetwork(
            generator,
            _Head(WIDTH, generator.num_anchors_per_location()[0]),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=_SAMPLED["rpn"],
            positive_fraction=0.5,
            pre_nms_top_n={"training": 400, "testing": 400},
            post_nms_top_n={"training": 300, "testing": 300},
            nms_thresh=0.7,
        )
        names = [str(place) for place in range(len(self.strides))]
        mask_parts: dict[str, Any] = {}
        if masks:
            mask_parts = {
                "mask_roi_pool": MultiScaleRoIAlign(names, 14, 2),
                "mask_head": MaskRCNNHeads(WIDTH, (WIDTH,) * 4, 1),
                "mask_predictor": MaskRCNNPredictor(WIDTH, WIDTH, 1 + classes),
            }
        self.heads = _Heads(
            MultiScaleRoIAlign(names, 7, 2),
            TwoMLPHead(WIDTH * 49, _HIDDEN),
            FastRCNNPredictor(_HIDDEN, 1 + classes),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=_SAMPLED["boxes"],
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=100,
            **mask_parts,
        )

    @property
    def masks(self) -> bool:
        """Whether it outlines what it finds."""
        return bool(self.heads.has_mask())

    def levels(self, picture: Any) -> list[Any]:
        """The pyramid of (batch, 3, height, width), finest first, one more than `strides`."""
        found = self.encoder(picture)[self._first :]
        named = OrderedDict((str(place), level) for place, level in enumerate(found))
        return list(self.pyramid(named).values())

    def losses(self, picture: Any, targets: list[dict[str, Any]]) -> dict[str, Any]:
        """What learning makes small, each a mean; targets as `batched` makes them."""
        sizes = [(int(picture.shape[2]), int(picture.shape[3]))] * len(picture)
        named = OrderedDict(
            ("pool" if place == len(self.strides) else str(place), level)
            for place, level in enumerate(self.levels(picture))
        )
        proposals, proposing = self.proposing(ImageList(picture, sizes), named, targets)
        judging = self.heads.losses(named, proposals, sizes, targets)
        return {**proposing, **judging}

    def train(self, mode: bool = True) -> MaskRCNN:
        """Batch norms stay as they were learnt: batches of a few crops would only blur them."""
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def strides_of(encoder: Encoder) -> tuple[int, ...]:
    """Of the levels that are searched, finest first."""
    strides = [output.stride for output in encoder.about.outputs.values()]
    strides = strides if len(strides) == len(encoder.channels) else _halved(encoder)
    return tuple(stride for stride in strides if stride >= _FINEST)


def levels_of(encoder: Encoder) -> int:
    """How many levels are searched; the coarsest is made from that before it."""
    return len(strides_of(encoder)) + 1


def _halved(encoder: Encoder) -> list[int]:
    return [encoder.stride * 2**place for place in range(len(encoder.channels))]


class _Head(RPNHead):  # type: ignore[misc]
    """torchvision's, whose answers are float32 also where its layers compute in bf16."""

    def forward(self, x: list[Any]) -> tuple[list[Any], list[Any]]:
        found, moved = super().forward(x)
        return [each.float() for each in found], [each.float() for each in moved]


class _Heads(RoIHeads):  # type: ignore[misc]
    """torchvision's, except that an outline is learnt only from defects that have one."""

    def losses(
        self,
        features: dict[str, Any],
        proposals: list[Any],
        sizes: list[tuple[int, int]],
        targets: list[dict[str, Any]],
    ) -> dict[str, Any]:
        proposals, matched, labels, offsets = self.select_training_samples(proposals, targets)
        pooled = self.box_head(self.box_roi_pool(features, proposals, sizes))
        logits, moved = (each.float() for each in self.box_predictor(pooled))
        loss_class, loss_box = fastrcnn_loss(logits, moved, labels, offsets)
        found = {"loss_classifier": loss_class, "loss_box_reg": loss_box}
        if not self.has_mask():
            return found
        places = [
            torch.where((label > 0) & target["outlined"][match])[0]
            if len(target["boxes"])
            else torch.where(label > 0)[0]
            for label, match, target in zip(labels, matched, targets, strict=True)
        ]
        chosen = [each[place] for each, place in zip(proposals, places, strict=True)]
        matched = [each[place] for each, place in zip(matched, places, strict=True)]
        pooled = self.mask_head(self.mask_roi_pool(features, chosen, sizes))
        masks = [target["masks"] for target in targets]
        numbers = [target["labels"] for target in targets]
        drawn = self.mask_predictor(pooled).float()
        loss = maskrcnn_loss(drawn, chosen, masks, numbers, matched)
        return found | {"loss_mask": loss}
