"""Simulated defects of a known curve turned into how often a90/95 lies above the true a90."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from results_file import Start, circumstances, table, write_section

from keenline.evaluation.pod import probability_of_detection
from keenline.evaluation.pod_curve import Link, Scale, quantile, transformed

SIZES = (60, 120, 400)
TRUTHS: tuple[tuple[Link, Scale], ...] = (
    ("logit", "log"),
    ("probit", "log"),
    ("logit", "linear"),
    ("probit", "linear"),
)
STEEPNESS = 4.0
"""Slope of a logit curve on ln a; of a it is 5, and of a probit curve a 1.7th of them."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a number of simulated studies said; the true a90 is 1."""

    claimed: int
    holds: float
    wald: float
    """The same of the normal approximation of the best curve alone."""
    median: float
    """Of a90/95."""


def simulate(n: int, link: Link, scale: Scale, studies: int) -> Coverage:
    random = np.random.default_rng(n)
    bounds, wald = [], []
    slope = (STEEPNESS if scale == "log" else 5.0) / (1.7 if link == "probit" else 1.0)
    for _ in range(studies):
        if scale == "log":
            sizes = np.exp(random.uniform(np.log(0.2), np.log(3), n))
        else:
            sizes = random.uniform(0.1, 2, n)
        place = quantile(0.9, link) + slope * (transformed(sizes, scale) - transformed(1.0, scale))
        noise = random.logistic(size=n) if link == "logit" else random.normal(size=n)
        pod = probability_of_detection(sizes, noise < place)
        if pod.a90_95 is not None and pod.a90_95_wald is not None:
            bounds.append(pod.a90_95)
            wald.append(pod.a90_95_wald)
    return Coverage(
        len(bounds),
        float(np.mean(np.array(bounds) >= 1)),
        float(np.mean(np.array(wald) >= 1)),
        float(np.median(bounds)),
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--studies", type=int, default=10_000, help="of each kind")
    asked.add_argument("--write", action="store_true", help="keep the table in RESULTS.md")
    chosen = asked.parse_args()
    start, rows = Start.now(), []
    for n in SIZES:
        for link, scale in TRUTHS:
            found = simulate(n, link, scale, chosen.studies)
            rows.append(
                (
                    f"{n}, {link} of {'ln a' if scale == 'log' else 'a'}",
                    found.claimed,
                    f"{100 * found.holds:.1f} %",
                    f"{100 * found.wald:.1f} %",
                    f"{found.median:.2f}",
                )
            )
            print(*rows[-1], flush=True)
    if chosen.write:
        head = (
            "defects, true curve",
            "claims",
            "a90/95 holds",
            "Wald, best curve",
            "median a90/95",
        )
        text = (
            "## Size of defects that are found\n\n"
            f"{chosen.studies} simulated studies of each kind, true a90 = 1. A claim is refused "
            "where the bound lies beyond the sizes tried, which counts as no claim.\n\n"
            f"{table(head, rows)}\n\n{circumstances(start)}"
        )
        write_section("pod-coverage", text)


if __name__ == "__main__":
    main()
