"""What every database must do as a store of results, whatever stands behind the URL."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from tests.store.conftest import NewDatabase
from tests.store.records import bare, event, result

from keenline.errors import Code, StoreError
from keenline.journal.entries import Accepted, as_json, result_from_json
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.queries import Query, find
from keenline.store.results import ResultSink
from keenline.store.schema import audit, events, images, refused, regions, results, views
from keenline.types import Box, Region, Verdict


class StoreContract:
    """Subclassed once; the fixture `database` brings each kind."""

    @pytest.fixture
    def sink(self, database: Database) -> ResultSink:
        return ResultSink(database)

    def test_a_result_comes_back_exactly(self, sink: ResultSink, database: Database):
        full = result(8, cameras=("top", "side"), regions=3)
        odd = replace(
            result(9, verdict=Verdict.REVIEW),
            trigger=replace(
                result(9).trigger, part_id="Ω 'part' \"9\" \\ 漢字 🙂", encoder=-(2**31)
            ),
        )
        empty = bare(1)
        sink.deliver([full, odd, empty])
        back = {each.result_id: each for each in find(database, Query())}
        assert back == {each.result_id: each for each in (full, odd, empty)}
        with database.reading() as connection:
            contents = dict(
                tuple(row)
                for row in connection.execute(select(results.c.result_id, results.c.content))
            )
        for each in (full, odd, empty):
            assert contents[each.result_id] == as_json(each).decode()
            assert result_from_json(contents[each.result_id]) == each

    def test_its_columns_say_the_same(self, sink: ResultSink, database: Database):
        sent = result(8, cameras=("top", "side"), regions=2)
        sink.deliver([sent])
        with database.reading() as connection:
            row = connection.execute(select(results)).mappings().one()
            assert row["time"] == sent.trigger.time
            assert row["time"].utcoffset().total_seconds() == 0
            assert (row["verdict"], row["trigger_number"]) == ("REJECT", 8)
            assert row["decided_ms"] == sent.timings.decided
            kept = connection.execute(select(views).order_by(views.c.view)).mappings().all()
            assert [each["camera"] for each in kept] == ["top", "side"]
            assert kept[0]["class_scores"] == sent.views[0].class_scores
            assert connection.scalar(select(func.count()).select_from(regions)) == 4

    def test_what_comes_twice_is_there_once(self, sink: ResultSink, database: Database):
        batch = [result(1), event(1), result(2), event(2)]
        sink.deliver(batch)
        sink.deliver([*batch[2:], result(3), *batch[:2], result(3)])
        assert _counts(database) == {"results": 3, "events": 2, "audit": 5, "refused": 0}
        assert (sink.counts.stored, sink.counts.refused) == (5, 0)
        assert sink.counts.again == 5
        assert verify(database).is_whole

    def test_also_from_another_process_later(
        self, sink: ResultSink, database: Database, new_database: NewDatabase
    ):
        sink.deliver([result(n) for n in range(1, 20)])
        other = ResultSink(new_database())
        other.deliver([result(n) for n in range(10, 30)])
        assert _counts(database)["results"] == 29
        assert other.counts.again == 10
        assert other.last_trigger("press-4") == 29
        assert other.last_trigger("another") == 0

    def test_two_stations_may_use_the_same_numbers(self, sink: ResultSink, database: Database):
        sink.deliver(
            [result(1), result(1, station="press-5"), event(1), event(1, station="press-5")]
        )
        assert _counts(database)["results"] == 2
        verified = verify(database)
        assert [(chain.station, chain.entries) for chain in verified.chains] == [
            ("press-4", 2),
            ("press-5", 2),
        ]
        assert verified.is_whole

    def test_a_trigger_has_one_result(self, sink: ResultSink, database: Database):
        """A second one, with another identity, is kept aside with the reason, and counted."""
        second = replace(result(2), result_id=result(99).result_id)
        sink.deliver([result(1), result(2)])
        sink.deliver([second, result(3)])
        sink.deliver([second, result(4)])
        assert _counts(database) == {"results": 4, "events": 0, "audit": 5, "refused": 1}
        assert sink.counts.refused == 1
        with database.reading() as connection:
            row = connection.execute(select(refused)).mappings().one()
        assert result_from_json(row["content"]) == second
        assert "unique" in row["why"].lower()
        assert verify(database).is_whole

    def test_what_can_never_be_stored_does_not_stop_the_rest(
        self, sink: ResultSink, database: Database
    ):
        far = replace(result(2), trigger=replace(result(2).trigger, encoder=2**70))
        region = Region("x", Box(0, 0, 2**80, 1), 1.0, 1.0)
        wide = replace(result(4), views=(replace(result(4).views[0], regions=(region,)),))
        torn = replace(result(5), station="\ud800")
        named = replace(result(6), result_id="x" * 500 + "\0", part="\0")
        sink.deliver([result(1), far, result(3), wide, torn, named, result(7)])
        sink.deliver([far, wide, torn])
        counts = _counts(database)
        assert counts["results"] + counts["refused"] == 7
        assert sink.counts.stored + sink.counts.refused == 7
        assert sink.counts.refused in (3, 4)  # SQLite stores a NUL and any length, PostgreSQL none
        assert verify(database).is_whole

    def test_nothing_of_a_batch_is_there_when_the_database_ends_it(
        self, database: Database, sink: ResultSink
    ):
        sink.deliver([result(1)])
        with pytest.raises(StoreError, match="ended"):
            _change_and_fail(database)
        assert _counts(database)["audit"] == 1

    def test_triggers_alone_are_not_stored(self, sink: ResultSink, database: Database):
        sink.deliver([Accepted(result(1).trigger)])
        sink.deliver([])
        assert _counts(database) == {"results": 0, "events": 0, "audit": 0, "refused": 0}

    def test_images_that_were_handed_over_are_noted(self, sink: ResultSink, database: Database):
        same = "e" * 64
        sink.deliver([result(1, sha256=same), result(2, kept=False), result(3)])
        lost = event(7, kind="image-lost", sha256=result(3).views[0].image_sha256, why="disk full")
        sink.deliver([lost, result(4, sha256=same), event(8, kind="image-lost", sha256="f" * 64)])
        with database.reading() as connection:
            rows = connection.execute(select(images)).mappings().all()
        found = {row["sha256"]: (row["state"], row["is_pass"], row["why"]) for row in rows}
        assert found == {
            same: ("kept", False, None),  # a REJECT shows it too
            lost.facts["sha256"]: ("lost", True, "disk full"),
            "f" * 64: ("lost", True, ""),
        }


def _change_and_fail(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(audit.delete())
        raise StoreError(Code.STORE_REFUSED, "ended")


def _counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (results, events, audit, refused)
        }
