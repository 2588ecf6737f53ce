"""What the names of folders and files mean."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from keenline.data.naming import masked_stem, means_good, means_masks


@pytest.mark.parametrize(
    "name", ["good", "Good", "OK", "ok parts", "normal", "MT_Free", "defect-free", "good parts"]
)
def test_good(name: str) -> None:
    assert means_good(name)


@pytest.mark.parametrize(
    "name", ["not_ok", "no good", "abnormal", "goods", "scratch", "non-normal", "freeze", "n.ok"]
)
def test_not_good(name: str) -> None:
    assert not means_good(name)


@pytest.mark.parametrize("name", ["masks", "mask-images", "ground_truth", "GT", "Masks 2"])
def test_masks(name: str) -> None:
    assert means_masks(name)
    assert not means_masks("damask steel")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Part0_label.png", "Part0"),
        ("000_mask.png", "000"),
        ("a-GT.bmp", "a"),
        ("label.png", None),
        ("_mask.png", None),
        ("unmask.png", None),
    ],
)
def test_masked_stem(name: str, stem: str | None) -> None:
    assert masked_stem(PurePosixPath(name)) == stem
