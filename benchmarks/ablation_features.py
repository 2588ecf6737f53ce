"""Validation pictures turned into the raw features of one backbone, kept in .bench/.

Computed in float32 and kept in float16, whose rounding is a hundredth of what int8 does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import numpy as np
from datasets import REPOSITORY
from numpy.typing import NDArray
from validation import Picture, framing_of

from keenline.inference.bank import EMBEDDING
from keenline.inference.engine import Engine
from keenline.inference.engines import open_engine
from keenline.inference.framing import Framing
from keenline.models.backbones import Backbone
from keenline.models.feature_graph import raw_features
from keenline.models.patches import View, ways_to_look

KEPT = REPOSITORY / ".bench" / "ablation"
BRIGHTNESS = 0.2
"""The recipe's default."""

Look = tuple[float, bool]
"""Scale, and whether features are locally averaged."""

PASSES: tuple[tuple[tuple[float, ...], bool], ...] = (
    ((1.0, 0.5, 0.25), True),
    ((2 / 3,), True),
    ((1.0, 0.5), False),
)
"""Scales and local mean of each pass of the backbone: a half is made from 1 and a quarter from the
half, as in a bundle, and two thirds from 1."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Features of all pictures at one scale."""

    cells: NDArray[np.float16]
    """(cells of all pictures, channels)"""
    places: NDArray[np.int64]
    """(pictures, 2, 3): for the picture as it is, and for the good ones darker or brighter, the
    first of its cells and the height and width of its grid; zeros where there is none."""

    def vectors(self, picture: int, way: int = 0) -> NDArray[np.float32]:
        """(height * width, channels)"""
        first, height, width = self.places[picture, way]
        return self.cells[first : first + height * width].astype(np.float32)

    def grid(self, picture: int) -> tuple[int, int]:
        _, height, width = self.places[picture, 0]
        return int(height), int(width)


def keep_features(
    pictures: Sequence[Picture], backbone: Backbone, kept: Path = KEPT
) -> tuple[Path, ...]:
    """The folder of each of `PASSES`, below `kept`; what is already there is not made again."""
    framing = framing_of(pictures, backbone.description.multiple_of)
    size = None
    if framing.facts.fixed_size:
        width, height = framing.working_size(framing.facts.width, framing.facts.height)
        size = height, width
    folders = []
    for scales, local_mean in PASSES:
        graph = raw_features(backbone, size, scales=scales, local_mean=local_mean)
        folder = kept / _digest(pictures, graph.SerializeToString())
        if not (folder / "places.npy").is_file():
            engine = open_engine(
                graph.SerializeToString(), name="openvino", precision="f32", side_by_side=True
            )
            _keep(folder, _run(engine, pictures, framing, backbone, len(scales)))
        folders.append(folder)
    return tuple(folders)


def features(folders: Sequence[Path]) -> dict[Look, Looked]:
    """What `keep_features` kept, mapped into memory."""
    found: dict[Look, Looked] = {}
    for folder, (scales, local_mean) in zip(folders, PASSES, strict=True):
        places = np.load(folder / "places.npy")
        for number, scale in enumerate(scales):
            cells = np.load(folder / f"{number}.npy", mmap_mode="r")
            found[scale, local_mean] = Looked(cells, places[number])
    return found


_Found = tuple[list[list[NDArray[np.float16]]], NDArray[np.int64]]


def _run(
    engine: Engine, pictures: Sequence[Picture], framing: Framing, backbone: Backbone, scales: int
) -> _Found:
    channels = sum(level.channels for _, level in backbone.levels)
    places = np.zeros((scales, len(pictures), 2, 3), np.int64)
    cells: list[list[NDArray[np.float16]]] = [[] for _ in range(scales)]
    count = [0] * scales
    looks, fed = tee(_looks(pictures, framing))
    answers = engine.run_each(view.pixels[None] for _, _, view in fed)
    for (number, way, _), outputs in zip(looks, answers, strict=True):
        for scale in range(scales):
            grid = outputs[EMBEDDING.format(scale)][0]
            cells[scale].append(grid.reshape(channels, -1).T.astype(np.float16))
            places[scale, number, way] = count[scale], *grid.shape[1:]
            count[scale] += grid.shape[1] * grid.shape[2]
    return cells, places


def _looks(pictures: Sequence[Picture], framing: Framing) -> Iterator[tuple[int, int, View]]:
    """Number of the picture, number of the way it is looked at, and what is seen."""
    for number, picture in enumerate(pictures):
        views = framing.frame(picture.pixels()).views
        brightness = BRIGHTNESS if picture.is_good else 0.0
        for way, view in enumerate(ways_to_look(views, number, brightness, ())):
            yield number, way, view


def _keep(folder: Path, found: _Found) -> None:
    cells, places = found
    folder.mkdir(parents=True, exist_ok=True)
    for number, parts in enumerate(cells):
        np.save(folder / f"{number}.npy", np.concatenate(parts))
    np.save(folder / "places.npy", places)  # last: it says that all is there


def _digest(pictures: Sequence[Picture], graph: bytes) -> str:
    """Names these pictures seen through this graph."""
    said = hashlib.sha256(graph)
    for picture in pictures:
        said.update(f"{picture.path.name} {picture.piece} {picture.label}\n".encode())
    return said.hexdigest()[:16]
