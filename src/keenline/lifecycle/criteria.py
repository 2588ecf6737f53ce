"""Turns a TOML file into the criteria of an acceptance: what must be proven, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from keenline.errors import Code, LifecycleError
from keenline.evaluation.knapp import REJECT_ZONE, VIEWS, Human
from keenline.strict_toml import StrictTable, TomlFaults, parse_strictly
from keenline.value_words import Words

_Share = Annotated[float, Field(ge=0.0001, le=0.5)]


class About(StrictTable):
    """`[about]`: what people need to know; printed in the report, judged by nobody."""

    part: str = ""
    part_number: str = ""
    drawing: str = ""
    """Drawing and change level."""
    supplier: str = ""
    customer: str = ""
    level: str = ""
    """Of submission (PPAP), or of the agreement."""
    reason: str = ""
    """Why it is accepted now: a new part, a change of tooling."""
    task: str = ""
    """What is to be inspected, and what is not."""


class ClassCriterion(StrictTable):
    """`[[classes]]`: what must be proven of one defect class."""

    name: str = Field(min_length=1)
    recall: float | None = Field(default=None, ge=0.5, le=0.9999)
    """Least lower bound, one-sided at 95 %, of the share of its parts that do not pass."""
    recognised: float | None = Field(default=None, ge=0.5, le=0.9999)
    """The same of the share on which this class is named."""
    false_alarms: _Share | None = None
    """Largest upper bound of the share of good parts on which this class is named."""


class GoodCriterion(StrictTable):
    """`[good]`: what must be proven of good parts."""

    false_alarms: _Share | None = None
    """Largest upper bound, one-sided at 95 %, of the share of good parts that do not pass."""


class TimeCriterion(StrictTable):
    """`[time]`: how long the inspection of one image may take, decoded image to verdict."""

    milliseconds: float | None = Field(default=None, gt=0)
    share: float = Field(default=0.99, ge=0.5, le=1)
    """Share of the images that must be that fast; 1: all."""


class Environment(StrictTable):
    """`[environment]`: under which conditions all this must hold."""

    light: str = ""
    """The light set-up that the provenance of every sealed image must name."""
    station: str = ""
    """Name of the computer that must run the acceptance."""


class KnappUnit(StrictTable):
    """`[[knapp.units]]`: how people judged one unit."""

    part: str = Field(min_length=1)
    """As the provenance of its images names it."""
    rejected: int = Field(ge=0)
    """Views in which a person rejected it."""
    views: int = Field(ge=1)


class KnappCriterion(StrictTable):
    """`[knapp]`: the machine must find rejectable units at least as surely as people do."""

    views: int = Field(default=VIEWS, ge=1)
    """Images of each unit that must be in the sealed set."""
    reject_zone: float = Field(default=REJECT_ZONE, gt=0, le=1)
    """A unit that people reject in this share of their views belongs into the reject zone."""
    units: tuple[KnappUnit, ...] = Field(default=(), strict=False)

    @property
    def humans(self) -> tuple[Human, ...]:
        """How people judged each unit."""
        return tuple(Human(unit.part, unit.rejected, unit.views) for unit in self.units)


class Criteria(StrictTable):
    """What a bundle must show on a sealed set to be accepted."""

    # `schema` itself is a name that pydantic keeps.
    schema_version: Annotated[int, Field(ge=1, le=1), Words("1")] = Field(default=1, alias="schema")
    """Of this form of criteria."""
    title: str = Field(min_length=1)
    standard: str = ""
    """After which these criteria are made; for people."""
    rule: Literal["each image", "together"] = "each image"
    """How several images of one part count: as `--views-together` of `keenline evaluate`."""
    invalid_parts: int = Field(default=0, ge=0)
    """Parts that may end INVALID, at most: they are in no rate."""
    about: About = About()
    classes: tuple[ClassCriterion, ...] = Field(default=(), strict=False)
    good: GoodCriterion = GoodCriterion()
    time: TimeCriterion = TimeCriterion()
    environment: Environment = Environment()
    knapp: KnappCriterion = KnappCriterion()


def load_criteria(path: Path) -> Criteria:
    """The criteria in a TOML file.

    Raises LifecycleError (ACCEPTANCE_CRITERIA) with every fault and its line.
    """
    try:
        criteria = parse_strictly(path.read_text("utf-8-sig"), Criteria)
    except OSError as error:
        raise _unusable(path, [error.strerror or type(error).__name__]) from error
    except UnicodeDecodeError as error:
        raise _unusable(path, ["it is not UTF-8 text"]) from error
    except TomlFaults as faults:
        raise _unusable(
            path, [f"line {each.line}: {each.key} {each.message}" for each in faults.faults]
        ) from faults
    wrong = faults_in(criteria)
    if wrong:
        raise _unusable(path, wrong)
    return criteria


def faults_in(criteria: Criteria) -> list[str]:
    """What no single value shows: a class named twice, criteria that prove nothing."""
    names = [each.name for each in criteria.classes]
    faults = [f"class {n} is named {names.count(n)} times" for n in dict.fromkeys(names)
              if names.count(n) > 1]  # fmt: skip
    for each in criteria.classes:
        if each.recall is None and each.recognised is None:
            faults.append(f"class {each.name}: neither recall nor recognised is asked for")
    if criteria.good.false_alarms is None:
        faults.append("good.false_alarms is missing: a bundle that passes nothing would do")
    if not criteria.classes and not criteria.knapp.units:
        faults.append("no class is asked for: a bundle that passes everything would do")
    units = [unit.part for unit in criteria.knapp.units]
    faults += [f"knapp: {unit} is there twice" for unit in sorted({u for u in units
               if units.count(u) > 1})]  # fmt: skip
    faults += [
        f"knapp: {unit.part} was rejected in {unit.rejected} of {unit.views} views"
        for unit in criteria.knapp.units
        if unit.rejected > unit.views
    ]
    return faults


def _unusable(path: Path, problems: Sequence[str]) -> LifecycleError:
    return LifecycleError(
        Code.ACCEPTANCE_CRITERIA,
        "The criteria cannot be used",
        where=path,
        problems=problems,
        next="docs/acceptance.md lists every key",
    )
