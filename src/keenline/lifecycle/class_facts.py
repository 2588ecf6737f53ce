"""A bundle and its ledger turned into what is known of each class, and measurements into lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from keenline.bundle import GRAPH, Bundle, read_bundle
from keenline.errors import Code, LifecycleError
from keenline.evaluation.evidence import Evidence
from keenline.evaluation.intervals import Proportion, recall_lower_bound
from keenline.lifecycle.ledger import LedgerLine, append, read_ledger
from keenline.lifecycle.readiness import ClassFacts, DriftState, ShadowAgreement
from keenline.models.class_head import HEAD
from keenline.recipe import DefectClass


def class_identity(bundle: Bundle, name: str) -> str:
    """A sha256 that stays the same as long as the class says the same of every image.

    It is of the head that tells the classes (of the whole graph where there is none), of how an
    image is brought to it, and of the class's threshold and band: good parts added to the bank, or
    an authority granted, change the bundle but not what the class says.
    """
    manifest = bundle.manifest
    recipe = manifest.recipe
    defect = next((each for each in recipe.classes if each.name == name), DefectClass(name=name))
    band = recipe.gates.uncertain_band if defect.uncertain_band is None else defect.uncertain_band
    learnt = bundle.members.get(HEAD, bundle.members[GRAPH])
    said = {
        "class": name,
        "learnt": hashlib.sha256(learnt).hexdigest(),
        "framing": manifest.framing.model_dump(mode="json"),
        "inspect": recipe.inspect.model_dump(mode="json"),
        "threshold": defect.threshold,
        "band": band,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def class_facts(path: Path) -> dict[str, ClassFacts]:
    """What is known of each class that a bundle tells apart: the newest word of its ledger counts.

    Raises BundleError, StoreError (AUDIT_BROKEN).
    """
    bundle = read_bundle(path)
    counts = bundle.manifest.training_counts
    facts = {
        name: ClassFacts(name, samples, class_identity(bundle, name))
        for name, samples in counts.items()
    }
    for line in read_ledger(path):
        name = line.facts.get("class", "")
        if line.event == "evidence" and name in facts:
            facts[name] = _with(facts[name], line)
    return facts


def record_seeded(path: Path, found: Evidence, *, who: str, data: str) -> list[str]:
    """Write down how many seeded parts of each class were recognised as it.

    data: what was inspected, with its sha256. Gives the classes written down: those that the bundle
    tells apart and of which a part was judged. Raises as `class_facts` does, and OutputError.
    """
    bundle = read_bundle(path)
    known = bundle.manifest.training_counts
    written = []
    for each in found.classes:
        if each.name not in known or each.recognised is None or not each.recognised.n:
            continue
        share = each.recognised
        facts = {"kind": "seeded", "events": str(share.events), "n": str(share.n), "data": data}
        why = f"seeded check: {share.events} of {share.n} parts of {each.name} recognised"
        _write(path, bundle, each.name, facts, who=who, why=why)
        written.append(each.name)
    return written


def record_shadow(path: Path, found: Iterable[ShadowAgreement], *, who: str, source: str) -> None:
    """Write down how classes agreed in shadow mode.

    source: where the comparison is kept. Raises LifecycleError (READINESS_FACTS) for a class that
    the bundle does not know or counts that cannot be; else as `class_facts` does, and OutputError.
    """
    bundle = read_bundle(path)
    for each in found:
        _require_known(path, bundle, each.class_name)
        if not 0 <= each.disagreed <= each.compared:
            raise _unusable(path, f"{each.class_name}: {each.disagreed} of {each.compared}")
        facts = {
            "kind": "shadow",
            "compared": str(each.compared),
            "disagreed": str(each.disagreed),
            "source": source,
        }
        why = f"shadow mode: {each.disagreed} of {each.compared} parts not alike"
        _write(path, bundle, each.class_name, facts, who=who, why=why)


def record_drift(path: Path, states: Mapping[str, DriftState], *, who: str, source: str) -> None:
    """Write down whether what classes rest on has drifted; raises as `record_shadow` does."""
    bundle = read_bundle(path)
    for name, state in states.items():
        _require_known(path, bundle, name)
        if state not in get_args(DriftState):
            raise _unusable(path, f"{name}: {state!r}; allowed: {', '.join(get_args(DriftState))}")
        facts = {"kind": "drift", "state": state, "source": source}
        _write(path, bundle, name, facts, who=who, why=f"drift: {state}")


def agreement(class_name: str, compared: int, disagreed: int) -> ShadowAgreement:
    """The counts with their exact bound; raises ValueError for counts that cannot be."""
    bound = recall_lower_bound(compared - disagreed, compared)
    return ShadowAgreement(class_name, compared, disagreed, bound)


def _with(facts: ClassFacts, line: LedgerLine) -> ClassFacts:
    said = line.facts
    of = said["identity"]
    if said["kind"] == "seeded":
        share = Proportion.of(int(said["events"]), int(said["n"]))
        return replace(facts, seeded=share, seeded_of=of)
    if said["kind"] == "shadow":
        shadow = agreement(facts.name, int(said["compared"]), int(said["disagreed"]))
        return replace(facts, shadow=shadow, shadow_of=of)
    state = next(each for each in get_args(DriftState) if each == said["state"])
    return replace(facts, drift=state)


def _write(
    path: Path, bundle: Bundle, name: str, facts: Mapping[str, str], *, who: str, why: str
) -> None:
    said = {"class": name, "identity": class_identity(bundle, name), **facts}
    append(
        path, "evidence", who=who, why=why, before=bundle.sha256, after=bundle.sha256, facts=said
    )


def _require_known(path: Path, bundle: Bundle, name: str) -> None:
    known = bundle.manifest.training_counts
    if name not in known:
        raise _unusable(
            path, f"class {name!r}; the bundle tells apart: {', '.join(known) or 'none'}"
        )


def _unusable(path: Path, got: str) -> LifecycleError:
    return LifecycleError(
        Code.READINESS_FACTS,
        "Facts for the readiness of a class cannot be used",
        where=path,
        got=got,
        next="docs/acceptance.md says what they hold",
    )
