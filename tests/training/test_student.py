"""A student looks where its teachers look, and its graph gives what torch gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.small_parts import good_part
from tests.training.small_teachers import TINY

from keenline.inference.engines import open_engine
from keenline.models.backbones import open_backbone
from keenline.models.feature_graph import raw_features
from keenline.models.half_weights import in_full
from keenline.training.quantize import quantise
from keenline.training.student import DEFAULT_SHAPE, Shape, build_student
from keenline.training.student_export import exported, write_student


@pytest.fixture
def student() -> Any:
    """Random weights, and batch norms that have seen something."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    made = build_student(TINY, (5, 7)).train()
    for _ in range(3):
        made(torch.randn(4, 3, 32, 32))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    return made.eval()


@pytest.mark.train
@pytest.mark.parametrize("shape", [(1, 3, 64, 96), (2, 3, 48, 32)])
def test_the_graph_gives_what_torch_gives(student: Any, shape: tuple[int, ...]):
    import torch

    picture = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    with torch.no_grad():
        wanted = [features.numpy() for features in student(torch.from_numpy(picture))]
    graph = exported(student).SerializeToString()
    found = open_engine(graph, name="onnxruntime", precision="f32").run(picture)  # type: ignore[arg-type]
    for level, features in zip(("s8", "s16"), wanted, strict=True):
        assert found[level].shape == features.shape
        # Weights are kept in half precision.
        np.testing.assert_allclose(found[level], features, atol=4e-3 * np.abs(features).max())


@pytest.mark.train
def test_the_graph_is_convolutions_and_nothing_else(student: Any):
    graph = exported(student)
    assert graph.opset_import[0].version == 17
    assert {n.op_type for n in in_full(graph).graph.node} == {"Conv", "Relu", "Add"}
    assert len(graph.SerializeToString()) < 0.75 * len(in_full(graph).SerializeToString())


@pytest.mark.train
def test_a_cell_looks_below_and_to_the_right_as_teachers_do(student: Any):
    """The middle of what a cell of stride 16 sees lies 15 px from the start of its square."""
    import torch

    picture = torch.randn(1, 3, 256, 256, requires_grad=True)
    student(picture)[1][0, :, 8, 8].sum().backward()
    assert picture.grad is not None
    seen = picture.grad[0].abs().sum((0, 1)).nonzero().flatten()
    assert (int(seen[0]) + int(seen[-1])) / 2 == pytest.approx(8 * 16 + 15, abs=2)


@pytest.mark.train
def test_the_files_open_as_a_backbone_and_survive_int8(student: Any, tmp_path: Path):
    write_student(student, tmp_path / "s.onnx", network='A "test"', source="tests", channels=(5, 7))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.onnx", "s.toml"]
    backbone = open_backbone(f"onnx:{tmp_path / 's.onnx'}")
    assert backbone.description.network == 'A "test"'
    assert not any(n.op_type == "Cast" for n in backbone.model.graph.node)
    views = [good_part(seed)[None] for seed in range(4)]
    exact = raw_features(backbone, (64, 96))
    small = quantise(exact, views)
    assert any(n.op_type == "QuantizeLinear" for n in small.graph.node)
    first, second = (
        open_engine(graph.SerializeToString(), name="onnxruntime", precision=precision).run(
            views[0]
        )
        for graph, precision in ((exact, "f32"), (small, "int8"))
    )
    for name, features in first.items():
        error = np.square(second[name] - features).mean() / features.var()
        assert error < 0.1


def test_a_graph_without_halves_stays_as_it_is(tmp_path: Path):
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
    )
    assert in_full(model) is model


def test_the_default_shape_is_within_its_budget():
    # 0.7 GMAC at 256 px, so that it is quick on CPUs without matrix units too.
    assert 0.5e9 < DEFAULT_SHAPE.macs_per_pixel * 256**2 < 0.7e9
    wider = Shape((16, 64, 96, 256), DEFAULT_SHAPE.pairs)
    assert wider.macs_per_pixel > DEFAULT_SHAPE.macs_per_pixel


@pytest.mark.train
def test_the_multiplications_are_counted_right():
    shape = Shape((4, 8, 8, 16), (0, 1, 2))
    made = build_student(shape, (1, 1))
    weights = {n: p for n, p in made.named_parameters() if p.ndim == 4 and p.shape[2] == 3}
    total = 0.0
    for name, kernel in weights.items():
        stride = 2 if name.startswith("stem") else int(name.split(".")[0].removeprefix("stage"))
        total += kernel.numel() / stride**2
    assert shape.macs_per_pixel == pytest.approx(total)
