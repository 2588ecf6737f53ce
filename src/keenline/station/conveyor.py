"""A virtual conveyor: parts come by at a rate, a camera sees them, a PLC asks, a gate takes them.

Everything else is the real station. Because the conveyor knows which part each frame showed and
what left by which gate, it can settle the accounts of a run: one result for each part, from the
image of that part, and the gate doing what the result says.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from keenline.devices.plc_simulated import GatePart, SimulatedPlc
from keenline.devices.simulated import Exposed, SimulatedCamera
from keenline.types import Result, Verdict

_COUNTS_PER_M = 10_000
_TICK_S = 0.002


@dataclass(frozen=True, slots=True)
class Belt:
    """How parts come by."""

    parts_per_s: float = 20.0
    jitter: float = 0.1
    """Standard deviation of the time between two parts, as a share of it; never less than half."""
    metres_per_s: float = 0.5
    seed: int = 0


@dataclass(slots=True)
class Accounts:
    """What became of the parts of a run."""

    presented: int = 0
    results: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    gates: Counter[str] = field(default_factory=Counter)
    unnamed: int = 0
    """INVALID results of parts whose name the station never learnt: the PLC had counted on while
    it was out of reach."""
    unanswered: int = 0
    """Parts that the station never made a result of, beyond the unnamed ones."""
    answered_twice: int = 0
    other_image: int = 0
    """Results that were made from the image of another part, and are not INVALID."""
    other_gate: int = 0
    """Parts that left by another gate than their result says, other than by reject."""
    wrong_passes: int = 0
    """Parts that left as PASS without a result that says so, or with another part's image."""
    defects_passed: int = 0
    """Parts with a defect that the model let through: a matter of the model, not of the line."""

    @property
    def is_settled(self) -> bool:
        """Nothing was lost and nothing passed wrongly."""
        return not (
            self.unanswered
            or self.answered_twice
            or self.other_image
            or self.other_gate
            or self.wrong_passes
        )


class Conveyor:
    """Brings parts until it is stopped."""

    def __init__(
        self,
        camera: SimulatedCamera,
        plc: SimulatedPlc,
        part_ids: Sequence[str],
        belt: Belt,
        *,
        good: str = "good",
    ) -> None:
        """`part_ids`: the names of the camera's images, which are shown in turn; a part is good
        where its name has `good` in it."""
        self._camera, self._plc, self._names = camera, plc, part_ids
        self.belt = belt
        """May be changed while it runs."""
        self._good = good
        self._shown: dict[int | None, str] = {}
        self._presented: list[str] = []
        self._gated: dict[str, GatePart] = {}
        self._results: dict[str, list[Result]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conveyor", daemon=True)
        camera.on_exposed = self._exposed

    @property
    def presented(self) -> int:
        """Parts that have come by."""
        return len(self._presented)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_s: float = 5.0) -> None:
        """Bring no more parts; wait for those on the belt to leave by the gate."""
        self._stopping.set()
        self._thread.join()
        end = time.monotonic() + wait_s
        while self._plc.waiting and time.monotonic() < end:
            time.sleep(_TICK_S)
            self._take()
        self._take()

    def note(self, result: Result) -> None:
        """The station has settled a part."""
        with self._lock:
            self._results.setdefault(result.trigger.part_id, []).append(result)

    def accounts(self) -> Accounts:
        """The accounts so far; whole once the conveyor and the station have been stopped."""
        with self._lock:
            results = {name: list(found) for name, found in self._results.items()}
        presented = list(self._presented)
        made = Accounts(presented=len(presented))
        for name in presented:
            self._settle(name, results.pop(name, []), made)
        self._settle_unnamed([one for found in results.values() for one in found], made)
        return made

    def _settle_unnamed(self, results: list[Result], made: Accounts) -> None:
        made.results += len(results)
        for result in results:
            made.verdicts[result.decision.verdict] += 1
            made.other_image += result.decision.verdict is not Verdict.INVALID
        made.unnamed = len(results)
        made.unanswered = max(0, made.unanswered - len(results))

    def _settle(self, name: str, results: list[Result], made: Accounts) -> None:
        made.results += len(results)
        made.unanswered += not results
        made.answered_twice += len(results) > 1
        gate = self._gated.get(name)
        if gate is not None:
            made.gates[gate.gate] += 1
        if not results:
            made.wrong_passes += gate is not None and gate.gate == "pass"
            return
        result = results[-1]
        verdict = result.decision.verdict
        made.verdicts[verdict] += 1
        own_image = all(self._shown.get(view.device_time_ns) == name for view in result.views)
        made.other_image += verdict is not Verdict.INVALID and not own_image
        if gate is None:
            return
        made.other_gate += gate.gate not in (result.actuates, "reject", "none")
        if gate.gate == "pass":
            made.wrong_passes += result.actuates != "pass" or not own_image
            made.defects_passed += self._good not in name

    def _exposed(self, exposed: Exposed) -> None:
        self._shown[exposed.taken_ns] = exposed.part_id

    def _run(self) -> None:
        chance = np.random.default_rng(self.belt.seed)
        begin = due = time.monotonic()
        while not self._stopping.is_set():
            now, belt = time.monotonic(), self.belt
            between = 1.0 / belt.parts_per_s
            self._plc.move_to(round((now - begin) * belt.metres_per_s * _COUNTS_PER_M))
            if now >= due:
                self._bring()
                pause = chance.normal(between, belt.jitter * between)
                due = max(due + max(pause, between / 2), now - between)
            self._take()
            self._stopping.wait(min(_TICK_S, max(0.0, due - time.monotonic())))

    def _bring(self) -> None:
        number = len(self._presented)
        shows = self._names[number % len(self._names)]
        name = f"{number + 1:06d}-{shows}"
        self._presented.append(name)
        self._camera.place(name, shows)
        self._plc.present(name)

    def _take(self) -> None:
        for part in self._plc.taken():
            self._gated[part.part_id] = part
