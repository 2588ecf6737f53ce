"""Every way a file can be unusable, each with a real file and the code the user sees."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.data.picture_files import gradient, png_bomb, save

from keenline.data.reading import probe, read_image, read_mask
from keenline.errors import Code, ImageError


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def busy() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def frames(path: Path) -> Path:
    pictures = [Image.fromarray(np.roll(gradient(), 5 * turn, axis=1)) for turn in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    return path


def pages(path: Path) -> Path:
    tifffile.imwrite(path, np.stack([gradient()[..., 0]] * 2), photometric="minisblack")
    return path


def cmyk(path: Path) -> Path:
    Image.fromarray(gradient()).convert("CMYK").save(path)
    return path


def float_tiff(path: Path) -> Path:
    tifffile.imwrite(path, gradient()[..., 0].astype(np.float32))
    return path


def signed_tiff(path: Path) -> Path:
    tifffile.imwrite(path, gradient()[..., 0].astype(np.int16))
    return path


def written(data: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


BAD: dict[str, tuple[Callable[[Path], Path], Code]] = {
    "missing.png": (lambda path: path, Code.IMAGE_MISSING),
    "zero.png": (written(b""), Code.IMAGE_EMPTY),
    "text.png": (written(b"these are not the pixels you are looking for"), Code.IMAGE_UNREADABLE),
    "start.png": (written(b"\x89PNG\r\n\x1a\n"), Code.IMAGE_UNREADABLE),
    "cut.png": (lambda path: cut(save(path, busy()), 0.5), Code.IMAGE_TRUNCATED),
    "cut.jpg": (lambda path: cut(save(path, busy()), 0.5), Code.IMAGE_TRUNCATED),
    "cut.bmp": (lambda path: cut(save(path, busy()), 0.5), Code.IMAGE_TRUNCATED),
    "cut.webp": (lambda path: cut(save(path, busy()), 0.5), Code.IMAGE_TRUNCATED),
    "cut.tif": (lambda path: cut(save(path, busy()), 0.5), Code.IMAGE_TRUNCATED),
    "cut-lzw.tif": (
        lambda path: cut(save(path, busy(), compression="tiff_lzw"), 0.5),
        Code.IMAGE_TRUNCATED,
    ),
    "1x1.png": (lambda path: save(path, gradient()[:1, :1]), Code.IMAGE_TOO_SMALL),
    "7 high.png": (lambda path: save(path, gradient()[:7]), Code.IMAGE_TOO_SMALL),
    "bomb.png": (lambda path: png_bomb(path, 30_000, 30_000), Code.IMAGE_TOO_LARGE),
    "line.png": (lambda path: png_bomb(path, 1 << 30, 8), Code.IMAGE_TOO_LARGE),
    "moving.gif": (frames, Code.IMAGE_ANIMATED),
    "moving.png": (frames, Code.IMAGE_ANIMATED),
    "moving.webp": (frames, Code.IMAGE_ANIMATED),
    "pages.tif": (pages, Code.IMAGE_ANIMATED),
    "cmyk.jpg": (cmyk, Code.IMAGE_MODE),
    "cmyk.tif": (cmyk, Code.IMAGE_MODE),
    "float.tif": (float_tiff, Code.IMAGE_MODE),
    "signed.tif": (signed_tiff, Code.IMAGE_MODE),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    make, code = BAD[name]
    path = make(tmp_path / name)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert caught.value.code is code
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", BAD)
def test_masks_fail_the_same_way(tmp_path: Path, name: str) -> None:
    make, code = BAD[name]
    path = make(tmp_path / name)
    try:
        size = (probe(path).width, probe(path).height)
    except ImageError:
        size = (40, 30)
    with pytest.raises(ImageError) as caught:
        read_mask(path, size)
    assert caught.value.code is code


@pytest.mark.parametrize("name", [name for name in BAD if not name.startswith("cut")])
def test_a_header_is_enough_to_refuse(tmp_path: Path, name: str) -> None:
    make, code = BAD[name]
    path = make(tmp_path / name)
    with pytest.raises(ImageError) as caught:
        probe(path)
    assert caught.value.code is code


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path)
    assert caught.value.code is Code.IMAGE_UNREADABLE


def test_cmyk_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"grey or RGB.*profile"):
        read_image(cmyk(tmp_path / "a.jpg"))


def test_a_mask_of_another_size_is_never_resized(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", gradient()[..., 0])
    with pytest.raises(ImageError, match=r"expected: 80 x 60\n.*got:      40 x 30") as caught:
        read_mask(path, (80, 60))
    assert caught.value.code is Code.MASK_SIZE


def test_compressed_16_bit_colour_says_what_is_missing(tmp_path: Path) -> None:
    """tifffile decodes LZW only with imagecodecs, which Keenline does not bring."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, gradient().astype(np.uint16), photometric="rgb")
    with tifffile.TiffFile(path) as file:
        at = file.pages.first.tags["Compression"].valueoffset
    marked = bytearray(path.read_bytes())
    marked[at : at + 2] = (5).to_bytes(2, "little")
    path.write_bytes(marked)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert caught.value.code is Code.IMAGE_UNREADABLE
    assert "imagecodecs" in str(caught.value)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "webp", "tif", "gif"])
def test_no_damage_gives_anything_but_an_image_or_an_image_error(
    tmp_path: Path, ending: str
) -> None:
    rng = random.Random(ending)
    data = save(tmp_path / f"whole.{ending}", gradient()).read_bytes()
    path = tmp_path / f"damaged.{ending}"
    refused = 0
    for _ in range(120):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(min(len(damaged), 400))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.randrange(len(damaged) // 2, len(damaged) + 1)])
        try:
            image = read_image(path)
            assert image.ndim == 3
        except ImageError:
            refused += 1
    assert refused > 20


def test_nothing_is_printed_and_nothing_warns(tmp_path: Path) -> None:
    """In a process of its own, since pytest would catch the warnings."""
    save(tmp_path / "a.tif", busy(), compression="tiff_lzw")
    cut(save(tmp_path / "b.tif", busy(), compression="tiff_lzw"), 0.5)
    clear = Image.fromarray(gradient()).quantize(8)
    clear.save(tmp_path / "c.png", transparency=bytes(range(8)))
    png_bomb(tmp_path / "d.png", 12_000, 12_000)
    script = (
        "import sys, pathlib\n"
        "from keenline.data.reading import read_image\n"
        "from keenline.errors import ImageError\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        read_image(path)\n"
        "    except ImageError:\n"
        "        pass\n"
    )
    command = [sys.executable, "-W", "always", "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
