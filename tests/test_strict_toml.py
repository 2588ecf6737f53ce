"""Strict reading of TOML into any model: all faults, their lines, and words that tell the truth."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from keenline.strict_toml import TomlFaults, parse_strictly
from keenline.value_words import Words, describe, place_of


class Lens(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    focal_mm: float = Field(gt=0)
    mount: Literal["C", "CS"] | None = None
    apertures: tuple[Annotated[float, Field(ge=1)], ...] = ()
    ring: Annotated[int, Field(ge=0, le=8, multiple_of=2), Words("even, 0 to 8")] = 0


class Round(BaseModel):
    kind: Literal["round"]
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float


class Plates(BaseModel):
    plate: Annotated[Round | Square, Field(discriminator="kind")]
    more: tuple[Annotated[Round | Square, Field(discriminator="kind")], ...] = ()


class Bench(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    lens: Lens
    spare: tuple[Lens, ...] = ()


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(text, Bench)
    return [(fault.line, fault.key, fault.message) for fault in caught.value.faults]


def test_a_document_becomes_a_model_frozen_all_the_way_down():
    bench = parse_strictly("[lens]\nfocal_mm = 25\napertures = [1.4, 2]\n", Bench)
    assert bench == Bench(lens=Lens(focal_mm=25.0, apertures=(1.4, 2.0)))
    assert hash(bench) == hash(bench.model_copy())


def test_a_missing_table_is_told_at_the_top():
    assert faults("") == [(1, "lens", "is missing; allowed: table")]


def test_a_missing_key_is_told_at_its_table():
    assert faults("[lens]\nfocal_mm = 1\n\n[[spare]]\nring = 2\n") == [
        (4, "spare[0].focal_mm", "is missing; allowed: number, more than 0")
    ]


def test_words_of_the_author_stand_for_those_of_the_type():
    assert faults("lens = {focal_mm = 1, ring = 3}") == [
        (1, "lens.ring", "= 3; allowed: even, 0 to 8")
    ]


def test_a_union_is_told_once():
    assert faults("lens.focal_mm = 1\nlens.mount = 'M'\n") == [
        (2, "lens.mount", '= "M"; allowed: "C" or "CS"')
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[plate]\nside = 1.0", (1, "plate.kind", 'is missing; allowed: "round" or "square"')),
        (
            'plate = { kind = "round", radius = 1.0 }\n[[more]]\nkind = "sqare"',
            (3, "more[0].kind", '= "sqare"; did you mean "square"? allowed: "round" or "square"'),
        ),
        ("plate = 3", (1, "plate", '= 3; allowed: table with kind = "round" or "square"')),
        ('[plate]\nkind = "round"', (1, "plate.radius", "is missing; allowed: number")),
    ],
)
def test_one_of_several_tables_is_told_by_its_kind(text: str, told: tuple[int, str, str]):
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(text, Plates)
    (fault,) = caught.value.faults
    assert (fault.line, fault.key, fault.message) == told


def test_a_long_value_is_cut():
    ((_, _, message),) = faults(f"lens.focal_mm = '{'x' * 500}'")
    assert len(message) < 100
    assert "…" in message


def test_a_date_and_a_table_in_the_wrong_place_can_be_shown():
    text = "lens.focal_mm = 2026-11-20\nlens.mount = {a = 07:00:00}\n"
    assert [line for line, _, _ in faults(text)] == [1, 2]


def test_faults_stand_in_the_order_of_the_lines():
    text = "spare = 3\n[lens]\nring = 1\nbad bad\nfocal_mm = -1\n"
    assert [line for line, _, _ in faults(text)] == [1, 3, 4, 5]


def test_the_number_of_syntax_faults_told_is_bounded():
    assert len(faults("x =\n" * 1000)) == 20


def test_what_a_field_validator_cannot_see_is_told_with_the_rest():
    def same_lens(content):
        yield ("spare", 0, "focal_mm"), "is that of the lens"

    with pytest.raises(TomlFaults) as caught:
        parse_strictly("[lens]\nring = 1\n[[spare]]\nfocal_mm = 2\n", Bench, also=same_lens)
    assert [(fault.line, fault.key) for fault in caught.value.faults] == [
        (1, "lens.focal_mm"),
        (2, "lens.ring"),
        (4, "spare[0].focal_mm"),
    ]


@given(st.text(alphabet="abl.=[]{}\"'\n #1-,xfocal_mens", max_size=80))
def test_any_text_is_a_model_or_a_list_of_faults(text):
    told = ()
    try:
        made = parse_strictly(text, Bench)
    except TomlFaults as error:
        made, told = None, error.faults
    assert (made is None) == bool(told)
    assert all(1 <= fault.line <= text.count("\n") + 1 for fault in told)


def test_what_only_the_extra_check_finds_is_refused():
    with pytest.raises(TomlFaults):
        parse_strictly("lens.focal_mm = 1", Bench, also=lambda _: [(("lens",), "is broken")])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "true or false"),
        (Annotated[int, Field(ge=2, le=4)], "whole number, 2 to 4"),
        (Annotated[int, Field(ge=2)], "whole number, 2 or more"),
        (Annotated[int, Field(le=4)], "whole number, at most 4"),
        (Annotated[float, Field(gt=0, le=4)], "number, more than 0 to 4"),
        (Annotated[str, Field(min_length=1)], "text, not empty"),
        (Annotated[str, Field(min_length=2, max_length=9)], "text, 2 to 9 characters"),
        (Annotated[str, Field(max_length=9)], "text, 0 to 9 characters"),
        (Round | Square, 'table with kind = "round" or "square"'),
        (int | Literal["auto"], 'whole number, or "auto"'),
        (tuple[Literal[90, 180], ...], "list of: 90 or 180"),
        (Lens, "table"),
    ],
)
def test_a_type_is_told_in_words(kind, words):
    assert describe(kind) == words


def test_a_path_is_followed_as_far_as_it_leads():
    place = place_of(Bench, ("spare", 3, "mount", "literal['C','CS']"))
    assert place.path == ("spare", 3, "mount")
    assert place.known == tuple(Lens.model_fields)
    assert place_of(Bench, ("lens", "nothing_here")).allowed == "nothing"
