"""`keenline augment` and `keenline synthesise` on a small folder of labelled images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.small_parts import good_part, save_image
from tests.training.supervised.marked_parts import marked_folder

from keenline.data.reading import read_mask
from keenline.data.synthetic_index import read_synthetic
from keenline.errors import Code

SIZE = (128, 96)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Four good images, and three of each of two classes with masks."""
    root = tmp_path_factory.mktemp("labelled")
    y, x = np.ogrid[: SIZE[1], : SIZE[0]]
    for seed in range(4):
        save_image(root / f"train/good/{seed}.png", good_part(seed, SIZE))
    for place, name in enumerate(("dent", "pit")):
        for seed in range(3):
            mask = (x - 40 - 15 * seed) ** 2 + (y - 25) ** 2 <= (8 - 4 * place) ** 2
            part = good_part(10 * place + seed + 10, SIZE)
            part[mask] //= 4
            save_image(root / f"train/{name}/{seed}.png", part)
            planes = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255
            save_image(root / f"ground_truth/{name}/{seed}_mask.png", planes)
    return root


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def test_a_sheet_has_a_row_for_each_image_and_a_column_for_each_variant(
    keenline, labelled, tmp_path
):
    sizes = []
    for rows, variants in ((2, 3), (4, 3), (2, 5)):
        sheet = tmp_path / "sheet.png"
        ran = keenline(
            "augment", labelled, "--preview", sheet, "--rows", rows, "--variants", variants
        )
        assert ran.code == 0
        assert f"{rows} images, {variants} variants of each: dent {rows // 2}, pit" in ran.out
        sizes.append(size_of(sheet))
    assert sizes[1][0] == sizes[0][0] < sizes[2][0]
    assert sizes[1][1] > sizes[0][1] == sizes[2][1]


def test_the_same_seed_shows_the_same(keenline, labelled, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        ran = keenline(
            "augment", labelled, "--preview", tmp_path / f"{name}.png", "--seed", seed, "--json"
        )
        assert ran.record["seed"] == seed
        assert {image["class"] for image in ran.record["images"]} == {"dent", "pit"}
    a, b, c = (tmp_path.joinpath(f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_one_class_is_shown_and_a_wrong_one_told(keenline, labelled, tmp_path):
    sheet = tmp_path / "sheet.png"
    ran = keenline("augment", labelled, "--preview", sheet, "--class", "pit", "--json")
    assert [image["class"] for image in ran.record["images"]] == ["pit"] * 3
    ran = keenline("augment", labelled, "--preview", sheet, "--class", "pti", "--json")
    assert ran.code == 3
    assert ran.record["code"] == 1204
    assert ran.record["got"] == "dent, pit"


def test_a_recipe_that_changes_colours_is_refused(keenline, labelled, tmp_path):
    recipe = tmp_path / "part.toml"
    recipe.write_text("[[classes]]\nname = 'pit'\n[classes.augment]\nhue = 20\n")
    ran = keenline(
        "augment", labelled, "--preview", tmp_path / "s.png", "--recipe", recipe, "--json"
    )
    assert ran.code == 3
    assert "colour_is_no_signal = true" in ran.record["problems"][0]


def test_synthetic_images_are_written_with_library_sheet_and_index(keenline, labelled, tmp_path):
    options = ["--share", 0.5, "--draw", "scratch=scratch", "--library", tmp_path / "library"]
    ran = keenline(
        "synthesise", labelled, "-o", tmp_path / "made", *options,
        "--preview", tmp_path / "sheet.png", "--json",
    )  # fmt: skip
    assert ran.code == 0
    assert ran.record["real"] == {"dent": 3, "pit": 3}
    assert ran.record["made"] == {"dent": 3, "pit": 3, "scratch": 3}
    assert ran.record["cut"] == 6
    assert len(read_synthetic(tmp_path / "made")) == 9
    assert size_of(tmp_path / "sheet.png")[1] > 3 * 224
    again = keenline("synthesise", labelled, "-o", tmp_path / "again", *options)
    assert again.code == 0
    assert "dent: 3 images" in again.out
    first, second = (tmp_path.joinpath(name, "synthetic.json") for name in ("made", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_overwritten(keenline, labelled, tmp_path):
    tmp_path.joinpath("mine.txt").write_text("mine")
    ran = keenline("synthesise", labelled, "-o", tmp_path, "--json")
    assert ran.code == 3
    assert ran.record["code"] == 1400
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("word", ["scratch", "rust=rust", "pit="])
def test_what_cannot_be_drawn_is_told(keenline, labelled, tmp_path, word):
    ran = keenline("synthesise", labelled, "-o", tmp_path / "made", "--draw", word)
    assert ran.code == 2
    assert not (tmp_path / "made").exists()


def test_a_region_of_interest_holds_the_defects(keenline, labelled, tmp_path):
    recipe = tmp_path / "part.toml"
    recipe.write_text("[inspect]\nroi = [[0, 0, 128, 48]]\n")
    ran = keenline(
        "synthesise", labelled, "-o", tmp_path / "made", "--recipe", recipe, "--share", 0.8
    )
    assert ran.code == 0
    found = read_synthetic(tmp_path / "made")
    assert found
    for each in found:
        assert not read_mask(each.sample.mask, SIZE)[48:].any()


@pytest.mark.train
def test_defects_are_imagined_into_a_library_and_pasted_from_it(keenline, labelled, tmp_path):
    options = ("--library", tmp_path / "library", "--crop", 32, "--seed", 1)
    few = keenline("imagine", labelled, "--class", "pit", *options, "--json")
    assert few.record["code"] == Code.TOO_FEW_IMAGES
    marked = marked_folder(tmp_path / "marked")
    options = (*options, "--steps", 2, "--tries", 10, "--preview", tmp_path / "sheet.png")
    ran = keenline("imagine", marked, "--class", "dent", *options, "--json")
    assert ran.code == 0
    record = ran.record
    assert record["imagined"] + sum(record["not_taken"].values()) == record["tries"] == 10
    assert record["network"]["steps"] == 2
    assert size_of(tmp_path / "sheet.png")[1] > 3 * 224
    ran = keenline("synthesise", marked, "-o", tmp_path / "made", "--library", tmp_path / "library")
    assert ran.code == 0
    assert "beside 6 real ones, 25 %" in ran.out
    wrong = keenline("imagine", marked, "--class", "dent", *options, "--time-budget", "soon")
    assert wrong.code == 2
