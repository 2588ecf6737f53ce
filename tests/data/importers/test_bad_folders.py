"""Folders that cannot be read, and bad files in folders that can."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.picture_files import blank, gradient, png_bomb, save, spotted

from keenline.data.importers import LAYOUTS, open_dataset
from keenline.errors import Code, DatasetError, KeenlineError


def refused(root: Path, **options: str) -> KeenlineError:
    with pytest.raises(DatasetError) as caught:
        open_dataset(root, **options)
    return caught.value


def test_no_folder_and_a_file_instead_of_one(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").code is Code.DATASET_MISSING
    assert refused(blank(tmp_path / "a.png")).code is Code.DATASET_MISSING


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "notes.txt").write_text("nothing yet")
    error = refused(tmp_path)
    assert (error.code, error.got) == (Code.DATASET_EMPTY, "1 other files")


def test_an_unknown_arrangement_shows_the_known_ones(tmp_path: Path) -> None:
    blank(tmp_path / "scratch/a.png")
    blank(tmp_path / "dent/a.png")
    error = refused(tmp_path)
    assert error.code is Code.DATASET_LAYOUT
    for layout in LAYOUTS:
        assert layout.name in str(error)
        assert layout.example.splitlines()[-1] in str(error)
    assert "dent, scratch" in str(error)


def test_a_collection_of_datasets_names_one_to_choose(tmp_path: Path) -> None:
    for part in ("bottle", "cable"):
        blank(tmp_path / part / "train/good/a.png")
    error = refused(tmp_path)
    assert error.code is Code.DATASET_LAYOUT
    assert "several parts" in error.what
    assert error.next is not None
    assert error.next.endswith("bottle")


def test_no_good_images(tmp_path: Path) -> None:
    spotted(tmp_path / "p1/a_label.png")
    blank(tmp_path / "p1/a.png")
    assert refused(tmp_path).code is Code.DATASET_NO_GOOD


def test_no_usable_good_images_tells_the_first_fault(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    error = refused(tmp_path)
    assert error.code is Code.DATASET_NO_GOOD
    assert "a.png: The image file is empty" in str(error)


def test_bad_images_are_listed_and_the_rest_is_kept(tmp_path: Path) -> None:
    blank(tmp_path / "good/fine.png")
    (tmp_path / "good/zero.png").write_bytes(b"")
    (tmp_path / "good/text.jpg").write_bytes(b"not a photo at all")
    save(tmp_path / "good/dot.png", gradient()[:1, :1])
    png_bomb(tmp_path / "good/bomb.png", 30_000, 30_000)
    (tmp_path / "good/link.png").symlink_to(tmp_path / "gone.png")
    data = open_dataset(tmp_path)
    assert [sample.image.name for sample in data.samples] == ["fine.png"]
    assert {skip.path.name: skip.error.code for skip in data.skipped} == {
        "zero.png": Code.IMAGE_EMPTY,
        "text.jpg": Code.IMAGE_UNREADABLE,
        "dot.png": Code.IMAGE_TOO_SMALL,
        "bomb.png": Code.IMAGE_TOO_LARGE,
        "link.png": Code.IMAGE_MISSING,
    }


def test_a_mask_of_another_size_is_listed_and_its_sample_kept(tmp_path: Path) -> None:
    blank(tmp_path / "train/good/a.png")
    blank(tmp_path / "test/dent/b.png")
    spotted(tmp_path / "ground_truth/dent/b_mask.png", size=(30, 30))
    data = open_dataset(tmp_path)
    (skip,) = data.skipped
    assert (skip.path.name, skip.error.code) == ("b_mask.png", Code.MASK_SIZE)
    assert [(each.label, each.mask) for each in data.defects] == [("dent", None)]


def test_a_bad_mask_that_decides_the_label_takes_its_image_along(tmp_path: Path) -> None:
    """Else an image that may show a defect would be learnt as good."""
    for name in ("a", "b"):
        blank(tmp_path / f"{name}.png")
        blank(tmp_path / f"{name}_label.png", 0)
    (tmp_path / "b_label.png").write_bytes(b"")
    data = open_dataset(tmp_path)
    assert [sample.image.name for sample in data.samples] == ["a.png"]
    assert {skip.path.name: skip.error.code for skip in data.skipped} == {
        "b_label.png": Code.IMAGE_EMPTY,
        "b.png": Code.MASK_MISSING,
    }


def test_an_empty_mask_is_a_note(tmp_path: Path) -> None:
    blank(tmp_path / "good/a.png")
    blank(tmp_path / "dent/b.png")
    blank(tmp_path / "dent/b_mask.png", 0)
    data = open_dataset(tmp_path)
    assert [(each.label, each.mask) for each in data.defects] == [("dent", None)]
    (note,) = data.notes
    assert note.endswith("mark nothing, taken as no mask: 1 (dent/b_mask.png)")


def test_a_mask_on_a_good_sample_is_a_note(tmp_path: Path) -> None:
    blank(tmp_path / "good/a.png")
    spotted(tmp_path / "good/a_mask.png")
    data = open_dataset(tmp_path)
    assert [(each.label, each.mask) for each in data.samples] == [("good", None)]
    assert "labelled good although" in data.notes[0]


def test_masks_without_an_image_never_become_images(tmp_path: Path) -> None:
    blank(tmp_path / "p1/a.png")
    blank(tmp_path / "p1/a_label.png", 0)
    spotted(tmp_path / "p1/gone_label.png")
    data = open_dataset(tmp_path)
    assert [sample.image.name for sample in data.samples] == ["a.png"]
    assert [skip.path.name for skip in data.skipped] == ["gone_label.png"]


def test_images_beside_class_folders_are_listed(tmp_path: Path) -> None:
    blank(tmp_path / "good/a.png")
    blank(tmp_path / "overview.png")
    data = open_dataset(tmp_path)
    assert [skip.path.name for skip in data.skipped] == ["overview.png"]


def test_clutter_is_left_alone_and_other_files_are_counted(tmp_path: Path) -> None:
    blank(tmp_path / "a.png")
    for name in (".hidden.png", "Thumbs.db", "__MACOSX/._a.png", ".git/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"clutter")
    (tmp_path / "readme.md").write_text("about")
    data = open_dataset(tmp_path)
    assert (len(data.samples), data.ignored, data.skipped) == (1, 1, ())


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    blank(tmp_path / "good/a.png")
    (tmp_path / "good/again").symlink_to(tmp_path)
    assert len(open_dataset(tmp_path).samples) == 1


def test_parts_by_pattern(tmp_path: Path) -> None:
    for name in ("lot7_a", "lot7_b", "lot8_a", "other"):
        blank(tmp_path / f"good/{name}.png")
    data = open_dataset(tmp_path, part_pattern=r"(?P<part>lot\d+)_")
    assert [sample.part for sample in data.samples] == ["lot7", "lot7", "lot8", "good/other.png"]
    (note,) = data.notes
    assert note.endswith("each taken as a part of its own: 1 (good/other.png)")


@pytest.mark.parametrize("pattern", ["(lot", "lot[0-9]+", "(?P<lot>x)"])
def test_a_bad_pattern(tmp_path: Path, pattern: str) -> None:
    blank(tmp_path / "a.png")
    assert refused(tmp_path, part_pattern=pattern).code is Code.DATASET_PART_PATTERN
