"""A backbone is found by its name, or the error says what is wrong with its two files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.small_parts import (
    convolutions,
    good_part,
    learning_set,
    save_backbone,
    tiny_backbone,
)

from keenline.errors import BackboneError, Code, KeenlineError
from keenline.models.backbones import cache_folder, open_backbone
from keenline.models.base import silent
from keenline.models.feature_graph import raw_features
from keenline.models.memory_bank import MemoryBank


def _error(name: str) -> BackboneError:
    with pytest.raises(BackboneError) as caught:
        open_backbone(name)
    assert caught.value.where
    return caught.value


def _edited(folder: Path, change: Callable[[str], str]) -> str:
    name = tiny_backbone(folder)
    toml = folder / "tiny2.toml"
    toml.write_text(change(toml.read_text(encoding="utf-8")), encoding="utf-8")
    return name


def test_a_graph_with_its_description(tmp_path: Path) -> None:
    backbone = open_backbone(tiny_backbone(tmp_path / "größe 1"))
    assert [(name, level.channels) for name, level in backbone.levels] == [
        ("fine", 8),
        ("coarse", 12),
    ]
    assert backbone.description.licence == "Apache-2.0"
    assert len(backbone.sha256) == 64
    assert backbone.sha256 == open_backbone(tiny_backbone(tmp_path / "again")).sha256
    assert backbone.sha256 != open_backbone(tiny_backbone(tmp_path, levels=1)).sha256


def test_levels_may_be_fewer_than_outputs(tmp_path: Path) -> None:
    name = _edited(tmp_path, lambda text: text.replace("['fine', 'coarse']", "['coarse']"))
    assert [level for level, _ in open_backbone(name).levels] == ["coarse"]
    learnt = MemoryBank(open_backbone(name), bank_size=16).learn(
        learning_set([good_part(seed) for seed in range(3)]), seed=0, progress=silent
    )
    assert learnt.facts["dimensions"] == 12


@pytest.mark.parametrize(
    "name", ["", "resnet", "onnx:", "onnx", "timm:", "torch:x", "Filterbank", "filterbank:1"]
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(BackboneError) as caught:
        open_backbone(name)
    assert caught.value.code is Code.BACKBONE_UNKNOWN
    assert "filterbank, onnx:PATH or timm:NAME" in str(caught.value)


def test_a_graph_that_is_not_there(tmp_path: Path) -> None:
    assert _error(f"onnx:{tmp_path / 'none.onnx'}").code is Code.BACKBONE_MISSING
    assert _error(f"onnx:{tmp_path}").code is Code.BACKBONE_MISSING


def test_a_graph_without_description(tmp_path: Path) -> None:
    name = tiny_backbone(tmp_path)
    (tmp_path / "tiny2.toml").unlink()
    error = _error(name)
    assert error.code is Code.BACKBONE_DESCRIPTION
    assert error.where == str(tmp_path / "tiny2.toml")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\x08" * 50, None])
def test_a_graph_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    name = tiny_backbone(tmp_path)
    path = tmp_path / "tiny2.onnx"
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    assert _error(name).code is Code.BACKBONE_GRAPH


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("licence", "license"), "license"),
        (lambda text: text.replace('input = "image"', 'input = "picture"'), "picture"),
        (lambda text: text.replace("channels = 8", "channels = 9"), "8 channels"),
        (lambda text: text.replace("channels = 8", "channels = 0"), "channels"),
        (lambda text: text.replace("'coarse']", "'deep']"), "deep"),
        (lambda text: text.replace("['fine', 'coarse']", "[]"), "levels"),
        (lambda text: text.replace("[outputs.coarse]", "[outputs.other]"), "coarse"),
        (lambda text: text.replace("multiple_of = 8", "multiple_of = 0"), "multiple_of"),
        (lambda text: text.replace("offset = [-1.0, -1.0, -1.0]", "offset = [0.0]"), "offset"),
        (lambda text: text + "\n[", "line"),
    ],
)
def test_a_wrong_description_is_told_by_line_or_name(
    tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    error = _error(_edited(tmp_path, change))
    assert error.code is Code.BACKBONE_DESCRIPTION
    assert says in str(error)


def test_a_description_that_is_not_text(tmp_path: Path) -> None:
    name = tiny_backbone(tmp_path)
    (tmp_path / "tiny2.toml").write_bytes(b"\xff\xfe\x00")
    assert _error(name).code is Code.BACKBONE_DESCRIPTION


@pytest.mark.parametrize("strides", [(4, 4), (8, 8), (4, 16), (2, 4)])
def test_a_wrong_stride_is_no_traceback(tmp_path: Path, strides: tuple[int, int]) -> None:
    outputs = {"fine": (8, strides[0]), "coarse": (12, strides[1])}
    name = save_backbone(tmp_path, convolutions(), outputs)
    with pytest.raises(KeenlineError) as caught:
        MemoryBank(open_backbone(name), bank_size=16).learn(
            learning_set([good_part(0), good_part(1)]), seed=0, progress=silent
        )
    assert caught.value.code is Code.BACKBONE_DESCRIPTION
    assert "stride" in str(caught.value)


def _opset(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.opset_import[0].version = version
    return copy


@pytest.mark.parametrize("version", [11, 13, 16, 17, 18, 20])
def test_graphs_of_other_opsets_are_converted(tmp_path: Path, version: int) -> None:
    outputs = {"fine": (8, 4), "coarse": (12, 8)}
    name = save_backbone(tmp_path, _opset(convolutions(), version), outputs)
    model = raw_features(open_backbone(name))
    assert model.opset_import[0].version == 17
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("kind", ["too new an operator", "another domain"])
def test_a_graph_that_cannot_be_converted_is_told(tmp_path: Path, kind: str) -> None:
    if kind == "too new an operator":
        node = helper.make_node("Gelu", ["image"], ["fine"])
        opsets = [helper.make_opsetid("", 20)]
    else:
        node = helper.make_node("Odd", ["image"], ["fine"], domain="my.own")
        opsets = [helper.make_opsetid("my.own", 1)]
    shape = ("batch", 3, "height", "width")
    graph = helper.make_graph(
        [node],
        "odd",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("fine", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=opsets)
    name = save_backbone(tmp_path, model, {"fine": (3, 1)})
    with pytest.raises(BackboneError) as caught:
        raw_features(open_backbone(name))
    assert caught.value.code is Code.BACKBONE_GRAPH


def test_a_network_that_was_never_exported_names_the_file_to_bring(tmp_path: Path) -> None:
    error = _error("timm:no_such_network_here")
    assert error.code is Code.BACKBONE_OFFLINE
    assert error.where == str(cache_folder() / "timm" / "no_such_network_here.onnx")
    assert "no_such_network_here" in str(error.next)


def test_the_filter_bank_needs_no_file() -> None:
    backbone = open_backbone("filterbank")
    assert backbone.name == "filterbank"
    assert np.prod([level.stride for _, level in backbone.levels]) == 128
