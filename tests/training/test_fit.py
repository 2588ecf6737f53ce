"""Learning reads what it may, lists what it skips, and writes one bundle or nothing."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.small_parts import (
    dented,
    good_folder,
    good_part,
    recipe,
    save_image,
    sixteen_bit_folder,
    tiny_backbone,
)

import keenline
from keenline.bundle import MANIFEST, Bundle, read_bundle
from keenline.errors import (
    BackboneError,
    Code,
    DatasetError,
    OutputError,
    TrainingError,
)
from keenline.recipe import Recipe
from keenline.training.fit import Trained


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return good_folder(tmp_path / "parts", 6)


@pytest.fixture
def small(tmp_path: Path) -> Recipe:
    """The quickest memory bank."""
    return recipe(backbone=tiny_backbone(tmp_path), precision="f32")


def _train(root: Path, chosen: Recipe, **more: Any) -> Trained:
    return keenline.train(
        keenline.open_dataset(root), root.parent / "part.keen", recipe=chosen, **more
    )


def _sums(bundle: Bundle) -> Mapping[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in bundle.members.items()}


# What it says about itself


def test_a_bundle_says_what_it_was_learnt_from(parts: Path, small: Recipe) -> None:
    trained = _train(parts, small, seed=3)
    manifest = trained.bundle.manifest
    assert manifest.keenline == keenline.__version__
    assert manifest.stage == "trained"
    assert manifest.detector == "memory_bank"
    assert manifest.recipe == small
    assert manifest.recipe_sha256 == small.sha256
    assert manifest.training.images == manifest.training.parts == 6
    assert manifest.training.seed == 3
    assert manifest.training.skipped == 0
    assert manifest.training.held_out_parts == 0
    assert manifest.engine.name == "openvino"
    assert manifest.engine.precision == "f32"
    assert manifest.engine.compared_with.startswith("onnxruntime ")
    assert manifest.engine.largest_score_difference < 0.01
    assert manifest.backbone is not None
    assert manifest.backbone.licence == "Apache-2.0"
    assert len(manifest.backbone.sha256) == 64
    assert manifest.threshold.kind == "estimated"
    assert len(manifest.held_out_scores) == 6
    assert trained.path.is_file()
    read = read_bundle(trained.path)
    assert read.manifest == manifest
    assert read.sha256 == trained.bundle.sha256
    assert trained.seconds > 0


def test_classical_has_no_backbone(parts: Path) -> None:
    manifest = _train(parts, recipe(name="classical")).bundle.manifest
    assert manifest.backbone is None
    assert manifest.engine.precision == "f32"
    assert manifest.detector == "classical"


# The same again


@pytest.mark.parametrize(
    "detector",
    [
        {"precision": "f32"},
        {"precision": "int8"},
        {"name": "classical"},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_members_and_threshold(
    tmp_path: Path, parts: Path, detector: dict[str, Any]
) -> None:
    chosen = recipe(backbone=tiny_backbone(tmp_path), **detector)
    one, two = (_train(parts, chosen, seed=5).bundle for _ in range(2))
    assert _sums(one) == _sums(two)
    assert one.manifest.threshold == two.manifest.threshold
    assert one.manifest.held_out_scores == two.manifest.held_out_scores
    assert one.manifest.training.data_sha256 == two.manifest.training.data_sha256


def test_another_seed_gives_another_bank(parts: Path, small: Recipe) -> None:
    one, two = (_train(parts, small, seed=seed).bundle for seed in (0, 1))
    assert _sums(one) != _sums(two)


def test_the_place_on_disk_does_not_matter(tmp_path: Path, parts: Path, small: Recipe) -> None:
    one = _train(parts, small).bundle
    moved = Path(shutil.move(parts, tmp_path / "elsewhere" / "größe 1"))
    two = _train(moved, small).bundle
    assert _sums(one) == _sums(two)
    assert one.manifest.training.data_sha256 == two.manifest.training.data_sha256


# What may be read


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    root = tmp_path / "mvtec"
    for seed in range(6):
        save_image(root / f"train/good/{seed}.png", good_part(seed))
    for seed in range(3):
        save_image(root / f"test/good/{seed}.png", good_part(100 + seed))
        save_image(root / f"test/dent/{seed}.png", dented(100 + seed))
        mask = np.zeros_like(good_part(0))
        mask[10:22, 64:76] = 255
        save_image(root / f"ground_truth/dent/{seed}_mask.png", mask)
    return root


def test_of_mvtec_only_train_good_is_learnt_from(mvtec: Path, small: Recipe) -> None:
    first = _train(mvtec, small).bundle
    assert first.manifest.training.images == 6
    shutil.rmtree(mvtec / "test")
    shutil.rmtree(mvtec / "ground_truth")
    second = _train(mvtec, small).bundle
    assert _sums(first) == _sums(second)
    assert first.manifest.threshold == second.manifest.threshold
    assert first.manifest.training.data_sha256 == second.manifest.training.data_sha256


def test_the_test_images_are_not_even_opened(mvtec: Path, small: Recipe) -> None:
    dataset = keenline.open_dataset(mvtec)
    shutil.rmtree(mvtec / "test")
    shutil.rmtree(mvtec / "ground_truth")
    trained = keenline.train(dataset, mvtec.parent / "part.keen", recipe=small)
    assert trained.bundle.manifest.training.images == 6


def test_defects_are_not_learnt_from(parts: Path, small: Recipe) -> None:
    without = _train(parts, small).bundle
    for seed in range(3):
        save_image(parts / f"dent/{seed}.png", dented(seed))
    assert _sums(_train(parts, small).bundle) == _sums(without)


# What is skipped


def _break(path: Path, how: str) -> None:
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes(b"no image" * 40)


@pytest.mark.parametrize("how", ["empty", "cut", "text"])
def test_a_broken_image_is_listed_and_learning_goes_on(
    parts: Path, small: Recipe, how: str
) -> None:
    without = parts.parent / "without"
    shutil.copytree(parts, without)
    (without / "good/002.png").unlink()
    _break(parts / "good/002.png", how)
    trained = _train(parts, small)
    (skipped,) = trained.skipped
    assert skipped.path == parts / "good/002.png"
    assert skipped.error.code in (Code.IMAGE_EMPTY, Code.IMAGE_TRUNCATED, Code.IMAGE_UNREADABLE)
    assert trained.bundle.manifest.training.images == 5
    assert trained.bundle.manifest.training.skipped == 1
    assert _sums(trained.bundle) == _sums(_train(without, small).bundle)


@pytest.mark.parametrize("how", ["empty", "cut", "text"])
def test_where_every_image_is_broken_nothing_is_written(
    parts: Path, small: Recipe, how: str
) -> None:
    for path in (parts / "good").iterdir():
        _break(path, how)
    with pytest.raises(DatasetError):
        _train(parts, small)
    assert not (parts.parent / "part.keen").exists()


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_a_broken_sixteen_bit_image_is_skipped_like_any_other(
    tmp_path: Path, small: Recipe, kind: str
) -> None:
    root = sixteen_bit_folder(tmp_path / "parts", 6, kind=kind)
    path = root / f"good/3.{kind}"
    path.write_bytes(path.read_bytes()[:-3000])
    trained = _train(root, small)
    assert [skipped.path for skipped in trained.skipped] == [path]
    assert trained.bundle.manifest.framing.bit_depth == 12


def test_copies_are_counted_once_and_told(parts: Path, small: Recipe) -> None:
    shutil.copy(parts / "good/000.png", parts / "good/copy.png")
    trained = _train(parts, small)
    assert trained.bundle.manifest.training.images == 7
    assert trained.bundle.manifest.training.parts == 6
    assert any("exact copies" in note for note in trained.notes)
    assert len(trained.bundle.manifest.held_out_scores) == 6


# What is refused


@pytest.mark.parametrize("detector", ["memory_bank", "classical"])
@pytest.mark.parametrize("number", [1, 3])
def test_one_part_is_too_few_however_often_it_is_there(
    tmp_path: Path, detector: str, number: int
) -> None:
    root = good_folder(tmp_path / "parts", 1)
    for copy in range(1, number):
        shutil.copy(root / "good/000.png", root / f"good/copy{copy}.png")
    with pytest.raises(TrainingError) as caught:
        _train(root, recipe(name=detector, backbone=tiny_backbone(tmp_path), precision="f32"))
    assert caught.value.code is Code.TOO_FEW_IMAGES


def test_two_parts_are_enough(tmp_path: Path, small: Recipe) -> None:
    trained = _train(good_folder(tmp_path / "parts", 2), small)
    threshold = trained.bundle.manifest.threshold
    assert threshold.kind == "estimated"
    assert threshold.value > 0
    assert "no guarantee" in threshold.statement


def test_no_good_images(tmp_path: Path, small: Recipe) -> None:
    save_image(tmp_path / "parts/dent/1.png", dented(0))
    save_image(tmp_path / "parts/good/keep.png", good_part(0))
    dataset = keenline.open_dataset(tmp_path / "parts")
    only_defects = type(dataset)(dataset.root, dataset.defects)
    with pytest.raises(DatasetError) as caught:
        keenline.train(only_defects, tmp_path / "part.keen", recipe=small)
    assert caught.value.code is Code.DATASET_NO_GOOD


@pytest.mark.parametrize(
    ("detector", "error", "code"),
    [
        ({"name": "crystal_ball"}, TrainingError, Code.DETECTOR_UNKNOWN),
        ({"backbone": "alexnet"}, BackboneError, Code.BACKBONE_UNKNOWN),
        ({"name": "classical", "precision": "int8"}, TrainingError, Code.OPTION_CONFLICT),
        (
            {"engine": "onnxruntime", "precision": "bf16"},
            TrainingError,
            Code.OPTION_CONFLICT,
        ),
    ],
)
def test_options_that_cannot_be(
    parts: Path, detector: dict[str, Any], error: type[Exception], code: Code
) -> None:
    with pytest.raises(error) as caught:
        _train(parts, recipe(**detector))
    assert getattr(caught.value, "code", None) is code
    assert not (parts.parent / "part.keen").exists()


def test_a_place_that_cannot_be_written_is_told_before_learning(parts: Path, small: Recipe) -> None:
    steps: list[str] = []
    with pytest.raises(OutputError):
        keenline.train(
            keenline.open_dataset(parts),
            parts / "good/000.png/part.keen",
            recipe=small,
            progress=lambda *step: steps.append(step[0]),
        )
    assert steps == []


def test_an_interrupted_learning_leaves_the_old_bundle(parts: Path, small: Recipe) -> None:
    before = _train(parts, small).path.read_bytes()

    def interrupt(step: str, done: int, total: int) -> None:
        if step.startswith("score good parts"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(parts, small, seed=1, progress=interrupt)
    assert (parts.parent / "part.keen").read_bytes() == before
    assert not list(parts.parent.glob(".*"))


def test_the_manifest_in_the_file_is_readable_by_people(parts: Path, small: Recipe) -> None:
    with zipfile.ZipFile(_train(parts, small).path) as archive:
        text = archive.read(MANIFEST).decode("utf-8")
    assert '"statement": "estimate from 6 parts' in text
    assert "\n " in text
