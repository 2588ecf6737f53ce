"""A taught U-Net and parts left out turned into the level from which a place is a defect.

Every class counts as much as good places while a network learns, so that small defects are learnt
at all; on real images good places are far more numerous, and a network so taught marks too much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from keenline.inference.enlarging import enlarge
from keenline.models.backbones import Description
from keenline.training.supervised.labelled_views import KnownViews
from keenline.training.supervised.losses import defect_logit
from keenline.training.supervised.network import UNet

_EDGES = np.linspace(-10.0, 10.0, 401)
"""Logits between which a level is looked for."""

_AS_GOOD = 0.99
"""Share of the best Dice that a level must reach to count among the best."""

_SPECK = 50.0
"""Pixels by which Dice is softened: one pixel wrong on a good view is not all wrong."""


def levelled(network: UNet, about: Description, views: KnownViews) -> float:
    """Move a network's output so that one half is where marking does best, see `best_level`.

    Says by how many logits. Raises ImageError when a file has gone since it was read.
    """
    scale, offset = (
        torch.tensor(each)[None, :, None, None] for each in (about.scale, about.offset)
    )
    counts = []
    network.eval()
    for known in views.known:
        view = views.view(known)
        with torch.no_grad():
            pixels = torch.from_numpy(view.pixels[None].copy()).permute(0, 3, 1, 2).float()
            found = defect_logit(network(pixels * scale + offset).float())[0].numpy()
        counts.append(pixels_of(enlarge(found, view.numbers.shape), view.numbers > 0))
    moved, _ = best_level(counts)
    with torch.no_grad():
        network.output.bias[0] += moved
    return moved


def pixels_of(logits: NDArray[np.floating], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many good and how many defective pixels of a view lie between levels, (2, bins)."""
    kept = np.clip(logits, _EDGES[0], _EDGES[-1])
    return np.stack([np.histogram(kept[there == kind], _EDGES)[0] for kind in (False, True)]) * 1.0


def best_level(counts: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """The level at which Dice is highest, and that Dice; counts: `pixels_of` each view.

    Dice is the mean over views with a defect and the mean over those without, halved: of all pixels
    together one stain may have more than everything else. Of all levels that do about as well it
    is the middle one, because the highest of few parts is chance. 0 and 1 without a defect.
    """
    every = np.stack(counts)
    shows = every[:, 1].any(axis=1)
    if not shows.any():
        return 0.0, 1.0
    wrong, hit = np.moveaxis(every[..., ::-1].cumsum(axis=2)[..., ::-1], 1, 0)
    true = hit[:, :1]
    dice = (2 * hit + _SPECK) / (hit + wrong + true + _SPECK)
    reached = np.mean([dice[kind].mean(axis=0) for kind in (shows, ~shows) if kind.any()], axis=0)
    among = np.flatnonzero(reached >= _AS_GOOD * reached.max())
    return float(_EDGES[among].mean()), float(reached.max())
