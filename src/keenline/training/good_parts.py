"""Good samples turned into what a detector learns from: read once, framed, kept where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from keenline.data.dataset import Skipped
from keenline.data.reading import probe, read_image
from keenline.errors import Code, DatasetError, ImageError
from keenline.inference.framing import Framing
from keenline.inference.region_of_interest import roi_mask
from keenline.lighting_settings import LightingSettings
from keenline.models.base import LearningSet, Progress, Views
from keenline.models.lighting import Lighting, lighting_for
from keenline.recipe import InspectSettings
from keenline.types import Image, Mask, Sample

KEPT_BYTES = 768 * 1024 * 1024
"""Views kept in memory while learning; what does not fit is read again when it is needed."""


@dataclass(frozen=True, slots=True)
class ReadSamples:
    """Samples that could be read, in order, and those that could not."""

    samples: tuple[Sample, ...]
    views: Sequence[Views]
    skipped: tuple[Skipped, ...]

    def only(self, wanted: Sequence[Sample]) -> ReadSamples:
        """The same for some of the samples, without reading anything again."""
        paths = {sample.image for sample in wanted}
        places = [i for i, sample in enumerate(self.samples) if sample.image in paths]
        samples = tuple(self.samples[i] for i in places)
        return ReadSamples(samples, _Chosen(self.views, places), self.skipped)


def read_samples(
    samples: Sequence[Sample], framing: Framing, progress: Progress, *, room: int = KEPT_BYTES
) -> ReadSamples:
    """Read every sample once, so that a broken file is known before anything is learnt.

    room: bytes of views that are kept in memory.
    """
    usable, skipped, kept = [], [], []
    for done, sample in enumerate(samples):
        progress("read good images", done, len(samples))
        try:
            views = _views(sample, framing)
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
            continue
        usable.append(sample)
        room -= views.nbytes
        kept.append(views if room >= 0 else None)
    progress("read good images", len(samples), len(samples))
    return ReadSamples(tuple(usable), _Kept(usable, kept, framing), tuple(skipped))


def learning_set(
    read: ReadSamples,
    groups: Sequence[int],
    framing: Framing,
    inspect: InspectSettings,
    lighting: LightingSettings | None = None,
) -> LearningSet:
    """The contract's form; raises DatasetError when nothing could be read."""
    if not read.samples:
        raise DatasetError(
            Code.DATASET_NO_GOOD,
            "None of the good images can be read",
            expected="at least two readable good images",
            got=f"{len(read.skipped)} files, each with a fault",
            next="look at the list of skipped files",
        )
    facts = framing.facts
    roi = None
    rois: Sequence[NDArray[np.bool_]] = ()
    if facts.fixed_size and facts.tile is None:
        mask = roi_mask(inspect, facts.width, facts.height)
        roi = None if mask is None else framed_roi(mask, framing)[0]
    elif inspect.roi or inspect.ignore:
        rois = _Rois(read.samples, inspect, framing)
    names = [sample.image.name for sample in read.samples]
    return LearningSet(
        parts=read.views,
        roi=roi,
        rois=rois,
        fixed_size=facts.fixed_size or facts.tile is not None,
        groups=groups,
        names=names,
        lighting=framed_lighting(lighting or LightingSettings(), inspect, framing),
    )


def framed_lighting(
    settings: LightingSettings, inspect: InspectSettings, framing: Framing
) -> Lighting:
    """What the recipe's light asks of the views of a framing; raises TrainingError."""
    mask = roi_mask(inspect, framing.facts.width, framing.facts.height)
    return lighting_for(settings, framing, None if mask is None else framed_roi(mask, framing)[0])


def framed_roi(roi: Mask, framing: Framing) -> NDArray[np.bool_]:
    """(views, height, width): a region framed as an image is: resized, padded and cut alike."""
    picture: Image = np.repeat(roi.astype(np.uint8)[..., None] * 255, 3, axis=2)
    inside: NDArray[np.bool_] = framing.frame(picture).views[..., 0] > 127
    return inside


class _Kept(Sequence[Views]):
    """Views by number, from memory or from their file."""

    def __init__(
        self, samples: Sequence[Sample], kept: Sequence[Views | None], framing: Framing
    ) -> None:
        self._samples = samples
        self._kept = kept
        self._framing = framing

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, number: int) -> Views: ...
    @overload
    def __getitem__(self, number: slice) -> list[Views]: ...
    def __getitem__(self, number: int | slice) -> Views | list[Views]:
        if isinstance(number, slice):
            return [self[i] for i in range(len(self))[number]]
        views = self._kept[number]
        return _views(self._samples[number], self._framing) if views is None else views


class _Chosen(Sequence[Views]):
    """Some elements of a sequence of views, none of them read before it is asked for."""

    def __init__(self, whole: Sequence[Views], places: Sequence[int]) -> None:
        self._whole = whole
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Views: ...
    @overload
    def __getitem__(self, number: slice) -> list[Views]: ...
    def __getitem__(self, number: int | slice) -> Views | list[Views]:
        if isinstance(number, slice):
            return [self[i] for i in range(len(self))[number]]
        return self._whole[self._places[number]]


def _views(sample: Sample, framing: Framing) -> Views:
    image = read_image(sample.image, bit_depth=framing.facts.bit_depth)
    return framing.frame(image).views


class _Rois(Sequence[NDArray[np.bool_]]):
    """The inspected pixels of the views of each sample, made when they are asked for."""

    def __init__(
        self, samples: Sequence[Sample], inspect: InspectSettings, framing: Framing
    ) -> None:
        self._samples = samples
        self._inspect = inspect
        self._framing = framing
        self._known: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, number: int) -> NDArray[np.bool_]: ...
    @overload
    def __getitem__(self, number: slice) -> list[NDArray[np.bool_]]: ...
    def __getitem__(self, number: int | slice) -> NDArray[np.bool_] | list[NDArray[np.bool_]]:
        if isinstance(number, slice):
            return [self[i] for i in range(len(self))[number]]
        facts = probe(self._samples[number].image)
        size = facts.width, facts.height
        if size not in self._known:
            mask = roi_mask(self._inspect, *size)
            assert mask is not None
            self._known = {size: framed_roi(mask, self._framing)}  # one size is kept
        return self._known[size]
