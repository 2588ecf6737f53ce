"""Tiles cover an image, and a map put together from them is the map of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.inference.test_framing import framing, image
from tests.models.graphs import in_onnxruntime
from tests.small_parts import dented, good_part, learning_set, tiny_backbone

from keenline.inference.engines import open_engine
from keenline.inference.scoring import Scorer, top_mean
from keenline.models.backbones import open_backbone
from keenline.models.base import silent
from keenline.models.memory_bank import MemoryBank
from keenline.recipe import InspectSettings

sides = st.integers(20, 700)
tiles = st.sampled_from([128, 160, 256])
overlaps = st.integers(0, 64)


class Averaging:
    """An `Engine` whose map is the mean grey level of each square cell: local, and exact."""

    name = "averaging"
    version = "averaging 1"
    precision = "f32"

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self.batches: list[tuple[int, ...]] = []

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        self.batches.append(images.shape)
        found = cell_means(images, self.stride)
        scores = [top_mean(each) for each in found]
        return {"map": found, "score": np.array(scores, np.float32)}

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        return map(self.run, images)


def cell_means(images: NDArray[np.uint8], stride: int) -> NDArray[np.float32]:
    count, height, width, _ = images.shape
    cells = images.reshape(count, height // stride, stride, width // stride, stride, 3)
    return np.asarray(cells.mean(axis=(2, 4, 5)), np.float32)


def _padded(pixels: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    below, right = (-n % stride for n in pixels.shape[:2])
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")


@settings(max_examples=200, deadline=None)
@given(
    width=sides,
    height=sides,
    tile=tiles,
    overlap=overlaps,
    stride=st.sampled_from([4, 8, 16]),
    multiple=st.sampled_from([16, 32]),
)
def test_a_local_map_is_stitched_exactly(
    width: int, height: int, tile: int, overlap: int, stride: int, multiple: int
) -> None:
    found = framing([(width, height)], size="native", tile=tile, overlap=overlap, multiple=multiple)
    pixels = image(width, height)
    scored = Scorer(Averaging(stride), found, InspectSettings()).score(pixels)
    expected = cell_means(_padded(pixels, stride)[None], stride)[0]
    assert scored.map.shape == expected.shape
    np.testing.assert_allclose(scored.map, expected, rtol=1e-6)


@settings(max_examples=200, deadline=None)
@given(width=sides, height=sides, tile=tiles, overlap=overlaps)
def test_every_pixel_is_kept_exactly_once_and_from_inside_its_tile(
    width: int, height: int, tile: int, overlap: int
) -> None:
    found = framing([(width, height)], size="native", tile=tile, overlap=overlap)
    framed = found.frame(image(width, height))
    right = max(place.keep[2] for place in framed.places)
    bottom = max(place.keep[3] for place in framed.places)
    assert right >= width
    assert bottom >= height
    kept = np.zeros((bottom, right), int)
    for place in framed.places:
        left, top, end, low = place.keep
        kept[top:low, left:end] += 1
        assert place.x <= left < end <= place.x + framed.views.shape[2]
        assert place.y <= top < low <= place.y + framed.views.shape[1]
    assert (kept == 1).all()


@settings(max_examples=100, deadline=None)
@given(width=sides, height=sides, overlap=st.integers(32, 64))
def test_what_is_kept_lies_away_from_borders_inside_the_image(
    width: int, height: int, overlap: int
) -> None:
    found = framing([(width, height)], size="native", tile=128, overlap=overlap)
    framed = found.frame(image(width, height))
    right = max(place.keep[2] for place in framed.places)
    bottom = max(place.keep[3] for place in framed.places)
    # Half of the overlap, less what rounding to the grid of 16 takes.
    least = overlap // 2 - 16
    for place in framed.places:
        left, top, end, low = place.keep
        assert left == 0 or left - place.x >= least
        assert top == 0 or top - place.y >= least
        assert end == right or place.x + framed.views.shape[2] - end >= least
        assert low == bottom or place.y + framed.views.shape[1] - low >= least


@pytest.mark.parametrize("size", [(129, 129), (128, 200), (40, 500), (500, 21), (700, 20)])
def test_images_narrower_than_a_tile_are_padded(size: tuple[int, int]) -> None:
    found = framing([size], size="native", tile=128)
    engine = Averaging(8)
    assert found.facts.tile == (128 if size[0] * size[1] > 128 * 128 else None)
    scored = Scorer(engine, found, InspectSettings()).score(image(*size))
    assert scored.map.shape == (-(-size[1] // 8), -(-size[0] // 8))


def test_views_go_to_the_engine_one_at_a_time() -> None:
    engine = Averaging(8)
    Scorer(engine, framing([(400, 300)], size="native"), InspectSettings()).score(image(400, 300))
    assert len(engine.batches) > 4
    assert set(engine.batches) == {(1, 128, 128, 3)}


def test_the_score_is_that_of_the_highest_tile() -> None:
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[200:210, 300:310] = 200
    found = framing([(400, 300)], size="native")
    scored = Scorer(Averaging(8), found, InspectSettings()).score(pixels)
    views = cell_means(found.frame(pixels).views, 8)
    assert scored.score == pytest.approx(max(top_mean(view) for view in views))


@pytest.mark.parametrize("overlap", [32, 64, 96])
def test_a_filter_banks_tiled_features_equal_the_untiled_away_from_borders(overlap: int) -> None:
    """The coarse level sees 60 px to each side; nearer to a tile's border it sees padding."""
    pixels = image(384, 256, seed=3)
    found = framing([(384, 256)], size="native", tile=192, overlap=overlap)
    framed = found.frame(pixels)
    whole = _features(pixels)
    compared = 0
    for place, view in zip(framed.places, framed.views, strict=True):
        for level, stride in (("s8", 8), ("s16", 16)):
            part, margin = _features(view)[level], 64 // stride
            inner = part[:, margin:-margin, margin:-margin]
            y, x = place.y // stride + margin, place.x // stride + margin
            expected = whole[level][:, y : y + inner.shape[1], x : x + inner.shape[2]]
            np.testing.assert_allclose(inner, expected, atol=1e-4)
            compared += inner.size
    assert compared > 1000


