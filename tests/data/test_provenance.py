"""Tables of where images come from, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from keenline.data.dataset_version import Provenance
from keenline.data.provenance import merged, read_provenance
from keenline.errors import Code, DatasetError

IMAGES = ("dent/1.png", "dent/2.png", "good/1.png", "good/3.jpg")


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "provenance.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_images_are_found_by_path_by_name_and_by_stem(tmp_path: Path) -> None:
    table = read_provenance(
        written(tmp_path, "image,part,lot\n./dent/1.png,P1,L1\n2.png,P2,L1\ngood\\3,P3,L2\n"),
        IMAGES,
    )
    assert table.of == {
        "dent/1.png": Provenance("P1", "L1"),
        "dent/2.png": Provenance("P2", "L1"),
        "good/3.jpg": Provenance("P3", "L2"),
    }
    assert table.notes == ("images without a row in provenance.csv: 1 (good/1.png)",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("head", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_spreadsheets_of_all_countries(
    delimiter: str, head: str, end: str, tmp_path: Path
) -> None:
    rows = [["File Name", "Batch", "Light set-up", "Shift", "Inspector"],
            ["dent/1.png", "7", "ring, low", "night", "Ana"]]  # fmt: skip
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in rows]
    text = head + end.join(delimiter.join(row) for row in quoted) + end + end
    table = read_provenance(written(tmp_path, text), IMAGES[:1])
    said = Provenance(lot="7", light="ring, low", session="night", annotator="Ana")
    assert table.of == {"dent/1.png": said}
    assert table.notes == ()


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    text = "image,lot,colour,Owner\ngone.png,L1,red,me\n1.png,L1,red,me\ndent/2.png,L2,,\n"
    notes = " | ".join(read_provenance(written(tmp_path, text), IMAGES).notes)
    assert "columns that mean nothing here: colour, Owner" in notes
    assert "gone.png (line 2)" in notes
    assert "1.png (line 3)" in notes  # there are two of that name
    assert "images without a row in provenance.csv: 3" in notes


def test_the_same_row_twice_is_no_fault(tmp_path: Path) -> None:
    table = read_provenance(written(tmp_path, "image,lot\n2.png,L1\ndent/2.png,L1\n"), IMAGES)
    assert table.of == {"dent/2.png": Provenance(lot="L1")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,lot\n2.png,L1\ndent/2.png,L2\n", "dent/2.png: line 2 and line 3 differ"),
        ("lot,part\nL1,P1\n", "the columns lot, part"),
        ("image,batch,lot\n", "two columns that mean lot"),
        ("", "an empty file"),
        (b"image,lot\n\xff\xfe,1\n", "utf-8"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    text: str | bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        read_provenance(written(tmp_path, text), IMAGES)
    assert caught.value.code is Code.DATASET_PROVENANCE


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_provenance(tmp_path / "x.csv", IMAGES)
    assert caught.value.code is Code.DATASET_PROVENANCE


def test_a_row_may_be_shorter_or_longer_than_the_header(tmp_path: Path) -> None:
    table = read_provenance(
        written(tmp_path, "image,part,lot\ndent/1.png,P1\ndent/2.png,P2,L2,more\n"), IMAGES
    )
    assert table.of["dent/1.png"] == Provenance("P1")
    assert table.of["dent/2.png"] == Provenance("P2", "L2")


def test_the_first_that_says_something_counts() -> None:
    first = Provenance(part="P1", light="ring")
    assert merged(first, Provenance("P2", "L2")) == Provenance("P1", "L2", light="ring")
