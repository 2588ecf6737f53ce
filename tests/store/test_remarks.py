"""Reviews and shadow answers are in the audit chain down to each column, once, and hold images."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.store.records import BEGAN, result

from keenline.journal.entries import as_line, from_line
from keenline.store.audit import entries, verify
from keenline.store.database import Database
from keenline.store.images import ImageFolder
from keenline.store.migrating import upgrade
from keenline.store.remarking import (
    answers_of,
    hold,
    images_kept,
    keep,
    release,
    results_by_id,
    reviews_of,
)
from keenline.store.remarks import Finding, Review
from keenline.store.results import ResultSink
from keenline.store.retention import Retention
from keenline.store.schema import tables
from keenline.store.settings import RetentionSettings
from keenline.types import Box, ShadowAnswer, Verdict

RESULTS = [result(n) for n in range(1, 5)]


def a_review(number: int) -> Review:
    found = (Finding("scratch", "top", (Box(1, 2, 3, 4),)), Finding("dent", "top"))
    return Review(
        f"r{number}",
        RESULTS[number].result_id,
        "press-4",
        BEGAN,
        "Müller, 'x'",
        "review",
        "defect",
        found,
        "uncertain",
        "seen \n twice",
    )


def an_answer(number: int, score: float = float("nan")) -> ShadowAnswer:
    found = RESULTS[number].result_id
    return ShadowAnswer(found, "press-4", BEGAN, "d" * 64, Verdict.REVIEW, ("dent",), {"a": score})


@pytest.fixture
def filled(database: Database) -> Database:
    ResultSink(database).deliver(RESULTS)
    keep(database, [a_review(0), a_review(1)])
    keep(database, [an_answer(0), an_answer(1)])
    return database


def test_what_was_kept_comes_back_once(filled: Database):
    assert reviews_of(filled) == [a_review(0), a_review(1)]
    assert reviews_of(filled, [RESULTS[1].result_id]) == [a_review(1)]
    assert [each.answer_id for each in answers_of(filled, "d" * 64)] == [
        an_answer(0).answer_id,
        an_answer(1).answer_id,
    ]
    assert answers_of(filled, "e" * 64) == []
    assert keep(filled, [a_review(0)]) == 0
    assert keep(filled, [an_answer(0, 1.0), an_answer(2)]) == 1
    assert set(results_by_id(filled, ["no", RESULTS[2].result_id])) == {RESULTS[2].result_id}
    kinds = [link.kind for link, content in entries(filled) if content]
    assert kinds == ["result"] * 4 + ["review"] * 2 + ["shadow"] * 3


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (name, column.name)
        for name in ("reviews", "shadows")
        for column in tables.tables[name].columns
        if not column.primary_key
    ],
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_change_of_any_column_is_found_at_its_entry(filled: Database, table: str, column: str):
    assert verify(filled).is_whole
    other: dict[str, Any] = {"result_id": RESULTS[3].result_id, "classes": '["x"]'}
    value = other.get(column, "2026-01-01 00:00:00.000000" if column == "time" else "x")
    key = tables.tables[table].primary_key.columns[0].name
    first = {"reviews": "r0", "shadows": an_answer(0).answer_id}[table]
    with filled.writing() as connection:
        change = text(f"UPDATE {table} SET {column} = :value WHERE {key} = :first")
        connection.execute(change, {"value": value, "first": first})
    (chain,) = verify(filled).chains
    assert chain.broken is not None
    assert chain.broken.number == {"reviews": 5, "shadows": 7}[table]


def test_a_deleted_review_and_a_forged_one_are_found(filled: Database):
    with filled.writing() as connection:
        connection.execute(text("UPDATE reviews SET review_id = 'forged' WHERE review_id = 'r1'"))
    verified = verify(filled)
    assert verified.chains[0].broken is not None
    assert verified.chains[0].broken.number == 6
    assert verified.unchained == ("review forged",)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_older_store_is_brought_up_with_what_it_holds(filled: Database):
    with filled.writing() as connection:
        for name in ("reviews", "shadows"):
            connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text("DELETE FROM audit WHERE kind IN ('review', 'shadow')"))
        connection.execute(text("UPDATE keenline_schema SET version_num = '0001'"))
    upgrade(filled)
    assert verify(filled).is_whole
    assert keep(filled, [a_review(0)]) == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_held_image_outlives_its_time_until_it_is_released(filled: Database, tmp_path: Path):
    place = ImageFolder(tmp_path / "images", "png", reserve_bytes=0)
    place.open()
    shas = [view.image_sha256 for each in RESULTS for view in each.views]
    hold(filled, shas[:1])
    hold(filled, shas[:2])
    keeping = RetentionSettings(pass_days=1, other_days=1, needed_days=0, free_gb=0)
    later = datetime(2026, 12, 31, tzinfo=UTC)
    swept = Retention(filled, place, keeping, "press-4").sweep(later)
    assert swept.for_age == 2
    release(filled, shas[:1])
    assert Retention(filled, place, keeping, "press-4").sweep(later).for_age == 1
    with filled.reading() as connection:
        held = connection.scalars(select(tables.tables["holds"].c.sha256)).all()
    assert held == [shas[1]]


def test_answers_come_with_the_journal_behind_their_results_and_bring_images(database: Database):
    passed = replace(
        result(5, verdict=Verdict.PASS, sha256="a" * 64),
        views=(replace(result(5).views[0], image_sha256="a" * 64, image_kept=False),),
    )
    told = replace(
        an_answer(0, 0.5), result_id=passed.result_id, images=("a" * 64,), bundle_sha256="e" * 64
    )
    assert from_line(as_line(told).rstrip(b"\n")) == told
    assert from_line(as_line(replace(told, scores={"a": float("nan")})).rstrip(b"\n")) != told
    sink = ResultSink(database)
    sink.prepare()
    assert images_kept(database, [passed]) == frozenset()
    sink.deliver([told, passed])  # in whatever order a batch has them
    sink.deliver([passed, told])
    assert (sink.counts.stored, sink.counts.again, sink.counts.refused) == (2, 2, 0)
    assert answers_of(database, "e" * 64) == [told]
    assert images_kept(database, [passed]) == {"a" * 64}
    # One on a result that was never stored is kept where it can be seen, and stops nothing.
    lost = replace(told, result_id="nobody")
    sink.deliver([lost, *RESULTS])
    assert sink.counts.refused == 1
    with database.reading() as connection:
        (row,) = connection.execute(select(tables.tables["refused"])).mappings()
    assert (row["kind"], row["entry_id"]) == ("shadow", lost.answer_id)
    assert verify(database).is_whole
