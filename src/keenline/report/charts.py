"""Turns scores and rates into charts: inline SVG that follows the page's colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.intervals import Proportion

_WIDTH, _HEIGHT = 560.0, 300.0
_BARS = 48
_LOGARITHMIC_FROM = 12.0
"""Highest score over threshold from which the axis becomes logarithmic."""

Scores = NDArray[np.float64]


def histogram(good: Scores, defective: Scores, threshold: float, names: tuple[str, str]) -> str:
    """Scores of two groups above one axis, each (n,), with the threshold as a line through both.

    A group without scores is left out. `names` are what the groups are called.
    """
    groups = [
        (name, css, scores)
        for name, css, scores in zip(names, ("good", "bad"), (good, defective), strict=True)
        if scores.size
    ]
    if not groups:
        return ""
    everything = np.concatenate([scores for _, _, scores in groups])
    axis = _Axis(everything, threshold, 46.0, _WIDTH - 14)
    at = axis(threshold)
    top, bottom = 26.0, _HEIGHT - 40
    tall = (bottom - top - 16 * (len(groups) - 1)) / len(groups)
    parts = []
    for index, (name, css, scores) in enumerate(groups):
        base = top + tall + index * (tall + 16)
        parts += _bars(axis, scores, base, tall - 18, css)
        # On the side that the threshold line does not cross.
        edge, anchor = (axis.left + 2, "start") if at > 0.4 * _WIDTH else (_WIDTH - 14, "end")
        told_n = f"{name} (n = {scores.size})"
        parts.append(text(edge, base - tall + 12, told_n, css, anchor))
    parts.append(f'<line class="limit" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 8}" y2="{bottom}"/>')
    side, shift = ("end", -4) if at > 0.6 * _WIDTH else ("start", 4)
    parts.append(text(at + shift, top - 12, f"threshold {threshold:.4g}", "limit-name", side))
    parts += [
        text(axis(value), bottom + 16, f"{value:.4g}", "tick", "middle") for value in axis.ticks()
    ]
    scale = ", logarithmic" if axis.logarithmic else ""
    parts.append(text(_WIDTH / 2, _HEIGHT - 6, f"score of the image{scale}", "axis", "middle"))
    told = "; ".join(
        f"{name}: {scores.size} images, {int((scores > threshold).sum())} above the threshold"
        for name, _, scores in groups
    )
    return svg(_WIDTH, _HEIGHT, f"Histogram of scores. {told}.", parts)


def roc(false_alarms: Scores, recall: Scores, point: tuple[float, float]) -> str:
    """The ROC curve, each (points,), ascending, with the bundle's own operating point."""
    left, right, top, bottom = 58.0, 308.0, 18.0, _HEIGHT - 40

    def x(rate: float) -> float:
        return left + rate * (right - left)

    def y(rate: float) -> float:
        return bottom - rate * (bottom - top)

    parts = [f'<rect class="frame" x="{left}" y="{top}" width="250" height="{bottom - top}"/>']
    for share in (0.0, 0.5, 1.0):
        parts.append(text(x(share), bottom + 16, f"{share:g}", "tick", "middle"))
        parts.append(text(left - 6, y(share) + 4, f"{share:g}", "tick", "end"))
    parts.append(f'<path class="chance" d="M{x(0)},{y(0)}L{x(1)},{y(1)}"/>')
    line = "L".join(f"{x(a):.1f},{y(b):.1f}" for a, b in _corners(false_alarms, recall))
    parts.append(f'<path class="curve" d="M{line}"/>')
    px, py = x(point[0]), y(point[1])
    parts.append(f'<circle class="point" cx="{px:.1f}" cy="{py:.1f}" r="5"/>')
    parts.append(text(right + 16, top + 14, "At the threshold", "strong"))
    parts.append(text(right + 16, top + 36, f"recall {100 * point[1]:.1f} %", ""))
    parts.append(text(right + 16, top + 56, f"false alarms {100 * point[0]:.1f} %", ""))
    parts.append(text((left + right) / 2, _HEIGHT - 6, "false-alarm rate", "axis", "middle"))
    turned = f'transform="rotate(-90 16 {(top + bottom) / 2})"'
    parts.append(text(16, (top + bottom) / 2, "recall", "axis", "middle", turned))
    told = f"ROC curve. At the threshold recall is {point[1]:.3f} at a false-alarm rate of"
    return svg(500.0, _HEIGHT, f"{told} {point[0]:.3f}.", parts)


