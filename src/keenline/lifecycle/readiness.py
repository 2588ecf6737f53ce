"""What is known of a class turned into a checklist: may it reject on its own, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from keenline.bundle import Manifest
from keenline.evaluation.intervals import CONFIDENCE, Proportion, parts_needed
from keenline.recipe import DefectClass, Recipe
from keenline.types import Authority

DriftState: TypeAlias = Literal["quiet", "drifting", "not monitored"]


@dataclass(frozen=True, slots=True)
class ShadowAgreement:
    """How often a class said the same in shadow mode as who really decided."""

    class_name: str
    compared: int
    """Parts on which the two can be compared."""
    disagreed: int
    lower_bound: float
    """Of the share that agrees, 0..1, one-sided at 95 %."""


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """Everything known of one class when the question is asked; None: nobody measured it."""

    name: str
    samples: int
    """Confirmed training samples: physical parts."""
    identity: str
    """Of what would reject now (`class_identity`): what was measured of another proves nothing."""
    seeded: Proportion | None = None
    """Seeded parts of the class that were recognised as it."""
    seeded_of: str = ""
    """The identity that it was measured of."""
    shadow: ShadowAgreement | None = None
    shadow_of: str = ""
    drift: DriftState = "not monitored"


@dataclass(frozen=True, slots=True)
class Gate:
    """One line of the checklist."""

    name: Literal["samples", "seeded recall", "shadow agreement", "drift"]
    passes: bool
    needs: str
    has: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checklist of one class."""

    class_name: str
    authority: Authority
    """What the class may do now."""
    gates: tuple[Gate, ...]

    @property
    def is_ready(self) -> bool:
        """Whether every gate passes."""
        return all(gate.passes for gate in self.gates)

    @property
    def broken(self) -> tuple[Gate, ...]:
        """Gates that do not pass."""
        return tuple(gate for gate in self.gates if not gate.passes)

    @property
    def must_be_withdrawn(self) -> bool:
        """Whether the class rejects although a gate is broken."""
        return self.authority is Authority.REJECT and not self.is_ready

    @property
    def why_not(self) -> str:
        """The broken gates in one sentence; empty where none is."""
        return "; ".join(f"{g.name}: {g.has}, needs {g.needs}" for g in self.broken)

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "class": self.class_name,
            "authority": self.authority.value,
            "ready": self.is_ready,
            "gates": [
                {"name": g.name, "passes": g.passes, "needs": g.needs, "has": g.has}
                for g in self.gates
            ],
        }


_BEFORE = ", but measured before the class or its threshold was changed"


def readiness(facts: ClassFacts, recipe: Recipe) -> Readiness:
    """The checklist of a class under the gates of a recipe; pure."""
    return Readiness(
        facts.name,
        authority_of(recipe, facts.name),
        (
            _samples(facts, recipe),
            _recall(facts, recipe),
            _shadow(facts, recipe),
            _drift(facts, recipe),
        ),
    )


def authority_of(recipe: Recipe, name: str) -> Authority:
    """What a class may do; one that the recipe does not name only flags."""
    return next((c.authority for c in recipe.classes if c.name == name), Authority.FLAG)


def with_authority(manifest: Manifest, name: str, authority: Authority) -> Manifest:
    """The manifest whose recipe gives a class this authority: there `decide` looks for it."""
    recipe = manifest.recipe
    known: Mapping[str, DefectClass] = {each.name: each for each in recipe.classes}
    changed = known.get(name, DefectClass(name=name)).model_copy(update={"authority": authority})
    classes = tuple((dict(known) | {name: changed}).values())
    # Validated anew, so that what was said explicitly is what a recipe may say.
    recipe = Recipe.model_validate(
        recipe.model_copy(update={"classes": classes}).model_dump(by_alias=True)
    )
    return manifest.model_copy(update={"recipe": recipe, "recipe_sha256": recipe.sha256})


def _samples(facts: ClassFacts, recipe: Recipe) -> Gate:
    least = recipe.gates.minimum_samples_to_reject
    return Gate("samples", facts.samples >= least, f"{least} parts learnt from", f"{facts.samples}")


def _recall(facts: ClassFacts, recipe: Recipe) -> Gate:
    least = recipe.readiness.recall
    needs = f"{_percent(least)} proven at {100 * CONFIDENCE:.0f} %"
    share = facts.seeded
    if share is None:
        few = parts_needed(least)
        has = f"not measured; {few} seeded parts without a miss would prove it"
        return Gate("seeded recall", False, needs, has)
    has = f"{_percent(share.lower95)} proven, {share.events} of {share.n} recognised"
    if facts.seeded_of != facts.identity:
        return Gate("seeded recall", False, needs, f"{has}{_BEFORE}")
    return Gate("seeded recall", share.lower95 >= least, needs, has)


def _shadow(facts: ClassFacts, recipe: Recipe) -> Gate:
    least = recipe.readiness.agreement
    needs = f"{_percent(least)} proven at {100 * CONFIDENCE:.0f} %"
    if recipe.readiness.shadow == "waived":
        return Gate("shadow agreement", True, "waived by the recipe", "waived")
    shadow = facts.shadow
    if shadow is None:
        return Gate("shadow agreement", False, needs, "never ran in shadow mode")
    agreed = shadow.compared - shadow.disagreed
    has = f"{_percent(shadow.lower_bound)} proven, {agreed} of {shadow.compared} alike"
    if facts.shadow_of != facts.identity:
        return Gate("shadow agreement", False, needs, f"{has}{_BEFORE}")
    return Gate("shadow agreement", shadow.lower_bound >= least, needs, has)


def _drift(facts: ClassFacts, recipe: Recipe) -> Gate:
    if recipe.readiness.drift == "waived":
        return Gate("drift", True, "waived by the recipe", "waived")
    return Gate("drift", facts.drift == "quiet", "watched and quiet", facts.drift)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
