"""Calls of OPC 40100-1 methods turned into commands to the station and answers from its results.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from keenline.errors import KeenlineError
from keenline.publish import opc40100_structures as structures
from keenline.publish.opc40100_access import may_command
from keenline.publish.opc40100_control import JobRequest, VisionControl
from keenline.publish.opc40100_model import VisionModel
from keenline.publish.opc40100_results import (
    Jobs,
    RecentResults,
    VisionResult,
    Wanted,
    as_vision_result,
)
from keenline.publish.opc40100_states import ALLOWED, CONTINUOUS_EXECUTION
from keenline.publish.opc40100_structures import Variants
from keenline.types import Result

_MOST_AT_ONCE = 1000
_HANDLES = 1000
_NOT_PREPARED, _DONT_CARE = 0, 2  # TriStateBooleanDataType, section 12.23
_LONGEST_LOOKUP_S = 10.0

Answer = Callable[..., Awaitable[Variants]]


class VisionMethods:
    """The methods of one vision system, linked to the station behind it."""

    def __init__(
        self,
        model: VisionModel,
        control: VisionControl,
        recent: RecentResults,
        jobs: Jobs,
        lookup: Callable[[str], Result | None],
    ) -> None:
        self._model, self._control = model, control
        self._recent, self._jobs, self._lookup = recent, jobs, lookup
        self.busy = asyncio.Lock()
        """Held while a command runs, so that the results of a job come after its answer."""
        self._handles: OrderedDict[int, None] = OrderedDict()
        self._last_handle = 0

    async def link(self, server: Server) -> None:
        """Have every method of the system answered by this object."""
        model, simple = self._model, self._simple
        for parent, name, answer, inputs in (
            (model.machine, "Halt", simple("Halt", self._control.halt), 2),
            (model.machine, "Reset", simple("Reset", self._control.reset), 2),
            (
                model.machine,
                "SelectModeAutomatic",
                simple("SelectModeAutomatic", self._control.select_mode_automatic),
                0,
            ),
            (model.automatic, "Stop", simple("Stop", self._control.stop), 2),
            (model.automatic, "Abort", simple("Abort", self._control.abort), 2),
            (model.automatic, "StartSingleJob", self._start_single, 5),
            (model.automatic, "StartContinuous", self._start_continuous, 5),
            (model.results, "GetResultById", self._result, 2),
            (model.results, "GetResultComponentsById", self._components, 2),
            (model.results, "GetResultListFiltered", self._list, 12),
            (model.results, "ReleaseResultHandle", self._release, 1),
            (model.recipes, "GetRecipeListFiltered", self._recipes, 6),
            (model.recipes, "PrepareRecipe", self._prepare, 2),
            (model.recipes, "UnprepareRecipe", self._unprepare, 2),
            (model.configurations, "GetConfigurationList", self._configurations, 3),
            (model.configurations, "GetConfigurationById", self._configuration, 2),
            (model.configurations, "ActivateConfiguration", self._activate, 1),
        ):
            node: Node = await model.child(parent, name)
            server.link_method(node, _guarded(answer, inputs))

    # Commands

    def _simple(self, method: str, command: Callable[[], None]) -> Answer:
        async def answer(*_: Any) -> Variants:
            return [(await self._command(method, command))[1]]

        return answer

    async def _start_single(
        self, meas: Any, part: Any, recipe: Any, product: Any, _: Any
    ) -> Variants:
        job = JobRequest(_id(meas), _id(part), _id(recipe), _id(product))
        number, error = await self._command(
            "StartSingleJob",
            lambda: self._control.start_single_job(job),
            lambda number: self._jobs.single(number, job.meas_id),
        )
        name = "" if number is None else str(number)
        return [structures.structure(structures.job_id(name)), error]

    async def _start_continuous(
        self, meas: Any, part: Any, recipe: Any, product: Any, _: Any
    ) -> Variants:
        job = JobRequest(_id(meas), _id(part), _id(recipe), _id(product))
        name, started = str(uuid.uuid4()), datetime.now(UTC)
        _nothing, error = await self._command(
            "StartContinuous",
            lambda: self._control.start_continuous(job),
            lambda _done: self._jobs.continuous(name, job.meas_id, started),
        )
        name = "" if error.Value else name
        return [structures.structure(structures.job_id(name)), error]

    async def _prepare(self, external: Any, internal: Any) -> Variants:
        wanted = (_id(external), _id(internal))
        found = [
            recipe
            for recipe in self._control.recipes()
            if wanted[0] in ("", recipe.external_id)
            and wanted[1] in ("", recipe.internal_id)
            and any(wanted)
        ]
        if len(found) != 1:  # unknown, or several of one name: the client must say which
            raise _Refused(StatusCodes.BadNotFound)
        recipe = found[0]
        _nothing, error = await self._command(
            "PrepareRecipe", lambda: self._control.prepare_recipe(recipe.internal_id)
        )
        if not error.Value:
            fields = {"InternalId": structures.internal_recipe(recipe)}
            await self._model.fire("RecipePrepared", fields, recipe.external_id)
        return [
            structures.structure(structures.internal_recipe(recipe)),
            ua.Variant(not error.Value, ua.VariantType.Boolean),
            error,
        ]

    async def _unprepare(self, external: Any, internal: Any) -> Variants:
        """A station always has its one recipe; another takes its place by PrepareRecipe."""
        del external, internal
        raise _Refused(StatusCodes.BadNotSupported)

    async def _activate(self, internal: Any) -> Variants:
        """Only the configuration that is active can be named: another needs a restart."""
        _require_command()
        if _id(internal) != self._control.configuration().internal_id:
            raise _Refused(StatusCodes.BadNotFound)
        return [_error(0)]

    async def _command(
        self,
        method: str,
        command: Callable[[], Any],
        then: Callable[[Any], object] = lambda _: None,
    ) -> tuple[Any, ua.Variant]:
        """What `command` returned (None if refused) and the Error output."""
        _require_command()
        async with self.busy:
            await self._model.show(self._control.state())
            if self._model.state not in ALLOWED[method]:
                raise _Refused(StatusCodes.BadInvalidState)
            try:
                done = await asyncio.to_thread(command)
            except KeenlineError as error:
                return None, _error(-int(error.code))
            then(done)
            await self.follow(method)
            return done, _error(0)

    async def follow(self, method: str = "") -> None:
        """Show the state in which the station is now."""
        state = self._control.state()
        if self._model.state == CONTINUOUS_EXECUTION != state:
            self._jobs.end_continuous(datetime.now(UTC))
        await self._model.show(state, method)

    # Results

    async def _result(self, result_id: Any, timeout_ms: Any) -> Variants:
        result = await self._find(_id(result_id), timeout_ms)
        return [
            self._new_handle(),
            structures.structure(structures.as_structure(result)),
            _error(0),
        ]

    async def _components(self, result_id: Any, timeout_ms: Any) -> Variants:
        fields = structures.as_components(await self._find(_id(result_id), timeout_ms))
        del fields["ResultId"]
        on_file = fields.pop("HasTransferableDataOnFile")
        return [on_file, self._new_handle(), *fields.values(), _error(0)]

    async def _list(self, state: Any, *others: Any) -> Variants:
        *identifiers, most, start, _timeout = others
        wanted = Wanted(
            state if isinstance(state, int) else 0, *(_id(each) for each in identifiers)
        )
        limit = min(_count(most) or _MOST_AT_ONCE, _MOST_AT_ONCE)
        found, complete = self._recent.select(wanted, _count(start), limit)
        return [
            ua.Variant(complete, ua.VariantType.Boolean),
            ua.Variant(len(found), ua.VariantType.UInt32),
            self._new_handle(),
            structures.structure(
                [structures.as_structure(result, with_content=False) for result in found]
            ),
            _error(0),
        ]

    async def _find(self, result_id: str, timeout_ms: Any) -> VisionResult:
        recent = self._recent.get(result_id)
        if recent is not None:
            return recent
        seconds = (timeout_ms if isinstance(timeout_ms, int) and timeout_ms > 0 else 0) / 1000
        limit = min(seconds or _LONGEST_LOOKUP_S, _LONGEST_LOOKUP_S)
        try:
            async with asyncio.timeout(limit):
                found = await asyncio.to_thread(self._lookup, result_id)
        except TimeoutError as error:
            raise _Refused(StatusCodes.BadTimeout) from error
        except KeenlineError as error:
            raise _Refused(StatusCodes.BadResourceUnavailable) from error
        if found is None:
            raise _Refused(StatusCodes.BadNotFound)
        return as_vision_result(found, self._jobs)

    def _new_handle(self) -> ua.Variant:
        """Results are copies: a handle holds nothing, it can only be given back."""
        self._last_handle = self._last_handle % 0xFFFFFFFF + 1
        self._handles[self._last_handle] = None
        if len(self._handles) > _HANDLES:
            self._handles.popitem(last=False)
        return ua.Variant(self._last_handle, ua.VariantType.UInt32)

    async def _release(self, handle: Any) -> Variants:
        if handle not in self._handles:
            raise _Refused(StatusCodes.BadNotFound)
        del self._handles[handle]
        return [_error(0)]

    # Recipes and configurations

    async def _recipes(
        self, external: Any, product: Any, prepared: Any, most: Any, start: Any, _: Any
    ) -> Variants:
        name, made = _id(external), _id(product)
        tri = _count(prepared)
        matching = [
            recipe
            for recipe in self._control.recipes()
            if name in ("", recipe.external_id)
            and made in ("", recipe.external_id)
            and (tri == _DONT_CARE or recipe.is_prepared == (tri != _NOT_PREPARED))
        ]
        first, limit = _count(start), min(_count(most) or _MOST_AT_ONCE, _MOST_AT_ONCE)
        some = matching[first : first + limit]
        return [
            ua.Variant(first + len(some) >= len(matching), ua.VariantType.Boolean),
            ua.Variant(len(some), ua.VariantType.UInt32),
            self._new_handle(),
            structures.structure([structures.internal_recipe(recipe) for recipe in some]),
            _error(0),
        ]

    async def _configurations(self, _most: Any, start: Any, _timeout: Any) -> Variants:
        known = [structures.configuration(self._control.configuration())][_count(start) :]
        return [
            ua.Variant(True, ua.VariantType.Boolean),
            ua.Variant(len(known), ua.VariantType.UInt32),
            self._new_handle(),
            structures.structure(known),
            _error(0),
        ]

    async def _configuration(self, internal: Any, _timeout: Any) -> Variants:
        known = self._control.configuration()
        if _id(internal) != known.internal_id:
            raise _Refused(StatusCodes.BadNotFound)
        return [
            self._new_handle(),
            structures.structure(structures.configuration(known)),
            _error(0),
        ]


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = ua.StatusCode(ua.UInt32(status))


def _guarded(answer: Answer, inputs: int) -> Callable[..., Awaitable[Any]]:
    """What asyncua calls: the right number of arguments in, variants or a status code out."""

    async def call(_parent: ua.NodeId, *arguments: ua.Variant) -> Any:
        if len(arguments) < inputs:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadArgumentsMissing))
        if len(arguments) > inputs:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadTooManyArguments))
        try:
            return await answer(*(argument.Value for argument in arguments))
        except _Refused as refusal:
            return refusal.status

    return call


def _require_command() -> None:
    if not may_command():
        raise _Refused(StatusCodes.BadUserAccessDenied)


def _error(number: int) -> ua.Variant:
    """0, or the number of one of our errors with a minus sign: positive ones belong to the
    standard (OPC 40100-1, 8.3.7)."""
    return ua.Variant(number, ua.VariantType.Int32)


def _id(value: Any) -> str:
    """The text of one of the many id structures; "" where the client sent nothing."""
    text = getattr(value, "Id", None) if value is not None else ""
    if text is None:
        text = ""
    if not isinstance(text, str) or (value is not None and not hasattr(value, "Id")):
        raise _Refused(StatusCodes.BadTypeMismatch)
    return text.strip()


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