def bound_bar(share: Proportion, upper: bool) -> str:
    """A rate as a bar from 0 to 1: the value as a mark, its one-sided 95 % bound as a whisker."""
    if share.value is None:
        return ""
    bound = share.upper95 if upper else share.lower95
    low, high = sorted((share.value, bound))
    at = min(157.0, max(0.0, 160 * share.value - 1.5))
    parts = [
        rect("track", 0, 7, 160, 4),
        rect("reach", 160 * low, 5, 160 * (high - low), 8),
        rect("mark", at, 1, 3, 16),
    ]
    word = "at most" if upper else "at least"
    return svg(160.0, 18.0, f"{100 * share.value:.1f} %, {word} {100 * bound:.1f} %", parts)


class _Axis:
    """Where a score lies on the page, linear, or logarithmic when scores span decades."""

    def __init__(self, scores: Scores, threshold: float, left: float, right: float) -> None:
        self.left, self._width = left, right - left
        highest = max(float(scores.max()), threshold)
        lowest = min(float(scores.min()), threshold)
        self.logarithmic = lowest > 0 and threshold > 0 and highest > _LOGARITHMIC_FROM * threshold
        scale: Callable[[float], float] = math.log10 if self.logarithmic else float
        self._scale = scale
        self._low, self._high = scale(lowest), scale(highest)
        if self._high <= self._low:
            self._low, self._high = self._low - 0.5, self._high + 0.5
        # Bars end at the threshold: none holds scores from both sides of it.
        bar = (self._high - self._low) / (_BARS - 2)
        limit = scale(threshold)
        self._low = limit - (math.floor((limit - self._low) / bar) + 1) * bar
        self._high = self._low + _BARS * bar

    def __call__(self, score: float) -> float:
        return self.left + self._width * self._share(self._scale(score))

    def bars(self, scores: Scores) -> NDArray[np.int64]:
        """How many scores lie in each bar, (bars,)."""
        values = np.log10(scores) if self.logarithmic else scores
        place = (values - self._low) / (self._high - self._low)
        bars = np.ceil(np.round(place * _BARS, 9)).astype(int) - 1  # an equal score passes
        return np.bincount(np.clip(bars, 0, _BARS - 1), minlength=_BARS)

    def edge(self, bar: int) -> float:
        """Where bar `bar` begins."""
        return self.left + self._width * bar / _BARS

    def ticks(self) -> list[float]:
        """Round scores, about six."""
        if self.logarithmic:
            decades = range(math.floor(self._low), math.ceil(self._high) + 1)
            values = [factor * 10.0**power for power in decades for factor in (1, 2, 5)]
            return [v for v in values if self._low <= math.log10(v) <= self._high]
        rough = (self._high - self._low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        return [index * step for index in range(first, last + 1)]

    def _share(self, value: float) -> float:
        return (value - self._low) / (self._high - self._low)


def _bars(axis: _Axis, scores: Scores, base: float, tall: float, css: str) -> list[str]:
    counts = axis.bars(scores)
    most = int(counts.max())
    wide = axis.edge(1) - axis.edge(0) - 1
    parts = [
        rect(css, axis.edge(bar) + 0.5, base - tall * count / most, wide, tall * count / most)
        for bar, count in enumerate(counts)
        if count
    ]
    end = _WIDTH - 14
    parts.append(f'<line class="base" x1="{axis.left}" x2="{end}" y1="{base}" y2="{base}"/>')
    parts.append(text(axis.left - 6, base - tall + 9, str(most), "tick", "end"))
    parts.append(text(axis.left - 6, base, "0", "tick", "end"))
    return parts


def _corners(xs: Scores, ys: Scores) -> Iterator[tuple[float, float]]:
    """The points where the curve turns; thousands on one straight line are left out."""
    last = len(xs) - 1
    for index in range(last + 1):
        inner = 0 < index < last
        if inner and _straight(xs, ys, index):
            continue
        yield float(xs[index]), float(ys[index])


def _straight(xs: Scores, ys: Scores, index: int) -> bool:
    along_x = xs[index - 1] == xs[index] == xs[index + 1]
    along_y = ys[index - 1] == ys[index] == ys[index + 1]
    return bool(along_x or along_y)


def rect(css: str, x: float, y: float, width: float, height: float) -> str:
    """A rectangle of the class `css` of the page's style."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{css}" {place}/>'


def text(x: float, y: float, text: str, css: str, anchor: str = "start", more: str = "") -> str:
    """One line of text; `more` are attributes."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}'
    return f'<text class="{css}" {place}>{escape(text)}</text>'


def svg(width: float, height: float, told: str, parts: list[str]) -> str:
    """A chart of these parts; `told` is what it says to whoever cannot see it."""
    frame = f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(told, quote=True)}"'
    return f'<svg class="chart" {frame}>{"".join(parts)}</svg>'
