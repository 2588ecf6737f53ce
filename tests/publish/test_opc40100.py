"""The vision system follows its station, answers for its results, comes up and goes cleanly."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asyncua import Client, ua
from tests.publish.vision_bench import (
    AUTOMATIC,
    KEPT,
    MACHINE,
    RECIPES,
    RESULTS,
    SYSTEM,
    TYPES,
    Bench,
    Peer,
    list_inputs,
    start_inputs,
)
from tests.publish.vision_client import free_port
from tests.publish.vision_station import RECIPE, STATION, BenchStation, result_of

from keenline.errors import Code, PublishError
from keenline.journal.entries import Accepted
from keenline.publish.opc40100 import Opc40100Settings
from keenline.types import LineEvent, Verdict


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("vision"))
    yield bench
    bench.station.end()
    bench.server.close()


def test_commands_lead_through_the_states_and_each_transition_is_told(bench: Bench):
    async def story(peer: Peer) -> None:
        await peer.listen(1018)
        none = ua.Variant(0, ua.VariantType.Int32), ua.Variant("", ua.VariantType.String)
        assert await peer.states() == ("Preoperational", "")
        assert await peer.call(MACHINE, "SelectModeAutomatic") == [0]
        assert await peer.states() == ("Operational", "Initialized")
        prepared, done, error = await peer.call(
            RECIPES,
            "PrepareRecipe",
            TYPES.RecipeIdExternalDataType(Id="bracket"),
            TYPES.RecipeIdInternalDataType(Id=""),
        )
        assert (prepared.Id, done, error) == (RECIPE, True, 0)
        assert await peer.states() == ("Operational", "Ready")
        job, error = await peer.call(AUTOMATIC, "StartContinuous", *start_inputs("m-1"))
        assert (len(job.Id), error) == (36, 0)
        assert await peer.states() == ("Operational", "ContinuousExecution")
        assert await peer.call(AUTOMATIC, "Stop", *none) == [0]
        await peer.call(AUTOMATIC, "StartContinuous", *start_inputs())
        assert await peer.call(AUTOMATIC, "Abort", *none) == [0]
        assert await peer.call(MACHINE, "Halt", *none) == [0]
        assert await peer.states() == ("Halted", "")
        assert await peer.call(MACHINE, "Reset", *none) == [0]
        assert (await peer.value(f"{MACHINE}.LastTransition")).Text == "HaltedToPreoperational"
        events = await peer.until(8)
        assert [event.Transition.Text for event in events] == [
            "PreoperationalToOperational",
            "InitializedToReadyRecipe",
            "ReadyToContinuousExecution",
            "ContinuousExecutionToReadyStop",
            "ReadyToContinuousExecution",
            "ContinuousExecutionToReadyAbort",
            "OperationalToHalted",
            "HaltedToPreoperational",
        ]

    bench.station.be("Preoperational")
    time.sleep(0.3)
    bench.do(story)
    assert bench.station.calls[-8:-6] == ["automatic", f"prepare {RECIPE}"]


def test_a_prepared_recipe_and_readiness_are_announced(bench: Bench):
    async def story(peer: Peer) -> None:
        await peer.listen(1022, 1023)
        await peer.call(
            RECIPES,
            "PrepareRecipe",
            TYPES.RecipeIdExternalDataType(Id=""),
            TYPES.RecipeIdInternalDataType(Id=RECIPE),
        )
        ready, prepared = await peer.until(2)
        assert "Ready" in ready.Message.Text
        assert prepared.InternalId.Id == RECIPE

    bench.station.be("Initialized")
    time.sleep(0.3)
    bench.do(story)


def test_the_state_that_is_shown_points_at_its_object(bench: Bench):
    async def story(peer: Peer) -> None:
        identity = await peer.value(f"{AUTOMATIC}.CurrentState.Id")
        assert (await peer.client.get_node(identity).read_browse_name()).Name == "Ready"
        state = await peer.value(f"{SYSTEM}.SystemState")
        assert state.State == TYPES.SystemStateDataType.SBY_2

    bench.station.be("Ready")
    time.sleep(0.3)
    bench.do(story)


def test_what_happens_at_the_station_is_seen_soon(bench: Bench):
    async def story(peer: Peer) -> None:
        await peer.listen(1019, 1020)
        bench.station.be("Error")
        (trouble,) = await peer.until(1)
        assert trouble.Severity == 700
        assert await peer.states() == ("Error", "")
        bench.station.be("ContinuousExecution")
        await peer.until(2)
        assert await peer.states() == ("Operational", "ContinuousExecution")

    bench.station.be("Ready")
    time.sleep(0.3)
    bench.do(story)


def test_a_call_in_the_wrong_state_reaches_no_station(bench: Bench):
    async def story(peer: Peer) -> None:
        before = list(bench.station.calls)
        with pytest.raises(ua.uaerrors.BadInvalidState):
            await peer.call(AUTOMATIC, "StartSingleJob", *start_inputs())
        assert bench.station.calls == before

    bench.station.be("Halted")
    bench.do(story)


def test_a_refusal_of_the_station_is_its_code_with_a_minus_sign(bench: Bench):
    async def story(peer: Peer) -> None:
        job, error = await peer.call(AUTOMATIC, "StartSingleJob", *start_inputs())
        assert (job.Id, error) == ("", -int(Code.STATION_TRANSITION))

    bench.station.be("Ready")
    bench.station.refuses = True
    try:
        bench.do(story)
    finally:
        bench.station.refuses = False


def test_a_malformed_call_is_refused(bench: Bench):
    async def story(peer: Peer) -> None:
        meas, part, recipe, product, parameters = start_inputs()
        with pytest.raises(ua.uaerrors.BadArgumentsMissing):
            await peer.call(AUTOMATIC, "StartSingleJob", meas)
        with pytest.raises(ua.uaerrors.BadTooManyArguments):
            await peer.call(MACHINE, "SelectModeAutomatic", 1)
        with pytest.raises(ua.uaerrors.BadTypeMismatch):
            await peer.call(AUTOMATIC, "StartSingleJob", "text", part, recipe, product, parameters)
        with pytest.raises(ua.uaerrors.BadNotFound):
            await peer.call(RECIPES, "PrepareRecipe", recipe, recipe)
        with pytest.raises(ua.uaerrors.BadNotSupported):
            await peer.call(RECIPES, "UnprepareRecipe", recipe, recipe)

    bench.station.be("Ready")
    bench.do(story)


def test_a_result_that_comes_twice_is_announced_once(bench: Bench):
    async def story(peer: Peer) -> None:
        await peer.listen(1024)
        once = result_of(501)
        await asyncio.to_thread(bench.deliver, once, once)
        await asyncio.to_thread(bench.deliver, once, result_of(502))
        events = await peer.until(2)
        await asyncio.sleep(0.1)
        assert [event.JobId.Id for event in events] == ["501", "502"]

    bench.do(story)


def test_an_accepted_part_is_announced_as_a_started_job(bench: Bench):
    async def story(peer: Peer) -> None:
        await peer.listen(1013)
        trigger = result_of(510).trigger
        event = LineEvent("e", "station-1", "state", datetime.now(UTC))
        await asyncio.to_thread(bench.server.deliver, [event, Accepted(trigger)])
        (started,) = await peer.until(1)
        assert started.JobId.Id == "510"

    bench.do(story)


@pytest.mark.parametrize(
    ("code", "state"), [(None, 4), (Code.PART_LATE, 4), (Code.PART_INTERRUPTED, 3)]
)
def test_an_invalid_part_is_a_failed_or_aborted_result(bench: Bench, code: Code | None, state: int):
    async def story(peer: Peer) -> None:
        wanted = TYPES.ResultIdDataType(Id=result.result_id)
        _handle, found, error = await peer.call(
            RESULTS, "GetResultById", wanted, ua.Variant(100, ua.VariantType.Int32)
        )
        assert (found.ResultState, error) == (state, 0)
        assert [each.Value for each in found.ResultContent[:3]] == [
            "INVALID",
            "reject",
            int(code or 0),
        ]

    number = None if code is None else int(code)
    result = result_of(520 + (number or 0), verdict=Verdict.INVALID, code=number)
    bench.deliver(result)
    bench.do(story)


def test_results_of_a_continuous_job_carry_its_id(bench: Bench):
    async def story(peer: Peer) -> None:
        await peer.listen(1024)
        job, _ = await peer.call(AUTOMATIC, "StartContinuous", *start_inputs("m-9"))
        await asyncio.to_thread(bench.deliver, result_of(601), result_of(602))
        await peer.call(AUTOMATIC, "Stop", ua.Variant(0, ua.VariantType.Int32), "")
        await asyncio.to_thread(bench.deliver, result_of(603))
        events = await peer.until(3)
        assert [event.JobId.Id for event in events] == [job.Id, job.Id, "603"]
        assert [event.MeasId.Id for event in events] == ["m-9", "m-9", ""]

    bench.station.be("Ready")
    bench.do(story)


def test_results_are_listed_by_what_is_asked_in_pages(bench: Bench):
    async def story(peer: Peer) -> None:
        complete, count, handle, found, error = await peer.call(
            RESULTS, "GetResultListFiltered", *list_inputs(part="wanted")
        )
        assert (complete, count, error) == (True, 3, 0)
        assert [each.JobId.Id for each in found] == ["700", "702", "704"]
        assert all(each.ResultContent is None for each in found)
        complete, count, _, found, _ = await peer.call(
            RESULTS, "GetResultListFiltered", *list_inputs(part="wanted", most=1, start=1)
        )
        assert (complete, count, found[0].JobId.Id) == (False, 1, "702")
        complete, count, _, found, _ = await peer.call(
            RESULTS, "GetResultListFiltered", *list_inputs(state=3, part="wanted")
        )
        assert (complete, count, found) == (True, 0, [])
        assert await peer.call(
            RESULTS, "ReleaseResultHandle", ua.Variant(handle, ua.VariantType.UInt32)
        ) == [0]
        with pytest.raises(ua.uaerrors.BadNotFound):
            await peer.call(
                RESULTS, "ReleaseResultHandle", ua.Variant(handle, ua.VariantType.UInt32)
            )

    bench.deliver(*(result_of(700 + n, part_id="other" if n % 2 else "wanted") for n in range(5)))
    bench.do(story)


def test_components_of_a_result_come_one_by_one(bench: Bench):
    async def story(peer: Peer) -> None:
        outputs = await peer.call(
            RESULTS,
            "GetResultComponentsById",
            TYPES.ResultIdDataType(Id=result_of(710).result_id),
            ua.Variant(100, ua.VariantType.Int32),
        )
        assert len(outputs) == 17
        assert (outputs[0], outputs[2], outputs[3], outputs[4]) == (False, False, False, 1)
        assert outputs[6].Id == "part-710"
        assert outputs[11].Id == STATION
        assert outputs[12].Id == "710"
        assert outputs[15][0].Value == "PASS"
        assert outputs[16] == 0

    bench.deliver(result_of(710))
    bench.do(story)


def test_older_results_are_looked_up_in_the_store(bench: Bench):
    async def story(peer: Peer) -> None:
        limit = ua.Variant(1000, ua.VariantType.Int32)
        wanted = TYPES.ResultIdDataType(Id=old.result_id)
        with pytest.raises(ua.uaerrors.BadNotFound):
            await peer.call(RESULTS, "GetResultById", wanted, limit)
        bench.stored[old.result_id] = old
        _, found, _ = await peer.call(RESULTS, "GetResultById", wanted, limit)
        assert found.PartId.Id == "old"
        bench.store_is_down = True
        with pytest.raises(ua.uaerrors.BadResourceUnavailable):
            await peer.call(RESULTS, "GetResultById", wanted, limit)

    old = result_of(800, part_id="old")
    bench.deliver(old, *(result_of(801 + n) for n in range(KEPT)))
    try:
        bench.do(story)
    finally:
        bench.store_is_down = False
        bench.stored.clear()


def test_a_taken_port_is_an_error_until_it_is_free(tmp_path: Path):
    settings = Opc40100Settings(
        port=free_port(), folder=str(tmp_path), security=("none",), anonymous=True
    )
    server = settings.build(BenchStation())
    before = threading.active_count()
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.port))
        other.listen()
        with pytest.raises(PublishError) as taken:
            server.deliver([])
    assert taken.value.code == Code.OPCUA_SERVER
    assert str(settings.port) in str(taken.value)
    server.deliver([])
    with socket.create_connection(("127.0.0.1", settings.port)):
        server.close()
    assert threading.active_count() == before
    with socket.socket() as freed:
        freed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        freed.bind(("127.0.0.1", settings.port))
    with pytest.raises(PublishError, match="closed"):
        server.deliver([])
    server.close()


def test_a_station_that_hangs_does_not_hold_a_delivery_for_ever(bench: Bench):
    release = threading.Event()

    class Stuck(BenchStation):
        def halt(self) -> None:
            release.wait(10)

    async def story(peer: Peer) -> None:
        none = ua.Variant(0, ua.VariantType.Int32), ua.Variant("", ua.VariantType.String)
        call = asyncio.create_task(peer.call(MACHINE, "Halt", *none))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        with pytest.raises(PublishError, match="no answer"):
            await asyncio.to_thread(stuck.deliver, [result_of(900)])
        assert time.monotonic() - began < 1.5
        release.set()
        assert await call == [0]
        await asyncio.to_thread(stuck.deliver, [result_of(900)])

    settings = bench.settings.model_copy(update={"port": free_port(), "timeout_s": 0.5})
    stuck = settings.build(Stuck())
    stuck.start()
    try:

        async def go() -> None:
            client = Client(stuck.endpoint)
            client.set_user("line")
            client.set_password("pw")
            async with client:
                await story(Peer(client))

        asyncio.run(go())
    finally:
        release.set()
        stuck.close()
