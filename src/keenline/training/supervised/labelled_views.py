"""Labelled samples turned into what the network sees of them and what covers each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from keenline.data.class_masks import class_masks
from keenline.data.dataset import Skipped
from keenline.data.reading import read_image
from keenline.errors import Code, ImageError
from keenline.inference.framing import Framing
from keenline.models.base import Progress
from keenline.models.lighting import AS_IT_IS, Lighting
from keenline.training.good_parts import KEPT_BYTES, framed_roi
from keenline.types import Image, Sample

GOOD_PIXEL = 0
"""Number of what is no defect; class k of the list has the number k + 1."""


@dataclass(frozen=True, slots=True)
class LabelledView:
    """One view of a sample."""

    pixels: Image
    numbers: NDArray[np.uint8]
    """(height, width): `GOOD_PIXEL`, or 1 + the place of the class."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a view whose pixels may have been forgotten."""

    sample: int
    view: int
    shown: frozenset[int]
    """Numbers of the classes in it."""


class KnownViews(Protocol):
    """Views that can be asked for again; crops are cut from them, and losses measured on them."""

    known: list[Known]
    lighting: Lighting
    """What is taken out of a view before a network sees it."""

    def view(self, known: Known) -> LabelledView:
        """As the network sees it; raises ImageError when the file has gone since it was read."""

    def as_read(self, known: Known) -> LabelledView:
        """Before the light is taken out of it."""


class LabelledViews:
    """Views of samples that could be read, from memory or from their files."""

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: Sequence[str],
        framing: Framing,
        progress: Progress,
        *,
        room: int = KEPT_BYTES,
    ) -> None:
        """Read every sample once, so that a broken file is known before anything is learnt.

        room: bytes of views that are kept in memory. A sample of a defect that nobody marked says
        nothing about pixels and is left out.
        """
        self._classes, self._framing = list(classes), framing
        self.lighting: Lighting = AS_IT_IS
        """What is done to a view before a network sees it; set before it is asked for one."""
        self._kept: list[list[LabelledView] | None] = []
        self.samples: list[Sample] = []
        self.known: list[Known] = []
        skipped = []
        for done, sample in enumerate(samples):
            progress("read labelled parts", done, len(samples))
            try:
                views = self._read(sample)
            except ImageError as error:
                skipped.append(Skipped(sample.image, error))
                continue
            for number, view in enumerate(views):
                self.known.append(Known(len(self.samples), number, self._shown(sample, view)))
            room -= sum(view.pixels.nbytes + view.numbers.nbytes for view in views)
            self._kept.append(views if room >= 0 else None)
            self.samples.append(sample)
        progress("read labelled parts", len(samples), len(samples))
        self.skipped = tuple(skipped)

    def view(self, known: Known) -> LabelledView:
        """As a network sees it; raises ImageError when the file has gone since it was read."""
        view = self.as_read(known)
        if not self.lighting.acts:
            return view
        return replace(view, pixels=self.lighting.picture(view.pixels))

    def as_read(self, known: Known) -> LabelledView:
        """As the finished graph is given it; raises ImageError."""
        kept = self._kept[known.sample]
        views = self._read(self.samples[known.sample]) if kept is None else kept
        return views[known.view]

    def only(self, chosen: NDArray[np.bool_]) -> LabelledViews:
        """The same for some of the samples, (samples,) True, without reading anything again."""
        some = copy(self)
        places = np.flatnonzero(chosen)
        number = {int(place): new for new, place in enumerate(places)}
        some.samples = [self.samples[place] for place in places]
        some._kept = [self._kept[place] for place in places]
        some.known = [
            replace(known, sample=number[known.sample])
            for known in self.known
            if known.sample in number
        ]
        return some

    def share_of_defects(self) -> float:
        """Of the pixels of views that show a defect, 0..1; 0 without any."""
        showing = [self.as_read(known).numbers for known in self.known if known.shown]
        pixels = sum(numbers.size for numbers in showing)
        return sum(int(np.count_nonzero(n)) for n in showing) / pixels if pixels else 0.0

    def _shown(self, sample: Sample, view: LabelledView) -> frozenset[int]:
        """Numbers of the classes in a view."""
        del sample
        return frozenset(map(int, np.unique(view.numbers))) - {GOOD_PIXEL}

    def _read(self, sample: Sample) -> list[LabelledView]:
        image = read_image(sample.image, bit_depth=self._framing.facts.bit_depth)
        views = self._framing.frame(image).views
        numbers = np.zeros(views.shape[:3], np.uint8)
        if not sample.is_good:
            masks = class_masks(sample, (image.shape[1], image.shape[0]))
            if not masks:
                raise ImageError(
                    Code.MASK_MISSING,
                    "The image shows a defect that nobody marked",
                    where=sample.image,
                    expected="a mask, box or outline of the defect",
                    got=f"only its class, {sample.label}",
                    next="mark it, or use `keenline teach`, which needs no places",
                )
            # The smaller mark counts where two lie on each other.
            for name in sorted(masks, key=lambda name: -int(masks[name].sum())):
                inside = framed_roi(masks[name], self._framing)
                numbers[inside] = 1 + self._classes.index(name)
        return [LabelledView(*pair) for pair in zip(views, numbers, strict=True)]
