"""What a report is made of: facts, rows and findings, before any of it becomes a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from keenline.evaluation.summary import Evaluation
from keenline.types import GOOD, Image, Inspection, Region, Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """One region, what is seen there and what a good part looks like there."""

    region: Region
    crop: Image | None = None
    """What is seen; cut from the image by the report when None."""
    normal_patch: Image | None = None
    """The nearest normal patch the bundle learnt from, at the scale of `crop`."""
    normal_source: str = ""
    """Which learning image `normal_patch` is from, for people."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One image inspected, with what is known about it."""

    image: Path
    inspection: Inspection
    label: str | None = None
    """`GOOD`, a defect class, or None when nobody said."""
    mask: Path | None = None
    findings: tuple[Finding, ...] = ()
    """Most conspicuous first; empty: the regions of the prediction are shown instead."""
    part: str = ""
    """The physical part; empty: the image stands for itself."""

    @property
    def score(self) -> float | None:
        """Raw score; None when the image could not be inspected."""
        prediction = self.inspection.prediction
        return None if prediction is None else prediction.score

    @property
    def verdict(self) -> Verdict:
        """What became of it."""
        return self.inspection.decision.verdict

    @property
    def alarmed(self) -> bool:
        """Whether it was flagged or rejected; INVALID is neither."""
        return self.verdict in (Verdict.REVIEW, Verdict.REJECT)

    @property
    def is_miss(self) -> bool:
        """A defective part that passed."""
        return self.label not in (None, GOOD) and self.verdict == Verdict.PASS

    @property
    def is_false_alarm(self) -> bool:
        """A good part that was flagged or rejected."""
        return self.label == GOOD and self.alarmed


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not inspected, and why."""

    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything one report says."""

    title: str
    """The part, in the user's words."""
    created: datetime
    """With time zone."""
    rows: tuple[ReportRow, ...]
    threshold: float
    statement: str
    """What may be said about the threshold."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Bundle, stage, hashes, engine, precision, data set, in the order to be printed."""
    evaluation: Evaluation | None = None
    """None when the images carry no labels."""
    class_maps: str = ""
    """What the maps of classes are, for people, such as `class activation`; empty without."""
    skipped: tuple[Skipped, ...] = ()

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """Rows by verdict, all four always present."""
        counts = Counter(row.verdict for row in self.rows)
        return {verdict: counts[verdict] for verdict in Verdict}
