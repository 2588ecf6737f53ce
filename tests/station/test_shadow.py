"""A bundle in shadow at a running station: asked, kept and counted, and never in the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.faults.engines import delayed
from tests.station.lines import Keeper, Watched, camera, plan, running, shots, until
from tests.station.test_plc_line import plc_line, through
from tests.store.records import result as a_result

from keenline.bundle import read_bundle, write_bundle
from keenline.errors import Code, KeenlineError
from keenline.inference.inspector import Inspector
from keenline.journal.entries import Entry
from keenline.lifecycle.shadow import Pair, asked
from keenline.lifecycle.stages import move
from keenline.random_sample import draw
from keenline.station.books import Books
from keenline.station.engine_messages import Opening
from keenline.station.engine_worker import Inspect, bundle_inspector
from keenline.station.metrics import StationMetrics
from keenline.station.opening import StationPlan
from keenline.station.parts import Programme
from keenline.station.settings import ShadowTable
from keenline.station.shadow import Shadow
from keenline.station.shadow_answers import differs
from keenline.station.shadow_opening import open_shadow
from keenline.station.tally import Tally
from keenline.types import Image, Inspection, Result, ShadowAnswer, Verdict

SLOW_S = 0.3


def slow(opening: Opening) -> tuple[Inspect, str]:
    """As the bundle, and much slower."""
    return delayed(opening, SLOW_S)


def dies(opening: Opening) -> tuple[Inspect, str]:
    """Ends with its process on every dented part, and answers on the others."""
    inspect, engine = bundle_inspector(opening)

    def perhaps(image: Image) -> Inspection:
        found = inspect(image)
        if found.prediction is not None and found.prediction.score > found.threshold:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return perhaps, engine


def hangs(opening: Opening) -> tuple[Inspect, str]:
    """Never answers once it is asked about a part; the blank image at its start passes."""
    inspect, engine = bundle_inspector(opening)

    def stands(image: Image) -> Inspection:
        if np.any(image):
            time.sleep(60)
        return inspect(image)

    return stands, engine


@pytest.fixture(scope="session")
def critic(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the stations here, in stage shadow."""
    path = tmp_path_factory.mktemp("shadow") / "new.keen"
    path.write_bytes(bundle.read_bytes())
    move(path, "shadow", who="Ada", why="to be compared")
    return path


