"""What `keenline review` does with a store: list, ask, export, import, write a labelled folder."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal
from keenline.cli.verdicts import COLOURS
from keenline.errors import KeenlineError, ReviewError
from keenline.lifecycle.ledger import ledger_of
from keenline.lifecycle.review_session import note_session
from keenline.review.judging import FORM, classes_known, record, review, said_of
from keenline.review.labelled_folder import write_folder
from keenline.review.order import Asked, OrderSettings
from keenline.review.queue import Audited, audited, by_result, confirmed_miss, person, waiting
from keenline.review.tables import named_in, read_table, scores_of, write_table
from keenline.store.database import Database
from keenline.store.images import ImageFolder, ImagePlace, read_image
from keenline.store.queries import Query, find
from keenline.store.remarking import HOLDER, images_kept, release, results_by_id, reviews_of

if TYPE_CHECKING:
    from keenline.store.remarks import Review, Role
    from keenline.types import Image, Result

_QUIT = ("q", "quit")
_SKIP = ("s", "skip", "")


@dataclass(frozen=True, slots=True)
class Desk:
    """A store opened for judging."""

    database: Database
    place: ImagePlace
    query: Query
    settings: OrderSettings
    terminal: Terminal
    bundle: Path | None = None
    """That of the station, whose ledger says that it was looked at."""

    def show(self, limit: int) -> None:
        """List what waits, and what the audits say."""
        asked = waiting(self.database, self.query, self.settings)
        found = audited(self.database, self.query, self.settings)
        terminal = self.terminal
        if terminal.as_json:
            for each in asked[:limit]:
                terminal.emit(self._record(each))
            terminal.emit(_audit_record(found, len(asked)))
            return
        for each in asked[:limit]:
            terminal.row(_line(each))
        terminal.say()
        counts = Counter(each.why for each in asked)
        words = ", ".join(f"{counts[why]} {why.words}" for why in sorted(counts))
        terminal.fact("waiting", f"{len(asked)}" + (f": {words}" if words else ""))
        self._say_audits(found)

    def ask(self, by: str | None, limit: int | None, *, new_class: bool) -> None:
        """Show one result after the other and keep what the person says at once."""
        if not by:
            raise typer.BadParameter("--next needs --by NAME: judgements are recorded with a name")
        terminal = self.terminal
        asked = waiting(self.database, self.query, self.settings, limit)
        known = self._known([each.result for each in asked], new_class)
        judged: list[Review] = []
        try:
            self._ask_each(asked, by, known, judged)
        finally:  # also when the person leaves with Ctrl-C: what was said is kept
            self._note(judged, [each.result for each in asked])
        terminal.say()
        terminal.fact("judged", f"{len(judged)}", "bold")
        self._say_audits(audited(self.database, self.query, self.settings))

    def _ask_each(
        self, asked: list[Asked], by: str, known: frozenset[str], judged: list[Review]
    ) -> None:
        terminal = self.terminal
        for place, each in enumerate(asked, start=1):
            terminal.say()
            terminal.row(_line(each))
            terminal.fact(f"{place} of {len(asked)}", each.words)
            terminal.fact("scores", one_line(scores_of(each.result)))
            for path in self._paths(each.result):
                terminal.fact("image", path)
            made = self._said(each, by, known)
            if made is None:
                break
            if made:
                record(self.database, made, [each.result], HOLDER)
                judged += made

    def export(self, file: Path, limit: int | None) -> None:
        """Write what waits as a table."""
        asked = waiting(self.database, self.query, self.settings, limit)
        paths = {each.result.result_id: self._paths(each.result) for each in asked}
        write_table(asked, file, paths)
        if self.terminal.as_json:
            self.terminal.emit({"file": str(file), "results": len(asked)})
            return
        self.terminal.fact("written", f"{file}, {len(asked)} results")
        self.terminal.say(f"Fill in the column said: {FORM}; and by: who judged.")

    def take_in(self, file: Path, by: str | None, role: Role, *, new_class: bool) -> None:
        """Keep the judgements of a table, all or none."""
        ids, part_ids = named_in(file)
        results = results_by_id(self.database, ids)
        parts: defaultdict[str, list[Result]] = defaultdict(list)
        for part_id in dict.fromkeys(part_ids):
            if not ids:
                named = Query(part_id=part_id, since=self.query.since, until=self.query.until)
                parts[part_id] = list(find(self.database, named))
        every = [*results.values(), *(each for of in parts.values() for each in of)]
        known = self._known(every, new_class)
        made = read_table(file, results, parts, by=by, role=role, known=known)
        judged = {each.result_id for each in made}
        of = [result for result in every if result.result_id in judged]
        kept = record(self.database, made, of, HOLDER)
        by_id = {result.result_id: result for result in of}
        misses = sum(confirmed_miss(by_id[each.result_id], each) for each in made)
        if self.terminal.as_json:
            self.terminal.emit({"file": str(file), "kept": kept, "misses": misses})
        else:
            self.terminal.fact("kept", f"{kept} judgements, {misses} of them defects that passed")
        if kept:
            self._note(made, of)
        if self.terminal.as_json:
            return
        self._say_audits(audited(self.database, self.query, self.settings))

    def to_dataset(self, folder: Path) -> None:
        """Write what people judged as a labelled folder, and let its images go."""
        reviews = by_result(reviews_of(self.database))
        every = results_by_id(self.database, reviews)
        wanted = [result for result in every.values() if self._is_meant(result)]
        judged = [(result, person(reviews[result.result_id])) for result in wanted]
        kept = images_kept(self.database, wanted)
        written = write_folder(folder, judged, self._read, kept)
        release(self.database, written.images)
        if self.terminal.as_json:
            self.terminal.emit(
                {
                    "folder": str(folder),
                    "samples": dict(written.samples),
                    "confirmed_misses": written.confirmed_misses,
                    "without_image": written.without_image,
                }
            )
            return
        for name, count in written.samples.items():
            self.terminal.fact(name, f"{count} images")
        self.terminal.fact("misses", f"{written.confirmed_misses} images that had passed")
        if written.without_image:
            self.terminal.fact("left out", f"{written.without_image} without an image", "yellow")
        self.terminal.next_step("keenline", "dataset", "create", str(folder))

    def _said(self, asked: Asked, by: str, known: frozenset[str]) -> list[Review] | None:
        """What the person says; none to skip, None to stop."""
        while True:
            try:
                said = input("  good, unclear, or the class (s skips, q stops): ").strip()
            except EOFError:
                return None
            if said.lower() in _QUIT:
                return None
            if said.lower() in _SKIP:
                return []
            try:
                made = review(asked.result, said, by, known=known, asked=asked.words)
            except ReviewError as error:
                self.terminal.say(f"  {error.expected}", "yellow")
                continue
            self.terminal.fact("kept", said_of(made), "green")
            return [made]

    def _note(self, judged: list[Review], results: list[Result]) -> None:
        """One line in the ledger of the bundle at the station, where it decided any of these."""
        if self.bundle is None or not judged:
            return
        try:
            line = note_session(self.bundle, judged, {each.result_id: each for each in results})
        except KeenlineError as error:
            # The judgements stand in the audit trail of the store, whatever becomes of this line.
            self.terminal.complain(f"no line in the ledger of {self.bundle}", error.what)
            return
        if line is not None and not self.terminal.as_json:
            self.terminal.fact("ledger", f"line {line.number} of {ledger_of(self.bundle).name}")

    def _known(self, results: list[Result], new_class: bool) -> frozenset[str]:
        return frozenset() if new_class else classes_known(results, reviews_of(self.database))

    def _is_meant(self, result: Result) -> bool:
        query, time = self.query, result.trigger.time
        return (
            (query.station is None or result.station == query.station)
            and (query.since is None or time >= query.since)
            and (query.until is None or time < query.until)
        )

    def _paths(self, result: Result) -> list[str]:
        """Where the images are: files in a folder, else their names in the bucket."""
        found = []
        kept = images_kept(self.database, [result])
        for view in result.views:
            if view.image_sha256 not in kept:
                continue
            name = view.image_sha256
            if isinstance(self.place, ImageFolder):
                found.append(str(self.place.file(name)))
            else:
                found.append(f"{self.place.name} {name}")
        return found

    def _read(self, sha256: str) -> Image:
        return read_image(self.place, sha256)

    def _record(self, asked: Asked) -> dict[str, object]:
        result = asked.result
        return {
            "result_id": result.result_id,
            "station": result.station,
            "part_id": result.trigger.part_id,
            "time": result.trigger.time.isoformat(),
            "verdict": result.decision.verdict.value,
            "why": [{"reason": why.words, "detail": detail} for why, detail in asked.reasons],
            "scores": scores_of(result),
            "images": self._paths(result),
        }

    def _say_audits(self, found: Audited) -> None:
        terminal, escapes = self.terminal, found.escapes
        terminal.fact(
            "audits",
            f"{escapes.audited} of {found.passed} PASS parts judged, "
            f"{escapes.escaped} defective, {escapes.unclear} unclear; {found.waiting} waiting",
        )
        if found.waiting and escapes.audited:
            words = "the bound below is too high until no drawn part waits"
            terminal.fact("", words, "yellow")
        if found.without_image:
            terminal.fact("", f"{found.without_image} drawn parts have no image", "yellow")
        if escapes.audited:
            bound = f"{escapes.ppm_upper95:,.0f}".replace(",", " ")
            terminal.fact("escapes", f"at most {bound} PPM of the PASS parts, 95 % confidence")
        else:
            terminal.fact("escapes", "nothing audited yet, so nothing can be said")


def _line(asked: Asked) -> Text:
    result = asked.result
    verdict = result.decision.verdict.value
    time = result.trigger.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return Text.assemble(
        f"{time}  ",
        (f"{verdict:<8}", COLOURS[verdict]),
        f" {result.station} {result.trigger.number:>8}  {one_line(result.trigger.part_id)}",
        (f"  {one_line(asked.words)}", "dim"),
    )


def _audit_record(found: Audited, waits: int) -> dict[str, object]:
    escapes = found.escapes
    return {
        "waiting": waits,
        "audits": {
            "passed": found.passed,
            "judged": escapes.audited,
            "defective": escapes.escaped,
            "unclear": escapes.unclear,
            "waiting": found.waiting,
            "without_image": found.without_image,
            "escape_ppm_upper95": escapes.ppm_upper95 if escapes.audited else None,
        },
    }
