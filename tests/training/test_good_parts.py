"""Good images are read once and framed as the inspector frames them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import good_part, save_image

from keenline.errors import Code, DatasetError
from keenline.inference.framing import Framing, framing_for
from keenline.models.base import silent
from keenline.recipe import InspectSettings
from keenline.training.good_parts import learning_set, read_samples
from keenline.types import Sample


def _framing(size: tuple[int, int], side: int | str = 64, tile: int = 128) -> Framing:
    return framing_for(
        [size], size=side, auto_side=384, multiple=16, tile=tile, overlap=32, bit_depth=None
    )


def _samples(folder: Path, number: int, size: tuple[int, int] = (96, 64)) -> list[Sample]:
    return [
        Sample(save_image(folder / f"{seed}.png", good_part(seed, size)), "good")
        for seed in range(number)
    ]


def test_views_are_those_of_the_inspector(tmp_path: Path) -> None:
    samples, framing = _samples(tmp_path, 3), _framing((96, 64))
    read = read_samples(samples, framing, silent)
    assert read.samples == tuple(samples)
    for seed in range(3):
        assert np.array_equal(read.views[seed], framing.frame(good_part(seed)).views)
    assert [len(views) for views in read.views[1:]] == [1, 1]
    assert len(read.views) == 3


def test_a_broken_file_is_left_out_and_the_others_keep_their_order(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 4)
    samples[1].image.write_bytes(b"")
    read = read_samples(samples, _framing((96, 64)), silent)
    assert [sample.image.name for sample in read.samples] == ["0.png", "2.png", "3.png"]
    assert [skipped.path.name for skipped in read.skipped] == ["1.png"]
    some = read.only([samples[3], samples[0]])
    assert [sample.image.name for sample in some.samples] == ["0.png", "3.png"]
    assert np.array_equal(some.views[1], read.views[2])
    assert [len(views) for views in some.views[:]] == [1, 1]


def test_what_does_not_fit_into_memory_is_read_again(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 4)
    framing = _framing((96, 64))
    one = framing.frame(good_part(0)).views.nbytes
    short = read_samples(samples, framing, silent, room=2 * one)
    whole = read_samples(samples, framing, silent)
    for seed in (1, 3):
        samples[seed].image.unlink()
    assert np.array_equal(short.views[1], whole.views[1])  # kept
    assert np.array_equal(short.views[2], whole.views[2])  # read again
    with pytest.raises(Exception, match="does not exist"):
        short.views[3]


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    samples = _samples(tmp_path, 2)
    for sample in samples:
        sample.image.write_bytes(b"")
    read = read_samples(samples, _framing((96, 64)), silent)
    with pytest.raises(DatasetError) as caught:
        learning_set(read, [], _framing((96, 64)), InspectSettings())
    assert caught.value.code is Code.DATASET_NO_GOOD


@pytest.mark.parametrize("side", [64, "native", "auto"])
def test_the_region_of_interest_is_framed_as_the_image(tmp_path: Path, side: int | str) -> None:
    size = (100, 100)
    samples, framing = _samples(tmp_path, 2, size), _framing(size, side)
    inspect = InspectSettings.model_validate({"roi": [[50, 0, 30, 100]]})
    good = learning_set(read_samples(samples, framing, silent), [0, 1], framing, inspect)
    assert good.roi is not None
    assert good.roi.shape == good.parts[0].shape[1:3]
    marked = np.zeros((100, 100, 3), np.uint8)
    marked[:, 50:80] = 255
    expected = framing.frame(marked).views[0, ..., 0] > 127
    assert np.array_equal(good.roi, expected)


def test_tiles_have_no_region_of_interest_of_their_own(tmp_path: Path) -> None:
    size = (200, 150)
    samples, framing = _samples(tmp_path, 2, size), _framing(size, "native")
    inspect = InspectSettings.model_validate({"roi": [[0, 0, 30, 30]]})
    good = learning_set(read_samples(samples, framing, silent), [0, 0], framing, inspect)
    assert good.roi is None
    assert good.fixed_size
    assert good.groups == [0, 0]
    assert good.names == ["0.png", "1.png"]
