"""An acceptance run shown to people, written as a page, and given to scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keenline.cli.options import require_writable
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.lifecycle.acceptance import Acceptance
    from keenline.lifecycle.criteria import Criteria
    from keenline.lifecycle.reach import SealedParts


def run(
    bundle: Path,
    version: Path,
    criteria: Path,
    output: Path | None,
    report: Path | None,
    *,
    who: str,
    again: str,
    key: Path | None,
    signed_by: str | None,
    terminal: Terminal,
) -> bool:
    """Accept or refuse; gives whether it was accepted. Raises as `accept` does."""
    from keenline.lifecycle.acceptance import accept
    from keenline.lifecycle.definition import read_definition
    from keenline.lifecycle.reach import sealed_parts
    from keenline.report.acceptance_page import acceptance_page, headline
    from keenline.report.pdf import ENDING, has_pdf, write_page

    signed = output or criteria.with_name(f"{criteria.stem}-{bundle.stem}.json")
    page = report or signed.with_suffix(".html")
    sheets = page.with_suffix(ENDING) if has_pdf() else None
    require_writable(signed, page, sheets)
    definition = read_definition(criteria, signed_by=signed_by)
    if not terminal.as_json:
        show_reach(definition.criteria, sealed_parts(version), terminal)
        terminal.say()
    with terminal.steps() as progress:
        found = accept(
            bundle, version, definition, signed, who=who, again=again, key=key, progress=progress
        )
    text = acceptance_page(_content(found, bundle, version, signed))
    for path in (page, sheets):
        if path is not None:
            write_page(text, path, foot=f"{signed.name}, sha256 {found.report.sha256}")
    accepted = found.judgement.accepted
    if terminal.as_json:
        terminal.emit(
            {
                "accepted": accepted,
                "reasons": list(found.judgement.reasons),
                "outcomes": [each.as_dict() for each in found.judgement.outcomes],
                "notes": list(found.notes),
                "report": str(signed),
                "page": str(page),
                "pdf": None if sheets is None else str(sheets),
                "sha256": found.report.sha256,
                "key": found.report.key,
                "stage": found.stage,
            }
        )
        return accepted
    rows = [
        (one_line(each.criterion), each.asked, each.found, "yes" if each.met else "NO")
        for each in found.judgement.outcomes
    ]
    terminal.table(("criterion", "asked for", "found", "met"), rows)
    for note in found.notes:
        terminal.fact("note", one_line(note), "yellow")
    terminal.say()
    words = headline([(each.criterion, each.met) for each in found.judgement.outcomes])
    terminal.say(one_line(words), "bold green" if accepted else "bold red")
    terminal.fact("report", str(page), "bold")
    if sheets is None:
        terminal.fact("", "no PDF: that takes pip install 'keenline[report]'", "yellow")
    else:
        terminal.fact("", f"{sheets}, the same on paper")
    terminal.fact("signed", f"{signed}, sha256 {found.report.sha256[:12]}")
    terminal.fact("stage", found.stage)
    if accepted:
        terminal.next_step("keenline", "readiness", str(bundle))
    return accepted


def show_reach(criteria: Criteria, parts: SealedParts, terminal: Terminal) -> None:
    """What each criterion takes, and what the sealed set has."""
    from keenline.lifecycle.reach import reach, unasked

    rows = [
        (
            one_line(each.criterion),
            str(each.needs),
            str(each.has),
            "-" if each.errors_allowed is None else str(each.errors_allowed),
            "yes" if each.possible else "NO",
        )
        for each in reach(criteria, parts)
    ]
    terminal.table(("criterion", "takes", "sealed", "may be wrong", "reachable"), rows)
    for name in unasked(criteria, parts):
        words = f"the set shows {name}, of which no criterion asks anything"
        terminal.fact("note", one_line(words), "yellow")


def _content(found: Acceptance, bundle: Path, version: Path, signed: Path) -> Any:
    from keenline.report.acceptance_page import AcceptanceContent

    said = found.report.content
    criteria = dict(said["criteria"])
    if not criteria["knapp"]["units"]:
        del criteria["knapp"]
    about = {
        name.replace("_", " ").capitalize(): text
        for name, text in criteria["about"].items()
        if text
    }
    return AcceptanceContent(
        title=criteria["title"],
        facts=_facts(said, bundle),
        outcomes=[(o.criterion, o.asked, o.found, o.met) for o in found.judgement.outcomes],
        about=about,
        history=[
            (line.time[:19].replace("T", " "), f"{line.number}: {line.event}", line.who, line.why)
            for line in found.log
        ],
        to_be_known=found.notes,
        evidence=found.evidence,
        time=_time(said),
        identity=_identity(said, found, version, signed),
        criteria=json.dumps(_what_is_said(criteria), indent=1, ensure_ascii=False),
    )


def _what_is_said(value: Any) -> Any:
    """Without what nobody asked for."""
    if isinstance(value, dict):
        kept = {name: _what_is_said(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, "", [], {})}
    return [_what_is_said(inner) for inner in value] if isinstance(value, list) else value


def _facts(said: Mapping[str, Any], bundle: Path) -> dict[str, str]:
    facts = {
        "Answer": "accepted" if said["accepted"] else "refused",
        "Bundle": f"{bundle.name}, sha256 {said['bundle']['sha256'][:12]}",
        "By": said["by"],
        "When": f"{said['time'][:16].replace('T', ' ')} UTC",
        "Sealed set": f"version {said['version'][:12]}",
        "Criteria locked": f"{said['criteria_locked']['time'][:16].replace('T', ' ')} UTC by "
        f"{said['criteria_locked']['by']}",
    }
    if said["criteria"]["standard"]:
        facts["Standard"] = said["criteria"]["standard"]
    return facts | {"Keenline": said["keenline"]}


def _time(said: Mapping[str, Any]) -> dict[str, str]:
    times = said["milliseconds"]
    found = {
        name: "–" if times[key] is None else f"{times[key]:.1f} ms"
        for name, key in (("Median", "median"), ("99 %", "p99"), ("Longest", "largest"))
    }
    machine = said["machine"]
    return found | {
        "Images": str(times["images"]),
        "Measured": "decoded image to verdict, one image after the other, nothing left out",
        "Machine": f"{machine['station']}, {machine['system']}",
        "Engine": machine["engine"],
    }


def _identity(
    said: Mapping[str, Any], found: Acceptance, version: Path, signed: Path
) -> dict[str, str]:
    learnt = said["bundle"]["training"]
    facts = {
        "Signed report": f"{signed.name}, sha256 {found.report.sha256}",
        "Signed with the key": found.report.key,
        "Signature": found.report.signature,
        "Criteria": f"sha256 {said['criteria_sha256']}",
        "Criteria signed with the key": said["criteria_key"],
        "Bundle": f"sha256 {said['bundle']['sha256']}, {said['bundle']['detector']}",
        "Recipe": f"sha256 {said['bundle']['recipe_sha256']}",
        "Learnt from": f"{learnt['images']} images, sha256 {learnt['data_sha256']}"
        + (f", version {learnt['dataset_version']}" if learnt["dataset_version"] else ""),
        "Sealed set": f"{version.name}, id {said['version']}",
        "Last line of its log": f"{found.log[-1].number}, {found.log[-1].hash}",
    }
    for number, update in enumerate(said["bundle"]["updates"], 1):
        facts[f"Change {number} of the bundle"] = update
    return facts
