"""Labelled images turned into the pictures of each epoch, the same whenever they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keenline.errors import ImageError
from keenline.learning_settings import Balance
from keenline.training.supervised.labelled_views import GOOD_PIXEL, Known, LabelledViews
from keenline.training.supervised.lots import Lots

_FEWEST, _MOST = 64, 512
"""Pictures in an epoch; as many as there are views otherwise."""

_SHIFT = 1 / 16
"""Of a side, by which a picture may be moved each way; what it lacks then is mirrored at its edge.
"""


class Pictures(Lots):
    """Whole views by number within an epoch, and the share of each class in them.

    Good parts are one class more; every one is drawn as often as any other, unless `balance` says
    otherwise.
    """

    def __init__(
        self,
        views: LabelledViews,
        classes: int,
        *,
        seed: int,
        pictures: int | None,
        brightness: float,
        rotations: tuple[int, ...],
        balance: Balance,
        rounds: int | None = None,
    ) -> None:
        """pictures: in an epoch; rounds: epochs after which they begin anew, None: never; the rest
        as for `Lots`."""
        sizes = [views.view(known).numbers.shape for known in views.known]
        self._height, self._width = (max(size[axis] for size in sizes) for axis in (0, 1))
        if self._height != self._width:
            rotations = tuple(turn for turn in rotations if turn == 180)
        count = pictures or min(_MOST, max(_FEWEST, len(views.known)))
        super().__init__(
            views,
            seed=seed,
            crop=max(self._height, self._width),
            crops=count,
            brightness=brightness,
            rotations=rotations,
            balance=balance,
        )
        self._classes, self._rounds = classes, rounds
        if self._others:
            self._by_class[GOOD_PIXEL] = self._others

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        """(height, width, 3) pixels and the share of good and of each class, (1 + classes,)."""
        if number >= len(self):
            raise IndexError(number)
        rng = np.random.default_rng((self._seed, self.round, number))
        while True:
            known, _ = self._drawn(rng)
            try:
                pixels = self.drawn_view(known, rng).pixels
            except ImageError:
                self.gone.add(known)
                if len(self.gone) == len(self._views.known):
                    raise
                continue
            moved = _moved(sized(pixels, self._height, self._width), rng)
            changed, _ = self._changed(moved, np.zeros(moved.shape[:2], np.uint8), rng)
            return np.ascontiguousarray(changed), shares(known, self._classes)

    @property
    def round(self) -> int:
        """Pictures of the same round and number are the same."""
        return self.epoch if self._rounds is None else self.epoch % self._rounds

    def share_of(self) -> NDArray[np.float32]:
        """Of good views and of those of each class among all, (1 + classes,)."""
        every = np.sum([shares(known, self._classes) for known in self._views.known], axis=0)
        return np.asarray(every / every.sum(), np.float32)

    def _drawn(self, rng: np.random.Generator) -> tuple[Known, int]:
        wanted = int(rng.choice(sorted(self._by_class), p=self._shares()))
        places = self._by_class[wanted]
        return places[int(rng.integers(len(places)))], wanted


def shares(known: Known, classes: int) -> NDArray[np.float32]:
    """What a network is to say of a view, (1 + classes,): its classes alike, or good."""
    wanted = np.zeros(1 + classes, np.float32)
    wanted[list(known.shown) or [GOOD_PIXEL]] = 1 / max(1, len(known.shown))
    return wanted


def sized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A view at the upper left of (height, width, 3), its edge repeated where it is smaller."""
    more = height - pixels.shape[0], width - pixels.shape[1]
    if not any(more):
        return pixels
    return np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge")


def _moved(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    most = int(height * _SHIFT), int(width * _SHIFT)
    top, left = (int(rng.integers(0, 2 * room + 1)) for room in most)
    around = ((most[0], most[0]), (most[1], most[1]), (0, 0))
    wide = np.pad(pixels, around, mode="reflect")
    return wide[top : top + height, left : left + width]
