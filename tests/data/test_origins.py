"""Where images come from is found in a version or a table, and says what one part is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from keenline.data.defect_size import defect_lengths, length
from keenline.data.importers import open_dataset
from keenline.data.origins import origins_of
from keenline.data.versioning import create_version
from keenline.types import GOOD, Sample


def folder(root: Path) -> Path:
    for number in range(6):
        path = root / ("good" if number < 3 else "dent") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40), 40 * number, np.uint8)).save(path)
    return root


def test_a_lot_in_a_version_is_many_parts(tmp_path: Path) -> None:
    root = folder(tmp_path / "plates")
    lines = [f"{'good' if k < 3 else 'dent'}/{k}.png,L{k % 2},night" for k in range(6)]
    (root / "provenance.csv").write_text("\n".join(["image,lot,session", *lines]))
    made = create_version(root, by="me", across_lots=False)
    dataset = open_dataset(made.file)
    origins = origins_of(made.file, dataset)
    named = {sample.part for sample in dataset.samples}
    assert len(named) <= 2  # the version keeps a lot together
    assert {sample.part for sample in origins.samples(dataset.samples)} == {""}
    assert {said.session for said in origins.of.values()} == {"night"}


def test_a_table_names_parts_and_what_it_leaves_out_is_noted(tmp_path: Path) -> None:
    root = folder(tmp_path / "plates")
    dataset = open_dataset(root)
    assert origins_of(root, dataset).of == {}
    table = tmp_path / "table.csv"
    table.write_text("image,part\ndent/3.png,A\ndent/4.png,A\n")
    origins = origins_of(root, dataset, table)
    parts = [sample.part for sample in origins.samples(dataset.samples) if not sample.is_good]
    assert sorted(parts) == ["A", "A", "dent/5.png"]
    assert "images without a row in table.csv: 4" in origins.notes[0]


def test_the_length_is_that_of_the_longest_connected_region(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), bool)
    mask[2:4, 1:11] = True  # 10 long
    mask[20:35, 30] = True  # 15 long
    mask[35, 31] = True  # touches it by a corner: 16
    assert length(mask) == 16
    assert length(np.zeros((4, 4), bool)) == 0
    file = tmp_path / "mask.png"
    Image.fromarray((mask * 255).astype(np.uint8)).save(file)
    sample = Sample(tmp_path / "part.png", "scratch", mask=file)
    assert defect_lengths(sample, (60, 40), 0.5) == {"scratch": 8.0}
    assert defect_lengths(Sample(tmp_path / "part.png", GOOD), (60, 40)) == {}
