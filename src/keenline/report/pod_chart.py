"""What sizes of defects were found and missed turned into a drawing: the curve and its bound."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.pod import Pod
from keenline.report.charts import svg, text

_WIDTH, _HEIGHT = 620.0, 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 600.0, 30.0, 282.0
_POINTS = 60


def pod_chart(pod: Pod, unit: str) -> str:
    """Each defect as a stroke, at the top where it was found, at the bottom where it was missed;
    the curve, its lower bound, a90 and a90/95 where there are any."""
    if not len(pod.sizes):
        return ""
    axis = _SizeAxis(pod)
    parts = [
        (
            f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" '
            f'height="{_BOTTOM - _TOP}"/>'
        )
    ]
    for share in (0.0, 0.5, 0.9, 1.0):
        parts.append(text(_LEFT - 6, _y(share) + 4, f"{100 * share:.0f} %", "tick", "end"))
    for size in axis.ticks():
        parts.append(text(axis(size), _BOTTOM + 24, f"{size:.4g}", "tick", "middle"))
    parts += _strokes(pod, axis)
    if pod.curve is not None and pod.curve.slope > 0:
        parts += _curve(pod, axis)
    scale = ", logarithmic" if axis.logarithmic else ""
    middle = (_LEFT + _RIGHT) / 2
    parts.append(text(middle, _HEIGHT - 6, f"size of the defect, {unit}{scale}", "axis", "middle"))
    parts.append(text(_LEFT, 16, "probability to find it", "axis"))
    return svg(_WIDTH, _HEIGHT, _told(pod, unit), parts)


class _SizeAxis:
    """Where a size lies on the page."""

    def __init__(self, pod: Pod) -> None:
        sizes = [float(pod.sizes[0]), float(pod.sizes[-1])]
        self.logarithmic = pod.curve is not None and pod.curve.scale == "log"
        self._low, self._high = (self._at(size) for size in sizes)
        margin = 0.04 * (self._high - self._low) or 0.5
        self._high += margin
        self._low -= margin if self.logarithmic else min(margin, self._low)

    def __call__(self, size: float) -> float:
        share = (self._at(size) - self._low) / (self._high - self._low)
        return _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share))

    def holds(self, size: float) -> bool:
        """Whether the size lies on the page."""
        return size > 0 and self._low <= self._at(size) <= self._high

    def points(self) -> NDArray[np.float64]:
        """Sizes evenly over the page, each above 0."""
        places = np.linspace(self._low, self._high, _POINTS)
        if self.logarithmic:
            return np.exp(places)
        return np.maximum(places, 1e-6 * self._high)

    def ticks(self) -> list[float]:
        """Round sizes."""
        if self.logarithmic:
            low, high = (math.floor(edge / math.log(10)) for edge in (self._low, self._high))
            tens = [f * 10.0**power for power in range(low, high + 1) for f in (1, 2, 5)]
            return [size for size in tens if self.holds(size)]
        rough = (self._high - self._low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        return [index * step for index in range(first, last + 1)]

    def _at(self, size: float) -> float:
        return math.log(size) if self.logarithmic else size


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _strokes(pod: Pod, axis: _SizeAxis) -> list[str]:
    lines: dict[bool, list[str]] = {True: [], False: []}
    for size, hit in zip(pod.sizes, pod.hits, strict=True):
        y = _TOP - 7 if hit else _BOTTOM + 1
        lines[bool(hit)].append(f"M{axis(float(size)):.1f},{y:.1f}v6")
    names = {True: "found", False: "missed"}
    return [
        f'<path class="stroke {names[hit]}" d="{"".join(paths)}"/>'
        for hit, paths in lines.items()
        if paths
    ]


def _curve(pod: Pod, axis: _SizeAxis) -> list[str]:
    assert pod.curve is not None
    sizes = axis.points()
    parts = []
    for css, shares in (
        ("curve", pod.curve.probability(sizes)),
        ("bound", pod.lower95(sizes)),
    ):
        line = "L".join(
            f"{axis(float(size)):.1f},{_y(float(share)):.1f}"
            for size, share in zip(sizes, shares, strict=True)
        )
        parts.append(f'<path class="{css}" d="M{line}"/>')
    parts.append(f'<path class="chance" d="M{_LEFT},{_y(0.9):.1f}H{_RIGHT}"/>')
    named = ((pod.a90, "a90", 0.1), (pod.a90_95, "a90/95", 0.2))
    for size, name, high in named:
        if size is None or not axis.holds(size):
            continue
        x = axis(size)
        parts.append(f'<path class="limit" d="M{x:.1f},{_y(0.9):.1f}V{_BOTTOM}"/>')
        side, shift = ("end", -5) if x > 0.7 * _RIGHT else ("start", 5)
        parts.append(text(x + shift, _y(high), f"{name} {size:.3g}", "limit-name", side))
    return parts


def _told(pod: Pod, unit: str) -> str:
    said = f"{pod.found.events} of {pod.found.n} defects found."
    if pod.a90 is not None:
        said += f" a90 is {pod.a90:.3g} {unit}."
    if pod.a90_95 is not None:
        said += f" a90/95 is {pod.a90_95:.3g} {unit}."
    return said
