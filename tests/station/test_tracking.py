"""Parts come to the gate in their order and with their own verdicts, across the encoder's wrap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keenline.station.tracking import AtGate, EncoderClock, ShiftRegister, counts_between

_COUNTS = st.integers(-(1 << 31), (1 << 31) - 1)


@given(_COUNTS, st.integers(-(1 << 31), (1 << 31) - 1))
def test_counts_hold_across_the_wrap(start: int, moved: int) -> None:
    end = counts_between(0, start + moved)
    assert counts_between(start, end) == moved


@given(
    _COUNTS,
    st.lists(st.tuples(st.integers(1, 500), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 5000),
    st.integers(1, 97),
)
def test_every_part_reaches_the_gate_once_in_order_with_its_own_verdict(
    start: int, parts: list[tuple[int, bool]], gate: int, step: int
) -> None:
    register: ShiftRegister[str] = ShiftRegister(gate=gate)
    position, entered = 0, {}
    arrived: list[AtGate[str]] = []

    def advance(to: int) -> None:
        for at in range(position, to, step):
            arrived.extend(register.advance(counts_between(0, start + at)))
        arrived.extend(register.advance(counts_between(0, start + to)))

    for number, (distance, has_verdict) in enumerate(parts):
        advance(position + distance)
        position += distance
        register.enter(number, counts_between(0, start + position))
        entered[number] = position
        if has_verdict:
            assert register.decide(number, f"verdict {number}")
    advance(position + gate)
    assert [part.number for part in arrived] == list(range(len(parts)))
    for part, (_, has_verdict) in zip(arrived, parts, strict=True):
        assert part.verdict == (f"verdict {part.number}" if has_verdict else None)
    assert len(register) == 0


def test_a_verdict_after_the_gate_is_refused() -> None:
    register: ShiftRegister[str] = ShiftRegister(gate=100, lead=10)
    register.enter(1, 0)
    assert register.advance(89) == []
    assert register.advance(90) == [AtGate(1, None)]
    assert not register.decide(1, "PASS")
    assert not register.decide(2, "never entered")


def test_a_conveyor_that_counts_down() -> None:
    register: ShiftRegister[str] = ShiftRegister(gate=100, direction=-1)
    register.enter(1, 50)
    assert register.advance(-49) == []
    assert [part.number for part in register.advance(-50)] == [1]


def test_the_clock_finds_counts_between_and_shortly_after_its_readings() -> None:
    clock = EncoderClock(reach_ns=100)
    assert clock.count_at(0) is None
    clock.read(1000, (1 << 31) - 10)
    assert clock.count_at(1000) is None
    clock.read(1100, -(1 << 31) + 10)
    assert clock.count_at(1050) == -(1 << 31)
    assert clock.count_at(1200) == -(1 << 31) + 30
    assert clock.count_at(1201) is None
    assert clock.count_at(999) is None


@given(st.integers(1, 10_000), st.lists(st.integers(1, 50_000), min_size=2, max_size=50))
def test_at_constant_speed_the_clock_is_exact(speed: int, pauses: list[int]) -> None:
    clock = EncoderClock()
    now = 0
    for pause in pauses:
        now += pause
        clock.read(now, counts_between(0, now * speed))
    middle = now - pauses[-1] // 2
    found = clock.count_at(middle)
    assert found is not None
    assert abs(counts_between(found, counts_between(0, middle * speed))) <= 1
