"""What the network says and what is there turned into the number that learning makes small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from segmentation_models_pytorch import losses as smp
from torch.nn import functional

from keenline.learning_settings import Balance, Loss

_EVENNESS = 1.0
"""0: every pixel counts the same; 1: every class does."""

_RAREST = 30.0
"""At most so much more than a good pixel counts a defective one."""


def loss_of(
    kind: Loss, share_of_defects: float, balance: Balance = "oversample"
) -> Callable[[Any, Any], Any]:
    """A function of raw outputs (batch, 1 + classes, h, w) and numbers (batch, h, w).

    Whether there is a defect is one question, asked of every place; which class it is another,
    asked only where there is one, every class counting the same unless `balance` is none.
    share_of_defects: of the pixels that are learnt from, 0..1, for `weighted`.
    """
    even = balance != "none"
    if kind == "dice+bce":
        return lambda raw, numbers: _dice_bce(raw.float(), numbers, even=even)
    is_defect = _IS_DEFECT[kind](share_of_defects)

    def loss(raw: Any, numbers: Any) -> Any:
        raw = raw.float()
        there = (numbers > 0).float().unsqueeze(1)
        which = _which_class(raw, numbers, even=even)
        return is_defect(defect_logit(raw).unsqueeze(1), there) + which

    return loss


def defect_logit(raw: Any) -> Any:
    """Logit of the share of all classes together, (batch, h, w)."""
    return torch.logsumexp(raw[:, 1:], dim=1) - raw[:, 0]


def _dice_bce(raw: Any, numbers: Any, *, even: bool) -> Any:
    """Dice of each crop on its own, and cross-entropy of both questions together.

    even: every class weighs by a power of how many pixels show it, and good ones as all of them: a
    pit of ten pixels would be nothing beside a stain of ten thousand, and a network that misses
    all pits would be as good as another.
    """
    # -log of the share of the right class is the cross-entropy of the first question, and where
    # there is a defect that of the second besides.
    each = functional.cross_entropy(raw, numbers, reduction="none")
    if not even:
        return _dice(defect_logit(raw), numbers > 0) + each.mean()
    counts = torch.bincount(numbers.flatten(), minlength=raw.shape[1]).float()
    weights = counts.clamp(min=1.0) ** -_EVENNESS * (counts > 0)
    weights[0] *= (counts[1:] > 0).sum().clamp(min=1)
    weighing = weights[numbers]
    return _dice(defect_logit(raw), numbers > 0) + (each * weighing).sum() / weighing.sum()


def _dice(logit: Any, there: Any) -> Any:
    """1 - Dice, mean of the crops that show a defect: each counts the same, however small it is."""
    share = torch.sigmoid(logit)
    both, sums = (share * there).sum((1, 2)), share.sum((1, 2)) + there.sum((1, 2))
    shows = there.any(2).any(1)
    lost = (1 - (2 * both + 1) / (sums + 1)) * shows
    return lost.sum() / shows.sum().clamp(min=1)


def _focal(_: float) -> Callable[[Any, Any], Any]:
    focal: Callable[[Any, Any], Any] = smp.FocalLoss("binary")
    return focal


def _weighted(share: float) -> Callable[[Any, Any], Any]:
    ratio = min(_RAREST, (1 - share) / share) if share else 1.0
    bce: Callable[[Any, Any], Any] = smp.SoftBCEWithLogitsLoss(pos_weight=torch.tensor(ratio))
    return bce


_IS_DEFECT: dict[Loss, Callable[[float], Callable[[Any, Any], Any]]] = {
    "focal": _focal,
    "weighted": _weighted,
}


def _which_class(raw: Any, numbers: Any, *, even: bool) -> Any:
    """Cross-entropy among the classes where there is a defect; even: the mean of their means."""
    classes = raw.shape[1] - 1
    places = numbers > 0
    if classes == 1 or not bool(places.any()):
        return raw.sum() * 0.0
    found = raw[:, 1:].permute(0, 2, 3, 1)[places]
    wanted = numbers[places] - 1
    each = functional.cross_entropy(found, wanted, reduction="none")
    if not even:
        return each.mean()
    counts = torch.bincount(wanted, minlength=classes).float()
    weights = (1.0 / counts.clamp(min=1.0))[wanted]
    return (each * weights).sum() / (counts > 0).sum()
