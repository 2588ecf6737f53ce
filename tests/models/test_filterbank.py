"""The filter bank: deterministic, the same in both engines, and it sees orientation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.graphs import ENGINES, in_onnxruntime

from keenline.models.backbones import Description, open_backbone
from keenline.models.filterbank import DESCRIPTION, build_filterbank, channel_names


def _features(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Features of one grey image, (height, width), -1..1; (channels, height, width) each."""
    planes = np.repeat(image[None, None], 3, axis=1).astype(np.float32)
    found = in_onnxruntime(build_filterbank(), {"image": planes})
    return {level: maps[0] for level, maps in found.items()}


def _grating(angle: float, wavelength: float, side: int = 128) -> NDArray[np.float32]:
    """Waves that vary along `angle` degrees (0: from left to right, 90: downwards)."""
    y, x = np.mgrid[:side, :side]
    direction = np.deg2rad(angle)
    phase = (x * np.cos(direction) + y * np.sin(direction)) * 2 * np.pi / wavelength
    return np.asarray(0.4 * np.cos(phase), np.float32)


def test_every_build_is_the_same() -> None:
    assert build_filterbank().SerializeToString() == build_filterbank().SerializeToString()


def test_the_description_fits_the_graph() -> None:
    description = Description.model_validate(DESCRIPTION)
    names = channel_names()
    planes = np.zeros((2, 3, 64, 96), np.float32)
    for level, found in in_onnxruntime(build_filterbank(), {"image": planes}).items():
        stated = description.outputs[level]
        assert found.shape == (2, stated.channels, 64 // stated.stride, 96 // stated.stride)
        assert len(names[level]) == len(set(names[level])) == stated.channels
    assert open_backbone("filterbank").description == description


def test_both_engines_say_the_same() -> None:
    planes = np.random.default_rng(0).uniform(-1, 1, (2, 3, 96, 64)).astype(np.float32)
    planes[1] = 0.25  # nothing to see: only the floors of the roots
    one, other = (run(build_filterbank(), {"image": planes}) for run in ENGINES.values())
    for level in ("s8", "s16"):
        np.testing.assert_allclose(one[level], other[level], rtol=1e-3, atol=1e-4)
        assert np.isfinite(one[level]).all()


@pytest.mark.parametrize("octave", [1, 2, 3])
@pytest.mark.parametrize("angle", [0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5])
def test_a_grating_excites_its_own_orientation(octave: int, angle: float) -> None:
    features = _features(_grating(angle, wavelength=5.0 * 2 ** (octave - 1)))
    names = channel_names()["s8"]
    at_octave = [index for index, name in enumerate(names) if name.startswith(f"energy o{octave}")]
    inner = features["s8"][at_octave, 3:-3, 3:-3].mean(axis=(1, 2))
    assert names[at_octave[int(inner.argmax())]] == f"energy o{octave} {angle:g}"


def test_a_quarter_turn_of_the_image_turns_the_channels() -> None:
    image = np.random.default_rng(1).normal(0, 0.3, (96, 96)).astype(np.float32)
    names = channel_names()["s8"]
    turned, original = _features(np.rot90(image).copy())["s8"], _features(image)["s8"]
    for name, partner in (("energy o1 0", "energy o1 90"), ("energy o3 45", "energy o3 135")):
        expected = np.rot90(original[names.index(partner)])
        np.testing.assert_allclose(turned[names.index(name)], expected, rtol=1e-3, atol=1e-4)


def test_energies_hardly_follow_the_light_and_the_contrast_channel_does() -> None:
    image = np.random.default_rng(2).normal(0, 0.3, (96, 96)).astype(np.float32)
    bright, dim = _features(image)["s8"], _features(0.8 * image)["s8"]
    names = channel_names()["s8"]
    energies = [i for i, name in enumerate(names) if name.startswith("energy")]
    contrasts = [i for i, name in enumerate(names) if name.startswith("contrast")]
    assert np.abs(bright[energies] / dim[energies] - 1).max() < 0.1
    change = (bright[contrasts] - dim[contrasts]).mean(axis=(1, 2))
    # The logarithm of the change of light, less what the noise floor takes from faint octaves.
    assert (change < 0.75 * np.log(1 / 0.8) + 1e-6).all()
    assert (change > 0.5 * 0.75 * np.log(1 / 0.8)).all()


def test_colour_moves_only_the_colour_channels() -> None:
    planes = np.zeros((1, 3, 64, 64), np.float32)
    grey = in_onnxruntime(build_filterbank(), {"image": planes})["s8"][0]
    planes[0, 0], planes[0, 1] = 0.587 / 2, -0.299 / 2  # redder at the same luminance
    red = in_onnxruntime(build_filterbank(), {"image": planes})["s8"][0]
    moved = np.abs(red - grey).max(axis=(1, 2)) > 0.05
    found = {name for name, there in zip(channel_names()["s8"], moved, strict=True) if there}
    # Zero padding shows at the border in luminance only, which does not change.
    assert found == {"red-green", "yellow-blue"}
