"""Turns a cost curve into a chart: the cost over the threshold, with where it is and was."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.cost_curve import CostCurve
from keenline.report.charts import rect, svg, text

_Place: TypeAlias = Callable[[float], float]

_WIDTH, _HEIGHT = 560.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, _WIDTH - 14, 40.0, _HEIGHT - 42
_POINTS = 400
_BEYOND = 1.3
"""Of the higher of both thresholds: as far as the axis goes."""


def cost_chart(curve: CostCurve) -> str:
    """Expected cost of a part over the threshold; a stair, since it changes at scores only.

    Shaded: thresholds that a promise rules out. The review band, where there is one, is hatched.
    """
    marks = [curve.now.low, curve.chosen.low]
    last = max(_BEYOND * max(marks), float(curve.thresholds[min(1, len(curve.thresholds) - 1)]))
    inside = curve.thresholds <= last
    highest = float(curve.costs[inside].max(initial=curve.chosen_cost)) or 1.0

    def x(threshold: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, threshold / (last or 1.0)))

    def y(cost: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * cost / highest

    parts = [_shade(x(0), x(curve.least))] if curve.least > 0 else []
    if curve.most < last:
        parts.append(_shade(x(curve.most), _RIGHT))
    if math.isfinite(curve.chosen.high) and curve.chosen.high > curve.chosen.low:
        wide = x(curve.chosen.high) - x(curve.chosen.low)
        parts.append(_box("reach", x(curve.chosen.low), wide))
    parts.append(f'<path class="curve" d="{_stair(curve, inside, x, y)}"/>')
    parts.append(f'<line class="base" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>')
    at = x(curve.now.low)
    parts.append(f'<line class="limit" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
    px, py = x(curve.chosen.low), y(curve.chosen_cost)
    parts.append(f'<circle class="point" cx="{px:.1f}" cy="{py:.1f}" r="5"/>')
    parts += _words(curve, at, px)
    parts += [text(x(v), _BOTTOM + 16, f"{v:.4g}", "tick", "middle") for v in _round(last)]
    parts += [text(_LEFT - 6, y(v) + 4, f"{v:.3g}", "tick", "end") for v in _round(highest)]
    shown = f"threshold of {curve.name}"
    parts.append(text((_LEFT + _RIGHT) / 2, _HEIGHT - 6, shown, "axis", "middle"))
    turned = f'transform="rotate(-90 14 {(_TOP + _BOTTOM) / 2})"'
    parts.append(text(14, (_TOP + _BOTTOM) / 2, "cost of a part", "axis", "middle", turned))
    told = (
        f"Expected cost over the threshold of {curve.name}: {curve.chosen_cost:.4g} at the chosen "
        f"{curve.chosen.low:.4g}; now it is {curve.now.low:.4g}."
    )
    return svg(_WIDTH, _HEIGHT, told, parts)


def _words(curve: CostCurve, now: float, chosen: float) -> list[str]:
    """Names of both thresholds, above the chart, on two lines so that they never overlap."""

    def side(at: float) -> str:
        return "end" if at > (_LEFT + _RIGHT) / 2 else "start"

    cut = curve.chosen
    band = "" if math.isinf(cut.high) or cut.high == cut.low else f", reject above {cut.high:.4g}"
    return [
        text(chosen, _TOP - 24, f"chosen {cut.low:.4g}{band}", "bad", side(chosen)),
        text(now, _TOP - 8, f"now {curve.now.low:.4g}", "limit-name", side(now)),
    ]


def _stair(curve: CostCurve, inside: NDArray[np.bool_], x: _Place, y: _Place) -> str:
    count = int(inside.sum())
    places = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
    path, before = "", 0.0
    for place in places:
        at, cost = x(float(curve.thresholds[place])), y(float(curve.costs[place]))
        path += f"L{at:.1f},{before:.1f}L{at:.1f},{cost:.1f}" if path else f"M{at:.1f},{cost:.1f}"
        before = cost
    return f"{path}L{_RIGHT:.1f},{before:.1f}"


def _shade(left: float, right: float) -> str:
    return _box("track", left, right - left)


def _box(css: str, left: float, wide: float) -> str:
    return rect(css, left, _TOP, wide, _BOTTOM - _TOP)


def _round(last: float) -> list[float]:
    """About five round numbers from 0 to `last`."""
    rough = last / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * number for number in range(int(last / step) + 1)]
