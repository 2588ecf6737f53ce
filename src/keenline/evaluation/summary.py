"""Turns inspections of labelled images into one evaluation: what an acceptance file states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median

from keenline.evaluation.evidence import Evidence
from keenline.evaluation.intervals import Proportion
from keenline.evaluation.metrics import PixelMetrics, auroc, average_precision, f1_max
from keenline.types import GOOD, Inspection, Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a bundle does on labelled images. Undefined numbers are None, never NaN.

    INVALID never passes, so an INVALID image is no escape; but nothing was recognised either, so
    it counts neither as found nor as missed, neither as false alarm nor as correct. It is left out
    of every rate and ranking and counted in `invalid` instead.
    """

    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None
    """Best F1 over all thresholds: a property of the ranking, not of the bundle's threshold."""
    pixel_auroc: float | None
    pixel_ap: float | None
    au_pro: float | None
    """Up to a pixel false-alarm rate of 0.3."""
    au_pro_05: float | None
    """Up to a pixel false-alarm rate of 0.05."""
    masked_images: int
    """Images the pixel metrics rest on, good ones included."""
    threshold: float
    statement: str
    """What may be said about the threshold; see `operating_point.Threshold.statement`."""
    false_alarm_rate: Proportion
    """Good images with a verdict of REVIEW or REJECT, among good images inspected."""
    recall: Mapping[str, Proportion]
    """By defect class: images with a verdict of REVIEW or REJECT, among those inspected."""
    recall_overall: Proportion
    verdicts: Mapping[str, int]
    """Images by verdict, all four always present."""
    invalid: Mapping[str, int]
    """INVALID images by label; empty when there are none."""
    ms_per_image: float | None
    """Median time from decoded image to verdict."""
    ms_p95: float | None
    evidence: Evidence | None = None
    """The same in parts, by class, with origins and sizes. The rates above count images."""

    def as_dict(self) -> dict[str, object]:
        """JSON values under the keys of `keenline evaluate --json`."""
        return {
            "image_auroc": self.image_auroc,
            "image_ap": self.image_ap,
            "image_f1_max": self.image_f1_max,
            "pixel_auroc": self.pixel_auroc,
            "pixel_ap": self.pixel_ap,
            "au_pro": self.au_pro,
            "au_pro_05": self.au_pro_05,
            "threshold": self.threshold,
            "statement": self.statement,
            "false_alarm_rate": asdict(self.false_alarm_rate),
            "recall": {name: asdict(share) for name, share in self.recall.items()},
            "recall_overall": asdict(self.recall_overall),
            "verdicts": dict(self.verdicts),
            "invalid": dict(self.invalid),
            "masked_images": self.masked_images,
            "ms_per_image": self.ms_per_image,
            "ms_p95": self.ms_p95,
            "evidence": None if self.evidence is None else self.evidence.as_dict(),
        }


def summarise(
    inspected: Iterable[tuple[str, Inspection]],
    *,
    threshold: float,
    statement: str = "",
    pixels: PixelMetrics | None = None,
    evidence: Evidence | None = None,
) -> Evaluation:
    """Summarise (label, inspection) pairs; `pixels` has already seen the maps with a mask."""
    pairs = list(inspected)
    valid = [(label, item) for label, item in pairs if item.decision.verdict != Verdict.INVALID]
    good = [_score(item) for label, item in valid if label == GOOD]
    defective = [_score(item) for label, item in valid if label != GOOD]
    ranked = bool(good and defective)
    times = sorted(item.milliseconds for _, item in valid)
    classes = sorted({label for label, _ in pairs if label != GOOD})
    verdicts = Counter(item.decision.verdict for _, item in pairs)
    return Evaluation(
        image_auroc=auroc(good, defective) if ranked else None,
        image_ap=average_precision(good, defective) if ranked else None,
        image_f1_max=f1_max(good, defective)[0] if ranked else None,
        pixel_auroc=pixels.auroc() if pixels else None,
        pixel_ap=pixels.average_precision() if pixels else None,
        au_pro=pixels.au_pro() if pixels else None,
        au_pro_05=pixels.au_pro(0.05) if pixels else None,
        masked_images=pixels.images if pixels else 0,
        threshold=threshold,
        statement=statement,
        false_alarm_rate=_alarms(valid, {GOOD}),
        recall={name: _alarms(valid, {name}) for name in classes},
        recall_overall=_alarms(valid, set(classes)),
        verdicts={verdict.value: verdicts[verdict] for verdict in Verdict},
        invalid=_invalid(pairs),
        ms_per_image=median(times) if times else None,
        ms_p95=times[min(len(times) - 1, int(0.95 * len(times)))] if times else None,
        evidence=evidence,
    )


def _alarms(valid: list[tuple[str, Inspection]], labels: set[str]) -> Proportion:
    verdicts = [item.decision.verdict for label, item in valid if label in labels]
    return Proportion.of(sum(verdict != Verdict.PASS for verdict in verdicts), len(verdicts))


def _invalid(pairs: list[tuple[str, Inspection]]) -> dict[str, int]:
    counts = Counter(label for label, item in pairs if item.decision.verdict == Verdict.INVALID)
    return dict(sorted(counts.items()))


def _score(item: Inspection) -> float:
    if item.prediction is None:
        raise ValueError(f"a verdict of {item.decision.verdict} without a prediction: {item.image}")
    return item.prediction.score
