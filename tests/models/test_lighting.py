"""Light taken out of pictures: against plain formulas, in both engines, and what it cannot know."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto
from tests.models.graphs import ENGINES
from tests.small_parts import good_part, learning_set, tiny_backbone

from keenline.errors import Code, TrainingError
from keenline.inference.framing import framing_for
from keenline.lighting_settings import Equalise, LightingSettings
from keenline.models.backbones import open_backbone
from keenline.models.base import silent
from keenline.models.equalising import COUNTED
from keenline.models.graph_writer import GraphWriter
from keenline.models.lighting import LIGHT, Lighting, lighting_for
from keenline.models.local_contrast import Surroundings
from keenline.models.memory_bank import MemoryBank
from keenline.training.quantize import quantise
from keenline.types import Image, Mask

SIZE = (48, 80)
"""Height and width."""
AROUND = Surroundings(window=32, floor=8.0, multiple=16)
KINDS: tuple[Equalise, ...] = ("none", "histogram", "local")


def picture(seed: int, size: tuple[int, int] = SIZE) -> Image:
    """Colours, with a plain corner."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (size[0] // 8, size[1] // 8, 3)).repeat(8, 0).repeat(8, 1)
    found = np.clip(0.5 * coarse + rng.normal(60, 12, (*size, 3)), 0, 255).astype(np.uint8)
    found[:16, :16] = rng.integers(256)
    return found


def region(seed: int, size: tuple[int, int] = SIZE) -> Mask:
    found = np.zeros(size, bool)
    top, left = np.random.default_rng(seed).integers(0, 24, 2)
    found[top : top + 24, left : left + 40] = True
    return found


# The same in plain numpy, pixel by pixel where that is clearest


def by_rank(image: Image, counted: NDArray[np.uint8]) -> NDArray[np.float64]:
    same = np.bincount(counted.ravel(), minlength=256) / counted.size
    below = np.cumsum(same) - same
    ranks: NDArray[np.float64] = np.floor(255 * (below + same / 2) + 0.5 + 2.0**-10)
    return ranks[image]


def by_surroundings(image: Image, around: Surroundings, roi: Mask | None) -> NDArray[np.float64]:
    values = image.astype(np.float64)
    inside = np.ones(image.shape[:2]) if roi is None else roi.astype(np.float64)
    rest = values - mean_around(values, inside, around)
    variance = mean_around((rest**2).mean(axis=2, keepdims=True), inside, around)
    return np.clip(np.rint(128 + 32 * rest / np.sqrt(variance + around.floor**2)), 0, 255)


