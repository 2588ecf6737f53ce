"""What `keenline shadow` does: plan, inspect once more, compare, write down."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from keenline.bundle import read_bundle
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal
from keenline.evaluation.sequential import Plan, operating, sample_sizes
from keenline.inference.inspector import Inspector
from keenline.lifecycle.authority import enforce
from keenline.lifecycle.class_facts import record_shadow
from keenline.lifecycle.shadow import (
    SHADOW_COMPARED,
    Comparison,
    Pair,
    asked,
    compared,
    names_of,
    newest_answers,
)
from keenline.lifecycle.stages import move
from keenline.store.database import Database
from keenline.store.images import ImagePlace, read_image
from keenline.store.queries import Query, find
from keenline.store.remarking import images_kept, keep, keep_event
from keenline.types import LineEvent, ShadowAnswer, Verdict

_BATCH = 50
_SHOWN = 20
_MOST = 5000


@dataclass(frozen=True, slots=True)
class Comparing:
    """A bundle and a store opened for a comparison."""

    bundle: Path
    database: Database
    query: Query
    plan: Plan
    terminal: Terminal

    def run(self, place: ImagePlace, engine: str | None, threads: int) -> None:
        """Inspect what the bundle has not said anything of; store each batch as it is known."""
        names = names_of(self.bundle)
        known = {each.result_id for each in newest_answers(self.database, names, self.query)}
        open_ = [
            result
            for result in find(self.database, self.query)
            if result.result_id not in known and result.decision.verdict is not Verdict.INVALID
        ]
        inspector = Inspector.open(self.bundle, engine=engine, threads=threads)
        answers: list[ShadowAnswer] = []
        missing = said = 0
        with self.terminal.steps() as progress:
            kept = images_kept(self.database, open_)
            found = asked(inspector, names[0], open_, lambda name: read_image(place, name), kept)
            for place_, answer in enumerate(found, start=1):
                progress("inspecting", place_, len(open_))
                if answer is None:
                    missing += 1
                else:
                    answers.append(answer)
                if len(answers) >= _BATCH:
                    said += keep(self.database, answers)
                    answers = []
        said += keep(self.database, answers)
        if not self.terminal.as_json:
            self.terminal.fact("inspected", f"{said} results, {len(known)} before")
            if missing:
                words = f"{missing} results without a kept image, mostly PASS"
                self.terminal.fact("left out", words, "yellow")
        found_now = self._compared()
        for station in sorted({pair.result.station for pair in found_now.pairs}):
            keep_event(self.database, self._event(station, found_now, names[0]))

    def show(self) -> Comparison:
        """Say how the bundle compares; gives it."""
        found = self._compared()
        if self.terminal.as_json:
            self.terminal.emit(self._record(found))
            return found
        terminal = self.terminal
        terminal.say()
        rows = [
            (
                each.class_name,
                str(each.compared),
                str(each.disagreed),
                f"{100 * each.lower_bound:.1f} %",
            )
            for each in (*found.classes, found.overall)
        ]
        heading = ("agreement", "compared", "not alike", "at least, 95 %")
        terminal.table(heading, rows, bold=found.overall.class_name)
        terminal.say()
        for kind, count in sorted(found.kinds.items(), key=lambda pair: -pair[1]):
            terminal.fact("differ", f"{count} {kind}")
        for pair in found.discrepancies[-_SHOWN:]:
            terminal.row(_line(pair))
        self._say_test(found)
        return found

    def record(self, found: Comparison, by: str, store: str) -> None:
        """Write the agreement of each class that the bundle knows into its ledger."""
        known = read_bundle(self.bundle).manifest.training_counts
        ours = [each for each in found.classes if each.class_name in known]
        record_shadow(self.bundle, ours, who=by, source=store)
        if not self.terminal.as_json:
            names = ", ".join(each.class_name for each in ours)
            self.terminal.fact("recorded", f"{names or 'nothing'} in {self.bundle.name}'s ledger")
        # What was just written down may break a gate of a class that rejects.
        for each in enforce(self.bundle, who=by):
            words = f"{each.class_name} may only flag now: {each.why_not}"
            if not self.terminal.as_json:
                self.terminal.fact("withdrawn", one_line(words), "bold red")

    def _compared(self) -> Comparison:
        return compared(self.bundle, self.database, self.query, self.plan)

    def _say_test(self, found: Comparison) -> None:
        test = found.test
        words = {
            "promote": f"promote: decided after {test.compared} parts, {test.disagreed} not alike",
            "refuse": f"refuse: decided after {test.compared} parts, {test.disagreed} not alike",
            "continue": f"not decided after {test.compared} parts, {test.disagreed} not alike; "
            f"{test.more} more without one would promote",
        }[test.outcome]
        colour = {"promote": "green", "refuse": "red", "continue": "yellow"}[test.outcome]
        self.terminal.say()
        self.terminal.fact("test", words, colour)
        if found.kinds.get("unclear"):
            count = found.kinds["unclear"]
            words = f"{count} discrepancies count against the bundle until a person has judged them"
            self.terminal.fact("", f"{words}: keenline review")

    def _event(self, station: str, found: Comparison, name: str) -> LineEvent:
        ours = [pair for pair in found.pairs if pair.result.station == station]
        facts = {
            "bundle_sha256": name,
            "compared": str(len(ours)),
            "differ": str(sum(pair.kind is not None for pair in ours)),
            "outcome": found.test.outcome,
        }
        moment = datetime.now(UTC)
        return LineEvent(str(uuid.uuid4()), station, SHADOW_COMPARED, moment, facts)

    def _record(self, found: Comparison) -> dict[str, object]:
        return {
            "bundle": str(self.bundle),
            "classes": [
                {
                    "class": each.class_name,
                    "compared": each.compared,
                    "disagreed": each.disagreed,
                    "lower95": each.lower_bound,
                }
                for each in (*found.classes, found.overall)
            ],
            "kinds": dict(found.kinds),
            "discrepancies": [
                {
                    "result_id": pair.result.result_id,
                    "part_id": pair.result.trigger.part_id,
                    "kind": pair.kind,
                    "decided": sorted(pair.classes) or ["alarm" if pair.alarmed else "none"],
                    "bundle": list(pair.answer.classes) or [pair.answer.verdict.value],
                }
                for pair in found.discrepancies
            ],
            "test": {
                "outcome": found.test.outcome,
                "compared": found.test.compared,
                "disagreed": found.test.disagreed,
                "more": found.test.more,
            },
        }


def begin(bundle: Path, by: str, why: str, terminal: Terminal) -> None:
    """Bring a bundle to the stage in which a station may ask it beside the one that decides."""
    moved = move(bundle, "shadow", who=by, why=why)
    if terminal.as_json:
        terminal.emit({"bundle": str(bundle), "sha256": moved.sha256, "stage": "shadow"})
        return
    terminal.fact("stage", "shadow", "green")
    terminal.fact("bundle", f"{bundle}, sha256 {moved.sha256[:12]}", "bold")
    terminal.say()
    terminal.say("Ask it beside a bundle that decides, by a table in the file of the station:")
    terminal.say(f'[shadow]\nbundle = "{bundle.name}"')


def show_plan(plan: Plan, terminal: Terminal) -> None:
    """Say how many parts a fixed and a sequential comparison take."""
    sizes = sample_sizes(1 - plan.bad, plan.good)
    at_good, at_bad = operating(plan, plan.good, _MOST), operating(plan, plan.bad, _MOST)
    if terminal.as_json:
        terminal.emit(
            {
                "fixed": [
                    {"disagreements": s.disagreements, "parts": s.parts, "success": s.success}
                    for s in sizes
                ],
                "sequential": {
                    "good": {"promoted": at_good.promoted, "parts": at_good.parts},
                    "bad": {"promoted": at_bad.promoted, "parts": at_bad.parts},
                },
            }
        )
        return
    claim, hope = f"{100 * (1 - plan.bad):g} %", f"{100 * plan.good:g} %"
    terminal.say(f"To show that at least {claim} are alike, 95 % confidence, all parts compared:")
    rows = [
        (f"{s.disagreements} not alike", str(s.parts), f"{100 * s.success:.0f} %") for s in sizes
    ]
    terminal.table(("allowed", "parts", f"chance at {hope}"), rows)
    terminal.say()
    terminal.say("Looked at after every part, as keenline shadow run does:")
    rows = [
        (f"{100 * share:g} % not alike", f"{100 * found.promoted:.1f} %", f"{found.parts:.0f}")
        for share, found in ((plan.good, at_good), (plan.bad, at_bad))
    ]
    terminal.table(("true share", "promoted", "parts, mean"), rows)


def _line(pair: Pair) -> Text:
    decided = ", ".join(sorted(pair.classes)) or ("alarm" if pair.alarmed else "nothing")
    ours = ", ".join(pair.answer.classes) or pair.answer.verdict.value
    who = "quality control" if pair.by == "human" else "station"
    return Text.assemble(
        f"  {pair.result.trigger.time.astimezone():%Y-%m-%d %H:%M:%S}  ",
        f"{one_line(pair.result.trigger.part_id):<16} ",
        (f"{pair.kind:<20}", "bold"),
        f" {who}: {decided}; bundle: {ours}",
    )
