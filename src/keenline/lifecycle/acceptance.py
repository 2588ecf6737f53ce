"""A bundle, a sealed set and locked criteria turned into accepted or refused, on record."""

from __future__ import annotations

import json
import platform
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keenline.bundle import check_writable
from keenline.data.origins import Origins, origins_of
from keenline.data.seal_log import SealEvent, log_of, read_log
from keenline.data.sealed import open_sealed
from keenline.errors import Code, DatasetError, LifecycleError
from keenline.evaluation.evidence import Evidence
from keenline.inference.inspector import Inspector
from keenline.lifecycle.criteria import Criteria
from keenline.lifecycle.definition import Definition, earlier_openings, line_of
from keenline.lifecycle.judgement import Judgement, Measured, judge, quantile
from keenline.lifecycle.ledger import append
from keenline.lifecycle.reach import reach, sealed_parts, unasked
from keenline.lifecycle.signed_file import Signed, write_signed
from keenline.lifecycle.signers import require_signer
from keenline.lifecycle.signing import public_of, signing_key
from keenline.lifecycle.stages import NEXT, move
from keenline.models.base import Progress, silent
from keenline.training.evaluate import evaluate
from keenline.types import Inspection, Sample, Verdict
from keenline.version import VERSION

KIND = "keenline acceptance report"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What came of an acceptance."""

    judgement: Judgement
    evidence: Evidence
    criteria: Criteria
    report: Signed
    log: tuple[SealEvent, ...]
    """Of the sealed set, this opening included."""
    notes: tuple[str, ...]
    stage: str
    """Of the bundle afterwards."""


def require_reachable(definition: Definition, version_file: Path) -> None:
    """Raise LifecycleError (ACCEPTANCE_UNREACHABLE) when the sealed set is too small for a
    criterion, whatever the bundle does."""
    short = [
        each.sentence
        for each in reach(definition.criteria, sealed_parts(version_file))
        if not each.possible
    ]
    if short:
        raise LifecycleError(
            Code.ACCEPTANCE_UNREACHABLE,
            "The sealed set is too small for these criteria; it was not opened",
            where=version_file,
            problems=short,
            next="seal more parts in a new version, or define criteria that this many can prove",
        )


def accept(
    bundle: Path,
    version_file: Path,
    definition: Definition,
    report: Path,
    *,
    who: str,
    again: str = "",
    key: Path | None = None,
    progress: Progress = silent,
) -> Acceptance:
    """Open the sealed set, inspect it, judge, and write the signed report.

    Everything that can fail without opening the set is tried before it is opened. again: why a set
    that was opened before may be used once more. The answer is a line in the ledger of the bundle;
    when it is accepted, so is its stage. Raises LifecycleError (ACCEPTANCE_CHANGED,
    ACCEPTANCE_UNREACHABLE, ACCEPTANCE_SIGNER), DatasetError (DATASET_SEALED when it was opened
    before and `again` is empty, and what `open_sealed` raises), BundleError, OutputError,
    CredentialError.
    """
    private = signing_key(key)
    require_signer(bundle, definition.signed.key, "the criteria")
    require_signer(bundle, public_of(private), "the report")
    line = line_of(definition, version_file)
    require_reachable(definition, version_file)
    earlier = earlier_openings(version_file)
    _require_unopened(version_file, earlier, again)
    check_writable(report)
    inspector = Inspector.open(bundle)
    purpose = f"acceptance of {bundle.name} {inspector.bundle.sha256[:12]}"
    if again:
        purpose += f", again because {again}"
    dataset = open_sealed(
        version_file, purpose=purpose, name=who, criteria=definition.signed.sha256
    )
    origins = origins_of(version_file, dataset)
    evaluation, inspected = evaluate(
        inspector, dataset, progress, origins=origins, rule=definition.criteria.rule
    )
    assert evaluation.evidence is not None
    measured = _measured(evaluation.evidence, inspected, origins)
    judgement = judge(definition.criteria, measured)
    log = read_log(log_of(version_file))
    notes = (
        *_notes(definition, version_file, earlier, line, measured, again),
        *_learnt_notes(inspector, definition.version),
    )
    content = {
        "kind": KIND,
        "accepted": judgement.accepted,
        "reasons": list(judgement.reasons),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": who,
        "outcomes": [each.as_dict() for each in judgement.outcomes],
        "notes": list(notes),
        "criteria": definition.criteria.model_dump(mode="json", by_alias=True),
        "criteria_sha256": definition.signed.sha256,
        "criteria_key": definition.signed.key,
        "criteria_locked": {"time": definition.time, "by": definition.by, "line": line.number},
        "version": definition.version,
        "log": [asdict(each) for each in log],
        "bundle": _bundle_facts(bundle, inspector),
        "evidence": evaluation.evidence.as_dict(),
        "milliseconds": _times(measured.milliseconds),
        "machine": _machine(inspector),
        "images": _images(inspected, dataset.root, dataset.hashes(dataset.samples)),
        "keenline": VERSION,
    }
    # Through JSON once, so that what is signed is what is read back.
    signed = write_signed(json.loads(json.dumps(content)), report, private)
    stage = _record(bundle, inspector, judgement, signed, definition, who)
    return Acceptance(
        judgement, evaluation.evidence, definition.criteria, signed, log, notes, stage
    )


def _require_unopened(file: Path, earlier: Sequence[SealEvent], again: str) -> None:
    if earlier and not again.strip():
        last = earlier[-1]
        raise DatasetError(
            Code.DATASET_SEALED,
            "This sealed set was opened before: it answers only once",
            where=file,
            got=f"{len(earlier)} openings, the last {last.time[:19]} by {last.who}: {last.why}",
            next="seal a new set; or --again with the reason, which the report will show",
        )


def _measured(
    evidence: Evidence, inspected: Sequence[tuple[Sample, Inspection]], origins: Origins
) -> Measured:
    alarms: defaultdict[str, list[bool]] = defaultdict(list)
    lights: Counter[str] = Counter()
    for sample, inspection in inspected:
        known = origins.of[sample.image]
        lights[known.light] += 1
        if known.part:
            alarms[known.part].append(inspection.decision.verdict is not Verdict.PASS)
    times = [i.milliseconds for _, i in inspected if i.decision.verdict is not Verdict.INVALID]
    return Measured(evidence, times, dict(alarms), dict(lights), platform.node())


def _notes(
    definition: Definition,
    file: Path,
    earlier: Sequence[SealEvent],
    line: SealEvent,
    measured: Measured,
    again: str,
) -> tuple[str, ...]:
    notes = []
    if earlier:
        notes.append(
            f"the sealed set was opened {_times_words(len(earlier))} before this, so that the "
            f"bounds no longer hold at 95 %; the reason given: {again.strip()}"
        )
    before = [each for each in earlier if each.number < line.number]
    if before:
        notes.append(
            f"the criteria were locked after the set had been opened {_times_words(len(before))}: "
            "they may have been chosen knowing its answers"
        )
    others = len({e.why for e in read_log(log_of(file)) if e.event == "locked"}) - 1
    if others:
        notes.append(f"other criteria locked for this set: {others}; its log names them")
    for name in unasked(definition.criteria, sealed_parts(file)):
        notes.append(f"the set shows {name}, of which no criterion asks anything")
    few = len(measured.milliseconds)
    if definition.criteria.time.milliseconds is not None and few < 100:
        notes.append(f"times rest on {few} images, the first of which may be slower than others")
    return (*notes, *measured.evidence.notes)


def _times_words(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _learnt_notes(inspector: Inspector, version: str) -> list[str]:
    """Where nothing shows that the bundle never learnt from the sealed images."""
    manifest = inspector.manifest
    learnt = {"the good parts": manifest.training.dataset_version}
    if manifest.taught is not None:
        learnt["the classes"] = manifest.taught.dataset_version
    notes = []
    for what, of in learnt.items():
        if not of:
            words = "were learnt from a folder: nothing shows that no sealed image was in it"
            notes.append(f"{what} {words}")
        elif of != version:
            notes.append(f"{what} were learnt from version {of[:12]}, not from this one")
    return notes


def _record(
    path: Path,
    inspector: Inspector,
    judgement: Judgement,
    report: Signed,
    definition: Definition,
    who: str,
) -> str:
    """The line of the answer, and of the stage where it is accepted; gives the stage."""
    bundle = inspector.bundle
    answer = "accepted" if judgement.accepted else "refused"
    facts = {
        "answer": answer,
        "criteria": definition.signed.sha256,
        "version": definition.version,
        "report": report.sha256,
    }
    why = definition.criteria.title
    if not judgement.accepted:
        why += f": {'; '.join(judgement.reasons)}"
    said = f"{answer}: {why}"
    append(
        path, "acceptance", who=who, why=said, before=bundle.sha256, after=bundle.sha256,
        facts=facts,
    )  # fmt: skip
    stage = bundle.manifest.stage
    if judgement.accepted and "accepted" in NEXT.get(stage, ()):
        words = f"{definition.criteria.title}, report {report.sha256[:12]}"
        moved = move(path, "accepted", who=who, why=words, facts={"report": report.sha256})
        stage = moved.manifest.stage
    return stage


def _bundle_facts(path: Path, inspector: Inspector) -> dict[str, Any]:
    manifest = inspector.manifest
    return {
        "file": path.name,
        "sha256": inspector.bundle.sha256,
        "stage": manifest.stage,
        "detector": manifest.detector,
        "created": manifest.created,
        "recipe_sha256": manifest.recipe_sha256,
        "part": manifest.recipe.part,
        "threshold": manifest.threshold.model_dump(mode="json"),
        "classes": [each.model_dump(mode="json") for each in manifest.classes],
        "authority": {c.name: c.authority.value for c in manifest.recipe.classes},
        "training": manifest.training.model_dump(mode="json"),
        "taught": None if manifest.taught is None else manifest.taught.model_dump(mode="json"),
        "updates": list(manifest.updates),
    }


def _machine(inspector: Inspector) -> dict[str, str]:
    facts = inspector.manifest.engine
    return {
        "station": platform.node(),
        "system": platform.platform(),
        "engine": f"{inspector.engine_version}, {facts.precision}",
    }


def _times(milliseconds: Sequence[float]) -> dict[str, float | int | None]:
    return {
        "images": len(milliseconds),
        "median": quantile(milliseconds, 0.5),
        "p99": quantile(milliseconds, 0.99),
        "largest": quantile(milliseconds, 1),
    }


def _images(
    inspected: Sequence[tuple[Sample, Inspection]], root: Path, hashes: Mapping[Path, str]
) -> list[dict[str, Any]]:
    return [
        {
            "path": sample.image.relative_to(root).as_posix(),
            "sha256": hashes[sample.image],
            "label": sample.label,
            "verdict": inspection.decision.verdict.value,
            "score": None if inspection.prediction is None else inspection.prediction.score,
            "classes": {}
            if inspection.prediction is None
            else dict(inspection.prediction.class_scores),
        }
        for sample, inspection in inspected
    ]
