"""Seeds turned into small photos of good and bad parts, and into tiny feature networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import tifffile
from numpy.typing import NDArray
from onnx import TensorProto
from PIL import Image as PillowImage
from scipy import ndimage

from keenline.models.base import LearningSet
from keenline.models.graph_writer import GraphWriter
from keenline.recipe import Recipe
from keenline.types import Image

SIZE = (96, 64)
"""Width and height of a part in pixels."""


def good_part(seed: int, size: tuple[int, int] = SIZE) -> Image:
    """Brushed metal with a bright rib across, a little elsewhere on each part."""
    rng = np.random.default_rng(seed)
    width, height = size
    grey = ndimage.gaussian_filter(rng.normal(size=(height, width)), (0.6, 3)) * 45 + 120
    rib = height // 2 + int(rng.integers(-2, 3))
    grey[rib : rib + 5] += 60
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def dented(
    seed: int, at: tuple[int, int] = (70, 16), size: tuple[int, int] = SIZE, radius: int = 6
) -> Image:
    """A good part with a dark disc around `at`, (x, y)."""
    part = good_part(seed, size)
    y, x = np.ogrid[: size[1], : size[0]]
    part[(x - at[0]) ** 2 + (y - at[1]) ** 2 <= radius**2] = 15
    return part


def save_image(path: Path, image: Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image[..., 0]).save(path)
    return path


def good_folder(root: Path, number: int = 6, size: tuple[int, int] = SIZE) -> Path:
    """`root/good` with `number` photos; answers with `root`."""
    for seed in range(number):
        save_image(root / "good" / f"{seed:03}.png", good_part(seed, size))
    return root


def sixteen_bit_folder(root: Path, number: int, bits: int = 12, kind: str = "tif") -> Path:
    """`root/good` with photos of `bits` bits in 16-bit files; answers with `root`."""
    (root / "good").mkdir(parents=True)
    for seed in range(number):
        values = good_part(seed)[..., 0].astype(np.uint16) << (bits - 8)
        if kind == "tif":
            tifffile.imwrite(root / f"good/{seed}.tif", values, compression=None)
        else:
            PillowImage.fromarray(values).save(root / f"good/{seed}.png")
    return root


def learning_set(parts: Sequence[Image], **more: object) -> LearningSet:
    """Parts that are seen whole, one view each."""
    return LearningSet([part[None] for part in parts], **more)  # type: ignore[arg-type]


def recipe(**detector: object) -> Recipe:
    """Every default but a bank of 16 and what is given for `[detector]`."""
    return Recipe.model_validate({"detector": {"bank_size": 16} | detector})


def convolutions(levels: int = 2) -> onnx.ModelProto:
    """A feature network of one or two random convolutions; 1 MFLOP and 1 kB."""
    rng = np.random.default_rng(7)
    writer = GraphWriter()
    first = rng.normal(0, 0.15, (8, 3, 4, 4)).round(4)
    fine = writer.convolution("image", first, rng.normal(0, 0.1, 8).round(4), strides=[4, 4])
    outputs = {writer.op("Relu", fine, name="fine"): ("batch", 8, "h4", "w4")}
    if levels == 2:
        second = rng.normal(0, 0.2, (12, 8, 2, 2)).round(4)
        coarse = writer.convolution("fine", second, np.zeros(12), strides=[2, 2])
        outputs[writer.op("Relu", coarse, name="coarse")] = ("batch", 12, "h8", "w8")
    return writer.model("convolutions", _image_input(), outputs)


def fails_on_black() -> onnx.ModelProto:
    """A feature network that divides by the brightness, so that black pixels become NaN."""
    writer = GraphWriter()
    pooled = writer.op("AveragePool", "image", kernel_shape=[8, 8], strides=[8, 8])
    writer.op("Div", pooled, pooled, name="shares")
    mean = writer.op("Add", "shares", pooled, name="fine")
    return writer.model("fails_on_black", _image_input(), {mean: ("batch", 3, "h", "w")})


def save_backbone(
    folder: Path,
    model: onnx.ModelProto,
    outputs: dict[str, tuple[int, int]],
    *,
    multiple_of: int = 8,
    offset: float = -1.0,
    name: str = "features",
) -> str:
    """Write graph and description; answers with the backbone's name, `onnx:PATH`.

    outputs: (channels, stride) by name, finest first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    lines = [
        'network = "Random convolutions, for tests"',
        'input = "image"',
        f"scale = {[1 / 127.5] * 3}",
        f"offset = {[offset] * 3}",
        f"multiple_of = {multiple_of}",
        f"levels = {list(outputs)}",
        'licence = "Apache-2.0"',
        'source = "tests/small_parts.py"',
    ]
    for output, (channels, stride) in outputs.items():
        lines += [f"[outputs.{output}]", f"channels = {channels}", f"stride = {stride}"]
    path.with_suffix(".toml").write_text("\n".join(lines), encoding="utf-8")
    return f"onnx:{path}"


def tiny_backbone(folder: Path, levels: int = 2) -> str:
    """`convolutions` on disk; answers with `onnx:PATH`."""
    outputs = {"fine": (8, 4), "coarse": (12, 8)}
    kept = dict(list(outputs.items())[:levels])
    return save_backbone(folder, convolutions(levels), kept, name=f"tiny{levels}")


def equal_parts(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Share of the values that agree within a thousandth of the largest."""
    return float(np.isclose(found, expected, rtol=0, atol=1e-3 * np.abs(expected).max()).mean())


def _image_input() -> dict[str, tuple[int, tuple[int | str, ...]]]:
    return {"image": (TensorProto.FLOAT, ("batch", 3, "height", "width"))}