def test_a_detectors_tiled_map_equals_the_untiled_away_from_borders(tmp_path: Path) -> None:
    """Sides and steps are multiples of 48, so that every scale has its cells in the same places."""
    sizes = [(480, 384), (384, 480), (432, 432)]
    parts = [good_part(seed, size) for seed, size in enumerate(sizes)]
    detector = MemoryBank(open_backbone(tiny_backbone(tmp_path)), bank_size=64)
    learnt = detector.learn(learning_set(parts, fixed_size=False), seed=0, progress=silent)
    graph = learnt.graph.SerializeToString()
    engine = open_engine(graph, name="onnxruntime", precision="f32")
    pixels = dented(9, (250, 200), (480, 384), 12)
    whole = engine.run(pixels[None])["map"][0]
    found = framing(sizes, size="native", tile=192, overlap=96, multiple=8)
    stitched = Scorer(engine, found, InspectSettings()).score(pixels).map
    assert stitched.shape == whole.shape
    framed = found.frame(pixels)
    stride = pixels.shape[0] // whole.shape[0]
    far = np.zeros(whole.shape, bool)
    for place in framed.places:
        left, top, right, bottom = _inner(place.x, place.y, 192, 72, (480, 384))
        far[top // stride : bottom // stride, left // stride : right // stride] = True
    assert far.mean() > 0.2
    np.testing.assert_allclose(stitched[far], whole[far], rtol=1e-3, atol=1e-3 * whole.max())
    # Nearer to a border a tile sees its own padding; it must stay a small matter.
    assert np.median(np.abs(stitched - whole)) < 0.02 * whole.max()


def _inner(
    x: int, y: int, tile: int, margin: int, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """left, top, right, bottom of a tile less a margin, except at the image's own border."""
    return (
        x + margin if x else 0,
        y + margin if y else 0,
        x + tile - margin if x + tile < size[0] else size[0],
        y + tile - margin if y + tile < size[1] else size[1],
    )


def _features(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    backbone = open_backbone("filterbank")
    about = backbone.description
    planes = np.moveaxis(pixels, -1, 0)[None] * np.float32(about.scale[0]) + about.offset[0]
    found = in_onnxruntime(backbone.model, {about.input: planes.astype(np.float32)})
    return {name: values[0] for name, values in found.items()}
