"""A served station on the bench, and asyncua's client with what it heard of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from tests.publish.vision_client import free_port
from tests.publish.vision_station import BenchStation

from keenline.credentials import Credential
from keenline.errors import Code, StoreError
from keenline.publish.opc40100 import Opc40100Server, Opc40100Settings
from keenline.publish.opc40100_settings import OpcUaUser
from keenline.types import Result

KEPT = 20
SYSTEM = "ns=1;s=Keenline"
MACHINE = f"{SYSTEM}.VisionStateMachine"
AUTOMATIC = f"{MACHINE}.AutomaticModeStateMachine"
RESULTS = f"{SYSTEM}.ResultManagement"
RECIPES = f"{SYSTEM}.RecipeManagement"
TYPES: Any = ua


class Peer:
    """asyncua's client with what it heard."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.events: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.events.append(event)

    async def call(self, parent: str, method: str, *inputs: Any) -> list[Any]:
        request = ua.CallMethodRequest()
        request.ObjectId = ua.NodeId.from_string(parent)
        request.MethodId = ua.NodeId.from_string(f"{parent}.{method}")
        request.InputArguments = [
            each if isinstance(each, ua.Variant) else ua.Variant(each) for each in inputs
        ]
        (result,) = await self.client.uaclient.call([request])
        result.StatusCode.check()
        return [output.Value for output in result.OutputArguments]

    async def value(self, node: str) -> Any:
        return await self.client.get_node(node).read_value()

    async def states(self) -> tuple[str, str]:
        outer = await self.value(f"{MACHINE}.CurrentState")
        data = await self.client.get_node(f"{AUTOMATIC}.CurrentState").read_data_value(
            raise_on_bad_status=False
        )
        return outer.Text, data.Value.Value.Text if data.StatusCode.is_good() else ""

    async def listen(self, *numbers: int) -> None:
        subscription = await self.client.create_subscription(10, self)
        kinds = [self.client.get_node(ua.NodeId(number, 2)) for number in numbers]
        await subscription.subscribe_events(ua.NodeId(2253), kinds)

    async def until(self, count: int) -> list[Any]:
        end = time.monotonic() + 5
        while len(self.events) < count and time.monotonic() < end:
            await asyncio.sleep(0.005)
        assert len(self.events) >= count
        return self.events


def start_inputs(meas: str = "", part: str = "") -> tuple[Any, ...]:
    return (
        TYPES.MeasIdDataType(Id=meas),
        TYPES.PartIdDataType(Id=part),
        TYPES.RecipeIdExternalDataType(Id=""),
        TYPES.ProductIdDataType(Id=""),
        ua.Variant([], ua.VariantType.Variant, is_array=True),
    )


def list_inputs(
    *, state: int = 0, part: str = "", job: str = "", most: int = 0, start: int = 0
) -> tuple[Any, ...]:
    return (
        ua.Variant(state, ua.VariantType.Int32),
        TYPES.MeasIdDataType(Id=""),
        TYPES.PartIdDataType(Id=part),
        TYPES.RecipeIdExternalDataType(Id=""),
        TYPES.RecipeIdInternalDataType(Id=""),
        TYPES.ConfigurationIdDataType(Id=""),
        TYPES.ConfigurationIdDataType(Id=""),
        TYPES.ProductIdDataType(Id=""),
        TYPES.JobIdDataType(Id=job),
        ua.Variant(most, ua.VariantType.UInt32),
        ua.Variant(start, ua.VariantType.UInt32),
        ua.Variant(1000, ua.VariantType.Int32),
    )


class Bench:
    def __init__(self, folder: Path) -> None:
        secret = folder / "secret"
        secret.write_text("pw")
        secret.chmod(0o600)
        self.settings = Opc40100Settings(
            port=free_port(),
            folder=str(folder / "server"),
            security=("none",),
            users=(OpcUaUser(name="line", password=Credential(file=str(secret)), commands=True),),
            keep_results=KEPT,
            timeout_s=2.0,
        )
        self.station = BenchStation()
        self.stored: dict[str, Result] = {}
        self.store_is_down = False
        self.server: Opc40100Server = self.settings.build(self.station, self.lookup)
        self.station.deliver = self.server.deliver
        self.server.start()

    def lookup(self, result_id: str) -> Result | None:
        if self.store_is_down:
            raise StoreError(Code.STORE_UNREACHABLE, "The store is down")
        return self.stored.get(result_id)

    def do(self, story: Callable[[Peer], Awaitable[None]]) -> None:
        async def go() -> None:
            client = Client(self.server.endpoint)
            client.set_user("line")
            client.set_password("pw")
            async with client:
                await story(Peer(client))

        asyncio.run(go())

    def deliver(self, *results: Result) -> None:
        self.server.deliver(results)
