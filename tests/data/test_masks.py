"""Label files as different tools write them, each read as the same defect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.picture_files import save

from keenline.data.mask_rules import marked_colours
from keenline.data.reading import read_mask

SIZE = (24, 18)
TRUTH = np.zeros((18, 24), np.bool_)
TRUTH[5:11, 7:16] = True


def coloured(off: tuple[int, ...], on: tuple[int, ...]) -> np.ndarray:
    return np.where(TRUTH[..., None], np.array(on), np.array(off)).astype(np.uint8)


def indexed(*colours: tuple[int, int, int], **info: object) -> Image.Image:
    picture = Image.fromarray(TRUTH.astype(np.uint8) * (len(colours) - 1))
    picture = picture.convert("L")
    picture.putpalette(bytes(value for colour in colours for value in colour))
    picture.info.update(info)
    return picture


def check(path: Path) -> None:
    np.testing.assert_array_equal(read_mask(path, SIZE), TRUTH)


@pytest.mark.parametrize(
    "pixels",
    {
        "L": TRUTH * np.uint8(255),
        "L just above": np.where(TRUTH, 128, 127).astype(np.uint8),
        "L of 0 and 1": TRUTH.astype(np.uint8),
        "1-bit": TRUTH,
        "RGB": coloured((0, 0, 0), (255, 255, 255)),
        "RGB green": coloured((0, 0, 0), (35, 164, 54)),
        "RGB blue": coloured((0, 0, 0), (0, 0, 255)),
        "RGB dark red": coloured((0, 0, 0), (64, 0, 0)),
        "RGB red on white": coloured((255, 255, 255), (200, 30, 30)),
        "RGBA in colour": coloured((0, 0, 0, 255), (255, 0, 0, 255)),
        "RGBA in alpha, black": coloured((0, 0, 0, 0), (0, 0, 0, 255)),
        "RGBA in alpha, white": coloured((255, 255, 255, 0), (255, 255, 255, 255)),
        "RGBA black strokes on clear white": coloured((255, 255, 255, 0), (0, 0, 0, 255)),
        "RGBA faint alpha": coloured((0, 0, 0, 40), (0, 0, 0, 200)),
        "RGBA in both": coloured((0, 0, 0, 0), (35, 164, 54, 255)),
        "RGBA clear everywhere": coloured((0, 0, 0, 0), (255, 255, 255, 0)),
        "16-bit": TRUTH * np.uint16(65535),
        "16-bit from 8": TRUTH * np.uint16(255),
        "16-bit of 0 and 1": TRUTH.astype(np.uint16),
    }.items(),
    ids=lambda item: item[0],
)
def test_png_modes(tmp_path: Path, pixels: tuple[str, np.ndarray]) -> None:
    check(save(tmp_path / "mask.png", pixels[1]))


def test_grey_with_alpha(tmp_path: Path) -> None:
    grey, full = TRUTH * np.uint8(255), np.full(TRUTH.shape, 255, np.uint8)
    for name, layers in {"colour": (grey, full), "alpha": (full, grey)}.items():
        path = tmp_path / f"{name}.png"
        Image.merge("LA", [Image.fromarray(layer) for layer in layers]).save(path)
        check(path)


@pytest.mark.parametrize(
    "picture",
    {
        "white": indexed((0, 0, 0), (255, 255, 255)),
        "green, luma 113": indexed((0, 0, 0), (35, 164, 54)),
        "VOC dark red": indexed((0, 0, 0), (64, 0, 0)),
        "almost black grey": indexed((0, 0, 0), (1, 1, 1)),
        "third of three": indexed((0, 0, 0), (255, 0, 0), (9, 9, 40)),
        "red on white": indexed((255, 255, 255), (220, 20, 20)),
        "clear background": indexed((0, 0, 0), (35, 164, 54), transparency=bytes([0, 255])),
        "all in alpha": indexed((0, 0, 0), (0, 0, 0), transparency=bytes([0, 255])),
    }.items(),
    ids=lambda item: item[0],
)
def test_palettes(tmp_path: Path, picture: tuple[str, Image.Image]) -> None:
    picture[1].save(tmp_path / "mask.png")
    check(tmp_path / "mask.png")


def test_a_palette_in_reverse_order_goes_by_its_colours(tmp_path: Path) -> None:
    picture = Image.fromarray((~TRUTH).astype(np.uint8))
    picture.putpalette(bytes([255, 255, 255, 0, 0, 0]))
    picture.save(tmp_path / "mask.png")
    check(tmp_path / "mask.png")


@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 40, 40)])
def test_jpeg_noise_is_no_defect(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    truth = np.kron(TRUTH, np.ones((8, 8), np.bool_))
    pixels = np.where(truth[..., None], colour, 0).astype(np.uint8)
    path = save(tmp_path / "mask.jpg", pixels, quality=90, subsampling=0)
    np.testing.assert_array_equal(read_mask(path, (SIZE[0] * 8, SIZE[1] * 8)), truth)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_an_empty_mask_is_empty(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"mask.{ending}", np.zeros((18, 24), np.uint8))
    assert not read_mask(path, SIZE).any()


def test_faint_noise_in_a_grey_mask_is_no_defect(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 12, (18, 24), dtype=np.uint8)
    assert not read_mask(save(tmp_path / "mask.png", noise), SIZE).any()


def test_a_turned_mask_is_turned_like_its_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = np.rot90(TRUTH) * np.uint8(255)
    check(save(tmp_path / "mask.png", np.ascontiguousarray(sideways), exif=exif))


@settings(deadline=None, max_examples=60)
@given(
    truth=st.lists(st.booleans(), min_size=64, max_size=64).filter(any),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"]),
)
def test_any_white_on_black_survives_any_mode(
    tmp_path_factory: pytest.TempPathFactory, truth: list[bool], mode: str
) -> None:
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    mask = np.array(truth).reshape(8, 8)
    Image.fromarray(mask * np.uint8(255)).convert(mode).save(path)
    np.testing.assert_array_equal(read_mask(path, (8, 8)), mask)


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20, unique=True))
def test_black_is_never_a_defect_and_bright_colours_off_white_always_are(
    colours: list[tuple[int, int, int]],
) -> None:
    table = np.array(colours, np.uint8)
    for palette in (True, False):
        marked = marked_colours(table, indexed=palette)
        assert not marked[table.max(axis=1) == 0].any()
        assert marked[(table.max(axis=1) > 127) & (table.min(axis=1) <= 247)].all()


def test_the_cookie_masks(shared: Path) -> None:
    """Two colours, black and (35, 164, 54), of luma 113; their alpha is the polygon's soft edge."""
    paths = sorted((shared / "data/cookie/dataset-files/mask-images").glob("*.png"))
    assert len(paths) == 32
    for path in paths:
        with Image.open(path) as picture:
            layers = np.asarray(picture.convert("RGBA"))
        mask = read_mask(path, (576, 768))
        np.testing.assert_array_equal(mask, (layers[..., 1] == 164) & (layers[..., 3] > 127))
        assert 0.01 < mask.mean() < 0.08


def test_the_kolektor_masks(shared: Path) -> None:
    paths = sorted((shared / "data/kolektorsdd").glob("*/*_label.png"))
    found = []
    for path in paths:
        with Image.open(path) as picture:
            grey = np.asarray(picture)
        mask = read_mask(path, (grey.shape[1], grey.shape[0]))
        np.testing.assert_array_equal(mask, grey > 0)
        found.append(mask.any())
    assert (len(found), sum(found)) == (112, 14)
