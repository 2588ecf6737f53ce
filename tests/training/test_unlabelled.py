"""Folders of any images are read, balanced and held out; what cannot be used is listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.small_parts import good_part, save_image
from tests.training.small_teachers import image_folder

from keenline.errors import Code, DatasetError
from keenline.training.unlabelled import LONGEST, read_folders


def _noise(path: Path, width: int, height: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    PillowImage.fromarray(pixels).save(path)


def test_folders_count_with_the_root_of_their_number(tmp_path: Path):
    for number in range(16):
        save_image(tmp_path / "many" / "deep" / f"{number}.png", good_part(number))
    for number in range(4):
        save_image(tmp_path / "few" / f"{number}.png", good_part(number))
    found = read_folders([tmp_path])
    assert found.files == 20
    assert len(found.pictures) + len(found.held_out) == 20
    assert found.weights.sum() == pytest.approx(1)
    rare, common = found.weights.max(), found.weights.min()
    assert 1.5 < rare / common < 2.5


def test_grey_is_kept_as_grey(tmp_path: Path):
    save_image(tmp_path / "a.png", good_part(0))
    _noise(tmp_path / "b.png", 30, 20)
    _noise(tmp_path / "c.png", 30, 20, 1)
    found = read_folders([tmp_path])
    assert {p.mode for p in (*found.pictures, *found.held_out)} <= {"L", "RGB"}
    assert {p.size for p in found.pictures if p.mode == "L"} <= {(96, 64)}


def test_patterns_leave_files_out_and_other_files_are_no_images(tmp_path: Path):
    image_folder(tmp_path, 8)
    save_image(tmp_path / "parts" / "000_mask.png", good_part(0))
    (tmp_path / "notes.txt").write_text("no image")
    assert read_folders([tmp_path]).files == 9
    assert read_folders([tmp_path], exclude=["*_mask.png"]).files == 8
    assert read_folders([tmp_path], exclude=["parts/*"]).files == 4


def test_what_cannot_be_read_is_listed(tmp_path: Path):
    image_folder(tmp_path, 8)
    (tmp_path / "broken.png").write_bytes(b"not a PNG")
    found = read_folders([tmp_path])
    ((path, why),) = found.skipped
    assert path.name == "broken.png"
    assert why
    assert len(found.pictures) + len(found.held_out) == 8


def test_large_pictures_are_made_small_and_cut(tmp_path: Path):
    _noise(tmp_path / "wide.png", 1800, 1200)
    found = read_folders([tmp_path])
    whole, *pieces = found.pictures
    assert max(whole.size) <= LONGEST + 1
    assert len(pieces) > 2
    assert {piece.size for piece in pieces} == {(LONGEST, LONGEST)}


def test_a_line_scan_is_not_made_a_thread(tmp_path: Path):
    _noise(tmp_path / "scan.png", 3000, 300)
    whole, *pieces = read_folders([tmp_path]).pictures
    assert min(whole.size) >= 250
    assert all(piece.size == (LONGEST, 300) for piece in pieces)


def test_the_same_files_are_held_out_each_time_and_never_learnt_from(tmp_path: Path):
    for number in range(120):
        _noise(tmp_path / "n" / f"{number:03}.png", 12, 12, number)

    first, second = read_folders([tmp_path]), read_folders([tmp_path])
    held = {p.tobytes() for p in first.held_out}
    assert 0 < len(held) < 12
    assert held == {p.tobytes() for p in second.held_out}
    assert not held & {p.tobytes() for p in first.pictures}
    more = {p.tobytes() for p in read_folders([tmp_path / "n"], exclude=["1*"]).held_out}
    assert more  # another set of names: at least one is always held out


def test_nothing_to_learn_from_is_an_error(tmp_path: Path):
    with pytest.raises(DatasetError) as caught:
        read_folders([tmp_path])
    assert caught.value.code is Code.DATASET_EMPTY
    assert "--exclude" in str(caught.value.next)
    with pytest.raises(DatasetError) as caught:
        read_folders([tmp_path / "missing"])
    assert caught.value.code is Code.DATASET_MISSING
    assert "missing" in str(caught.value.where)
