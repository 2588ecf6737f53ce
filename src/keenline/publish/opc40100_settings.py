"""The table `[opcua]` of a station turned into checked settings: nothing open, nothing unnamed."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, model_validator

from keenline.credentials import Credential
from keenline.strict_toml import StrictTable, content_fault


class OpcUaUser(StrictTable):
    """`[[opcua.users]]`: someone who may log in."""

    name: str = Field(min_length=1, max_length=64)
    password: Credential
    commands: bool = False
    """May start, stop, halt and change the recipe; without it only look."""


class VisionServerSettings(StrictTable):
    """The keys of `[opcua]`."""

    kind: Literal["opc40100"] = "opc40100"
    host: str = Field(default="127.0.0.1", min_length=1)
    """The address to listen at; `0.0.0.0` for every network of the machine."""
    port: int = Field(default=4840, ge=1, le=65535)
    name: str = Field(default="Keenline", min_length=1, max_length=64, pattern=r"^[\w .-]+$")
    """Of the vision system, as clients see it."""
    security: tuple[Literal["sign-and-encrypt", "sign", "none"], ...] = Field(
        default=("sign-and-encrypt",), min_length=1
    )
    """Basic256Sha256, signed and encrypted or only signed; `none` only on loopback."""
    users: tuple[OpcUaUser, ...] = ()
    anonymous: bool = False
    """Clients without a name may look."""
    folder: str = Field(default="opcua", min_length=1)
    """Where the server's own certificate and the list of trusted clients are."""
    certificate: str | None = Field(default=None, min_length=1)
    """A certificate of yours, DER or PEM; without it the server makes its own."""
    private_key: str | None = Field(default=None, min_length=1)
    """Its key, PEM without a password, permissions 600."""
    keep_results: int = Field(default=500, ge=1, le=100_000)
    """Results in the list of recent ones; older ones are looked up in the store."""
    max_connections: int = Field(default=20, ge=1, le=500)
    timeout_s: float = Field(default=10.0, ge=0.1, le=120)
    """After which a delivery counts as failed."""

    @model_validator(mode="after")
    def _sound(self) -> VisionServerSettings:
        if "none" in self.security and not _is_loopback(self.host):
            raise content_fault("allowed: `none` only with host 127.0.0.1", "security")
        if not self.users and not self.anonymous:
            raise content_fault("allowed: at least one user, or anonymous = true", "users")
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise content_fault("allowed: each name once", "users")
        if (self.certificate is None) != (self.private_key is None):
            raise content_fault("allowed: certificate and private_key together", "certificate")
        return self

    @property
    def endpoint(self) -> str:
        """The address that clients connect to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"opc.tcp://{host}:{self.port}/keenline"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