def mean_around(
    values: NDArray[np.float64], inside: NDArray[np.float64], around: Surroundings
) -> NDArray[np.float64]:
    cell, reach = around.cell, around.cells // 2
    rows, columns = (length // cell for length in values.shape[:2])
    coarse = np.zeros((rows, columns, values.shape[2]))
    for y in range(rows):
        for x in range(columns):
            down = slice(max(0, y - reach) * cell, (y + reach + 1) * cell)
            across = slice(max(0, x - reach) * cell, (x + reach + 1) * cell)
            weights = inside[down, across, None]
            share = max(weights.mean(), 1e-3)
            coarse[y, x] = (values[down, across] * weights).mean(axis=(0, 1)) / share
    for axis, length in ((0, values.shape[0]), (1, values.shape[1])):
        at = (np.arange(length) + 0.5) / cell - 0.5
        places = np.arange(coarse.shape[axis])
        coarse = np.apply_along_axis(partial(np.interp, at, places), axis, coarse)
    return coarse


def expected(lighting: Lighting, image: Image) -> NDArray[np.float64]:
    if lighting.grayscale:
        luma = np.floor(image @ (np.array([77, 150, 29]) / 256) + 0.5).astype(np.uint8)
        image = np.repeat(luma[..., None], 3, axis=2)
    if lighting.equalise == "histogram":
        return by_rank(image, image if lighting.roi is None else image[lighting.roi])
    if lighting.equalise == "local":
        return by_surroundings(image, lighting.around, lighting.roi)
    return image.astype(np.float64)


def as_graph(lighting: Lighting) -> onnx.ModelProto:
    """The stage before a graph that hands on what it is given."""
    writer = GraphWriter()
    writer.op("Cast", "image", to=TensorProto.FLOAT, name="seen")
    shape = ("batch", *(lighting.size or ("height", "width")), 3)
    plain = writer.model("seen", {"image": (TensorProto.UINT8, shape)}, {"seen": shape})
    return lighting.before(plain)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    grayscale=st.booleans(),
    sized=st.booleans(),
    masked=st.booleans(),
)
def test_graph_and_plain_formula_agree_in_both_engines(
    seed: int, kind: Equalise, grayscale: bool, sized: bool, masked: bool
) -> None:
    roi = region(seed) if sized and masked else None
    lighting = Lighting(grayscale, kind, AROUND, SIZE if sized else None, roi)
    if not lighting.acts:
        return
    views = np.stack([picture(seed), picture(seed + 1)])
    want = np.stack([expected(lighting, view) for view in views])
    if kind == "histogram" and not sized:  # every second pixel is counted
        want = np.stack([by_rank(v, v[1::2, 1::2]) for v in expected_grey(views, grayscale)])
    for run in ENGINES.values():
        found = run(as_graph(lighting), {"image": views})["seen"]
        # One level where a value lies on the edge between two, which is rare.
        assert np.abs(found - want).max() <= 1
        assert (found != want).mean() < 1e-3
    assert np.abs(lighting.picture(views[0]) - want[0]).max() <= 1


def expected_grey(views: NDArray[np.uint8], grayscale: bool) -> NDArray[np.uint8]:
    plain = Lighting(grayscale=grayscale)
    return np.stack([expected(plain, view).astype(np.uint8) for view in views])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), gamma=st.floats(0.6, 1.8), sized=st.booleans())
def test_ranks_do_not_see_a_change_that_keeps_the_order_of_levels(
    seed: int, gamma: float, sized: bool
) -> None:
    lighting = Lighting(equalise="histogram", size=SIZE if sized else None)
    # Levels far enough apart that none of them fall together.
    image = np.random.default_rng(seed).choice(np.arange(30, 256, 15, np.uint8), (*SIZE, 3))
    changed = np.rint(255 * (image / 255) ** gamma).astype(np.uint8)
    assert len(np.unique(changed)) == len(np.unique(image))
    assert np.array_equal(lighting.picture(changed), lighting.picture(image))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), gain=st.floats(0.6, 1.3), offset=st.integers(-15, 15))
def test_local_contrast_does_not_see_gain_and_offset(seed: int, gain: float, offset: int) -> None:
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal(110, 25, (*SIZE, 3)), 30, 180).astype(np.uint8)
    lighting = Lighting(equalise="local", around=Surroundings(32, 1.0, 16), size=SIZE)
    changed = np.rint(image * gain + offset).astype(np.uint8)
    moved = np.abs(lighting.picture(changed).astype(int) - lighting.picture(image))
    # Rounding to whole levels moves a value by half a level of about 25 to one deviation.
    assert moved.max() <= 3
    assert moved.mean() < 1


def test_local_contrast_hardly_sees_light_that_comes_from_one_side() -> None:
    even = good_part(3, (192, 128))
    slope = np.linspace(0.7, 1.2, 192)[None, :, None]
    slanted = np.rint(np.clip(even * slope, 0, 255)).astype(np.uint8)
    lighting = Lighting(equalise="local", around=Surroundings(32, 2.0, 32), size=(128, 192))
    before = np.abs(slanted.astype(int) - even).mean()
    after = np.abs(lighting.picture(slanted).astype(int) - lighting.picture(even)).mean()
    assert after < 0.2 * before


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("level", [0, 93, 255])
@pytest.mark.parametrize("sized", [True, False])
def test_a_picture_of_one_level_is_mid_grey(kind: Equalise, level: int, sized: bool) -> None:
    lighting = Lighting(equalise=kind, around=AROUND, size=SIZE if sized else None)
    image = np.full((1, *SIZE, 3), level, np.uint8)
    for run in ENGINES.values():
        assert np.array_equal(run(as_graph(lighting), {"image": image})["seen"], image * 0 + 128)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_lies_outside_the_region_changes_nothing_inside(kind: Equalise) -> None:
    roi = region(4)
    lighting = Lighting(equalise=kind, around=AROUND, size=SIZE, roi=roi)
    image = picture(4)
    glare = np.where(roi[..., None], image, 255).astype(np.uint8)
    assert np.array_equal(lighting.picture(glare)[roi], lighting.picture(image)[roi])


