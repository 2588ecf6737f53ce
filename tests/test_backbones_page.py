"""docs/backbones.md tells the truth: its files parse, its names and options exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from keenline.errors import BackboneError, Code
from keenline.models.backbones import Description, open_backbone
from keenline.recipe import Recipe
from keenline.strict_toml import parse_strictly

PAGE = (Path(__file__).parents[1] / "docs" / "backbones.md").read_text(encoding="utf-8")
RECIPE, DESCRIPTION = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_description_that_is_shown_is_a_right_one() -> None:
    shown = parse_strictly(DESCRIPTION, Description)
    assert shown.levels == ("s8", "s16")
    assert {name: (each.channels, each.stride) for name, each in shown.outputs.items()} == {
        "s8": (32, 8),
        "s16": (96, 16),
    }
    assert set(Description.model_fields) == set(re.findall(r"^(\w+) =", DESCRIPTION, re.M)) - {
        "channels",
        "stride",
    } | {"outputs"}


def test_the_recipe_that_is_shown_is_a_right_one() -> None:
    assert parse_strictly(RECIPE, Recipe).detector.backbone.startswith("timm:")


def test_the_names_in_the_table_are_those_that_exist() -> None:
    rows = re.findall(r"^\| `(\w+)(?::\w+)?` \|", PAGE, re.M)
    with pytest.raises(BackboneError) as caught:
        open_backbone("nonsense")
    assert caught.value.code is Code.BACKBONE_UNKNOWN
    assert set(rows) == set(re.findall(r"(\w+)(?::\w+)?(?:,| or|$)", str(caught.value.expected)))


def test_the_options_in_the_table_are_those_of_the_command() -> None:
    told = set(re.findall(r"`(--?\w+)`", "\n".join(re.findall(r"^\| `-.*", PAGE, re.M))))
    command = [sys.executable, "-m", "keenline.training.export_timm", "--help"]
    helped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    real = set(re.findall(r"^  (--?\w+)|, (--\w+)", helped, re.M))
    assert told == {name for pair in real for name in pair if name} - {"-h", "--help"}
