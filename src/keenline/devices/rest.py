"""Signals turned into JSON over HTTP, for a line whose controller is a program and no PLC.

Inputs come by GET as one JSON object, outputs go by POST as one. The station serves nothing here.
Connections are kept open; one that the other side has closed meanwhile is opened again within the
same call, because reading inputs or setting outputs twice does no harm.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection, RemoteDisconnected
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from keenline.credentials import Credential
from keenline.devices.plc import Inputs, Outputs, PlcSettings, Signals, SignalValue
from keenline.devices.plc_signals import (
    CARRIES,
    Deadline,
    Form,
    Kind,
    addressed,
    fitted,
    gone,
    no_signal,
    received,
    refused,
    wrong_address,
)
from keenline.errors import CredentialError, PlcError
from keenline.strict_toml import content_fault

_KEY = re.compile(r"[A-Za-z_][\w-]{0,63}(?:\.[A-Za-z_][\w-]{0,63}){0,7}", re.ASCII)
_ALLOWED = "a JSON key such as trigger or line.trigger"
_LONGEST_ANSWER = 1 << 16
_FORMS: Mapping[Kind, Form] = {
    "bit": Form("bit"),
    # What every JSON reader keeps exactly: 53 bits (RFC 8259, 6).
    "number": Form("number", bits=54),
    "text": Form("text"),
}


class RestInputs(Inputs):
    """`[plc.inputs]` with JSON keys."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _key(value)


