"""Kappa against the worked examples in the literature and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import cohen_kappa_score

from keenline.evaluation.kappa import cohen, fleiss, table_of

# Fleiss 1971, table 1: 30 patients, six psychiatrists each, five diagnoses (depression,
# personality disorder, schizophrenia, neurosis, other).
FLEISS_1971 = np.array(
    [
        [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
        [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
        [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
        [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0], [0, 2, 0, 4, 0], [1, 0, 2, 0, 3],
        [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0], [1, 0, 0, 4, 1],
        [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
    ]
)  # fmt: skip


def test_cohens_own_example() -> None:
    # Cohen 1960, table 1: 200 patients, two clinicians, three diagnoses.
    found = cohen([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert found.observed == pytest.approx(0.70)
    assert found.expected == pytest.approx(0.41)
    assert found.value == pytest.approx(0.492, abs=5e-4)
    assert found.images == 200


def test_the_example_with_a_standard_error() -> None:
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 3rd ed. 2003, ch. 18:
    # kappa 0.68, standard error 0.087.
    found = cohen([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert found.value == pytest.approx(0.68, abs=0.005)
    assert found.standard_error == pytest.approx(0.087, abs=1e-3)
    # 0.6765 -+ 1.96 x 0.0877, by hand
    assert (found.lower95, found.upper95) == pytest.approx((0.5046, 0.8484), abs=1e-3)


def test_a_two_by_two_by_hand() -> None:
    # observed 35/50, expected .5 x .6 + .5 x .4 = .5
    found = cohen([[20, 5], [10, 15]])
    assert (found.observed, found.expected) == pytest.approx((0.7, 0.5))
    assert found.value == pytest.approx(0.4)


def test_fleiss_own_example() -> None:
    found = fleiss(FLEISS_1971)
    assert found.observed == pytest.approx(0.5556, abs=1e-4)
    assert found.expected == pytest.approx(0.2199, abs=1e-4)
    assert found.value == pytest.approx(0.430, abs=5e-4)


@pytest.mark.parametrize(
    ("diagnosis", "kappa"), list(enumerate([0.245, 0.245, 0.520, 0.471, 0.566]))
)
def test_each_class_of_the_same_example(diagnosis: int, kappa: float) -> None:
    chosen = FLEISS_1971[:, diagnosis]
    found = fleiss(np.stack([chosen, 6 - chosen], axis=1))
    assert found.value == pytest.approx(kappa, abs=5e-4)


def test_the_interval_of_fleiss_is_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng(0)
    drawn = [fleiss(FLEISS_1971[rng.integers(30, size=30)]).value for _ in range(1000)]
    found = fleiss(FLEISS_1971)
    assert found.standard_error == pytest.approx(np.std(np.array(drawn, float)), rel=0.1)


def test_the_interval_of_cohen_is_that_of_a_bootstrap() -> None:
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    draws = np.random.default_rng(0).multinomial(200, (table / 200).ravel(), size=1000)
    spread = np.std(np.array([cohen(each.reshape(3, 3)).value for each in draws], float))
    assert cohen(table).standard_error == pytest.approx(spread, rel=0.1)


@given(hnp.arrays(np.int64, st.tuples(st.just(3), st.just(3)), elements=st.integers(0, 20)))
def test_cohen_is_that_of_scikit_learn(table: np.ndarray) -> None:
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(table[i, j])]
    found = cohen(table)
    if found.value is None:
        assert len(set(pairs)) <= 1
        return
    first, second = zip(*pairs, strict=True)
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.lower95 is not None
    assert found.upper95 is not None
    assert -1 <= found.lower95 <= found.value + 1e-9
    assert found.value - 1e-9 <= found.upper95 <= 1


def test_full_agreement_still_has_a_width() -> None:
    for found in (cohen([[10, 0], [0, 10]]), fleiss([[2, 0]] * 10 + [[0, 2]] * 10)):
        assert found.value == 1
        assert found.upper95 == 1
        # 0.025 ** (1 / 20) = 0.8316 is the exact bound of 20 of 20; (0.8316 - 0.5) / 0.5
        assert found.lower95 == pytest.approx(0.663, abs=1e-3)


def test_what_says_nothing_has_no_kappa() -> None:
    assert cohen(np.zeros((0, 0))).value is None
    assert fleiss([]).value is None
    assert fleiss([[1, 0], [0, 1]]).value is None  # each seen by one
    assert cohen([[7]]).value is None  # one class only
    assert fleiss([[3, 0], [3, 0]]).value is None


def test_one_image_says_next_to_nothing() -> None:
    found = fleiss([[1, 1]])
    assert found.value == -1
    assert (found.lower95, found.upper95) == (-1, 1)


def test_images_that_fewer_saw_are_used_as_far_as_they_go() -> None:
    full = [[2, 1], [3, 0], [0, 3], [1, 2]]
    assert fleiss([*full, [1, 0]]) == fleiss(full)
    assert fleiss([*full, [2, 0]]).images == 5


def test_the_table_of_two_people() -> None:
    names, table = table_of(["a", "b", "a"], ["a", "c", "b"])
    assert names == ("a", "b", "c")
    assert table.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="shorter"):
        table_of(["a"], [])
