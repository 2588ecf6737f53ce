"""Labelled views turned into the crops of each epoch, the same whenever they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keenline.errors import ImageError
from keenline.learning_settings import Balance
from keenline.training.supervised.labelled_views import Known, KnownViews, LabelledView

_FEWEST, _MOST, _EACH = 64, 512, 4
"""Crops in an epoch, and for each view of a defect."""

_CONTRAST = 0.15
"""By what fraction contrast may change; brightness as the recipe says."""


class Lots:
    """Crops by number within an epoch.

    Every class is drawn as often as any other, unless `balance` says otherwise, so that a class of
    three samples is not drowned.
    """

    defective = 0.5
    """Share of the crops that are cut around a defect; the others come from views without one."""

    def __init__(
        self,
        views: KnownViews,
        *,
        seed: int,
        crop: int,
        crops: int | None,
        brightness: float = 0.0,
        rotations: tuple[int, ...] = (),
        balance: Balance = "oversample",
        mirrored: bool = True,
    ) -> None:
        """brightness, rotations: as the recipe's `[augment]` says; balance: as `[learning]`;
        mirrored: every other crop is flipped, across and along."""
        self._views, self._seed, self._side = views, seed, crop
        self._brightness, self._rotations = brightness, rotations
        self._evenly, self._mirrored = balance == "oversample", mirrored
        self._by_class: dict[int, list[Known]] = {}
        for known in views.known:
            for number in sorted(known.shown):
                self._by_class.setdefault(number, []).append(known)
        self._others = [known for known in views.known if not known.shown]
        defective = sum(bool(known.shown) for known in views.known)
        self._crops = crops or min(_MOST, max(_FEWEST, _EACH * defective))
        self.epoch = 0
        """Set before crops are drawn from it."""
        self.gone: set[Known] = set()
        """Views whose file could not be read again; they are passed over."""

    def __len__(self) -> int:
        return self._crops

    def __getitem__(self, number: int) -> Any:
        """What `piece` makes of a view that was drawn."""
        if number >= self._crops:
            raise IndexError(number)
        rng = np.random.default_rng((self._seed, self.epoch, number))
        while True:
            known, wanted = self._drawn(rng)
            try:
                view = self.drawn_view(known, rng)
            except ImageError:
                self.gone.add(known)
                if len(self.gone) == len(self._views.known):
                    raise
                continue
            return self.piece(view, wanted, rng)

    def drawn_view(self, known: Known, rng: np.random.Generator) -> LabelledView:
        """As a network sees it. Where light is taken out, another light comes before that."""
        lighting = self._views.lighting
        if not lighting.acts:
            return self._views.view(known)
        view = self._views.as_read(known)
        return replace(view, pixels=lighting.picture(self._another_light(view.pixels, rng)))

    def piece(self, view: LabelledView, wanted: int, rng: np.random.Generator) -> Any:
        """(side, side, 3) pixels and the number of what covers each, (side, side).

        wanted: the class that is to be in it; 0 for any place.
        """
        return self._changed(*_cut(view, wanted, self._side, rng), rng)

    def _drawn(self, rng: np.random.Generator) -> tuple[Known, int]:
        """A view, and the class around which to cut, or 0."""
        if self._by_class and (rng.random() < self.defective or not self._others):
            wanted = int(rng.choice(sorted(self._by_class), p=self._shares()))
            places = self._by_class[wanted]
            return places[int(rng.integers(len(places)))], wanted
        return self._others[int(rng.integers(len(self._others)))], 0

    def _shares(self) -> list[float] | None:
        """How often each class is drawn; None: one as often as another."""
        if self._evenly:
            return None
        counts = [len(self._by_class[number]) for number in sorted(self._by_class)]
        return [count / sum(counts) for count in counts]

    def _changed(
        self, pixels: NDArray[np.uint8], numbers: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        for axis in (0, 1):
            if rng.random() < 0.5 and self._mirrored:
                pixels, numbers = np.flip(pixels, axis), np.flip(numbers, axis)
        turn = int(rng.choice((0, *self._rotations))) // 90
        pixels, numbers = np.rot90(pixels, turn), np.rot90(numbers, turn)
        return self._relit(pixels, rng), np.ascontiguousarray(numbers, np.int64)

    def _relit(self, pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        if self._views.lighting.acts:
            return np.ascontiguousarray(pixels)
        return self._another_light(pixels, rng)

    def _another_light(
        self, pixels: NDArray[np.uint8], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        light = 1 + rng.uniform(-1, 1) * self._brightness
        contrast = 1 + rng.uniform(-1, 1) * _CONTRAST
        middle = float(pixels.mean())
        levels = (np.arange(256) - middle) * contrast * light + middle * light
        table: NDArray[np.uint8] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return table[pixels]


def _cut(
    view: LabelledView, wanted: int, side: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A square with a pixel of the class `wanted` somewhere in it, or any square when 0."""
    pixels, numbers = view.pixels, view.numbers
    more = [max(0, side - length) for length in numbers.shape]
    if any(more):
        around = ((0, more[0]), (0, more[1]))
        pixels = np.pad(pixels, (*around, (0, 0)), mode="edge")
        numbers = np.pad(numbers, around, mode="edge")
    room = [length - side for length in numbers.shape]
    if wanted:
        places = np.flatnonzero(numbers == wanted)
        place = np.unravel_index(int(places[int(rng.integers(len(places)))]), numbers.shape)
        lowest = [max(0, int(at) - side + 1) for at in place]
        highest = [min(free, int(at)) for free, at in zip(room, place, strict=True)]
    else:
        lowest, highest = [0, 0], room
    top, left = (int(rng.integers(a, b + 1)) for a, b in zip(lowest, highest, strict=True))
    square = slice(top, top + side), slice(left, left + side)
    return pixels[square], numbers[square]
