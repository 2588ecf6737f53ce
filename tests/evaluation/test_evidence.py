"""Evidence counts parts, agrees with scipy's exact tests, and warns as rarely as it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keenline.evaluation.claims import needed
from keenline.evaluation.evidence import evidence
from keenline.evaluation.intervals import Proportion, recall_lower_bound
from keenline.evaluation.judged import JudgedImage
from keenline.evaluation.size_bands import UNKNOWN, Bands
from keenline.evaluation.strata import Compared, Stratum, fisher_tail, hidden
from keenline.types import Verdict

DENT = frozenset({"dent"})


def image(
    part: object,
    flagged: bool,
    classes: frozenset[str] = DENT,
    verdict: Verdict | None = None,
    named: frozenset[str] = frozenset(),
    size: float | None = None,
    **origin: str,
) -> JudgedImage:
    said = verdict or (Verdict.REVIEW if flagged else Verdict.PASS)
    sizes = {} if size is None else dict.fromkeys(classes, size)
    return JudgedImage(str(part), said, classes, named, origin, sizes)


def good(part: object, flagged: bool, **more: str) -> JudgedImage:
    return image(part, flagged, frozenset(), **more)


# How many more


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.6, 0.97))
def test_the_parts_still_needed_are_the_fewest_by_scipys_bound(
    found: int, misses: int, claim: float
) -> None:
    n = found + misses
    more = needed(found, n, claim)
    enough = n + more.without_miss

    def low(total: int) -> float:
        test = stats.binomtest(total - misses, total, alternative="greater")
        return float(test.proportion_ci(0.95, "exact").low)

    assert more.proven == (n > 0 and low(n) >= claim)
    if not more.proven:
        assert low(enough) >= claim - 1e-9
        assert enough == max(n, 1) or low(enough - 1) < claim + 1e-9


@pytest.mark.parametrize(("found", "n"), [(29, 30), (49, 50), (96, 98)])
def test_the_expected_number_has_the_power_it_says_and_no_smaller_one_has(
    found: int, n: int
) -> None:
    more = needed(found, n, 0.95, 0.8)
    assert more.expected is not None
    future = np.arange(1, more.expected + 1)
    power = []
    for extra in future:
        most = max(
            (m for m in range(n + extra) if recall_lower_bound(n + extra - m, n + extra) >= 0.95),
            default=-1,
        ) if extra in (more.expected, more.expected - 1, more.expected // 2) else None  # fmt: skip
        if most is not None:
            power.append(stats.binom.cdf(most - (n - found), extra, 1 - found / n))
    assert power[-1] >= 0.8
    assert max(power[:-1]) < 0.8


def test_an_observed_rate_below_the_claim_never_proves_it() -> None:
    assert needed(9, 10, 0.95).expected is None
    assert needed(0, 0, 0.95).without_miss == 59
    assert needed(59, 59, 0.95).proven


# Parts, not images


def test_one_missed_image_makes_a_missed_part_unless_views_are_judged_together() -> None:
    seen = [image(1, True), image(1, False), image(2, True), image(3, False), image(3, False)]
    seen += [good(7, False), good(7, True), good(8, False)]
    alone, together = evidence(seen), evidence(seen, rule="together")
    assert (alone.of("dent").recall.events, alone.of("dent").recall.n) == (1, 3)
    assert (together.of("dent").recall.events, together.of("dent").recall.n) == (2, 3)
    for each in (alone, together):
        assert (each.false_alarm_rate.events, each.false_alarm_rate.n) == (1, 2)
        assert (each.parts, each.images) == (5, 8)


def test_a_good_image_of_a_defective_part_is_no_good_part() -> None:
    seen = [image(1, False), good(1, True), good(2, False)]
    alone, together = evidence(seen), evidence(seen, rule="together")
    assert alone.false_alarm_rate.n == together.false_alarm_rate.n == 1
    assert alone.of("dent").recall.events == 0
    assert together.of("dent").recall.events == 1  # its other side showed that something is wrong


def test_what_could_not_be_judged_is_in_no_rate() -> None:
    broken = image(1, False, verdict=Verdict.INVALID, named=DENT)
    seen = [broken, image(2, True), good(3, False)]
    found = evidence(seen, names_classes=True).of("dent")
    assert (found.invalid, found.recall.n, found.recall.events) == (1, 1, 1)
    assert found.precision == Proportion.of(0, 0)
    half = [*seen, image(1, False)]
    assert evidence(half).of("dent").recall.n == 2
    assert evidence(half, rule="together").of("dent").invalid == 1


def test_precision_and_false_alarms_of_a_class_are_those_of_its_name() -> None:
    both = frozenset({"dent", "scratch"})
    seen = [
        image(1, True, both, named=DENT),
        image(2, True, frozenset({"scratch"}), named=DENT),
        image(3, True, named=frozenset({"scratch"})),
        good(4, True, named=DENT),  # type: ignore[arg-type]
        good(5, True),
        good(6, False),
    ]
    found = evidence(seen, names_classes=True)
    dent, scratch = found.of("dent"), found.of("scratch")
    assert dent.recall == Proportion.of(2, 2)
    assert dent.recognised == Proportion.of(1, 2)
    assert dent.precision == Proportion.of(1, 3)
    assert dent.false_alarm_rate == Proportion.of(1, 3)
    assert scratch.recognised == Proportion.of(0, 2)
    assert found.precision == Proportion.of(3, 5)
    assert evidence(seen).of("dent").precision is None
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["classes"][0]["name"] == "dent"


# What the whole hides


def test_ninety_four_percent_overall_does_not_hide_a_class_and_a_light() -> None:
    common = frozenset({"stain"})
    seen = [image(f"s{k}", k % 100 > 1, common, light="coaxial") for k in range(300)]
    seen += [
        image(f"d{k}", k >= 14, light="dark-field" if k < 20 else "coaxial") for k in range(36)
    ]
    found = evidence(seen)
    assert found.recall_overall.value == pytest.approx(0.94, abs=0.01)
    assert round(found.of("dent").recall.value or 0, 2) == 0.61
    warned = [(one.what, one.dimension, one.value) for one in found.hidden]
    assert warned == [("all defects", "class", "dent"), ("dent", "light", "dark-field")]
    assert "14 of 20 missed, elsewhere 0 of 16" in found.hidden[1].sentence
    assert evidence(seen[:300]).hidden == ()


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_tail_is_fishers_exact_test(bad: int, fine: int, bad_rest: int, fine_rest: int) -> None:
    expected = stats.fisher_exact([[bad, fine], [bad_rest, fine_rest]], "greater").pvalue
    n = bad + fine
    assert fisher_tail(bad, n, bad + bad_rest, n + bad_rest + fine_rest) == pytest.approx(expected)


def test_lots_that_are_all_alike_warn_in_at_most_one_study_of_twenty() -> None:
    random = np.random.default_rng(3)
    studies, warned = 200, 0
    sizes = (5, 8, 12, 20, 30, 30)
    for _ in range(studies):
        rates = random.choice([0.02, 0.1, 0.3], 2)
        compared = [
            Compared(
                f"class {number}",
                tuple(
                    Stratum("lot", str(n), Proportion.of(int(n - random.binomial(n, rate)), n))
                    for n in sizes
                ),
            )
            for number, rate in enumerate(rates)
        ]
        warned += bool(hidden(compared))
    assert warned / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)


def test_only_what_somebody_said_is_told_apart_and_gaps_are_named() -> None:
    seen = [good(k, False, lot="A", shift="" if k else "early") for k in range(4)]
    seen += [image(f"d{k}", True, lot="A", size=float(k)) for k in range(9)]
    found = evidence(seen, unit="mm")
    assert {(s.dimension, s.value) for s in found.good_strata} == {
        ("lot", "A"), ("shift", "early"), ("shift", UNKNOWN),
    }  # fmt: skip
    sizes = [(s.value, s.share.n) for s in found.of("dent").strata if s.dimension == "size"]
    assert sizes == [("to 2.67 mm", 3), ("2.67 to 5.33 mm", 3), ("above 5.33 mm", 3)]
    assert found.notes == ("all images are of one lot, A: nothing is known of others",)
    assert "nobody said" in evidence([good(1, False)]).notes[0]


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60))
def test_every_size_is_in_one_band_that_has_a_name(sizes: list[float]) -> None:
    bands = Bands.of(sizes, "px")
    assert {bands.band(size) for size in sizes} <= set(bands.names) | {UNKNOWN}
    if bands.edges:
        assert UNKNOWN not in {bands.band(size) for size in sizes}
