"""The calls of a study asked for in the terminal, read from a table, or made by a bundle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.study_folder import Call, Study
    from keenline.data.study_plan import Candidate
    from keenline.inference.inspector import Inspector
    from keenline.types import Inspection

_QUIT = ("q", "quit")


def candidates(place: Path, bundle: Path | None, terminal: Terminal) -> list[Candidate]:
    """The parts that a study may be made of: those of a list, or the images of a dataset that no
    bundle learns from, one a part; with a bundle, each with its distance from the threshold.

    Raises as `read_list`, `open_dataset` and `Inspector.open` do.
    """
    from keenline.data.importers import open_dataset
    from keenline.data.study_plan import Candidate, read_list

    if place.suffix.lower() == ".csv":
        found = read_list(place)
    else:
        with terminal.waiting(f"reading {place}"):
            dataset = open_dataset(place)
        first: dict[str, Candidate] = {}
        for sample in dataset.samples:
            if sample.split != "train":
                name = sample.image.relative_to(dataset.root).as_posix()
                first.setdefault(
                    sample.part or name, Candidate(name, (sample.image,), sample.label)
                )
        found = list(first.values())
    return found if bundle is None else _with_distance(found, bundle, terminal)


def record(
    folder: Path,
    appraiser: str | None,
    calls: Path | None,
    bundle: Path | None,
    terminal: Terminal,
) -> None:
    """Keep calls; raises DatasetError for those that are none of this study."""
    from keenline.data.study_folder import append_calls, read_study, require_images

    study = read_study(folder)
    if calls is not None and bundle is not None:
        raise typer.BadParameter("--calls and --bundle are two appraisers")
    if calls is not None:
        from keenline.data.study_calls import calls_in

        kept = {}
        for name, said in calls_in(calls, appraiser).items():
            append_calls(study, name, said)
            kept[name] = len(said)
    else:
        require_images(study)
        if bundle is not None:
            name = appraiser or bundle.stem
            made = _by_bundle(study, name, bundle, terminal)
            append_calls(study, name, made)
            kept = {name: len(made)}
        elif appraiser is None:
            raise typer.BadParameter("record needs --appraiser, --calls or --bundle")
        else:
            kept = {appraiser: _asked(study, appraiser, terminal)}
    if terminal.as_json:
        terminal.emit({"study": str(folder), "recorded": kept})
        return
    for name, count in kept.items():
        terminal.fact("recorded", f"{name}: {count} calls", "bold")


def _asked(study: Study, appraiser: str, terminal: Terminal) -> int:
    """Ask for every call that is not there yet; `q` stops, and the next time goes on."""
    from keenline.data.study_calls import WORDS
    from keenline.data.study_folder import Call, append_calls

    if appraiser not in study.orders:
        raise typer.BadParameter(f"the study has {', '.join(study.orders)}, not {appraiser}")
    count = 0
    for done, total, trial, code in _open(study, appraiser):
        shown = study.folder / study.parts[code].image_of(trial)
        terminal.fact(f"{done + 1} of {total}", f"trial {trial}, part {code}   {shown}")
        said = ""
        while said not in WORDS:
            try:
                said = input("  accept or reject (a, r; q stops): ").strip().lower()
            except EOFError:
                said = "q"
            if said in _QUIT:
                terminal.say("Stopped; the same command goes on from here.")
                return count
        now = datetime.now(UTC).isoformat(timespec="seconds")
        append_calls(study, appraiser, [Call(trial, code, WORDS[said], now)])
        count += 1
    return count


def _open(study: Study, appraiser: str) -> Iterator[tuple[int, int, int, str]]:
    """How many calls are there, how many there will be, and the next one's trial and part."""
    from keenline.data.study_folder import order_of, read_calls

    known = {(call.trial, call.part) for call in read_calls(study, appraiser)}
    orders = order_of(study, appraiser)
    total = sum(map(len, orders))
    done = len(known)
    for trial, codes in enumerate(orders, 1):
        for code in codes:
            if (trial, code) not in known:
                yield done, total, trial, code
                done += 1


def _by_bundle(study: Study, name: str, bundle: Path, terminal: Terminal) -> list[Call]:
    """PASS accepts, REVIEW and REJECT do not, INVALID says nothing; each image inspected once."""
    from keenline.data.study_folder import Call
    from keenline.inference.inspector import Inspector
    from keenline.types import Verdict

    inspector = Inspector.open(bundle)
    seen: dict[str, Inspection] = {}
    invalid: dict[str, str] = {}
    made = []
    with terminal.steps() as progress:
        for done, total, trial, code in _open(study, name):
            progress("inspect", done, total)
            image = study.parts[code].image_of(trial)
            if image not in seen:
                seen[image] = inspector.inspect(study.folder / image)
            inspection = seen[image]
            verdict = inspection.decision.verdict
            if verdict is Verdict.INVALID or inspection.prediction is None:
                invalid[code] = "; ".join(inspection.decision.reasons)
                continue
            score = f"{inspection.prediction.score:.6g}"
            said = f"{verdict.value} {score}, bundle {inspector.bundle.sha256[:12]}"
            now = datetime.now(UTC).isoformat(timespec="seconds")
            made.append(Call(trial, code, verdict is Verdict.PASS, now, said))
    if invalid:
        first, why = next(iter(invalid.items()))
        words = f"{len(invalid)} parts, for which it makes no call; {first}: {why}"
        terminal.fact("INVALID", one_line(words), "yellow")
    return made


def _with_distance(found: list[Candidate], bundle: Path, terminal: Terminal) -> list[Candidate]:
    from keenline.inference.inspector import Inspector

    inspector = Inspector.open(bundle)
    near = []
    with terminal.steps() as progress:
        for done, each in enumerate(found):
            progress("score", done, len(found))
            near.append(replace(each, distance=_distance(inspector, each.images[0])))
        progress("score", len(found), len(found))
    return near


def _distance(inspector: Inspector, image: Path) -> float | None:
    """By what factor, as a logarithm, the nearest score is away from turning the verdict."""
    from keenline.inference.inspector import CERTAIN

    prediction = inspector.inspect(image).prediction
    if prediction is None:
        return None
    limits = {known.name: known.threshold for known in inspector.manifest.recipe.classes}
    pairs = [(prediction.score, inspector.threshold)]
    pairs += [(score, limits.get(name, CERTAIN)) for name, score in prediction.class_scores.items()]
    highest = max(score / limit for score, limit in pairs if limit > 0)
    return abs(math.log(highest)) if highest > 0 else math.inf
