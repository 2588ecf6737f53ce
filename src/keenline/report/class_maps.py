"""What a bundle says of each class at each place turned into small pictures of a card."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image as Pillow

from keenline.report.overlay import heat_layer, shrink
from keenline.types import Image, Prediction, ScoreMap

SURE = 0.5
"""Confidence from which a bundle takes a class to be there; painting starts a little below."""

_MOST = 3
"""Classes shown, the surest; the first one always."""

_WORTH = 0.1
"""Confidence below which another class than the first is not shown."""

_LONGEST = 280
"""Pixels of a picture's longer side."""


def class_pictures(prediction: Prediction, image: Image, kind: str) -> str:
    """For the surest classes where in the image that comes from; empty without classes.

    image: (height, width, 3). kind: what the maps are, such as `class activation`; it is written
    below every picture.
    """
    scores = prediction.class_scores
    order = sorted(prediction.class_maps, key=lambda name: -scores[name])[:_MOST]
    small = shrink(image, _LONGEST)
    figures = [
        _figure(name, scores[name], prediction.class_maps[name], small, kind)
        for rank, name in enumerate(order)
        if not rank or scores[name] >= _WORTH
    ]
    return f'<div class="class-maps">{"".join(figures)}</div>' if figures else ""


def says_nothing(prediction: Prediction) -> bool:
    """Whether the map of what is strange is one value, as where no good part was known."""
    return bool(prediction.class_maps) and float(np.ptp(prediction.map)) < 1e-6


def _figure(name: str, score: float, part: ScoreMap, small: Image, kind: str) -> str:
    picture = Pillow.fromarray(np.ascontiguousarray(small)).convert("RGBA")
    shape = (small.shape[0], small.shape[1])
    picture.alpha_composite(Pillow.fromarray(heat_layer(part, SURE, shape)))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "jpeg", quality=80)
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    words, of = escape(kind, quote=True), escape(name, quote=True)
    return (
        f'<figure><img src="{source}" alt="{words} of {of}">'
        f"<figcaption><b>{of} {score:.2f}</b> {words}</figcaption></figure>"
    )