@pytest.fixture(scope="session")
def tame(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a threshold that nothing reaches, in stage shadow: it passes everything."""
    path = tmp_path_factory.mktemp("tame") / "tame.keen"
    known = read_bundle(bundle)
    tamed = known.manifest.threshold.model_copy(update={"value": 1e6})
    write_bundle(path, known.manifest.model_copy(update={"threshold": tamed}), known.members)
    move(path, "shadow", who="Ada", why="to be compared")
    return path


def beside(
    made: StationPlan, path: Path, run: Callable[..., object] | None = None, **more: object
) -> StationPlan:
    table = ShadowTable.model_validate({"bundle": str(path)} | more)
    if run is not None:
        made = replace(made, shadow_inspector=f"{__name__}:{run.__name__}")
    return replace(made, shadow=(path, table))


def up(line: Watched) -> Shadow:
    until(lambda: line.station.shadow is not None and line.station.shadow.is_up, 300)
    assert line.station.shadow is not None
    return line.station.shadow


def answers(line: Watched) -> list[ShadowAnswer]:
    return [entry for entry in line.entries() if isinstance(entry, ShadowAnswer)]


def test_its_answers_are_those_that_stored_images_would_get(
    tame: Path, critic: Path, tmp_path: Path
) -> None:
    """The tame bundle decides and passes everything, the other one looks on."""
    with running(beside(plan(tame, camera()), critic), tmp_path / "j") as line:
        shadow = up(line)
        results = line.inspect(6)
        until(lambda: shadow.counts.answers == 6)
        assert (shadow.counts.differing, sum(shadow.counts.skipped.values())) == (2, 0)
        metrics = StationMetrics(line.station, [], lambda: False).collect()
        samples = {one.name: one.value for each in metrics for one in each.samples}
        names = ("up", "answers_total", "differing_total", "restarts_total")
        assert [samples[f"keenline_shadow_{name}"] for name in names] == [1, 6, 2, 0]
        process, live = shadow.engine, line.station.opened.engine
        assert process is not None
        assert process.pid is not None
        assert live.pid is not None
        assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        assert os.sched_getscheduler(live.pid) == os.SCHED_OTHER
    assert [each.decision.verdict for each in results] == [Verdict.PASS] * 6
    # The images of what differs are kept, though their parts passed.
    named = [each.views[0].image_sha256 for each in results]
    told = answers(line)
    assert [each.images for each in told] == [(), (), (named[2],), (), (), (named[5],)]
    assert set(line.keeper.images) == {named[2], named[5]}
    # What `keenline shadow run` makes of the same images.
    shown = dict(zip(named, [shot.image for shot in shots()()], strict=True))
    inspector, sha256 = Inspector.open(critic, threads=1), read_bundle(critic).sha256
    later = [each for each in asked(inspector, sha256, results, shown.__getitem__, shown) if each]
    mine = [replace(each, images=()) for each in told]
    assert mine == [replace(a, time=b.time) for a, b in zip(later, told, strict=True)]
    for of, answer in zip(results, told, strict=True):
        assert differs(of, answer) == (Pair(of, answer, None, None).kind is not None)
    # An answer comes behind its result, which a store then has already.
    first = told[0].result_id
    order = [type(one) for one in line.entries() if getattr(one, "result_id", "") == first]
    assert order == [Result, ShadowAnswer]


def test_the_plc_and_its_line_see_nothing_of_a_shadow_that_hangs(
    bundle: Path, tame: Path, tmp_path: Path
) -> None:
    more = beside(plan(bundle), tame, hangs, hang_ms=300)
    beside_it: dict[str, Any] = {"shadow": more.shadow, "shadow_inspector": more.shadow_inspector}
    with plc_line(bundle, tmp_path, camera(), **beside_it) as (line, plc):
        shadow = up(line)
        for _ in range(6):
            plc.present()
        gates = [part.gate for part in through(plc, 6)]
        until(lambda: shadow.counts.skipped.get("unanswered", 0) > 0, 20)
        until(lambda: "shadow-down" in line.kinds())
        assert line.station.state.inspects
        assert not line.station.health.troubles
        line.assert_accounts_balance()
    assert gates == ["pass", "pass", "divert"] * 2
    assert not answers(line)
    assert sum(shadow.counts.skipped.values()) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("run", "why"), [(slow, "behind"), (dies, "unanswered")])
def test_the_line_goes_on_and_every_part_is_accounted_for(
    run: Callable[..., object], why: str, bundle: Path, critic: Path, tame: Path, tmp_path: Path
) -> None:
    chosen = critic if run is dies else tame
    with running(beside(plan(bundle, camera()), chosen, run, waiting=2), tmp_path) as line:
        shadow = up(line)
        line.inspect(12)
        until(lambda: shadow.counts.skipped.get(why, 0) > 0)
        until(lambda: shadow.restarts > 0 or run is slow, 60)
        # The line is asked for nothing, and its own state is as ever.
        assert line.station.state.inspects
        line.assert_accounts_balance()
    found = [(each.decision.verdict, each.actuates) for each in line.results]
    assert found == [(Verdict.PASS, "pass"), (Verdict.PASS, "pass"), (Verdict.REVIEW, "divert")] * 4
    counts = shadow.counts
    assert counts.answers == len(answers(line)) > 0
    assert counts.answers + sum(counts.skipped.values()) == 12
    assert ("shadow-behind" if run is slow else "shadow-down") in line.kinds()


def test_a_share_of_the_parts_is_drawn_and_no_invalid_one_is_asked_about(
    bundle: Path, tame: Path, tmp_path: Path
) -> None:
    """The other half of a queue: nothing takes from it here."""
    shadow = Shadow("new.keen", "e" * 64, ShadowTable(bundle="x", share=0.5), *unheard())
    drawn = [a_result(n) for n in range(40)]
    for each in drawn:
        shadow.offer(each, {})
    wanted = [
        each
        for each in drawn
        if each.decision.verdict is not Verdict.INVALID and draw(each.result_id) < 1 << 63
    ]
    assert 0 < len(wanted) < 40
    assert shadow.counts.skipped == {"down": len(wanted)}


@pytest.mark.parametrize("what", ["missing", "live", "stage", "part"])
def test_a_bundle_that_has_no_business_in_shadow_is_refused(
    what: str, bundle: Path, tame: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.keen"
    if what == "live":
        path.write_bytes(bundle.read_bytes())
    elif what == "stage":
        path.write_bytes(tame.read_bytes())
        move(path, "trained", who="Ada", why="not yet")
    elif what == "part":
        known = read_bundle(tame)
        other = known.manifest.recipe.model_copy(update={"part": "another part"})
        manifest = known.manifest.model_copy(
            update={"recipe": other, "recipe_sha256": other.sha256}
        )
        write_bundle(path, manifest, known.members)
    learnt = read_bundle(bundle)
    live = Programme(None, learnt.manifest.recipe, "", learnt.sha256, "")  # type: ignore[arg-type]
    with pytest.raises(KeenlineError) as caught:
        open_shadow(beside(plan(bundle, camera()), path), live, [], *unheard())
    code = Code.BUNDLE_MISSING if what == "missing" else Code.STATION_SHADOW
    assert caught.value.code is code
    words = {"live": "decides at", "stage": "trained, not shadow", "part": "another part"}
    assert words.get(what, "wrong.keen") in str(caught.value)


@pytest.mark.slow
def test_a_station_inspects_without_one_that_is_refused_and_takes_up_another(
    bundle: Path, tame: Path, tmp_path: Path
) -> None:
    with running(beside(plan(bundle, camera()), bundle), tmp_path) as line:
        codes = [one.facts["code"] for one in line.events if one.kind == "shadow-refused"]
        assert codes == ["5305"]
        assert line.inspect()[0].decision.verdict is Verdict.PASS
        line.station.change(bundle, shadow=(tame, ShadowTable(bundle="tame.keen")))
        shadow = up(line)
        line.inspect()
        until(lambda: shadow.counts.answers == 1)
        line.station.change(bundle)
        assert line.station.shadow is None


def test_what_can_be_done_without_leaves_a_full_disk_to_the_results() -> None:
    recorder = Full()
    books = Books("press-4", recorder, Tally())
    of = a_result(1)
    answer = ShadowAnswer(of.result_id, "press-4", of.trigger.time, "e" * 64, Verdict.PASS, ())
    assert not books.enter_if_there_is_room(answer)
    books.enter(of)
    recorder.is_on_reserve = False
    assert books.enter_if_there_is_room(answer)
    assert recorder.taken == [of, answer]


class Full:
    """A journal that writes into its reserve, and a list of what it was given."""

    reserve_left = 1 << 20

    def __init__(self) -> None:
        self.is_on_reserve = True
        self.taken: list[Entry] = []

    def append(self, entry: Entry) -> None:
        self.taken.append(entry)


def unheard() -> tuple[Books, Keeper]:
    return Books("press-4", Full(), Tally()), Keeper()
