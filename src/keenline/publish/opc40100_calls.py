"""Calls of methods as asyncua brings them turned into checked arguments, and answers back.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from keenline.publish.opc40100_asyncua import StatusCodes, ua

Answer = Callable[..., Awaitable[list[ua.Variant]]]
"""Takes the values of the inputs, in their order; returns all outputs or raises `Refused`."""


class Refused(Exception):
    """The call fails with a status code of OPC UA, and has no outputs."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = ua.StatusCode(ua.UInt32(status))


def guarded(answer: Answer, inputs: int) -> Callable[..., Awaitable[Any]]:
    """What asyncua calls: the right number of arguments in, variants or a status code out."""

    async def call(_parent: ua.NodeId, *arguments: ua.Variant) -> Any:
        if len(arguments) < inputs:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadArgumentsMissing))
        if len(arguments) > inputs:
            return ua.StatusCode(ua.UInt32(StatusCodes.BadTooManyArguments))
        try:
            return await answer(*(argument.Value for argument in arguments))
        except Refused as refusal:
            return refusal.status

    return call


def error_output(number: int) -> ua.Variant:
    """0, or the number of one of our errors with a minus sign: positive ones belong to the
    standard (OPC 40100-1, 8.3.7)."""
    return ua.Variant(number, ua.VariantType.Int32)


def id_text(value: Any) -> str:
    """The text of one of the many id structures; "" where the client sent nothing."""
    text = getattr(value, "Id", None) if value is not None else ""
    if text is None:
        text = ""
    if not isinstance(text, str) or (value is not None and not hasattr(value, "Id")):
        raise Refused(StatusCodes.BadTypeMismatch)
    return text.strip()


def count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