class RestOutputs(Outputs):
    """`[plc.outputs]` with JSON keys."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _key(value)

    @model_validator(mode="after")
    def _no_key_within_a_key(self) -> RestOutputs:
        keys = addressed(self)
        for name, key in keys.items():
            for other in keys.values():
                if other.startswith(f"{key}."):
                    raise content_fault(f'= "{key}"; {other} makes it an object', name)
        return self


class RestSettings(PlcSettings):
    """`[plc]` with `kind = "rest"`."""

    kind: Literal["rest"] = "rest"
    inputs: RestInputs
    outputs: RestOutputs
    outputs_url: str = Field(max_length=2000)
    """Where outputs are sent by POST."""
    inputs_url: str | None = Field(default=None, max_length=2000)
    """Where inputs are read by GET; not needed without inputs."""
    user: str | None = Field(default=None, min_length=1, pattern=r"^[^:\x00-\x1f]+$")
    """For HTTP Basic, with `password`."""
    password: Credential | None = None
    token: Credential | None = None
    """Sent as `Authorization: Bearer`."""
    ca_file: str | None = Field(default=None, min_length=1)
    """Certificates that an https server's must lead to, PEM; without it, those of the system."""

    @field_validator("outputs_url", "inputs_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None:
            _target(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> RestSettings:
        if self.inputs_url is None and addressed(self.inputs):
            raise content_fault("is missing; there are inputs to be read", "inputs_url")
        if (self.user is None) != (self.password is None):
            raise content_fault("user and password go together", "user")
        if self.user is not None and self.token is not None:
            raise content_fault("allowed: either a token or a user", "token")
        return self

    def build(self) -> RestPlc:
        return RestPlc(self)


class RestPlc:
    """A controller behind HTTP; see `keenline.devices.plc.Plc`."""

    def __init__(self, settings: RestSettings) -> None:
        self.name = f"rest at {settings.outputs_url}"
        self._settings = settings
        self._inputs = addressed(settings.inputs)
        self._outputs = addressed(settings.outputs)
        self._headers: dict[str, str] = {}
        self._lines: dict[str, HTTPConnection] = {}
        self._is_connected = False

    def connect(self) -> None:
        self.close()
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._headers |= self._authorization()
        for url in self._urls():
            self._lines[url] = self._line(url)
        self._is_connected = True
        try:
            deadline = Deadline(self._settings.timeout_ms)
            for line in self._lines.values():
                line.timeout = deadline.left()
                line.connect()
            if self._inputs:
                self._get(deadline)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise gone(self.name, error, connecting=True) from error
        except PlcError:
            self.close()
            raise

    def read(self) -> Signals:
        if not self._inputs:
            return {}
        try:
            return self._get(Deadline(self._settings.timeout_ms))
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise gone(self.name, error, connecting=False) from error

    def write(self, values: Signals) -> None:
        body: dict[str, Any] = {}
        for name, key in self._outputs.items():
            if name in values:
                _put(body, key, self._fitted(name, values[name], key))
        try:
            deadline = Deadline(self._settings.timeout_ms)
            self._exchange("POST", self._settings.outputs_url, deadline, json.dumps(body).encode())
        except (OSError, HTTPException) as error:
            self.close()
            raise gone(self.name, error, connecting=False) from error

    def close(self) -> None:
        self._is_connected = False
        lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()

    def _get(self, deadline: Deadline) -> Signals:
        assert self._settings.inputs_url is not None
        content = self._exchange("GET", self._settings.inputs_url, deadline)
        try:
            answer = json.loads(content)
        except RecursionError as error:
            raise ConnectionError("an answer nested too deeply") from error
        return {name: self._value(name, key, answer) for name, key in self._inputs.items()}

    def _exchange(
        self, method: str, url: str, deadline: Deadline, body: bytes | None = None
    ) -> bytes:
        if not self._is_connected:
            raise ConnectionError("not connected")
        line = self._lines[url]
        try:
            status, content = self._once(line, method, url, deadline, body)
        except (RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # Closed between two calls, as a server may; not so a second time.
            line.close()
            status, content = self._once(line, method, url, deadline, body)
        if 200 <= status < 300:
            return content
        if status in (401, 403, 407):
            raise refused(self.name, f"HTTP status {status}", "check user, password or token")
        if status >= 500 or status in (408, 425, 429):
            raise ConnectionError(f"HTTP status {status}")
        raise no_signal(self.name, f"the {method} URL", url, f"HTTP status {status}")

    def _once(
        self, line: HTTPConnection, method: str, url: str, deadline: Deadline, body: bytes | None
    ) -> tuple[int, bytes]:
        line.timeout = deadline.left()
        if line.sock is None:
            line.connect()
        line.sock.settimeout(deadline.left())
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        line.request(method, path, body, self._headers)
        with line.getresponse() as answer:
            content = b""
            while piece := answer.read1(_LONGEST_ANSWER):
                content += piece
                if len(content) > _LONGEST_ANSWER:
                    raise ConnectionError(f"an answer of more than {_LONGEST_ANSWER} bytes")
                if line.sock is not None:
                    line.sock.settimeout(deadline.left())
            return answer.status, content

    def _value(self, name: str, key: str, answer: object) -> SignalValue:
        found = answer
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        kind = _kind(found)
        if kind is None or kind not in CARRIES[name]:
            words = f"{json.dumps(found)[:60]}; allowed: {' or '.join(CARRIES[name])}"
            raise no_signal(self.name, name, key, words)
        assert isinstance(found, bool | int | str)
        return received(name, found, _FORMS[kind])

    def _fitted(self, name: str, value: SignalValue, key: str) -> SignalValue:
        kind = _kind(value)
        assert kind is not None
        return fitted(name, value, _FORMS[kind], f"{self.name}: {key}")

    def _urls(self) -> list[str]:
        urls = (self._settings.inputs_url, self._settings.outputs_url)
        return [url for url in urls if url is not None]

    def _line(self, url: str) -> HTTPConnection:
        host, port, is_secure = _target(url)
        if not is_secure:
            return HTTPConnection(host, port)
        ca_file = self._settings.ca_file
        if ca_file is not None and not Path(ca_file).is_file():
            raise refused(self.name, f"the file {ca_file} is not there", "check ca_file")
        return HTTPSConnection(host, port, context=ssl.create_default_context(cafile=ca_file))

    def _authorization(self) -> dict[str, str]:
        settings = self._settings
        try:
            if settings.token is not None:
                return {"Authorization": f"Bearer {settings.token.read()}"}
            if settings.user is not None and settings.password is not None:
                pair = f"{settings.user}:{settings.password.read()}".encode()
                return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        except CredentialError as error:
            raise refused(self.name, f"{error.what}: {error.where}", error.next or "") from error
        return {}


def _target(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is https; raises the fault of a validator."""
    allowed = "http://HOST:PORT/PATH or https://..., without user and password"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise wrong_address(url, allowed) from error
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise wrong_address(url, allowed)
    if parts.username or parts.password or parts.fragment:
        raise wrong_address(parts.scheme + "://…", allowed)
    is_secure = parts.scheme == "https"
    return parts.hostname, port or (443 if is_secure else 80), is_secure


def _key(value: str | None) -> str | None:
    if value is not None and not _KEY.fullmatch(value):
        raise wrong_address(value, _ALLOWED)
    return value


def _kind(value: object) -> Kind | None:
    if isinstance(value, bool):
        return "bit"
    if isinstance(value, int):
        return "number"
    return "text" if isinstance(value, str) else None


def _put(body: dict[str, Any], key: str, value: SignalValue) -> None:
    *way, last = key.split(".")
    for part in way:
        body = body.setdefault(part, {})
    body[last] = value
