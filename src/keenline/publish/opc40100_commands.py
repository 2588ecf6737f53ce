"""Calls of OPC 40100-1 methods turned into commands to the station.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from keenline.errors import KeenlineError
from keenline.publish import opc40100_structures as structures
from keenline.publish.opc40100_access import may_command
from keenline.publish.opc40100_asyncua import Node, StatusCodes, ua
from keenline.publish.opc40100_calls import Answer, Refused, error_output, id_text
from keenline.publish.opc40100_control import JobRequest, VisionControl
from keenline.publish.opc40100_model import VisionModel
from keenline.publish.opc40100_results import Jobs
from keenline.publish.opc40100_states import ALLOWED, CONTINUOUS_EXECUTION
from keenline.publish.opc40100_structures import Variants


class VisionCommands:
    """What a client may have the station do, if it may command."""

    def __init__(self, model: VisionModel, control: VisionControl, jobs: Jobs) -> None:
        self._model, self._control, self._jobs = model, control, jobs
        self.busy = asyncio.Lock()
        """Held while a command runs, so that the results of a job come after its answer."""

    def methods(self) -> Iterator[tuple[Node, str, Answer, int]]:
        """Where each method is, its name, what answers it and its number of inputs."""
        model, control = self._model, self._control
        yield model.machine, "Halt", self._simple("Halt", control.halt), 2
        yield model.machine, "Reset", self._simple("Reset", control.reset), 2
        automatic = self._simple("SelectModeAutomatic", control.select_mode_automatic)
        yield model.machine, "SelectModeAutomatic", automatic, 0
        yield model.automatic, "Stop", self._simple("Stop", control.stop), 2
        yield model.automatic, "Abort", self._simple("Abort", control.abort), 2
        yield model.automatic, "StartSingleJob", self._start_single, 5
        yield model.automatic, "StartContinuous", self._start_continuous, 5
        yield model.recipes, "PrepareRecipe", self._prepare, 2
        yield model.recipes, "UnprepareRecipe", self._unprepare, 2
        yield model.configurations, "ActivateConfiguration", self._activate, 1

    async def follow(self, method: str = "") -> None:
        """Show the state in which the station is now."""
        state = self._control.state()
        if self._model.state == CONTINUOUS_EXECUTION != state:
            self._jobs.end_continuous(datetime.now(UTC))
        await self._model.show(state, method)

    def _simple(self, method: str, command: Callable[[], None]) -> Answer:
        async def answer(*_: Any) -> Variants:
            return [(await self._command(method, command))[1]]

        return answer

    async def _start_single(
        self, meas: Any, part: Any, recipe: Any, product: Any, _: Any
    ) -> Variants:
        job = JobRequest(id_text(meas), id_text(part), id_text(recipe), id_text(product))
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
        job = JobRequest(id_text(meas), id_text(part), id_text(recipe), id_text(product))
        name, started = str(uuid.uuid4()), datetime.now(UTC)
        _nothing, error = await self._command(
            "StartContinuous",
            lambda: self._control.start_continuous(job),
            lambda _done: self._jobs.continuous(name, job.meas_id, started),
        )
        name = "" if error.Value else name
        return [structures.structure(structures.job_id(name)), error]

    async def _prepare(self, external: Any, internal: Any) -> Variants:
        wanted = (id_text(external), id_text(internal))
        found = [
            recipe
            for recipe in self._control.recipes()
            if wanted[0] in ("", recipe.external_id)
            and wanted[1] in ("", recipe.internal_id)
            and any(wanted)
        ]
        if len(found) != 1:  # unknown, or several of one name: the client must say which
            raise Refused(StatusCodes.BadNotFound)
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
        raise Refused(StatusCodes.BadNotSupported)

    async def _activate(self, internal: Any) -> Variants:
        """Only the configuration that is active can be named: another needs a restart."""
        _require_command()
        if id_text(internal) != self._control.configuration().internal_id:
            raise Refused(StatusCodes.BadNotFound)
        return [error_output(0)]

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
                raise Refused(StatusCodes.BadInvalidState)
            try:
                done = await asyncio.to_thread(command)
            except KeenlineError as error:
                return None, error_output(-int(error.code))
            then(done)
            await self.follow(method)
            return done, error_output(0)


def _require_command() -> None:
    if not may_command():
        raise Refused(StatusCodes.BadUserAccessDenied)
