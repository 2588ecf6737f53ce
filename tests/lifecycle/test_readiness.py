"""A class rejects only while every gate passes, and the decision really follows its authority."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.manifests import MEMBERS, manifest

from keenline.bundle import GRAPH, read_bundle, write_bundle
from keenline.bundle import ClassFacts as Learnt
from keenline.cli.station_bundle import BundleWatch
from keenline.decision import decide
from keenline.errors import Code, LifecycleError
from keenline.evaluation.evidence import evidence
from keenline.evaluation.intervals import Proportion
from keenline.evaluation.judged import JudgedImage
from keenline.lifecycle import authority
from keenline.lifecycle.changed import after_change
from keenline.lifecycle.class_facts import (
    agreement,
    class_facts,
    class_identity,
    record_drift,
    record_seeded,
    record_shadow,
)
from keenline.lifecycle.ledger import read_ledger, verify
from keenline.lifecycle.readiness import ClassFacts, readiness
from keenline.lifecycle.stages import move
from keenline.models.class_head import HEAD
from keenline.recipe import Recipe
from keenline.types import Authority, Prediction, Verdict

READY = ClassFacts(
    "dent",
    30,
    "same",
    seeded=Proportion.of(29, 29),
    seeded_of="same",
    shadow=agreement("dent", 59, 0),
    shadow_of="same",
    drift="quiet",
)


def learnt(name: str, parts: int) -> Learnt:
    return Learnt(name=name, images=parts, parts=parts, found=parts, tried=parts,
                  false_alarms=0, good=30)  # fmt: skip


def taught_bundle(folder: Path) -> Path:
    """A bundle that tells dents, learnt from enough parts, and scratches, learnt from too few."""
    path = folder / "part.keen"
    classes = (learnt("dent", 40), learnt("scratch", 12))
    write_bundle(path, manifest(classes=classes), MEMBERS)
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return taught_bundle(tmp_path)


def prove(path: Path, name: str = "dent") -> None:
    """Write down everything that the class must show."""
    shown = frozenset({name})
    seen = [JudgedImage(str(part), Verdict.REVIEW, shown, shown) for part in range(29)]
    found = evidence(seen, names_classes=True)
    assert record_seeded(path, found, who="Ana", data="v1") == [name]
    record_shadow(path, [agreement(name, 59, 0)], who="Ana", source="shadow.json")
    record_drift(path, {name: "quiet"}, who="Ana", source="drift.json")


def verdict(path: Path, name: str = "dent") -> Verdict:
    """Of a part on which the class is plainly seen."""
    known = read_bundle(path).manifest
    seen = Prediction(0.1, np.zeros((2, 2), np.float32), class_scores={name: 0.99})
    return decide(
        seen, threshold=1.25, recipe=known.recipe, training_counts=known.training_counts
    ).verdict


# The gates


def test_exactly_what_the_defaults_promise_is_enough() -> None:
    assert readiness(READY, Recipe()).is_ready


@pytest.mark.parametrize(
    ("short", "gate"),
    [
        ({"samples": 29}, "samples"),
        ({"seeded": None}, "seeded recall"),
        ({"seeded": Proportion.of(28, 28)}, "seeded recall"),
        ({"seeded": Proportion.of(29, 30)}, "seeded recall"),
        ({"seeded_of": "another"}, "seeded recall"),
        ({"shadow": None}, "shadow agreement"),
        ({"shadow": agreement("dent", 58, 0)}, "shadow agreement"),
        ({"shadow": agreement("dent", 60, 1)}, "shadow agreement"),
        ({"shadow_of": "another"}, "shadow agreement"),
        ({"drift": "drifting"}, "drift"),
        ({"drift": "not monitored"}, "drift"),
    ],
)
def test_one_gate_short_is_not_ready(short: dict[str, object], gate: str) -> None:
    found = readiness(replace(READY, **short), Recipe())  # type: ignore[arg-type]
    assert [each.name for each in found.broken] == [gate]
    assert found.why_not.startswith(gate)


def test_only_the_recipe_waives_what_nobody_watches() -> None:
    unwatched = replace(READY, drift="not monitored", shadow=None)
    waived = Recipe.model_validate({"readiness": {"drift": "waived", "shadow": "waived"}})
    assert not readiness(unwatched, Recipe()).is_ready
    assert readiness(unwatched, waived).is_ready


# Authority


def test_authority_takes_effect_in_the_decision_and_ends_there(bundle: Path) -> None:
    assert verdict(bundle) is Verdict.REVIEW
    prove(bundle)
    authority.grant(bundle, "dent", who="Ben", why="accepted in week 48")
    assert verdict(bundle) is Verdict.REJECT
    authority.withdraw(bundle, "dent", who="Ben", why="new tooling")
    assert verdict(bundle) is Verdict.REVIEW
    lines = [line for line in read_ledger(bundle) if line.event == "authority"]
    assert [line.facts["authority"] for line in lines] == ["flag -> reject", "reject -> flag"]
    assert lines[0].who == "Ben"
    assert "accepted in week 48" in lines[0].why
    assert lines[0].facts["samples"] == "pass: 40"
    assert verify(bundle).faults == ()
    assert len(read_bundle(bundle).manifest.updates) == 2


@pytest.mark.parametrize("name", ["dent", "scratch", "rust"])
def test_without_proof_nothing_is_granted(name: str, bundle: Path) -> None:
    if name == "scratch":
        prove(bundle, "scratch")  # but it was learnt from 12 parts
    before = bundle.read_bytes()
    with pytest.raises(LifecycleError) as caught:
        authority.grant(bundle, name, who="Ben", why="please")
    assert caught.value.code is Code.AUTHORITY_NOT_READY
    assert bundle.read_bytes() == before


def test_a_broken_gate_withdraws_by_itself(bundle: Path) -> None:
    prove(bundle)
    authority.grant(bundle, "dent", who="Ben", why="ready")
    assert authority.enforce(bundle, who="monitor") == ()
    record_drift(bundle, {"dent": "drifting"}, who="monitor", source="drift.json")
    (found,) = authority.enforce(bundle, who="monitor")
    assert (found.class_name, found.why_not) == (
        "dent",
        "drift: drifting, needs watched and quiet",
    )
    assert verdict(bundle) is Verdict.REVIEW
    last = read_ledger(bundle)[-1]
    assert (last.who, last.event) == ("monitor", "authority")
    assert "withdrawn automatically: drift" in last.why
    assert authority.enforce(bundle, who="monitor") == ()


def test_a_station_gives_up_what_was_withdrawn_and_nothing_else_by_itself(bundle: Path) -> None:
    prove(bundle)
    without = read_bundle(bundle).sha256
    authority.grant(bundle, "dent", who="Ben", why="ready")
    running = read_bundle(bundle).sha256
    watch = BundleWatch(bundle)
    assert watch.withdrawn(running) == ()
    record_drift(bundle, {"dent": "drifting"}, who="monitor", source="drift.json")
    assert watch.withdrawn(running) == ()
    authority.enforce(bundle, who="monitor")
    assert authority.withdrawn_since(bundle, running) == watch.withdrawn(running) == ("dent",)
    assert watch.withdrawn(running) == ()  # until a minute has gone by
    # A station that runs with what is there now, or with what came before the grant, waits.
    assert authority.withdrawn_since(bundle, read_bundle(bundle).sha256) == ()
    assert authority.withdrawn_since(bundle, without) == ()
    move(bundle, "shadow", who="Ada", why="once more")
    assert BundleWatch(bundle).withdrawn(running) == ()
    # The file, changed without a line.
    known = read_bundle(bundle)
    write_bundle(bundle, known.manifest.model_copy(update={"updates": ("x",)}), known.members)
    assert BundleWatch(bundle).withdrawn(running) == ()


@pytest.mark.parametrize("changes", ["bank", "threshold", "head"])
def test_authority_outlives_more_good_parts_but_not_another_class(
    changes: str, bundle: Path
) -> None:
    known = read_bundle(bundle)
    members = dict(known.members) | {HEAD: b"head"}
    write_bundle(bundle, known.manifest, members)
    prove(bundle)
    granted = authority.grant(bundle, "dent", who="Ben", why="ready")
    move(bundle, "accepted", who="Ben", why="report")
    known = read_bundle(bundle)
    now = known.manifest
    if changes == "bank":
        members[GRAPH] = b"graph with a larger bank"
    elif changes == "head":
        members[HEAD] = b"another head"
    else:
        (dent,) = now.recipe.classes
        recipe = now.recipe.model_copy(
            update={"classes": (dent.model_copy(update={"threshold": 0.6}),)}
        )
        now = now.model_copy(update={"recipe": recipe, "recipe_sha256": recipe.sha256})
    write_bundle(bundle, now, members)
    after_change(bundle, "learnt", who="Eva", why=changes, before=known.sha256)
    assert verify(bundle).faults == ()
    assert read_bundle(bundle).manifest.stage == "trained"
    assert granted.manifest.recipe.classes[0].authority is Authority.REJECT
    assert verdict(bundle) is (Verdict.REJECT if changes == "bank" else Verdict.REVIEW)


def test_what_was_measured_is_of_one_class_and_one_bundle(bundle: Path) -> None:
    known = read_bundle(bundle)
    assert class_identity(known, "dent") != class_identity(known, "scratch")
    prove(bundle)
    facts = class_facts(bundle)
    assert facts["dent"].seeded == Proportion.of(29, 29)
    assert facts["scratch"].seeded is None
    with pytest.raises(LifecycleError) as caught:
        record_shadow(bundle, [agreement("rust", 5, 0)], who="Ana", source="x")
    assert caught.value.code is Code.READINESS_FACTS


# Stages and the bundle under its ledger


def test_nothing_becomes_live_that_was_not_accepted(bundle: Path) -> None:
    with pytest.raises(LifecycleError) as caught:
        move(bundle, "live", who="Ana", why="hurry")
    assert caught.value.code is Code.STAGE_ORDER
    move(bundle, "accepted", who="Ana", why="report 1")
    assert move(bundle, "live", who="Ana", why="start").manifest.stage == "live"


def test_a_bundle_changed_behind_the_ledger_is_found(bundle: Path) -> None:
    move(bundle, "shadow", who="Ana", why="start")
    known = read_bundle(bundle)
    forged = known.manifest.model_copy(update={"stage": "live"})
    write_bundle(bundle, forged, known.members)
    (fault,) = verify(bundle).faults
    assert "changed without a line" in fault
    move(bundle, "accepted", who="Ana", why="go on")
    (fault,) = verify(bundle).faults  # also when the ledger goes on over it
    assert fault.startswith("before line 2 the bundle was changed without a line")
