"""Measures in simulated lines what bounds and promises about thresholds are worth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from results_file import Start, circumstances, table, write_section
from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src")]

from keenline.evaluation.intervals import recall_lower_bound  # noqa: E402
from keenline.evaluation.operating_point import (  # noqa: E402
    estimated_threshold,
    guaranteed_threshold,
)
from keenline.evaluation.risk_control import Ladder, escape_limit, misses_tolerated  # noqa: E402

Scores = NDArray[np.float64]
Rate = Callable[[Scores], Scores]
KINDS = {
    "normal": stats.norm(10, 1),
    "log-normal": stats.lognorm(0.5),
    "heavy tail": stats.pareto(1.0),
    "mostly tied": stats.poisson(1.5),
}
"""Scores whose share below any threshold is known exactly."""
RECALLS = (0.5, 0.8, 0.95, 0.99)
DIMENSIONS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000, help="simulated lines of each kind")
    parser.add_argument("--write", action="store_true", help="keep the tables in RESULTS.md")
    asked = parser.parse_args()
    start = Start.now()
    parts = [
        _recall_bounds(asked.lines),
        _false_alarms(asked.lines),
        _escapes(asked.lines),
        _several(asked.lines),
        _left_out(asked.lines),
    ]
    text = "\n\n".join(["## What promises are worth", *parts, circumstances(start)])
    print(text)
    if asked.write:
        write_section("promises", text)


def _recall_bounds(lines: int) -> str:
    rows = []
    for n in (10, 30, 59, 100, 300):
        bounds = np.array([recall_lower_bound(found, n) for found in range(n + 1)])
        random = np.random.default_rng(n)
        held = [np.mean(bounds[random.binomial(n, p, lines)] <= p) for p in RECALLS]
        rows.append([n, *(_percent(share) for share in held)])
    head = ["defects tried", *(f"true recall {100 * p:g} %" for p in RECALLS)]
    return (
        f"Share of {lines} simulated studies in which recall was at least the bound stated (95 % "
        "claimed; it is 100 % where the bound cannot reach the truth):\n\n" + table(head, rows)
    )


def _false_alarms(lines: int) -> str:
    rows = []
    for name, kind in KINDS.items():
        for n in (59, 93, 200):
            random = np.random.default_rng(n)
            values = [guaranteed_threshold(_drawn(kind, random, n), 0.05) for _ in range(lines)]
            limits = np.array([found.value for found in values if found])
            above = kind.sf(limits)
            rows.append([name, n, _percent(np.mean(above <= 0.05)), _percent(above.mean())])
    head = ["scores of good parts", "held out", "lines at 5 % or less", "mean rate"]
    return (
        "Threshold from held-out good parts, promised: false-alarm rate at most 5 % in 95 % of "
        f"{lines} lines. Shapes without ties share their draws, and order statistics do not depend "
        "on the shape, so their rows are equal:\n\n" + table(head, rows)
    )


def _escapes(lines: int) -> str:
    rows = []
    for name, kind in KINDS.items():
        for n, rate in ((19, 0.05), (45, 0.1), (100, 0.05)):
            mean, error = _expected(kind, n, rate, lines)
            rows.append([name, "average", n, _percent(rate), f"{mean} ± {error}", "–"])
        for n, rate in ((59, 0.05), (93, 0.05)):
            random = np.random.default_rng(n)
            limits = [escape_limit(_drawn(kind, random, n), rate, "proven") for _ in range(lines)]
            passed = kind.cdf(np.array(limits, np.float64))
            share = _percent(np.mean(passed <= rate))
            rows.append([name, "proven", n, _percent(rate), _percent(passed.mean()), share])
    head = ["scores of defects", "promise", "defects", "at most", "escapes", "lines that keep it"]
    return (
        "Thresholds for escapes; `average` promises the mean over lines, `proven` 95 % of lines "
        f"({lines} each):\n\n" + table(head, rows)
    )


def _expected(kind: stats.rv_frozen, n: int, rate: float, lines: int) -> tuple[str, str]:
    random = np.random.default_rng(n + 1)
    limits = [escape_limit(_drawn(kind, random, n), rate) for _ in range(lines)]
    passed = kind.cdf(np.array(limits, np.float64))
    return _percent(passed.mean(), 2), _percent(passed.std() / np.sqrt(lines), 2)


def _several(lines: int) -> str:
    """Three scores bounded together; each defect shows in one of them only."""
    random = np.random.default_rng(1)
    rows = []
    for n, rate in ((60, 0.1), (100, 0.05)):
        escapes, alarms = np.zeros(lines), np.zeros(lines)
        for line in range(lines):
            good = random.standard_normal((150, 3)) + 10
            bad = random.standard_normal((n, 3)) + 10
            bad[np.arange(n), random.integers(0, 3, n)] += 4
            rung = Ladder(good).highest(bad, rate, "expected")
            assert rung is not None
            below = stats.norm.cdf(rung - 10)
            shifted = stats.norm.cdf(rung - 14)
            others = below.prod() / below
            escapes[line] = np.mean(shifted * others)
            alarms[line] = 1 - below.prod()
        tolerated = misses_tolerated(n, rate)
        spread = f"{_percent(escapes.mean(), 2)} ± {_percent(escapes.std() / lines**0.5, 2)}"
        rows.append([f"{n} defects", _percent(rate), tolerated, spread, _percent(alarms.mean())])
    head = ["three scores", "at most", "may be missed", "escapes", "false alarms"]
    return f"Three scores bounded together, average of {lines} lines:\n\n" + table(head, rows)


def _left_out(lines: int) -> str:
    rows = []
    for n in (5, 10, 19, 30, 60):
        random = np.random.default_rng(n)
        rates = np.array([_one_bank(random, n) for _ in range(lines)])
        drawn = {}
        for name in ("normal", "log-normal", "heavy tail"):
            kind = KINDS[name]
            limits = [
                estimated_threshold(_drawn(kind, random, n)).value for _ in range(min(lines, 4000))
            ]
            drawn[name] = kind.sf(np.array(limits)).mean()
        rows.append(
            [
                n,
                _percent(rates.mean()),
                _percent(np.quantile(rates, 0.95)),
                _percent(np.mean(rates <= 0.05)),
                *(_percent(mean) for mean in drawn.values()),
            ]
        )
    head = [
        "good parts", "bank: mean", "bank: one line in 20 above", "bank: lines at 5 % or less",
        "normal: mean", "log-normal: mean", "heavy tail: mean",
    ]  # fmt: skip
    return (
        "True false-alarm rate of thresholds from parts left out one at a time (aim: 5 %, no "
        f"promise). `bank`: nearest neighbour among the parts, {DIMENSIONS} dimensions, {lines} "
        "lines; the others: independent scores of that shape:\n\n" + table(head, rows)
    )


def _one_bank(random: np.random.Generator, n: int) -> float:
    """Parts as points; a part's score is its distance to the nearest of the others."""
    bank = random.standard_normal((n, DIMENSIONS))
    apart = _distances(bank, bank)
    np.fill_diagonal(apart, np.inf)
    threshold = estimated_threshold(apart.min(axis=1)).value
    new = random.standard_normal((500, DIMENSIONS))
    return float(np.mean(_distances(new, bank).min(axis=1) > threshold))


def _distances(first: Scores, second: Scores) -> Scores:
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    distances: Scores = np.sqrt(np.maximum(squares, 0))
    return distances


def _drawn(kind: stats.rv_frozen, random: np.random.Generator, n: int) -> Scores:
    return np.asarray(kind.ppf(random.random(n)), np.float64)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * float(share):.{digits}f} %"


if __name__ == "__main__":
    main()
