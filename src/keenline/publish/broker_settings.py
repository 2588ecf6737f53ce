"""The keys that say how a broker is reached, turned into what a connection needs."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from keenline.credentials import Credential, require_private
from keenline.errors import Code, CredentialError
from keenline.strict_toml import StrictTable, content_fault


class TlsSettings(StrictTable):
    """`tls = { ... }`: whom to trust and who we are. The broker's name is always checked."""

    ca: str | None = Field(default=None, min_length=1)
    """PEM file with the authorities that may have signed the broker's certificate; without it,
    those that the operating system trusts."""
    certificate: str | None = Field(default=None, min_length=1)
    """PEM file with our own certificate, where the broker asks for one."""
    key: str | None = Field(default=None, min_length=1)
    """PEM file with its private key; only its owner may read it."""

    @model_validator(mode="after")
    def _both_or_none(self) -> TlsSettings:
        if (self.certificate is None) != (self.key is None):
            raise content_fault("allowed: certificate and key together, or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """What the connection is made with; TLS 1.2 or newer.

        Raises CredentialError: CREDENTIAL_MISSING for a file that is not there or is none of the
        kind, CREDENTIAL_EXPOSED for a key that others may read.
        """
        if self.key is not None:
            require_private(Path(self.key))
        where = self.ca
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.sslsocket_class = _ClosedOnDistrust
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                where = self.certificate
                # A key with a passphrase would ask for it on the terminal: answered with none.
                context.load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:  # ssl.SSLError is one of them
            raise CredentialError(
                Code.CREDENTIAL_MISSING,
                "A certificate or its key cannot be read",
                where=where,
                got=error.strerror or type(error).__name__,
                next="check the paths under `tls`: PEM files, a key without passphrase",
            ) from error
        return context


class _ClosedOnDistrust(ssl.SSLSocket):
    """paho-mqtt leaves a connection open on which no TLS was agreed; this one closes itself."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class BrokerSettings(StrictTable):
    """What `[mqtt]` and `[sparkplug]` have in common."""

    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9_.:-]{1,253}$")
    """Name or address of the broker; with `tls`, the name in its certificate."""
    port: int = Field(default=1883, ge=1, le=65535)
    """Brokers usually listen with TLS on 8883."""
    client_id: str | None = Field(default=None, pattern=r"^[0-9A-Za-z_.-]{1,64}$")
    """Unlike that of every other client of the broker; without it, made from the station's
    name. Two clients of one name throw each other out."""
    username: str | None = Field(default=None, min_length=1)
    password: Credential | None = None
    """Where the password is; never the password itself."""
    tls: TlsSettings | None = None
    keepalive_s: int = Field(default=15, ge=5, le=3600)
    """A broker that is silent for so long counts as gone."""
    timeout_s: float = Field(default=5.0, ge=0.1, le=120)
    """How long the broker may take to accept a connection, or to confirm one message."""
    in_flight: int = Field(default=20, ge=1, le=1000)
    """Messages sent before the first of them is confirmed; at most what the broker allows."""

    @model_validator(mode="after")
    def _name_with_password(self) -> BrokerSettings:
        if self.password is not None and self.username is None:
            raise content_fault("is missing; a password needs a name", "username")
        return self

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


Protocol = Literal["3.1.1", "5"]
"""The version of MQTT."""
