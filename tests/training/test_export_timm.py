"""A timm network becomes files that open as a backbone, or an error says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.graphs import ENGINES
from tests.small_parts import good_part, learning_set

from keenline.errors import BackboneError, Code, EnvironmentMissing, OutputError
from keenline.models.backbones import open_backbone
from keenline.models.base import silent
from keenline.models.memory_bank import MemoryBank
from keenline.training.export_timm import export_timm, main

NETWORKS = {  # channels at strides 8 and 16
    "resnet18": (128, 256),
    "mobilenetv3_large_100": (40, 112),
    "efficientnet_b0": (40, 112),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a state dict of random numbers for each network."""
    import timm
    import torch

    folder = tmp_path_factory.mktemp("weights")
    for name in NETWORKS:
        torch.manual_seed(11)
        torch.save(timm.create_model(name).state_dict(), folder / f"{name}.pth")
    return folder


# Without torch


@pytest.mark.parametrize("package", ["torch", "timm"])
def test_a_missing_package_is_named_with_the_command_that_brings_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None is what Python itself keeps there for a module that must not be found.
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvironmentMissing) as caught:
        export_timm("resnet18", folder=tmp_path / "new")
    assert caught.value.code is Code.EXTRA_MISSING
    assert package in str(caught.value.got)
    assert caught.value.next == "pip install 'keenline[train]'"
    assert not (tmp_path / "new").exists()


def test_the_command_ends_with_the_code_for_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert main(["resnet18"]) == 6
    assert f"KL{int(Code.EXTRA_MISSING)}" in capsys.readouterr().err


def test_a_network_that_was_not_exported_is_asked_for_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEENLINE_CACHE", str(tmp_path))
    with pytest.raises(BackboneError) as caught:
        open_backbone("timm:resnet18")
    assert caught.value.code is Code.BACKBONE_OFFLINE
    assert caught.value.where == str(tmp_path / "timm" / "resnet18.onnx")
    assert "python -m keenline.training.export_timm resnet18" in str(caught.value.next)


