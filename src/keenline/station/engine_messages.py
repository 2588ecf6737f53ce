"""What the station and its engine's process say to each other: lines of JSON and image slots."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from keenline.types import Image, Region, Verdict


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message: what to load."""

    bundle: str
    """Path of the bundle file."""
    threads: int
    sizes: tuple[tuple[int, int], ...] = ()
    """Width and height of the images to come, where known: each is tried before `Ready`, so that
    the first part does not wait for a graph to be compiled."""
    recipe: str = ""
    """The station's recipe as JSON; "" for the bundle's own."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine can inspect; or it cannot, and says why."""

    error: str = ""
    code: int = 0
    engine: str = ""
    """Name and version."""


@dataclass(frozen=True, slots=True)
class Question:
    """Inspect the image in a slot."""

    part: int
    camera: str
    slot: int
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine found in one image."""

    part: int
    camera: str
    slot: int
    verdict: Verdict
    reasons: tuple[str, ...]
    threshold: float
    milliseconds: float
    score: float | None = None
    class_scores: dict[str, float] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    code: int | None = None


OPENING: TypeAdapter[Opening] = TypeAdapter(Opening)
READY: TypeAdapter[Ready] = TypeAdapter(Ready)
QUESTION: TypeAdapter[Question] = TypeAdapter(Question)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


class Slots:
    """Places for images in memory that both processes see."""

    def __init__(self, memory: memoryview, count: int) -> None:
        self.count = count
        self.size = len(memory) // count
        """Bytes of one slot."""
        self._bytes: NDArray[np.uint8] = np.frombuffer(memory, np.uint8)

    def put(self, slot: int, image: Image) -> None:
        """Copy `image` into a slot; it must fit."""
        np.copyto(self.view(slot, image.shape), image)

    def view(self, slot: int, shape: tuple[int, ...]) -> Image:
        """The image in a slot, not copied."""
        start = slot * self.size
        return self._bytes[start : start + int(np.prod(shape))].reshape(shape)