def test_an_empty_region_counts_everything_instead_of_nothing() -> None:
    nothing = np.zeros(SIZE, bool)
    for kind in KINDS[1:]:
        lighting = Lighting(equalise=kind, around=AROUND, size=SIZE, roi=nothing)
        assert np.isfinite(lighting.picture(picture(1))).all()


def test_of_a_large_picture_a_part_is_counted_and_ranks_stay_near() -> None:
    size = (512, 640)
    assert size[0] * size[1] > COUNTED
    image = picture(7, size)
    found = Lighting(equalise="histogram", size=size).picture(image)
    assert np.abs(found - by_rank(image, image)).max() <= 3


def test_the_stage_is_told_by_its_names_and_is_left_out_when_nothing_is_asked() -> None:
    plain = as_graph(Lighting())
    assert [node.op_type for node in plain.graph.node] == ["Cast"]
    lit = as_graph(Lighting(True, "local", AROUND, SIZE))
    stage = [node for node in lit.graph.node if node.name.startswith(LIGHT)]
    assert lit.graph.node[len(stage) :] == [lit.graph.node[-1]]
    assert [node.input[0] for node in lit.graph.node if "image" in node.input] == ["image"]


def framed(*sizes: tuple[int, int], **more: object):
    settings = {"size": 64, "auto_side": 64, "multiple": 16, "tile": 128, "overlap": 16}
    return framing_for(list(sizes), bit_depth=None, **(settings | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("framing", "roi"),
    [
        (framed((400, 300), size="native"), None),
        (framed((400, 300), (200, 150)), np.ones((48, 80), bool)),
    ],
    ids=["tiles", "boxes in images of different sizes"],
)
def test_a_histogram_of_no_whole_picture_is_refused(framing, roi) -> None:
    with pytest.raises(TrainingError) as caught:
        lighting_for(LightingSettings(equalise="histogram"), framing, roi)
    assert caught.value.code is Code.OPTION_CONFLICT
    assert "local" in str(caught.value)
    assert lighting_for(LightingSettings(equalise="local"), framing, roi).size is None


def test_a_window_is_meant_in_pixels_of_the_image_as_it_was_read() -> None:
    framing = framed((160, 90))
    half = LightingSettings(equalise="local", window=60)
    assert lighting_for(half, framing, None).around.window == round(60 * framing.facts.scale)
    own = lighting_for(LightingSettings(equalise="local"), framing, None)
    assert own.around.window == round(90 * framing.facts.scale / 4)
    assert own.size == (48, 80)


def test_int8_leaves_the_stage_in_float(tmp_path: Path) -> None:
    parts = [good_part(seed) for seed in range(4)]
    size = (parts[0].shape[0], parts[0].shape[1])
    lighting = Lighting(equalise="local", around=AROUND, size=size)
    detector = MemoryBank(
        open_backbone(tiny_backbone(tmp_path)), bank_size=16, precision="int8", quantise=quantise
    )
    good = replace(learning_set(parts), lighting=lighting)
    graph = detector.learn(good, seed=0, progress=silent).graph.graph
    stage = {out for node in graph.node if LIGHT in node.name for out in node.output}
    assert len(stage) == len([n for n in as_graph(lighting).graph.node if LIGHT in n.name])
    rounded = {name for n in graph.node if n.op_type == "QuantizeLinear" for name in n.input}
    assert rounded
    assert not rounded & stage
