"""A line of the journal gives back exactly what was written, or is known to be damaged."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import fields, is_dataclass, replace
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.records import bare, event, result

from keenline.errors import Code, JournalError
from keenline.journal.entries import Accepted, Entry, as_json, as_line, from_line, result_from_json
from keenline.types import (
    Box,
    Decision,
    LineEvent,
    Region,
    Result,
    Timings,
    Trigger,
    TriggerSource,
    Verdict,
    View,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats()
ANY_TIME = st.datetimes(timezones=st.just(UTC))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


TRIGGERS = st.builds(
    Trigger, INTEGERS, TEXTS, ANY_TIME, INTEGERS, st.sampled_from(TriggerSource), maybe(INTEGERS)
)
REGIONS = st.builds(
    Region,
    TEXTS,
    st.builds(Box, INTEGERS, INTEGERS, INTEGERS, INTEGERS),
    NUMBERS,
    NUMBERS,
    maybe(NUMBERS),
)
VIEWS = st.builds(
    View,
    camera=TEXTS,
    serial=TEXTS,
    frame_number=INTEGERS,
    size=st.tuples(INTEGERS, INTEGERS),
    image_sha256=TEXTS,
    image_kept=st.booleans(),
    device_time_ns=maybe(INTEGERS),
    exposure_us=maybe(NUMBERS),
    gain_db=maybe(NUMBERS),
    lights=st.lists(TEXTS, max_size=2).map(tuple),
    score=maybe(NUMBERS),
    threshold=maybe(NUMBERS),
    class_scores=st.dictionaries(TEXTS, NUMBERS, max_size=2),
    regions=st.lists(REGIONS, max_size=2).map(tuple),
)
RESULTS = st.builds(
    Result,
    result_id=TEXTS,
    station=TEXTS,
    trigger=TRIGGERS,
    decision=st.builds(Decision, st.sampled_from(Verdict), st.lists(TEXTS, max_size=2).map(tuple)),
    views=st.lists(VIEWS, max_size=2).map(tuple),
    timings=st.builds(Timings, maybe(NUMBERS), maybe(NUMBERS), maybe(NUMBERS)),
    actuates=st.sampled_from(["pass", "reject", "divert"]),
    recipe_sha256=TEXTS,
    bundle_sha256=TEXTS,
    station_sha256=TEXTS,
    software=TEXTS,
    part=TEXTS,
    code=maybe(INTEGERS),
    is_simulated=st.booleans(),
)
EVENTS = st.builds(
    LineEvent, TEXTS, TEXTS, TEXTS, ANY_TIME, st.dictionaries(TEXTS, TEXTS, max_size=3)
)
ENTRIES: st.SearchStrategy[Entry] = st.one_of(TRIGGERS.map(Accepted), RESULTS, EVENTS)


def told(value: Any) -> Any:
    """`value` so that it can be compared: NaN equals NaN."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), [told(getattr(value, one.name)) for one in fields(value)]
    if isinstance(value, dict):
        return {key: told(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(told(inner) for inner in value)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


@given(ENTRIES)
def test_what_is_written_is_read(entry: Entry):
    line = as_line(entry)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert told(from_line(line[:-1])) == told(entry)


@given(ENTRIES)
def test_the_content_is_json_for_any_reader(entry: Entry):
    content = json.loads(as_json(entry), parse_constant=refuse_constant)
    assert content


@given(RESULTS)
def test_a_result_is_read_from_its_json(one: Result):
    assert told(result_from_json(as_json(one))) == told(one)
    assert told(result_from_json(as_json(one).decode())) == told(one)


def test_a_number_that_is_none_is_text_and_comes_back():
    view = replace(
        result(4).views[0], gain_db=math.nan, score=math.inf, class_scores={"dent": -math.inf}
    )
    region = replace(view.regions[0], score=math.nan)
    one = replace(result(4), views=(replace(view, regions=(region,)),))
    content = json.loads(as_json(one))["views"][0]
    assert content["gain_db"] == "NaN"
    assert content["score"] == "Infinity"
    assert content["class_scores"] == {"dent": "-Infinity"}
    assert content["regions"][0]["score"] == "NaN"
    (back,) = result_from_json(as_json(one)).views
    assert back.gain_db is not None
    assert math.isnan(back.gain_db)
    assert back.score == math.inf
    assert math.isnan(back.regions[0].score)


def test_a_name_that_is_no_text_is_written_in_plain_letters():
    """As from a file whose name is not UTF-8: half of a surrogate pair has no bytes."""
    one = result(1, part_id="M\udcfcller")
    back = from_line(as_line(one)[:-1])
    assert isinstance(back, Result)
    assert back.trigger.part_id == r"M\udcfcller"
    assert replace(back, trigger=one.trigger) == one
    happened = replace(event(1), facts={"file": "\udc80.png"})
    assert from_line(as_line(happened)[:-1]) == replace(happened, facts={"file": r"\udc80.png"})


@given(ENTRIES, st.data())
def test_any_changed_byte_is_noticed(entry: Entry, data: st.DataObject):
    line = as_line(entry)[:-1]
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[place]))
    damaged = line[:place] + bytes([byte]) + line[place + 1 :]
    with pytest.raises(JournalError) as caught:
        from_line(damaged)
    assert caught.value.code == Code.JOURNAL_DAMAGED


@given(ENTRIES, st.data())
def test_any_shortened_line_is_noticed(entry: Entry, data: st.DataObject):
    line = as_line(entry)[:-1]
    with pytest.raises(JournalError):
        from_line(line[: data.draw(st.integers(0, len(line) - 1))])


@given(st.binary(max_size=80))
def test_what_was_never_a_line_is_damaged(noise: bytes):
    with pytest.raises(JournalError):
        from_line(noise)


def test_a_whole_line_of_an_unknown_kind_says_so():
    body = b"Z{}"
    with pytest.raises(JournalError) as caught:
        from_line(f"{zlib.crc32(body):08x} ".encode() + body)
    assert "does not know" in str(caught.value)


def test_a_result_without_what_may_be_absent():
    one = bare(3)
    assert from_line(as_line(one)[:-1]) == one


@pytest.mark.parametrize("text", ["", "{}", "null", '{"result_id": 1}', b"\xff"])
def test_json_of_something_else_is_damaged(text: str | bytes):
    with pytest.raises(JournalError):
        result_from_json(text)
