"""Signals turned into reads and writes of a PLC's OPC UA server.

One Read request for all inputs and one Write request for all outputs. The types of the nodes are
asked for when connecting. The client runs on an event loop of its own that turns only while a
method of the port waits: no thread, and nothing happens between two calls.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from keenline.credentials import require_private
from keenline.devices.opcua_settings import OpcUaTable
from keenline.devices.plc import Signals, SignalValue
from keenline.devices.plc_signals import (
    Form,
    addressed,
    fitted,
    gone,
    misfit,
    no_extra,
    no_signal,
    received,
    refused,
)
from keenline.errors import CredentialError, PlcError

_T = TypeVar("_T")

_FORMS = {
    "Boolean": Form("bit"),
    "SByte": Form("number", bits=8),
    "Byte": Form("number", bits=8),
    "Int16": Form("number", bits=16),
    "UInt16": Form("number", bits=16),
    "Int32": Form("number", bits=32),
    "UInt32": Form("number", bits=32),
    "Int64": Form("number", bits=64),
    "UInt64": Form("number", bits=64),
    "String": Form("text"),
}
"""OPC UA built-in types (OPC 10000-6, 5.1.2) that a signal can use."""
_SESSION_MS = 60_000
"""After which the server forgets a station that has vanished; servers have few sessions to give."""
_CAN_WRITE = 1 << 1
"""CurrentWrite in UserAccessLevel (OPC 10000-3, 8.57)."""
_NOT_THERE = {
    "BadNodeIdUnknown",
    "BadNodeIdInvalid",
    "BadAttributeIdInvalid",
    "BadIndexRangeInvalid",
    "BadNotReadable",
    "BadNotWritable",
    "BadTypeMismatch",
    "BadOutOfRange",
    "BadWriteNotSupported",
    "BadDataEncodingInvalid",
    "BadDataEncodingUnsupported",
}
_NOT_LET_IN = ("BadCertificate", "BadIdentity", "BadSecurity", "BadUser", "BadNonce")
_NOT_LET_IN_EITHER = {
    "BadApplicationSignatureInvalid",
    "BadUserSignatureInvalid",
    "BadNoValidCertificates",
    "BadTooManySessions",
    "BadLicenseExpired",
    "BadLicenseLimitsExceeded",
    "BadLicenseNotAvailable",
    "BadSessionNotActivated",
}
_NEXT = "check account, password and certificates, and that the server trusts the station's"


class OpcUaSettings(OpcUaTable):
    """`[plc]` with `kind = "opcua"`."""

    def build(self) -> OpcUaPlc:
        return OpcUaPlc(self)


@dataclass(frozen=True, slots=True)
class _Node:
    """What the server says of one node."""

    signal: str
    text: str
    node_id: Any
    type_name: str
    form: Form


class OpcUaPlc:
    """A PLC behind OPC UA; see `keenline.devices.plc.Plc`."""

    def __init__(self, settings: OpcUaSettings) -> None:
        self.name = f"opcua at {settings.url}"
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._inputs: list[_Node] = []
        self._outputs: dict[str, _Node] = {}
        self._vendor_errors: tuple[type[BaseException], ...] = (OSError, RuntimeError)

    def connect(self) -> None:
        self.close()
        try:
            from asyncua.client.client import Client
            from cryptography.exceptions import InvalidSignature
        except ModuleNotFoundError as error:
            raise no_extra("an OPC UA server") from error
        self._check_files()
        # asyncua's own errors are RuntimeErrors; the others come of answers and certificates that
        # cannot be decoded.
        self._vendor_errors = (OSError, RuntimeError, ValueError, struct.error, InvalidSignature)
        self._loop = asyncio.new_event_loop()
        is_open = False
        try:
            client = Client(
                self._settings.url,
                timeout=self._settings.connect_timeout_ms / 1e3,
                # A read every few milliseconds tells sooner than the client's own watch.
                watchdog_intervall=1e9,
            )
            self._client = client
            self._wait(self._open(client), self._settings.connect_timeout_ms, connecting=True)
            is_open = True
        finally:
            if not is_open:
                self.close()

    def read(self) -> Signals:
        values = self._wait(self._read(self._inputs), self._settings.timeout_ms)
        return {node.signal: value for node, value in zip(self._inputs, values, strict=True)}

    def write(self, values: Signals) -> None:
        nodes = [node for name, node in self._outputs.items() if name in values]
        content = [
            fitted(node.signal, values[node.signal], node.form, f"{self.name}: {node.text}")
            for node in nodes
        ]
        if nodes or self._client is None:
            self._wait(self._write(nodes, content), self._settings.timeout_ms)

    def close(self) -> None:
        self._end(politely=True)

    def _end(self, *, politely: bool) -> None:
        """Close session and socket; `politely`, with a word to the server, which may not come."""
        loop, self._loop = self._loop, None
        client, self._client = self._client, None
        self._inputs, self._outputs = [], {}
        if loop is None:
            return
        seconds = self._settings.timeout_ms / 1e3
        try:
            if client is not None and politely:
                loop.run_until_complete(_leave(client, seconds))
            elif client is not None:
                client.disconnect_socket()
            loop.run_until_complete(_end_tasks())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    def _wait(
        self, work: Coroutine[Any, Any, _T], milliseconds: float, *, connecting: bool = False
    ) -> _T:
        """Turn the loop until `work` is done; whatever goes wrong comes out as PlcError."""
        if self._loop is None:
            work.close()
            raise gone(self.name, "not connected", connecting=connecting)
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, milliseconds / 1e3))
        except PlcError:
            raise
        except self._vendor_errors as error:
            self._end(politely=False)
            raise translated(error, self.name, connecting=connecting) from error

    async def _open(self, client: Any) -> None:
        from asyncua import ua
        from asyncua.crypto import security_policies

        settings = self._settings
        client.application_uri = settings.application_uri
        client.name = client.description = "Keenline station"
        client.session_timeout = _SESSION_MS
        if settings.user is not None and settings.password is not None:
            client.set_user(settings.user)
            client.set_password(self._password())
        if settings.security_policy != "None":
            await client.set_security(
                getattr(security_policies, f"SecurityPolicy{settings.security_policy}"),
                settings.certificate,
                settings.private_key,
                server_certificate=settings.server_certificate,
                mode=ua.MessageSecurityMode[settings.security_mode],
            )
        await client.connect()
        inputs = addressed(settings.inputs)
        outputs = addressed(settings.outputs)
        self._inputs = await self._nodes(inputs, is_output=False)
        self._outputs = {node.signal: node for node in await self._nodes(outputs, is_output=True)}

    async def _nodes(self, table: dict[str, str], *, is_output: bool) -> list[_Node]:
        from asyncua import ua
        from asyncua.ua.attribute_ids import AttributeIds

        if not table:
            return []
        ids = {name: ua.NodeId.from_string(text) for name, text in table.items()}
        wanted = (
            AttributeIds.DataType,
            AttributeIds.ValueRank,
            AttributeIds.UserAccessLevel,
        )
        answers = await self._attributes([(node, at) for node in ids.values() for at in wanted])
        nodes = []
        for place, (name, node_id) in enumerate(ids.items()):
            kind, rank, access = answers[3 * place : 3 * place + 3]
            self._require_good(name, table[name], kind)
            type_name = _type_name(_content(kind))
            form = _FORMS.get(type_name)
            if form is None or _is_array(_content(rank)):
                words = f"a node of type {type_name}; allowed: {', '.join(_FORMS)}, no arrays"
                raise no_signal(self.name, name, table[name], words)
            words_of_misfit = misfit(name, form, is_output=is_output)
            if words_of_misfit:
                raise no_signal(self.name, name, table[name], f"{type_name}; {words_of_misfit}")
            if is_output and not (_content(access) or 0) & _CAN_WRITE:
                raise no_signal(self.name, name, table[name], "a node this account may not write")
            nodes.append(_Node(name, table[name], node_id, type_name, form))
        await self._read(nodes)
        return nodes

    async def _attributes(self, wanted: list[tuple[Any, Any]]) -> list[Any]:
        from asyncua import ua

        parameters = ua.ReadParameters()
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
        parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=attribute) for node, attribute in wanted
        ]
        answers: list[Any] = await self._client.uaclient.read(parameters)
        if len(answers) != len(wanted):
            raise ConnectionError("the answer does not belong to the request")
        return answers

    async def _read(self, nodes: list[_Node]) -> list[SignalValue]:
        from asyncua.ua.attribute_ids import AttributeIds

        if not nodes:
            return []
        answers = await self._attributes([(node.node_id, AttributeIds.Value) for node in nodes])
        values = []
        for node, answer in zip(nodes, answers, strict=True):
            self._require_good(node.signal, node.text, answer)
            content = _content(answer)
            if content is None and node.form.kind == "text":
                content = ""
            if not isinstance(content, bool | int | str):
                raise no_signal(self.name, node.signal, node.text, "no value yet")
            values.append(received(node.signal, content, node.form))
        return values

    async def _write(self, nodes: list[_Node], content: list[SignalValue]) -> None:
        from asyncua import ua
        from asyncua.ua.attribute_ids import AttributeIds

        parameters = ua.WriteParameters()
        for node, value in zip(nodes, content, strict=True):
            kind = ua.VariantType[node.type_name]
            # Neither status nor time: many PLCs refuse a write that brings its own.
            data = ua.DataValue(ua.Variant(_as_type(value, node.type_name), kind), StatusCode=None)
            parameters.NodesToWrite.append(
                ua.WriteValue(NodeId=node.node_id, AttributeId=AttributeIds.Value, Value=data)
            )
        codes = await self._client.uaclient.write(parameters)
        for node, code in zip(nodes, codes, strict=True):
            self._require_good_code(node.signal, node.text, code)

    def _require_good(self, signal: str, text: str, answer: Any) -> None:
        if answer.StatusCode is not None:
            self._require_good_code(signal, text, answer.StatusCode)

    def _require_good_code(self, signal: str, text: str, code: Any) -> None:
        if code.is_good() or code.is_uncertain():
            return
        if code.name in _NOT_THERE:
            raise no_signal(self.name, signal, text, code.name)
        if _is_refusal(code.name):
            raise refused(self.name, f"{signal} at {text}: {code.name}", _NEXT)
        # Such as BadNotConnected of a server that has lost the PLC behind it.
        raise ConnectionError(f"{signal} at {text}: {code.name}")

    def _check_files(self) -> None:
        try:
            for file in self._settings.files():
                if not file.is_file():
                    raise refused(self.name, f"the file {file} is not there", _NEXT)
            if self._settings.private_key is not None:
                require_private(self._settings.files()[1])
        except CredentialError as error:
            raise refused(self.name, f"{error.what}: {error.where}", error.next or _NEXT) from error

    def _password(self) -> str:
        assert self._settings.password is not None
        try:
            return self._settings.password.read()
        except CredentialError as error:
            raise refused(self.name, f"{error.what}: {error.where}", error.next or _NEXT) from error


def _content(answer: Any) -> Any:
    return None if answer.Value is None else answer.Value.Value


def _is_array(rank: int | None) -> bool:
    """ValueRank (OPC 10000-3, 5.6.2): -1 is a scalar, -2 and -3 may be one."""
    return rank is not None and rank >= 0


def _is_refusal(status: str) -> bool:
    return status.startswith(_NOT_LET_IN) or status in _NOT_LET_IN_EITHER


def translated(error: BaseException, name: str, *, connecting: bool) -> PlcError:
    """What asyncua raised, as an error of ours. Every Bad status that is not a refusal means that
    the session is of no more use, and the next one begins from the start."""
    words = type(error).__name__ if type(error).__name__.startswith("Bad") else str(error)
    if _is_refusal(type(error).__name__):
        return refused(name, words, _NEXT)
    if connecting and type(error).__name__ == "UaError":
        return refused(name, words, "compare security_policy and security_mode with the server's")
    return gone(name, words or error, connecting=connecting)


def _type_name(node_id: Any) -> str:
    from asyncua import ua

    if node_id is None or node_id.NamespaceIndex != 0 or not isinstance(node_id.Identifier, int):
        return str(node_id)
    known = {kind.value: kind.name for kind in ua.VariantType}
    return str(known.get(node_id.Identifier, node_id))


def _as_type(value: SignalValue, type_name: str) -> SignalValue:
    """16 bits count from 0 to 65535; a signed type holds the same bits."""
    if type_name == "Int16" and int(value) >> 15:
        return int(value) - (1 << 16)
    if type_name in ("UInt32", "UInt64"):
        return int(value) % (1 << int(type_name[4:]))
    return value


async def _leave(client: Any, seconds: float) -> None:
    """Say goodbye to a server that may be gone."""
    try:
        await asyncio.wait_for(client.disconnect(), seconds)
    except (OSError, RuntimeError):
        client.disconnect_socket()


async def _end_tasks() -> None:
    """What the client left running on this loop; and the transport closes in its next turns."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)
