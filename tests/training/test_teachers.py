"""Several backbones answer side by side; channels are brought to one scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import tiny_backbone
from tests.training.small_teachers import tiny_teacher

from keenline.data.procedural import procedural_image
from keenline.errors import BackboneError, Code
from keenline.inference.engines import open_engine
from keenline.models.backbones import open_backbone
from keenline.training.teachers import Teachers


def _images(count: int = 3, side: int = 48) -> np.ndarray:
    return np.stack([procedural_image(4, n, side=side) for n in range(count)])


def test_features_are_those_of_each_backbone_side_by_side(tmp_path: Path):
    names = [tiny_teacher(tmp_path, 3, (6, 10)), tiny_teacher(tmp_path, 4, (3, 5))]
    teachers = Teachers(names)
    assert teachers.channels == (9, 15)
    assert teachers.multiple_of == 16
    images = _images()
    found = teachers.features(images)
    fed = (images / 127.5 - 1).astype(np.float32).transpose(0, 3, 1, 2)
    first = 0
    for name, place in zip(names, (0, 1), strict=True):
        graph = open_backbone(name).model.SerializeToString()
        wanted = open_engine(graph, name="onnxruntime", precision="f32").run(fed)  # type: ignore[arg-type]
        part = teachers.parts["s8"][place]
        assert (part.first, part.end) == (first, first + wanted["fine"].shape[1])
        first = part.end
        np.testing.assert_allclose(found["s8"][:, part.first : part.end], wanted["fine"], atol=1e-4)
    assert found["s8"].shape == (3, 9, 6, 6)
    assert found["s16"].shape == (3, 15, 3, 3)


def test_a_backbone_that_is_named_twice_counts_twice(tmp_path: Path):
    name = tiny_teacher(tmp_path)
    assert Teachers([name, name]).channels == (12, 20)


def test_statistics_are_those_of_all_batches(tmp_path: Path):
    teachers = Teachers([tiny_teacher(tmp_path)])
    batches = [_images(3), _images(2, side=64)]
    found = teachers.statistics(batches)
    for level in ("s8", "s16"):
        values = np.concatenate(
            [
                teachers.features(b)[level].transpose(1, 0, 2, 3).reshape(-1, b[..., 0].size // k)
                for b, k in zip(batches, [64 if level == "s8" else 256] * 2, strict=True)
            ],
            axis=1,
        )
        np.testing.assert_allclose(found.mean[level], values.mean(axis=1), rtol=1e-4, atol=1e-5)
        std = values.std(axis=1)
        moving = std > 0.1 * np.median(std)
        np.testing.assert_allclose(found.std[level][moving], std[moving], rtol=1e-3)


def test_a_channel_that_does_not_move_is_not_blown_up(tmp_path: Path):
    teachers = Teachers([tiny_teacher(tmp_path)])
    plain = np.full((2, 48, 48, 3), 80, np.uint8)
    found = teachers.statistics([plain])
    assert all((std > 0).all() for std in found.std.values())


def test_a_backbone_without_these_strides_cannot_teach(tmp_path: Path):
    with pytest.raises(BackboneError) as caught:
        Teachers([tiny_backbone(tmp_path)])
    assert caught.value.code is Code.BACKBONE_GRAPH
    assert caught.value.got == "fine at 4, coarse at 8"