# With torch


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_gives_what_torch_gives(
    name: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm
    import torch

    monkeypatch.setenv("KEENLINE_CACHE", str(tmp_path))
    file = weights / f"{name}.pth"
    path = export_timm(name, weights=file)
    assert path == tmp_path / "timm" / f"{name}.onnx"
    assert sorted(each.name for each in path.parent.iterdir()) == [f"{name}.onnx", f"{name}.toml"]
    backbone = open_backbone(f"timm:{name}")
    assert [(n, o.channels, o.stride) for n, o in backbone.levels] == [
        (f"s{stride}", channels, stride)
        for stride, channels in zip((8, 16), NETWORKS[name], strict=True)
    ]
    assert backbone.model.opset_import[0].version == 17

    overlay = {"file": str(file)}
    network = timm.create_model(
        name, pretrained=True, features_only=True, pretrained_cfg_overlay=overlay
    ).eval()
    mean, std = (np.array(network.pretrained_cfg[key]) for key in ("mean", "std"))
    pixels = np.random.default_rng(4).integers(0, 256, (3, 3, 192, 64)).astype(np.float32)
    normalised = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        stages = network(torch.from_numpy(normalised.astype(np.float32)))
    about = backbone.description
    fed = pixels * np.reshape(about.scale, (3, 1, 1)) + np.reshape(about.offset, (3, 1, 1))
    wanted = {f"s{192 // each.shape[2]}": each.numpy() for each in stages}
    for run in ENGINES.values():
        found = run(backbone.model, {"image": fed.astype(np.float32)})
        for level in about.levels:
            scale = np.abs(wanted[level]).max()
            np.testing.assert_allclose(found[level], wanted[level], rtol=0, atol=1e-3 * scale)


@pytest.mark.train
@pytest.mark.slow
def test_other_levels_and_a_bank_on_top(weights: Path, tmp_path: Path) -> None:
    path = export_timm(
        "resnet18", levels=(16, 4), weights=weights / "resnet18.pth", folder=tmp_path
    )
    backbone = open_backbone(f"onnx:{path}")
    assert [name for name, _ in backbone.levels] == ["s4", "s16"]
    assert "brought by hand" in backbone.description.source
    learning = learning_set([good_part(seed) for seed in range(3)])
    learnt = MemoryBank(backbone, bank_size=16).learn(learning, seed=0, progress=silent)
    assert np.isfinite(learnt.leave_one_out()).all()


def _without_half(file: Path, folder: Path) -> Path:
    import torch

    tensors = torch.load(file, weights_only=True)
    torch.save({key: tensors[key] for key in sorted(tensors)[::2]}, folder / "half.pth")
    return folder / "half.pth"


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "file", "code"),
    [
        ("resnet18", "efficientnet_b0.pth", Code.BACKBONE_GRAPH),
        ("efficientnet_b0", "resnet18.pth", Code.BACKBONE_GRAPH),
        ("efficientnet_b0", "half.pth", Code.BACKBONE_GRAPH),
        ("resnet18", "junk.pth", Code.BACKBONE_GRAPH),
        ("resnet18", "junk.safetensors", Code.BACKBONE_GRAPH),
        ("resnet18", "empty.pth", Code.BACKBONE_GRAPH),
        ("resnet18", "absent.pth", Code.BACKBONE_MISSING),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(
    name: str, file: str, code: Code, weights: Path, tmp_path: Path
) -> None:
    _without_half(weights / "efficientnet_b0.pth", tmp_path)
    (tmp_path / "junk.pth").write_bytes(b"hello" * 99)
    (tmp_path / "junk.safetensors").write_bytes(b"hello" * 99)
    (tmp_path / "empty.pth").touch()
    given = weights / file if (weights / file).exists() else tmp_path / file
    with pytest.raises(BackboneError) as caught:
        export_timm(name, weights=given, folder=tmp_path / "out")
    assert caught.value.code is code
    assert caught.value.where == str(given)
    assert not (tmp_path / "out").exists()


@pytest.mark.train
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(BackboneError) as caught:
        export_timm("resnet81", folder=tmp_path)
    assert caught.value.code is Code.BACKBONE_UNKNOWN
    assert "resnet18" in str(caught.value.expected)


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "levels"), [("resnet18", (8, 12)), ("resnet18", ()), ("vit_tiny_patch16_224", (8,))]
)
def test_a_stride_that_is_not_there_is_answered_with_those_that_are(
    name: str, levels: tuple[int, ...], tmp_path: Path
) -> None:
    with pytest.raises(BackboneError) as caught:
        export_timm(name, levels=levels, folder=tmp_path)
    assert caught.value.code is Code.BACKBONE_GRAPH
    assert "16" in str(caught.value.got)


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "levels"),
    [("vit_tiny_patch16_224", (16,)), ("swin_tiny_patch4_window7_224", (8, 16))],
    ids=["one size", "channels last"],
)
def test_a_network_without_maps_of_any_image_is_refused(
    name: str, levels: tuple[int, ...], tmp_path: Path
) -> None:
    import timm
    import torch

    torch.manual_seed(11)
    torch.save(timm.create_model(name).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(BackboneError, match="any size") as caught:
        export_timm(name, levels=levels, weights=tmp_path / "weights.pth", folder=tmp_path / "out")
    assert caught.value.code is Code.BACKBONE_GRAPH
    assert not (tmp_path / "out").exists()


@pytest.mark.train
@pytest.mark.slow
def test_a_place_that_cannot_be_written_leaves_nothing_behind(
    weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        export_timm("resnet18", weights=weights / "resnet18.pth", folder=tmp_path / "file")
    assert caught.value.code is Code.OUTPUT_NOT_WRITABLE
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.train
@pytest.mark.slow
def test_without_internet_the_file_to_bring_is_named(tmp_path: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "KEENLINE_CACHE": str(tmp_path)}
    done: Any = subprocess.run(
        [sys.executable, "-m", "keenline.training.export_timm", "resnet18"],
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert f"KL{int(Code.BACKBONE_OFFLINE)}" in done.stderr
    assert "huggingface.co/timm/resnet18" in done.stderr
    assert "--weights FILE" in done.stderr
    assert str(tmp_path / "timm") in done.stderr
    assert "Traceback" not in done.stderr
