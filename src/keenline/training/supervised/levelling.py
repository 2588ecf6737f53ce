"""A taught U-Net and parts left out turned into the level from which a place is a defect.

Every class counts as much as good places while a network learns, so that small defects are learnt
at all; on real images good places are far more numerous, and a network so taught marks too much.
"""

from __future__ import annotations

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
"""Share of the best pixel F1 that a level must reach to count among the best."""


def levelled(network: UNet, about: Description, views: KnownViews) -> float:
    """Move a network's output so that one half is where marking gives the highest pixel F1.

    Says by how many logits. Raises ImageError when a file has gone since it was read.
    """
    found = level(network, about, views)
    with torch.no_grad():
        network.output.bias[0] += found
    return found


def level(network: UNet, about: Description, views: KnownViews) -> float:
    """The logit above which marking places gives the highest pixel F1, all views together.

    Of all that do about as well the middle one: the highest of few parts is chance. 0 where no
    view shows a defect. Raises ImageError when a file has gone since it was read.
    """
    scale, offset = (
        torch.tensor(each)[None, :, None, None] for each in (about.scale, about.offset)
    )
    counts = no_pixels()
    network.eval()
    for known in views.known:
        view = views.view(known)
        with torch.inference_mode():
            pixels = torch.from_numpy(view.pixels[None].copy()).permute(0, 3, 1, 2).float()
            found = defect_logit(network(pixels * scale + offset).float())[0].numpy()
        counts += pixels_of(enlarge(found, view.numbers.shape), view.numbers > 0)
    return best_level(counts)[0]


def no_pixels() -> NDArray[np.float64]:
    """How many good and how many defective pixels lie between levels, (2, bins): none."""
    return np.zeros((2, len(_EDGES) - 1))


def pixels_of(logits: NDArray[np.floating], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The same of one view, (height, width) each."""
    kept = np.clip(logits, _EDGES[0], _EDGES[-1])
    return np.stack([np.histogram(kept[there == kind], _EDGES)[0] for kind in (False, True)]) * 1.0


def best_level(counts: NDArray[np.float64]) -> tuple[float, float]:
    """The level and the pixel F1 that is highest; 0 and 1 without a defect."""
    if not counts[1].any():
        return 0.0, 1.0
    wrong, hit = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    reached = 2 * hit / (hit + wrong + counts[1].sum())
    among = np.flatnonzero(reached >= _AS_GOOD * reached.max())
    return float(_EDGES[among].mean()), float(reached.max())
