"""The `[plc]` table of an OPC UA server turned into checked settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from keenline.credentials import Credential
from keenline.devices.plc import Inputs, Outputs, PlcSettings
from keenline.devices.plc_signals import wrong_address
from keenline.strict_toml import content_fault

Policy = Literal["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
Mode = Literal["None", "Sign", "SignAndEncrypt"]

ALLOWED = "ns=2;s=Line.Trigger, ns=2;i=5, ns=2;g=GUID or ns=2;b=BASE64; without ns= it is 0"
_GUID = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_NODE = re.compile(
    rf"(?:ns=[0-9]{{1,5}};)?(?:i=[0-9]{{1,10}}|s=\S(?:.*\S)?|g={_GUID}|b=[A-Za-z0-9+/]+=*)"
)
_URL = re.compile(r"opc\.tcp://(?:[^\s/@:\[\]]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:/\S*)?")


class OpcUaInputs(Inputs):
    """`[plc.inputs]` with node ids."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _node(value)


class OpcUaOutputs(Outputs):
    """`[plc.outputs]` with node ids."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _node(value)


class OpcUaTable(PlcSettings):
    """Everything of `[plc]` with `kind = "opcua"` but how it is built."""

    kind: Literal["opcua"] = "opcua"
    inputs: OpcUaInputs
    outputs: OpcUaOutputs
    url: str = Field(max_length=1000)
    """`opc.tcp://HOST:PORT/PATH`, without name and password."""
    security_policy: Policy = "None"
    security_mode: Mode = "None"
    certificate: str | None = Field(default=None, min_length=1)
    """The station's certificate, PEM or DER; the server must trust it."""
    private_key: str | None = Field(default=None, min_length=1)
    """Its key, PEM or DER; only the station's account may read it."""
    server_certificate: str | None = Field(default=None, min_length=1)
    """The certificate that the server must have; without it, any that it shows is believed."""
    application_uri: str = Field(default="urn:keenline:station", pattern=r"^urn:\S+$")
    """As the station's certificate states it."""
    user: str | None = Field(default=None, min_length=1, max_length=255)
    """Without it the session is anonymous."""
    password: Credential | None = None
    plain_password: bool = False
    """Send the password although the connection is not encrypted."""
    connect_timeout_ms: float = Field(default=5000.0, ge=100, le=60_000)
    """For the whole of connecting, with its key exchange; `timeout_ms` is for a read or write."""

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not _URL.fullmatch(value):
            raise wrong_address(value, "opc.tcp://HOST:PORT/PATH, without name and password")
        return value

    @model_validator(mode="after")
    def _fits(self) -> OpcUaTable:
        secured = self.security_policy != "None"
        if secured != (self.security_mode != "None"):
            raise content_fault("allowed: None with policy None, else Sign...", "security_mode")
        for key in ("certificate", "private_key"):
            if secured and getattr(self, key) is None:
                raise content_fault("is missing; a security policy needs it", key)
        for key in ("certificate", "private_key", "server_certificate"):
            if not secured and getattr(self, key) is not None:
                raise content_fault("is only used with a security policy", key)
        if (self.user is None) != (self.password is None):
            raise content_fault("user and password go together", "user")
        encrypted = self.security_mode == "SignAndEncrypt"
        if self.user is not None and not encrypted and not self.plain_password:
            words = "needs security_mode SignAndEncrypt, or plain_password = true"
            raise content_fault(words, "password")
        return self

    def files(self) -> list[Path]:
        """The certificate and key files that are named."""
        named = (self.certificate, self.private_key, self.server_certificate)
        return [Path(name) for name in named if name is not None]


def _node(value: str | None) -> str | None:
    if value is not None and not _NODE.fullmatch(value):
        raise wrong_address(value, ALLOWED)
    return value
