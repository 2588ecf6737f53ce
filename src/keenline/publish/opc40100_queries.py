"""Questions of clients about results, recipes and the configuration turned into answers.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from keenline.errors import KeenlineError
from keenline.publish import opc40100_structures as structures
from keenline.publish.opc40100_asyncua import Node, StatusCodes, ua
from keenline.publish.opc40100_calls import Answer, Refused, count, error_output, id_text
from keenline.publish.opc40100_control import VisionControl
from keenline.publish.opc40100_model import VisionModel
from keenline.publish.opc40100_results import (
    Jobs,
    RecentResults,
    VisionResult,
    Wanted,
    as_vision_result,
)
from keenline.publish.opc40100_structures import Variants
from keenline.types import Result

_MOST_AT_ONCE = 1000
_HANDLES = 1000
_NOT_PREPARED, _DONT_CARE = 0, 2  # TriStateBooleanDataType, section 12.23
_LONGEST_LOOKUP_S = 10.0


class VisionQueries:
    """What every client that is let in may ask."""

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
        self._handles: OrderedDict[int, None] = OrderedDict()
        self._last_handle = 0

    def methods(self) -> Iterator[tuple[Node, str, Answer, int]]:
        """Where each method is, its name, what answers it and its number of inputs."""
        model = self._model
        yield model.results, "GetResultById", self._result, 2
        yield model.results, "GetResultComponentsById", self._components, 2
        yield model.results, "GetResultListFiltered", self._list, 12
        yield model.results, "ReleaseResultHandle", self._release, 1
        yield model.recipes, "GetRecipeListFiltered", self._recipes, 6
        yield model.configurations, "GetConfigurationList", self._configurations, 3
        yield model.configurations, "GetConfigurationById", self._configuration, 2

    async def _result(self, result_id: Any, timeout_ms: Any) -> Variants:
        result = await self._find(id_text(result_id), timeout_ms)
        return [
            self._new_handle(),
            structures.structure(structures.as_structure(result)),
            error_output(0),
        ]

    async def _components(self, result_id: Any, timeout_ms: Any) -> Variants:
        fields = structures.as_components(await self._find(id_text(result_id), timeout_ms))
        del fields["ResultId"]
        on_file = fields.pop("HasTransferableDataOnFile")
        return [on_file, self._new_handle(), *fields.values(), error_output(0)]

    async def _list(self, state: Any, *others: Any) -> Variants:
        *identifiers, most, start, _timeout = others
        wanted = Wanted(
            state if isinstance(state, int) else 0, *(id_text(each) for each in identifiers)
        )
        limit = min(count(most) or _MOST_AT_ONCE, _MOST_AT_ONCE)
        found, complete = self._recent.select(wanted, count(start), limit)
        return [
            ua.Variant(complete, ua.VariantType.Boolean),
            ua.Variant(len(found), ua.VariantType.UInt32),
            self._new_handle(),
            structures.structure(
                [structures.as_structure(result, with_content=False) for result in found]
            ),
            error_output(0),
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
            raise Refused(StatusCodes.BadTimeout) from error
        except KeenlineError as error:
            raise Refused(StatusCodes.BadResourceUnavailable) from error
        if found is None:
            raise Refused(StatusCodes.BadNotFound)
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
            raise Refused(StatusCodes.BadNotFound)
        del self._handles[handle]
        return [error_output(0)]

    async def _recipes(
        self, external: Any, product: Any, prepared: Any, most: Any, start: Any, _: Any
    ) -> Variants:
        name, made = id_text(external), id_text(product)
        tri = count(prepared)
        matching = [
            recipe
            for recipe in self._control.recipes()
            if name in ("", recipe.external_id)
            and made in ("", recipe.external_id)
            and (tri == _DONT_CARE or recipe.is_prepared == (tri != _NOT_PREPARED))
        ]
        first, limit = count(start), min(count(most) or _MOST_AT_ONCE, _MOST_AT_ONCE)
        some = matching[first : first + limit]
        return [
            ua.Variant(first + len(some) >= len(matching), ua.VariantType.Boolean),
            ua.Variant(len(some), ua.VariantType.UInt32),
            self._new_handle(),
            structures.structure([structures.internal_recipe(recipe) for recipe in some]),
            error_output(0),
        ]

    async def _configurations(self, _most: Any, start: Any, _timeout: Any) -> Variants:
        known = [structures.configuration(self._control.configuration())][count(start) :]
        return [
            ua.Variant(True, ua.VariantType.Boolean),
            ua.Variant(len(known), ua.VariantType.UInt32),
            self._new_handle(),
            structures.structure(known),
            error_output(0),
        ]

    async def _configuration(self, internal: Any, _timeout: Any) -> Variants:
        known = self._control.configuration()
        if id_text(internal) != known.internal_id:
            raise Refused(StatusCodes.BadNotFound)
        return [
            self._new_handle(),
            structures.structure(structures.configuration(known)),
            error_output(0),
        ]
