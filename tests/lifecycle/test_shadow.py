"""A bundle in shadow is held against who decided; what people then say settles who was wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest
from tests.small_parts import dented, good_folder, good_part, recipe, tiny_backbone
from tests.store.records import result

import keenline
from keenline.bundle import read_bundle
from keenline.errors import Code, LifecycleError, StoreError
from keenline.evaluation.sequential import Plan
from keenline.inference.inspector import Inspector
from keenline.lifecycle.ledger import read_ledger
from keenline.lifecycle.ledger import verify as verify_ledger
from keenline.lifecycle.promotion import promote, rollback
from keenline.lifecycle.shadow import Kind, asked, compare, names_of
from keenline.lifecycle.stages import move
from keenline.station.parts import image_sha256
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.migrating import upgrade
from keenline.store.remarking import events_of, keep
from keenline.store.remarks import Finding, Review
from keenline.store.results import ResultSink
from keenline.types import Result, ShadowAnswer, Verdict

PLAN = Plan()


def answer(of: Result, verdict: Verdict, *classes: str) -> ShadowAnswer:
    return ShadowAnswer(of.result_id, of.station, of.trigger.time, "e" * 64, verdict, classes)


def said(of: Result, judgement: str, *classes: str, role: str = "review") -> Review:
    found = tuple(Finding(name, "top") for name in classes)
    return Review("r", of.result_id, of.station, of.trigger.time, "Ada", role, judgement, found)  # type: ignore[arg-type]


GOOD, BAD = result(1, verdict=Verdict.PASS), result(4)  # the second: scratch
QC_GOOD, QC_BAD = said(GOOD, "good", role="qc"), said(GOOD, "defect", "dent", role="qc")


@pytest.mark.parametrize(
    ("of", "says", "reviews", "kind", "differs"),
    [
        (GOOD, (Verdict.PASS,), [], None, False),
        (GOOD, (Verdict.REVIEW, "dent"), [], "unclear", True),
        (GOOD, (Verdict.REVIEW, "dent"), [said(GOOD, "unclear")], "unclear", True),
        (GOOD, (Verdict.REVIEW, "dent"), [said(GOOD, "defect", "dent")], "station missed", False),
        (GOOD, (Verdict.REVIEW, "dent"), [said(GOOD, "good")], "model false alarm", True),
        (BAD, (Verdict.PASS,), [said(BAD, "defect", "scratch")], "model missed", True),
        (BAD, (Verdict.PASS,), [said(BAD, "good")], "station false alarm", False),
        (BAD, (Verdict.REJECT, "dent"), [], "class differs", False),
        (BAD, (Verdict.REJECT, "scratch"), [], None, False),
        (BAD, (Verdict.INVALID,), [], "unclear", True),
        (GOOD, (Verdict.PASS,), [QC_BAD], "unclear", True),
        (GOOD, (Verdict.PASS,), [QC_BAD, said(GOOD, "good")], "human false alarm", False),
        (GOOD, (Verdict.REJECT, "dent"), [QC_BAD], None, False),
        (
            GOOD,
            (Verdict.REJECT, "dent"),
            [QC_GOOD, said(GOOD, "defect", "dent")],
            "human missed",
            False,
        ),
    ],
)
def test_who_was_wrong(
    of: Result, says: tuple[Verdict, str], reviews: list[Review], kind: Kind | None, differs: bool
):
    given = {of.result_id: of}
    found = compare([answer(of, *says)], given, {of.result_id: reviews}, PLAN)
    (pair,) = found.pairs
    assert (pair.kind, pair.differs) == (kind, differs)
    assert found.overall.disagreed == differs


def test_agreement_of_a_class_counts_the_parts_that_either_names_it_on():
    every = [result(n, verdict=Verdict.REVIEW if n <= 30 else Verdict.PASS) for n in range(1, 61)]
    answers = [
        answer(of, Verdict.REVIEW, "scratch")
        if of.trigger.number <= 28
        else answer(of, Verdict.PASS)
        for of in every
    ]
    answers[40] = answer(every[40], Verdict.REVIEW, "dent")
    found = compare(answers, {of.result_id: of for of in every}, {}, PLAN)
    dent, scratch = found.classes
    assert (dent.class_name, dent.compared, dent.disagreed) == ("dent", 1, 1)
    assert (scratch.compared, scratch.disagreed) == (30, 2)
    exact = binomtest(28, 30).proportion_ci(0.9, "exact").low
    assert scratch.lower_bound == pytest.approx(exact)
    assert (found.overall.compared, found.overall.disagreed) == (60, 3)
    assert found.kinds == {"unclear": 3}


def test_what_was_not_decided_is_not_compared():
    invalid = result(2, code=5400)
    given = {invalid.result_id: invalid}
    assert compare([answer(invalid, Verdict.PASS)], given, {}, PLAN).pairs == ()


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shadow")
    parts = good_folder(folder / "parts", 24)
    chosen = recipe(backbone=tiny_backbone(folder), precision="f32")
    keenline.train(keenline.open_dataset(parts), folder / "part.keen", recipe=chosen)
    return folder / "part.keen"


@pytest.fixture
def station(learnt: Path, tmp_path: Path) -> Path:
    """A configuration whose bundle is live, and beside it an accepted one."""
    for name in ("old.keen", "new.keen"):
        (tmp_path / name).write_bytes(learnt.read_bytes())
        move(tmp_path / name, "accepted", who="Ada", why="it was tried")
    move(tmp_path / "old.keen", "live", who="Ada", why="the first")
    file = tmp_path / "station.toml"
    file.write_text(
        '# The press\nstation = "press-4"\nbundle = "old.keen"  # the good one\n\n'
        '[trigger]\nsource = "software"\n[[cameras]]\nname = "top"\nkind = "simulated"\n'
    )
    return file


@pytest.fixture
def database(tmp_path: Path):
    opened = Database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    upgrade(opened)
    yield opened
    opened.close()


def test_stored_images_are_inspected_once_more(learnt: Path):
    pictures = [good_part(1), dented(2)]
    shas = [image_sha256(each) for each in pictures]
    results = [result(n, sha256=shas[n - 1]) for n in (1, 2)]
    lost = replace(result(3), views=(replace(result(3).views[0], image_kept=False),))
    images = dict(zip(shas, pictures, strict=True))

    def read(sha256: str):
        if sha256 not in images:
            raise StoreError(Code.IMAGES_UNREACHABLE, "gone")
        return images[sha256]

    inspector = Inspector.open(learnt)
    made = list(asked(inspector, "e" * 64, [*results, lost, result(4)], read))
    assert [each and each.verdict for each in made] == [Verdict.PASS, Verdict.REVIEW, None, None]
    assert made[0] is not None
    assert made[0].scores == {"top": pytest.approx(inspector.inspect(pictures[0]).prediction.score)}  # type: ignore[union-attr]


def test_a_step_of_stage_changes_the_name_and_not_what_was_said(station: Path):
    bundle = station.parent / "new.keen"
    before = read_bundle(bundle).sha256
    move(bundle, "shadow", who="Ada", why="once more")
    names = names_of(bundle)
    assert names[0] == read_bundle(bundle).sha256
    assert names[1] == before
    assert len(names) == 3


def test_a_promotion_and_its_rollback_are_one_line_each_and_recorded(
    station: Path, database: Database
):
    before = station.read_text()
    new, old = station.parent / "new.keen", station.parent / "old.keen"
    done = promote(new, station, database, who="Ada", why="shadow passed")
    assert station.read_text() == before.replace('"old.keen"', '"new.keen"')
    assert (read_bundle(new).manifest.stage, read_bundle(old).manifest.stage) == ("live", "retired")
    assert done.after_sha256 == read_bundle(new).sha256
    assert read_ledger(new)[-1].facts["shadow"] == "never asked in shadow here"
    rollback(station, database, who="Bo", why="too many false alarms")
    assert station.read_text() == before
    assert (read_bundle(new).manifest.stage, read_bundle(old).manifest.stage) == ("retired", "live")
    events = events_of(database, ["bundle-promoted", "bundle-rolled-back"])
    assert [(each.facts["who"], each.facts["after"]) for each in events] == [
        ("Ada", "new.keen"),
        ("Bo", "old.keen"),
    ]
    assert verify(database).is_whole
    assert not verify_ledger(new).faults
    assert not verify_ledger(old).faults


@pytest.mark.parametrize(("parts", "differ"), [(10, 0), (120, 30)])
def test_what_shadow_mode_does_not_speak_for_takes_a_word_more(
    parts: int, differ: int, station: Path, database: Database
):
    new = station.parent / "new.keen"
    every = [
        replace(result(n, verdict=Verdict.PASS), station="press-4") for n in range(1, parts + 1)
    ]
    ResultSink(database).deliver(every)
    name = read_bundle(new).sha256
    keep(
        database,
        [
            replace(answer(of, Verdict.REVIEW if n < differ else Verdict.PASS), bundle_sha256=name)
            for n, of in enumerate(every)
        ],
    )
    before, bytes_before = station.read_text(), new.read_bytes()
    with pytest.raises(LifecycleError, match="does not speak for it") as caught:
        promote(new, station, database, who="Ada", why="shadow passed")
    assert caught.value.code is Code.PROMOTION
    assert (station.read_text(), new.read_bytes()) == (before, bytes_before)
    done = promote(new, station, database, who="Ada", why="it must", despite_shadow=True)
    said = read_ledger(new)[-1].facts["shadow"]
    assert said == done.shadow
    assert said.startswith("refuse after 2 parts" if differ else "not decided after 10 parts")
    (event,) = events_of(database, ["bundle-promoted"])
    assert event.facts["shadow"] == said


def test_what_was_not_accepted_or_has_no_reason_goes_nowhere(station: Path, database: Database):
    before, new = station.read_text(), station.parent / "new.keen"
    with pytest.raises(LifecycleError, match="reason"):
        promote(new, station, database, who="Ada", why=" ")
    with pytest.raises(LifecycleError, match="already"):
        promote(station.parent / "old.keen", station, database, who="Ada", why="x")
    with pytest.raises(LifecycleError, match="replaced no bundle"):
        rollback(station, database, who="Ada", why="x")
    move(new, "shadow", who="Ada", why="once more")
    with pytest.raises(LifecycleError) as caught:
        promote(new, station, database, who="Ada", why="hurry")
    assert caught.value.code is Code.STAGE_ORDER
    assert station.read_text() == before
    assert read_bundle(station.parent / "old.keen").manifest.stage == "live"
    assert events_of(database, ["bundle-promoted"]) == []
