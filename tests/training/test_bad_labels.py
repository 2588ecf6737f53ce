"""Labels as people bring them: each fault is an error in words or a sentence on the list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.small_parts import dented, good_part, recipe, save_image, tiny_backbone
from tests.training.test_teach import PLACES, labelled_folder, save_mask

from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.data.reading import read_image
from keenline.errors import Code, DatasetError, TrainingError
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.class_names import notes_on_names
from keenline.training.fit import train
from keenline.training.head_fit import fit_head
from keenline.training.labelled_cells import Cells
from keenline.training.teach import teach


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> str:
    return tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return labelled_folder(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory, backbone, folder) -> Path:
    path = tmp_path_factory.mktemp("plain") / "part.keen"
    train(open_dataset(folder), path, recipe=recipe(backbone=backbone, precision="f32"))
    return path


def coco(root: Path, marks: Sequence[dict[str, object]]) -> Path:
    """Six good parts and six dented ones with a COCO file; `marks` are added to those of it."""
    names = [f"{seed}.png" for seed in range(12)]
    for seed, name in enumerate(names):
        image = good_part(seed) if seed < 6 else dented(seed, PLACES[seed - 6])
        save_image(root / name, image)
    right = [
        {"id": seed, "image_id": seed, "category_id": 1, "bbox": [x - 6, y - 6, 12, 12]}
        for seed, (x, y) in zip(range(6, 12), PLACES, strict=True)
    ]
    content = {
        "images": [
            {"id": seed, "file_name": name, "width": 96, "height": 64}
            for seed, name in enumerate(names)
        ],
        "annotations": [*right, *marks],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "crack"}],
    }
    (root / "labels.json").write_text(json.dumps(content, indent=1))
    return root


BAD_MARKS = (
    {"id": 100, "image_id": 6, "category_id": 1, "bbox": [200, 200, 10, 10]},
    {"id": 101, "image_id": 7, "category_id": 1, "bbox": [20, 20, 0, 10]},
    {"id": 8, "image_id": 8, "category_id": 1, "bbox": [20, 20, 10, 10]},
    {"id": 102, "image_id": 9, "category_id": 7, "bbox": [20, 20, 10, 10]},
    {
        "id": 103,
        "image_id": 10,
        "category_id": 1,
        "segmentation": [[10, 10, 30, 30, 30, 10, 10, 30]],
    },
)


def test_every_bad_mark_is_listed_and_the_rest_is_read(tmp_path):
    dataset = open_dataset(coco(tmp_path / "coco", BAD_MARKS))
    codes = {file.error.code for file in dataset.skipped}
    assert codes == {Code.LABEL_OUTSIDE, Code.LABEL_NO_AREA, Code.LABEL_CLASS}
    assert all(":" in str(file.error.where) for file in dataset.skipped)  # file and line
    for told in (
        "crosses itself",
        "annotation 8 is there twice",
    ):  # taken, and told with file and line
        assert any(told in note and "labels.json:" in note for note in dataset.notes)
    assert "classes that no image bears: crack" in dataset.notes
    assert dataset.classes == {"dent": 6, "good": 6}


def test_an_image_that_was_only_marked_wrongly_is_not_taken_for_good(tmp_path):
    wrong = {"id": 100, "image_id": 2, "category_id": 1, "bbox": [300, 300, 9, 9]}
    dataset = open_dataset(coco(tmp_path / "coco", [wrong]))
    assert dataset.classes == {"dent": 6, "good": 5}
    assert "2.png" in {file.path.name for file in dataset.skipped}


def test_all_good_and_all_defective_are_refused(tmp_path, plain, folder):
    dataset = open_dataset(folder)
    for samples, code in (
        (dataset.good, Code.DATASET_NO_DEFECT),
        (dataset.defects, Code.DATASET_NO_GOOD),
    ):
        with pytest.raises(DatasetError) as caught:
            teach(plain, Dataset(dataset.root, samples), output=tmp_path / "x.keen")
        assert caught.value.code is code
    assert not (tmp_path / "x.keen").exists()


def test_classes_of_recipe_and_labels_that_do_not_meet_are_told():
    named = Recipe.model_validate({"classes": [{"name": "dent"}, {"name": "scrath"}]})
    unknown, empty = notes_on_names(named, ["dent", "scratch"])
    assert "does not name" in unknown
    assert unknown.endswith(": scratch")
    assert "no labelled image shows" in empty
    assert empty.endswith(": scrath")
    assert notes_on_names(Recipe(), ["dent"]) == ()


@pytest.mark.parametrize("leak", ["a copy", "a part"])
def test_what_lies_in_train_and_test_is_told(tmp_path, folder, leak):
    root = tmp_path / "part"
    for split, stems in (("train", "012"), ("test", "345")):
        for stem in stems:
            save_image(root / split / "good" / f"K{stem}_0.png", good_part(int(stem)))
            shutil.copy(
                folder / "dent" / f"{stem}.png", _made(root / split / "dent") / f"D{stem}_0.png"
            )
    pattern = r"(?P<part>[KD]\d+)_\d\.png"
    assert not any("flatters" in note for note in open_dataset(root, part_pattern=pattern).notes)
    if leak == "a copy":
        shutil.copy(root / "train/good/K0_0.png", root / "test/good/K9_0.png")
    else:
        save_image(root / "test/good/K0_1.png", good_part(77))
    (note,) = (n for n in open_dataset(root, part_pattern=pattern).notes if "flatters" in n)
    assert note.startswith("1 images of test/")
    assert "train/good/K0_0.png" in note
    assert "test/good/K" in note


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_mask_that_became_another_size_skips_its_image(tmp_path, plain):
    root = labelled_folder(tmp_path / "folder")
    dataset = replace(open_dataset(root), version="a" * 64)
    save_mask(root / "scratch/2_mask.png", np.ones((10, 10), bool))
    found = teach(plain, dataset, output=tmp_path / "x.keen", folds=2)
    (skipped,) = found.skipped
    assert (skipped.path.name, skipped.error.code) == ("2.png", Code.MASK_SIZE)
    manifest = found.bundle.manifest
    assert [known.images for known in manifest.classes] == [6, 5]
    # The bundle says what it was taught from, and what it had been learnt from before.
    assert manifest.taught is not None
    assert (manifest.taught.images, manifest.taught.parts) == (25, 25)
    assert (manifest.taught.dataset_version, manifest.training.dataset_version) == ("a" * 64, "")


@pytest.mark.slow
def test_sixteen_bit_images_are_taught_as_their_eight_bit_twins(tmp_path, backbone, folder):
    said = []
    for shift in (0, 4):
        root = tmp_path / f"{shift}"
        shutil.copytree(folder, root)
        for path in (p for p in root.rglob("*.png") if shift and "mask" not in p.name):
            deep = read_image(path)[..., 0].astype(np.uint16) << shift
            tifffile.imwrite(path.with_suffix(".tif"), deep, compression=None)
            path.unlink()
        dataset = open_dataset(root)
        train(dataset, tmp_path / "x.keen", recipe=recipe(backbone=backbone, precision="f32"))
        teach(tmp_path / "x.keen", dataset)
        inspector = Inspector.open(tmp_path / "x.keen")
        pictures = sorted(sample.image for sample in dataset.defects)
        said.append([inspector.inspect(path).prediction.class_scores for path in pictures])
    for eight, sixteen in zip(*said, strict=True):
        assert sixteen == pytest.approx(eight, abs=0.1)


def test_features_that_are_no_numbers_are_an_error():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    vectors[7:9] = 3e38
    numbers = np.arange(60) % 2
    with pytest.raises(TrainingError) as caught:
        fit_head(Cells(vectors, numbers, numbers), ["dent"], seed=0)
    assert caught.value.code is Code.LOSS_NOT_FINITE
