"""What a backbone costs is counted right, and the fastest precision is the one that is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from backbones import SIDE, Measured, as_table, conclusion, multiplications
from tests.training.small_teachers import tiny_teacher

from keenline.models.backbones import open_backbone
from keenline.training.teachers import from_pixels


def measured(name: str, f32: float, bf16: float, int8: float) -> Measured:
    times = {"f32": [f32, f32, 9.0], "bf16": [bf16] * 3, "int8": [int8] * 3}
    return Measured(name, 2e9, 3_000_000, {}, times)


def test_multiplications_are_those_of_the_convolutions(tmp_path: Path) -> None:
    backbone = open_backbone(tiny_teacher(tmp_path, channels=(6, 10)))
    fine, coarse = (SIDE // 8) ** 2, (SIDE // 16) ** 2
    wanted = fine * 6 * 3 * 8 * 8 + coarse * 10 * 6 * 2 * 2
    assert multiplications(from_pixels(backbone, (1, SIDE, SIDE, 3))) == wanted


def test_the_fastest_precision_is_bold_and_compared() -> None:
    rows = [
        measured("keenline", 0.004, 0.003, 0.001),
        measured("mobilenet_v2", 0.003, 0.002, 0.004),
        measured("resnet18", 0.005, 0.004, 0.003),
    ]
    assert rows[1].best == (pytest.approx(2.0), "bf16")
    text = as_table(rows)
    assert "| keenline | 2.00 | 3.00 | 4.00 | 3.00 | **1.00** |" in text
    told = conclusion(rows)
    assert "2.00 times as fast as mobilenet_v2 (bf16; goal 1)" in told
    assert "3.00 times as fast as resnet18 (int8; goal 2)" in told
    assert "goal" not in conclusion(rows[:1])
