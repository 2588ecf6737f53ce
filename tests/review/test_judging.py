"""What people type becomes a review, or an error that says what was expected; labels come out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.store.records import result

from keenline.annotation import CONFIRMED_MISS
from keenline.data.importers import open_dataset
from keenline.errors import Code, ReviewError
from keenline.review.judging import record, review, said_of
from keenline.review.labelled_folder import write_folder
from keenline.review.order import OrderSettings
from keenline.review.queue import audited, waiting
from keenline.review.tables import read_table, write_table
from keenline.station.parts import image_sha256
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.queries import Query
from keenline.store.results import ResultSink
from keenline.types import Image, Result, Verdict

EVERY = OrderSettings(audit_share=1.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    yield opened
    opened.close()


def picture(number: int) -> Image:
    return np.random.default_rng(number).integers(0, 255, (192, 256, 3), np.uint8)


def shown(number: int, **more: object) -> Result:
    return result(number, sha256=image_sha256(picture(number)), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "judgement", "again"),
    [
        ("OK", "good", "good"),
        (" ? ", "unclear", "unclear"),
        ("dent", "defect", "dent:top"),
        ("dent:top@1,2,30,4; scratch", "defect", "dent:top@1,2,30,4; scratch:top"),
        ("scratch+", "defect", "scratch:top@3,4,5,6"),
        ("surface fault-2", "defect", "surface fault-2:top"),
    ],
)
def test_what_is_typed_means_this(said: str, judgement: str, again: str):
    made = review(result(4), said, "Ada")
    assert (made.judgement, said_of(made)) == (judgement, again)
    assert said_of(review(result(4), again, "Ada")) == again


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "CLASS"),
        ("anomaly", "defect class"),
        ("dnet", "one of dent, scratch"),
        ("dent@1,2,300,4", "256 x 192"),
        ("dent@1,2,0,4", "256 x 192"),
        ("dent:side", "on one of top"),
        ("dent@1,2", "CLASS"),
        ("dent; good", "defect class"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_was_expected(said: str, expected: str):
    with pytest.raises(ReviewError, match="cannot be taken") as caught:
        review(result(4), said, "Ada", known=("dent", "scratch"))
    assert caught.value.code is Code.REVIEW_SAID
    assert expected in str(caught.value.expected)


def test_of_several_images_the_one_with_the_defect_must_be_named():
    both = result(4, cameras=("top", "side"))
    with pytest.raises(ReviewError, match="top, side"):
        review(both, "dent", "Ada")
    assert review(both, "dent:side", "Ada").findings[0].camera == "side"
    with pytest.raises(ReviewError):
        review(both, "good", "  ")


def test_a_table_goes_out_is_filled_in_and_comes_back(database: Database, tmp_path: Path):
    every = [shown(n) for n in range(1, 9)]
    ResultSink(database).deliver(every)
    asked = waiting(database, Query(), EVERY)
    assert len(asked) == 6  # the rejected ones are certain
    file = tmp_path / "table.csv"
    write_table(asked, file, {})
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    for row, said in zip(rows, ["dent", "good", "?", ""], strict=False):
        row |= {"said": said, "by": "Ada"}
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, rows[0])
        table.writeheader()
        table.writerows(rows)
    known = {each.result_id: each for each in every}
    made = read_table(file, known, {}, by=None, role="review", known=())
    assert [each.judgement for each in made] == ["defect", "good", "unclear"]
    assert record(database, made, every[:3], "review") == 3
    assert verify(database).is_whole
    left = waiting(database, Query(), EVERY)
    assert {each.result.result_id for each in left} == {row["result_id"] for row in rows[3:]}
    found = audited(database, Query(), EVERY)
    assert (found.escapes.audited, found.escapes.escaped, found.escapes.unclear) == (3, 1, 1)
    assert (found.waiting, found.passed, found.without_image) == (3, 6, 0)


def test_quality_control_names_parts_and_a_part_seen_twice_is_refused(tmp_path: Path):
    one, two = result(1, part_id="P7"), result(2, part_id="P7")
    file = tmp_path / "qc.csv"
    file.write_text("part_id;said;judged\nP7;dent;2026-11-20T06:00:00+00:00\n")
    (made,) = read_table(file, {}, {"P7": [one]}, by="QC", role="qc", known=())
    assert (made.role, made.reviewer, made.time.hour) == ("qc", "QC", 6)
    for parts in ([one, two], []):
        with pytest.raises(ReviewError) as caught:
            read_table(file, {}, {"P7": parts}, by="QC", role="qc", known=())
        assert caught.value.code is Code.REVIEW_RESULT
        assert "line 2" in str(caught.value)


def test_judgements_become_a_folder_to_learn_from(tmp_path: Path):
    passed = [shown(n, verdict=Verdict.PASS) for n in (1, 2, 3)]
    flagged, unclear = shown(4, verdict=Verdict.REVIEW), shown(5, verdict=Verdict.REVIEW)
    gone = replace(shown(6), views=(replace(shown(6).views[0], image_kept=False),))
    images = {image_sha256(picture(n)): picture(n) for n in range(1, 7)}
    said = ["good", "dent@10,20,30,40", "good", "scratch", "?", "good"]
    every = [*passed, flagged, unclear, gone]
    judged = [(of, review(of, words, "Ada")) for of, words in zip(every, said, strict=True)]
    folder = tmp_path / "labelled"
    written = write_folder(folder, judged, images.__getitem__)
    assert written.samples == {"dent": 1, "good": 2, "scratch": 1}
    assert (written.confirmed_misses, written.without_image) == (1, 1)
    dataset = open_dataset(folder)
    assert dataset.classes == {"dent": 1, "good": 2, "scratch": 1}
    assert dataset.skipped == ()
    dent = next(sample for sample in dataset.samples if sample.label == "dent")
    (mark,) = dent.marks
    assert mark.annotator == "Ada"
    assert mark.time is not None
    assert dict(mark.attributes)[CONFIRMED_MISS] == "yes"
    assert (mark.shape.x, mark.shape.width) == (10, 30)  # type: ignore[union-attr]
    scratch = next(sample for sample in dataset.samples if sample.label == "scratch")
    assert CONFIRMED_MISS not in dict(scratch.marks[0].attributes)
    assert scratch.marks[0].shape is None
