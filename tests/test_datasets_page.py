"""docs/datasets.md tells the truth: its commands and its code run, its tables are the program's."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.small_parts import dented, good_part, save_image

from keenline.data.class_progress import GOALS
from keenline.data.dataset_version import SPLITS
from keenline.data.dealing import FEWEST_GROUPS, Shares
from keenline.data.provenance import read_provenance
from keenline.data.seal_log import read_log
from keenline.evaluation.agreement import LIMIT

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading."""
    section = re.split(r"\n## ", PAGE.split(f"\n## {heading}\n", 1)[1])[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folders and files that the page speaks of."""
    for seed in range(30):
        save_image(tmp_path / f"photos/good/{seed:02}.png", good_part(seed))
    for seed in range(10):
        save_image(tmp_path / f"photos/dent/{seed:02}.png", dented(100 + seed))
    (tmp_path / "photos/provenance.csv").write_text(blocks("csv")[0])
    for person in ("ana", "ben", "eva"):
        labels = {
            "images": [{"id": 0, "file_name": "a.png", "width": 96, "height": 64}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [9, 9, 20, 20]}],
            "categories": [{"id": 0, "name": "dent"}],
        }
        (tmp_path / f"{person}.json").write_text(json.dumps(labels))
    return tmp_path


@pytest.mark.slow
def test_the_commands_and_the_code_run_in_their_order(place: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def run(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, *words], cwd=place, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"

    for block in blocks("console"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "))
            assert words[0] == "keenline"
            run("-m", *words)
    (snippet,) = blocks("python")
    run("-c", snippet)
    events = read_log(place / "photos/v1.keenset.log")
    assert [(event.event, event.who) for event in events] == [
        ("sealed", "Ana Reis"),
        ("locked", "Ana Reis"),
        ("opened", "Ben Okoro"),
    ]
    assert (place / "photos/v2.keenset").is_file()
    assert next((place / "agreed").rglob("annotations.json"))


def test_the_table_of_the_splits_is_the_programs() -> None:
    shares = {cells[0].strip("`"): cells[1] for cells in rows("The four splits")}
    assert tuple(shares) == SPLITS
    assert shares["validation"] == str(Shares().validation)
    assert shares["seeded"] == f"{Shares().seeded}, {int(50 * Shares().seeded)} of 50"
    assert Shares().acceptance == 0
    assert f"fewer than {FEWEST_GROUPS} independent groups" in PAGE


def test_the_columns_are_read_by_all_their_names(tmp_path: Path) -> None:
    table = rows("Where images come from")
    for name, _, others in table:
        for other in [name.strip("`"), *others.split(", ")]:
            header = other if name == "`image`" else f"image,{other}"
            (tmp_path / "p.csv").write_text(f"{header}\na.png,x\n")
            read = read_provenance(tmp_path / "p.csv", ["a.png"])
            assert list(read.of) == ["a.png"], other
            assert read.notes == (), other
    assert blocks("csv")[0].split("\n")[0].split(",") == [cells[0].strip("`") for cells in table]


def test_the_numbers_of_the_page_are_the_programs() -> None:
    assert all(re.search(rf"\b{goal}\b", PAGE) for goal in GOALS)
    assert f"{100 * LIMIT:.0f} %" in PAGE


def test_links_and_codes_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    errors = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert all(f"### {code} " in errors for code in re.findall(r"KL\d{4}", PAGE))
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", PAGE, re.M)}
    for page in ("errors.md", "cli.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert set(re.findall(r"\(datasets\.md#([\w-]+)\)", text)) <= anchors
