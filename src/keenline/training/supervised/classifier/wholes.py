"""Labelled samples turned into what a network sees of them whole; no defect need be marked."""

from __future__ import annotations

import numpy as np

from keenline.data.reading import read_image
from keenline.training.lesson_samples import classes_of
from keenline.training.supervised.labelled_views import LabelledView, LabelledViews
from keenline.types import Sample


class LabelledWholes(LabelledViews):
    """Views of which only the classes are known, not where a defect lies.

    `numbers` of a view are those of its first class in every pixel; an image may show several.
    """

    def _shown(self, sample: Sample, view: LabelledView) -> frozenset[int]:
        del view
        return frozenset(1 + self._classes.index(name) for name in classes_of(sample))

    def _read(self, sample: Sample) -> list[LabelledView]:
        image = read_image(sample.image, bit_depth=self._framing.facts.bit_depth)
        number = min((1 + self._classes.index(name) for name in classes_of(sample)), default=0)
        views = self._framing.frame(image).views
        # One byte, however large the image.
        return [
            LabelledView(view, np.broadcast_to(np.uint8(number), view.shape[:2])) for view in views
        ]
