"""The calls of a study turned into what it says, for people, scripts and an auditor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keenline import __version__
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.study_folder import Call, Study
    from keenline.evaluation.attribute_study import AttributeStudy


def report(folder: Path, page: Path | None, terminal: Terminal) -> None:
    """Judge everybody who has called; raises DatasetError (STUDY_CALLS) when nobody has."""
    from keenline.data.study_folder import appraisers_of, by_part, read_calls, read_study
    from keenline.errors import Code, DatasetError
    from keenline.evaluation.attribute_study import attribute_study
    from keenline.report.pdf import write_page
    from keenline.report.study_page import study_page, study_record

    study = read_study(folder)
    recorded = {name: read_calls(study, name) for name in appraisers_of(study)}
    full = {
        name: {code: said for code, said in by_part(calls).items() if len(said) == study.trials}
        for name, calls in recorded.items()
    }
    judged = {name: calls for name, calls in full.items() if calls}
    if not judged:
        raise DatasetError(
            Code.STUDY_CALLS,
            "Nobody has judged a part in every trial yet",
            where=folder,
            next="keenline study record",
        )
    found = attribute_study(judged, {code: p.is_good for code, p in study.parts.items()})
    notes = _notes(study, recorded, full)
    facts = _facts(study)
    if page is not None:
        text = study_page(found, f"Attribute study: {study.title}", facts, notes)
        write_page(text, page)
    if terminal.as_json:
        terminal.emit(study_record(found) | {"study": study.id, "notes": list(notes)})
        return
    _show(found, notes, terminal)
    if page is not None:
        terminal.fact("report", str(page), "bold")


def _show(found: AttributeStudy, notes: Sequence[str], terminal: Terminal) -> None:
    from keenline.report.study_page import across, kappa_words, row_of

    head = ("appraiser", "verdict", "effectiveness", "misses", "false alarms")
    terminal.table(head, [(one_line(row[0]), *row[1:]) for row in map(row_of, found.appraisers)])
    terminal.say()
    for each in found.appraisers:
        words = f"{one_line(each.name)} and reference: {kappa_words(each.against_reference)}"
        terminal.fact("kappa", words)
    for pair in found.pairs:
        terminal.fact("kappa", f"{one_line(' and '.join(pair.names))}: {kappa_words(pair.kappa)}")
    terminal.fact("together", across(found))
    for note in notes:
        terminal.fact("note", note, "yellow")


def _notes(
    study: Study,
    recorded: Mapping[str, Sequence[Call]],
    full: Mapping[str, Mapping[str, Sequence[bool]]],
) -> list[str]:
    notes = list(study.notes)
    again = sum(len(part.images) > 1 for part in study.parts.values())
    for name, calls in recorded.items():
        left = len(study.parts) - len(full[name])
        if left:
            notes.append(
                f"{name} has not judged {left} of {len(study.parts)} parts in every trial: "
                "they are left out"
            )
        if any(call.said for call in calls):
            notes.append(
                f"{name} is a model; REVIEW counts as a rejection. It says the same of the same "
                f"image, so its trials can differ only for parts captured anew, which are {again} "
                f"of {len(study.parts)}: its agreement within itself says nothing of the others"
            )
    return notes


def _facts(study: Study) -> dict[str, str]:
    bad = sum(not part.is_good for part in study.parts.values())
    near = sum(part.borderline for part in study.parts.values())
    return {
        "Planned": f"{study.created[:16].replace('T', ' ')} UTC by {study.by}",
        "Plan": f"sha256 {study.id[:12]}, seed {study.seed}",
        "Parts": f"{len(study.parts)}, {bad} to be rejected, {near} borderline",
        "Trials": str(study.trials),
        "Keenline": __version__,
    }
