"""The error tree: stable codes, a message that says everything, a page that lists every code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keenline import errors
from keenline.errors import Code, EngineError, ImageError, KeenlineError, RecipeError

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEADING = re.compile(r"^### KL(\d+) ([A-Z_]+)$", re.MULTILINE)
PARTS = ("**Means.**", "**Likely cause.**", "**Do.**")


def sections() -> dict[tuple[int, str], str]:
    words = HEADING.split(PAGE.read_text(encoding="utf-8"))[1:]
    return {
        (int(number), name): text
        for number, name, text in zip(words[::3], words[1::3], words[2::3], strict=True)
    }


def test_the_page_lists_every_code_and_no_other():
    assert set(sections()) == {(int(code), code.name) for code in Code}


def test_the_page_lists_codes_in_order_and_once():
    numbers = [int(number) for number, _ in HEADING.findall(PAGE.read_text(encoding="utf-8"))]
    assert numbers == sorted(set(numbers))


def test_each_code_says_what_it_means_its_cause_and_what_to_do():
    for (number, _), text in sections().items():
        places = [text.find(part) for part in PARTS]
        assert -1 not in places, f"KL{number} lacks one of {PARTS}"
        assert places == sorted(places), f"KL{number} has its parts in another order"


def test_links_within_the_page_lead_to_an_entry():
    page = PAGE.read_text(encoding="utf-8")
    anchors = {f"kl{number}-{name.lower()}" for number, name in HEADING.findall(page)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= anchors


def test_every_error_belongs_to_the_one_tree():
    raised = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert all(issubclass(kind, KeenlineError) for kind in raised if issubclass(kind, Exception))


def test_a_message_says_what_where_expected_got_and_next():
    error = ImageError(
        Code.IMAGE_EMPTY, "The image is empty", where="a.png", expected=">= 1 byte", got=0, next="x"
    )
    assert str(error).splitlines() == [
        "The image is empty [KL1103]",
        "  where:    a.png",
        "  expected: >= 1 byte",
        "  got:      0",
        "  next:     x",
    ]


def test_a_message_leaves_out_what_is_not_given():
    assert str(EngineError(Code.ENGINE_RUN, "The graph stopped")) == "The graph stopped [KL3002]"


def test_a_machine_gets_the_same_facts():
    error = EngineError(Code.ENGINE_RUN, "The graph stopped", got=3)
    assert error.as_dict() == {"code": 3002, "error": "The graph stopped", "got": "3"}


def test_a_recipe_error_keeps_every_problem():
    error = RecipeError(Code.RECIPE_INVALID, "Two", problems=["a.toml:1: x", "a.toml:2: y"])
    assert error.problems == ("a.toml:1: x", "a.toml:2: y")
    assert "a.toml:1: x\n" in str(error)
    assert "a.toml:2: y" in str(error)


@pytest.mark.parametrize("code", list(Code))
def test_a_code_lies_in_the_block_of_its_kind(code):
    blocks = {
        "IMAGE": 11, "MASK": 11, "DATASET": 12, "STUDY": 12, "POD": 12, "LABEL": 12,
        "SCORES": 12, "THRESHOLD": 12, "RECIPE": 13, "OUTPUT": 14,
        "ACCEPTANCE": 15, "AUTHORITY": 15, "READINESS": 15, "STAGE": 15, "PROMOTION": 15,
        "REVIEW": 16,
        "BUNDLE": 21, "BACKBONE": 22, "DETECTOR": 23, "TOO": 23, "VERDICT": 23, "OPTION": 23,
        "LOSS": 23, "MEMORY": 23, "DEVICE": 23,
        "ENGINE": 30, "EXTRA": 40,
        "CAMERA": 51, "FRAME": 51, "UPLOAD": 51, "EXPOSURE": 51, "PLC": 52,
        "STATION": 53, "PART": 54, "JOURNAL": 60, "STORE": 61, "IMAGES": 61, "AUDIT": 61,
        "BROKER": 62, "PUBLISH": 62, "OPCUA": 62, "CREDENTIAL": 63,
    }  # fmt: skip
    assert code // 100 == blocks[code.name.split("_")[0]]
