"""A random seed turned into a photo of a machined, stamped plate, good or with known defects.

The demo needs a part that nobody's licence covers and whose defects are known to the pixel. Its
plate is brushed along its length, has a turned boss around the large bore, chamfered holes, a
slot, a rolled rib and a stamped number, and lies on a belt under a light from the upper left. No
two photos share texture, pose, brightness or noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy import ndimage

from keenline.data.demo_defects import DefectKind, flaw
from keenline.data.demo_plate import Field, Plate, placed
from keenline.types import GOOD, Image, Mask

SIZE = (384, 288)
"""Width and height of a demo photo, in pixels."""

PIXEL_SIZE_MM = 0.1
"""Side of a pixel on the part, in mm: the plate is 33 mm x 22 mm."""

_FACE, _BELT = 148.0, 34.0
"""Grey levels of a lit flat face and of the belt, before light falloff."""

_ELECTRONS_PER_GREY = 42.0
"""An industrial sensor with a full well of about 10 700 electrons at grey level 255."""

_READ_NOISE_GREY = 0.7


def render_part(
    rng: np.random.Generator,
    *,
    defects: Sequence[DefectKind] = (),
    size: tuple[int, int] = SIZE,
    looseness: float = 1.0,
) -> tuple[Image, Mask]:
    """Render one photo and the mask of its defects, both of `size` (width, height) in pixels.

    Defects lie on the face, clear of the holes; their sizes are those of `DefectKind` and scale
    with `size`. The mask holds the pixels that a defect visibly changes. The same state of `rng`
    gives the same photo. `looseness` 0 renders every part in the same position, as a fixture would
    hold it; 1 moves it by up to 4 px and 1.5 degrees.
    """
    plate = placed(rng, size, looseness)
    flaws = [flaw(kind, rng, plate) for kind in defects]
    height = plate.height + sum((each.height for each in flaws), np.float32(0))
    face = _face(rng, plate, height)
    for each in flaws:
        face *= each.albedo
        face += each.gleam
    scene = _over_belt(rng, plate, face)
    mask = np.zeros(plate.u.shape, np.bool_)
    for each in flaws:
        mask |= each.mask
    return _photographed(rng, scene), mask


def write_demo_dataset(root: Path, *, good: int, seed: int, inspected: int = 60) -> Path:
    """Write a dataset in the MVTec AD layout under `root` and return `root`.

    `good` photos to learn from in `train/good`, and `inspected` in `test`: a third of them good,
    the rest divided among the kinds of defect, with masks in `ground_truth`. A pixel is
    `PIXEL_SIZE_MM` wide. The same numbers give the same files. Raises OSError when `root` cannot
    be written.
    """
    kinds = list(DefectKind)
    fine = inspected - inspected * 2 // 3
    labels: list[DefectKind | None] = [None] * fine
    labels += [kinds[index % len(kinds)] for index in range(inspected - fine)]
    streams = np.random.SeedSequence(seed).spawn(good + inspected)
    for index in range(good):
        image, _ = render_part(np.random.default_rng(streams[index]))
        _save(root / "train" / GOOD / f"{index:03}.png", image)
    for index, kind in enumerate(labels):
        rng = np.random.default_rng(streams[good + index])
        image, mask = render_part(rng, defects=() if kind is None else (kind,))
        folder = GOOD if kind is None else kind.value
        _save(root / "test" / folder / f"{index:03}.png", image)
        if kind is not None:
            marks = mask.astype(np.uint8) * 255
            _save(root / "ground_truth" / folder / f"{index:03}_mask.png", marks)
    return root


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    PillowImage.fromarray(grey).save(path, compress_level=1)


def _face(rng: np.random.Generator, plate: Plate, height: Field) -> Field:
    """Brushed and turned metal, shaded by the slope of `height` under the light."""
    slope_y, slope_x = np.gradient(height)
    lean = np.clip(-0.62 * slope_x - 0.78 * slope_y, -1.6, 1.6)
    shade = 1 - 0.62 * lean + 0.22 * lean * lean
    lit: Field = _FACE * np.maximum(shade, 0.12) * (1 + plate.grain(rng))
    return lit


def _over_belt(rng: np.random.Generator, plate: Plate, face: Field) -> Field:
    """The plate with its holes and its shadow on a belt."""
    shape = plate.u.shape
    weave = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), (0.7, 1.4))
    patches = rng.standard_normal((9, 12), np.float32)
    patches = ndimage.zoom(patches, (shape[0] / 9, shape[1] / 12), order=1)
    belt = _BELT * (1 + 0.34 * weave + 0.1 * patches)
    offset = 7 * plate.scale
    solid = plate.cover
    shadow = ndimage.shift(solid[::2, ::2], offset / 2, order=1)
    shadow = np.repeat(np.repeat(ndimage.gaussian_filter(shadow, offset / 3), 2, 0), 2, 1)
    belt *= 1 - 0.55 * shadow[: shape[0], : shape[1]]
    deep = _BELT * (0.32 + plate.bore_wall)
    under = np.where(plate.inside_outline, deep, belt)
    scene: Field = under + (face - under) * solid
    return scene


def _photographed(rng: np.random.Generator, scene: Field) -> Image:
    """Light falloff, lens blur and sensor noise, as grey in three equal channels."""
    rows, columns = scene.shape
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    light = 1.04 - 0.075 * x - 0.06 * y - 0.06 * (x * x + y * y)
    # part-to-part and lamp variation; field experience: within a few percent on a tended line
    light = light * (1 + rng.uniform(-0.04, 0.04))
    signal = ndimage.gaussian_filter((scene * light).astype(np.float32), 0.55)
    signal = np.clip(signal, 0, None)
    spread = np.sqrt(signal / _ELECTRONS_PER_GREY + _READ_NOISE_GREY**2)
    noisy = signal + spread * rng.standard_normal(scene.shape, np.float32)
    grey = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
