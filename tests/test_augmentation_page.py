"""The page about variants and synthetic defects: its recipe, its Python, its numbers, its links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from keenline.augment_settings import ClassAugment
from keenline.data import defect_library, paste
from keenline.data.augment import TRIES
from keenline.recipe import load_recipe

PAGE = Path(__file__).parents[1] / "docs" / "augmentation.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_recipe_on_the_page_is_one(tmp_path):
    (block,) = blocks("toml")
    path = tmp_path / "part.toml"
    path.write_text(block)
    pit, scoring = load_recipe(path).classes
    assert pit.augment == ClassAugment()
    assert scoring.augment == ClassAugment(kind="directional", degrees=5)


def test_the_python_on_the_page_runs():
    (block,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Turn(" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        f"up to {TRIES} times",
        f"within {paste.GREY_NEAR:g}\n  levels",
        f"{paste.SCALES[0]} to {paste.SCALES[1]} times as large",
        f"below {paste.LEAST_SPREAD:g}\n  levels",
        f"more than {defect_library.LARGEST} of a side",
        f"less than {defect_library.FAINTEST:g} grey levels",
        f"up to {2 * defect_library.BRIDGED} pixels apart",
    ],
)
def test_the_numbers_on_the_page_are_those_of_the_program(words):
    assert words in TEXT


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", TEXT)
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
