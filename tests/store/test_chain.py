"""Any single change to a chain is found, and found where it is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.store.chain import GENESIS, Break, Head, Link, first_break, head_of, link_after

START = datetime(2026, 11, 2, tzinfo=UTC)


def chain(length: int) -> list[Link]:
    links: list[Link] = []
    before: Head | None = None
    for number in range(length):
        moment = START + timedelta(seconds=number)
        link = link_after(before, "press-4", "result", f"r{number}", f"record {number}", moment)
        before = head_of(link)
        links.append(link)
    return links


def hashed_anew(link: Link, content: str) -> Link:
    """What somebody who knows how links are made would write."""
    before = Head(link.station, link.number - 1, link.previous) if link.number > 1 else None
    return link_after(before, link.station, "result", link.subject, content, link.time)


CHANGES = {
    "station": lambda value: value + "x",
    "time": lambda value: value + timedelta(microseconds=1),
    "kind": lambda value: value + "s",
    "subject": lambda value: value + "x",
    "content_sha256": lambda value: value[::-1].replace(value[0], "f"),
    "previous": lambda value: "1" + value[1:] if value[0] != "1" else "2" + value[1:],
    "hash": lambda value: "1" + value[1:] if value[0] != "1" else "2" + value[1:],
}


def test_a_chain_that_nobody_touched_is_whole():
    for length in range(4):
        assert first_break(chain(length)) is None
    assert chain(1)[0].previous == GENESIS
    assert CHANGES.keys() | {"number"} == {field.name for field in fields(Link)}


@given(st.integers(1, 12), st.data())
def test_a_changed_field_is_found_at_its_entry(length: int, data: st.DataObject):
    links = chain(length)
    place = data.draw(st.integers(0, length - 1))
    name = data.draw(st.sampled_from(sorted(CHANGES)))
    links[place] = replace(links[place], **{name: CHANGES[name](getattr(links[place], name))})
    found = first_break(links)
    assert found == Break(links[place].station, place + 1, "changed")


@given(st.integers(2, 12), st.data())
def test_a_change_that_was_hashed_anew_is_found_too(length: int, data: st.DataObject):
    links = chain(length)
    place = data.draw(st.integers(0, length - 2))  # the last needs a noted head: below
    links[place] = hashed_anew(links[place], "another record")
    found = first_break(links)
    assert found is not None
    assert (found.number, found.what) == (place + 1, "changed and hashed anew")


@given(st.integers(2, 12), st.data())
def test_a_deleted_entry_is_found_at_its_number(length: int, data: st.DataObject):
    links = chain(length)
    place = data.draw(st.integers(0, length - 2))
    del links[place]
    assert first_break(links) == Break("press-4", place + 1, "missing")


@given(st.integers(1, 12), st.data())
def test_a_deletion_with_the_rest_renumbered_is_found(length: int, data: st.DataObject):
    links = chain(length + 1)
    place = data.draw(st.integers(0, length - 1))
    rest = [replace(link, number=link.number - 1) for link in links[place + 1 :]]
    found = first_break(links[:place] + rest)
    assert found == Break("press-4", place + 1, "changed")


@given(st.integers(1, 12), st.data())
def test_an_entry_put_in_is_found(length: int, data: st.DataObject):
    """It stands where one was, and those behind it were renumbered: no number fits its hash."""
    links = chain(length)
    place = data.draw(st.integers(0, length - 1))
    before = head_of(links[place - 1]) if place else None
    forged = link_after(before, "press-4", "result", "forged", "forged", START)
    behind = [replace(link, number=link.number + 1) for link in links[place:]]
    found = first_break([*links[:place], forged, *behind])
    assert found is not None
    assert found.number == place + 2  # the first that is not what it was: the forged one is sound
    assert first_break([*links[:place], replace(forged, hash="0" * 64), *behind]) == Break(
        "press-4", place + 1, "changed"
    )


@given(st.integers(2, 12), st.data())
def test_entries_that_changed_places_are_found(length: int, data: st.DataObject):
    links = chain(length)
    first = data.draw(st.integers(0, length - 2))
    second = data.draw(st.integers(first + 1, length - 1))
    links[first], links[second] = links[second], links[first]
    found = first_break(links)
    assert found is not None
    assert found.number == first + 1
    renumbered = [replace(link, number=place) for place, link in enumerate(links, 1)]
    assert first_break(renumbered) == Break("press-4", first + 1, "changed")


@given(st.integers(1, 12), st.data())
def test_what_was_cut_off_is_found_with_a_noted_head(length: int, data: st.DataObject):
    links = chain(length)
    left = data.draw(st.integers(0, length - 1))
    noted = head_of(links[-1])
    assert first_break(links[:left]) is None  # the chain alone cannot tell
    found = first_break(links[:left], noted)
    assert found == Break("press-4", left + 1, f"missing: the chain once reached {length}")


@given(st.integers(1, 12), st.data())
def test_a_chain_made_anew_is_found_with_a_noted_head(length: int, data: st.DataObject):
    links = chain(length)
    noted = head_of(links[data.draw(st.integers(0, length - 1))])
    forged: list[Link] = []
    before: Head | None = None
    for link in links:
        made = link_after(before, "press-4", "result", link.subject, "forged", link.time)
        forged.append(made)
        before = head_of(made)
    assert first_break(forged) is None
    found = first_break(forged, noted)
    assert found is not None
    assert found.number == noted.number
    assert first_break(links, noted) is None


def test_the_hash_is_what_the_page_says():
    """An auditor computes it with two lines, without this program (docs/store.md)."""
    link = chain(2)[1]
    row = [link.previous, "press-4", 2, "2026-11-02T00:00:01.000000+00:00", "result", "r1",
           hashlib.sha256(b"record 1").hexdigest()]  # fmt: skip
    text = json.dumps(row, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == link.hash


@pytest.mark.parametrize("number", [0, 5])
def test_a_number_that_does_not_fit_is_found(number: int):
    links = chain(3)
    links[1] = replace(links[1], number=number)
    found = first_break(links)
    assert found is not None
    assert found.number == 2
