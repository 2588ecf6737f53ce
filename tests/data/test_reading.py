"""Image files of every kind that is read, against the pixels they were written from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from tests.data.picture_files import gradient, png, save

from keenline.data.reading import measured_bit_depth, probe, read_image

LOSSLESS = {
    "png": {},
    "bmp": {},
    "tif": {},
    "tiff": {"compression": "tiff_lzw"},
    "webp": {"lossless": True},
}


@pytest.mark.parametrize("ending", LOSSLESS)
def test_lossless_formats_give_back_the_pixels(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a.{ending}", gradient(), **LOSSLESS[ending])
    np.testing.assert_array_equal(read_image(path), gradient())
    facts = probe(path)
    assert (facts.width, facts.height, facts.bit_depth, facts.channels) == (40, 30, 8, 3)


def test_jpeg_is_close(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(gradient()).resize((80, 60)))
    path = save(tmp_path / "a.jpg", smooth, quality=95, subsampling=0)
    assert np.abs(read_image(path).astype(int) - smooth).mean() < 3


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1"])
def test_every_png_mode_is_read_as_pillow_converts_it(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(gradient()).convert(mode)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGBA").convert("RGB"))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == np.uint8


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    clear = np.dstack([gradient(), np.zeros((30, 40), np.uint8)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", clear)), gradient())


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, ending: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{ending}", gradient(), exif=exif)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)
    assert (probe(path).height, probe(path).width) == expected.shape[:2]


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_16_bit_colour_tiff(tmp_path: Path, orientation: int) -> None:
    wide = gradient().astype(np.uint16) * 257
    tags = [(0x0112, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", wide, photometric="rgb", extratags=tags)
    turned = gradient()[::-1, ::-1] if orientation == 3 else np.rot90(gradient(), -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), turned)
    assert (probe(tmp_path / "a.tif").width, turned.shape[1]) == (turned.shape[1],) * 2


@pytest.mark.parametrize("depth", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["grey png", "colour png", "grey tiff", "colour tiff"])
def test_16_bit_files_are_scaled_by_the_declared_depth(
    tmp_path: Path, depth: int, kind: str
) -> None:
    full = (1 << depth) - 1
    wide = np.rint(gradient() * (full / 255)).astype(np.uint16)
    path = tmp_path / ("a.png" if "png" in kind else "a.tif")
    expected = gradient()
    if "grey" in kind:
        wide, expected = wide[..., 0], np.repeat(expected[..., :1], 3, axis=2)
    if kind == "grey png":
        save(path, wide)
    elif kind == "colour png":
        png(path, wide, colour_type=2)
    else:
        tifffile.imwrite(path, wide, compression="zlib")
    np.testing.assert_array_equal(read_image(path, bit_depth=depth), expected)
    assert probe(path).bit_depth == 16
    assert measured_bit_depth([path]) == depth


@pytest.mark.parametrize(("colour_type", "channels"), [(4, 2), (6, 4)])
def test_16_bit_png_with_alpha_keeps_all_bits(
    tmp_path: Path, colour_type: int, channels: int
) -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 1 << 12, (30, 40, channels), dtype=np.uint16)
    path = png(tmp_path / "a.png", wide, colour_type=colour_type)
    colours = wide[..., :3] if channels == 4 else np.repeat(wide[..., :1], 3, axis=2)
    expected = np.rint(colours * (255 / 4095)).astype(np.uint8)
    np.testing.assert_array_equal(read_image(path, bit_depth=12), expected)


def test_without_declared_depth_the_container_is_the_scale(tmp_path: Path) -> None:
    wide = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    image = read_image(save(tmp_path / "a.png", wide))
    np.testing.assert_array_equal(image[..., 0], np.rint(wide / 257).astype(np.uint8))


def test_values_above_the_declared_depth_are_white_not_wrapped(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.full((9, 9), 5000, np.uint16))
    assert (read_image(path, bit_depth=12) == 255).all()


@pytest.mark.parametrize("scale", [np.uint8(1), np.uint16(257)])
def test_min_is_white_tiff_is_inverted(tmp_path: Path, scale: np.unsignedinteger) -> None:
    grey = gradient()[..., 0].astype(scale.dtype) * scale
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image[..., 0], 255 - gradient()[..., 0])


def test_planar_16_bit_tiff(tmp_path: Path) -> None:
    wide = gradient().astype(np.uint16) * 257
    planes = np.moveaxis(wide, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), gradient())


def test_eight_bit_files_do_not_count_for_the_measured_depth(tmp_path: Path) -> None:
    eight = save(tmp_path / "a.png", gradient())
    assert measured_bit_depth([eight]) == 16
    ten = save(tmp_path / "b.png", np.full((9, 9), 1023, np.uint16))
    assert measured_bit_depth([eight, ten]) == 10
    eleven = save(tmp_path / "c.png", np.full((9, 9), 1024, np.uint16))
    assert measured_bit_depth([eight, ten, eleven]) == 12


@pytest.mark.parametrize("name", ["Prüfteil 7 – gut.png", "部品 01.png", "a b  c.png", "UP.PNG"])
def test_names_people_give_files(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "Charge Ä 3" / name, gradient(), format="png")
    np.testing.assert_array_equal(read_image(path), gradient())


def test_the_content_counts_not_the_ending(tmp_path: Path) -> None:
    path = save(tmp_path / "really a png.jpg", gradient(), format="png")
    np.testing.assert_array_equal(read_image(path), gradient())


def test_a_still_gif_and_a_tiff_with_a_thumbnail_are_one_image(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.gif", gradient()[..., 0])).shape == (30, 40, 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(gradient(), photometric="rgb")
        file.write(gradient()[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), gradient())


def test_a_damaged_exif_block_is_not_the_image(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", gradient(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f\0\0")
    np.testing.assert_array_equal(read_image(path), gradient())


def test_pillow_is_left_as_it_was(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    read_image(save(tmp_path / "a.png", gradient()))
    assert before == Image.MAX_IMAGE_PIXELS


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", gradient())
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc to count open files")
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        read_image(path)
    assert len(list(descriptors.iterdir())) == before
