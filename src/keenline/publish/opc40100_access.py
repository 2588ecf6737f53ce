"""Who a client says it is turned into what it may do, on top of asyncua's server.

asyncua checks the certificate that a client names when it creates a session, not the one whose key
it has proved to hold. Here a session becomes active only if the certificate of its secure channel
is trusted; a session on an open channel only where the settings allow one.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from cryptography.hazmat.primitives import serialization

from keenline.publish.opc40100_asyncua import (
    InternalServer,
    InternalSession,
    ServiceError,
    StatusCodes,
    UaError,
    User,
    UserRole,
    ua,
    uacrypto,
)
from keenline.publish.opc40100_certificates import TrustList

_may_command: ContextVar[bool] = ContextVar("may_command", default=False)
_RSA_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
_LENGTH_BYTES = 4


def may_command() -> bool:
    """Whether the client whose request is being answered may command the station."""
    return _may_command.get()


class Users:
    """Names and passwords; the passwords themselves are not kept."""

    def __init__(self, passwords: Mapping[str, str], commanders: frozenset[str]) -> None:
        self._key = secrets.token_bytes(32)
        self._commanders = commanders
        self._known = {name: self._digest(word) for name, word in passwords.items()}
        self._nobody = os.urandom(32)

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """asyncua's question: None refuses. Without a name it is an anonymous client, which gets
        here only if the settings allow it."""
        del iserver, certificate
        if username is None:
            return User(role=UserRole.User, name=None)
        expected = self._known.get(username, self._nobody)
        if hmac.compare_digest(expected, self._digest(password or "")):
            return User(role=UserRole.User, name=username)
        return None

    def may_command(self, user: User | None) -> bool:
        return user is not None and user.name in self._commanders

    def _digest(self, password: str) -> bytes:
        return hmac.new(self._key, password.encode(), hashlib.sha256).digest()


class GuardedServer(InternalServer):
    """asyncua's inner server with sessions that are let in by `trust` and `users`."""

    def __init__(
        self, users: Users, trust: TrustList, *, allow_open: bool, allow_anonymous: bool
    ) -> None:
        super().__init__(user_manager=users)  # type: ignore[arg-type]
        self.users, self.trust, self.allow_open = users, trust, allow_open
        self.refused = 0
        """Clients that were turned away since the start."""
        tokens: tuple[Any, ...] = (ua.UserNameIdentityToken,)
        self.supported_tokens = (ua.AnonymousIdentityToken, *tokens) if allow_anonymous else tokens
        self.certificate_validator = self._check_named
        self.allow_remote_admin = False

    def create_session(
        self, name: str, user: User | None = None, external: bool = False
    ) -> InternalSession:
        return _Session(
            self,
            self.aspace,
            self.subscription_service,
            name,
            user=user or User(role=UserRole.Anonymous),
            external=external,
        )

    def register_server(self, server: Any, conf: Any = None) -> None:
        """This is no discovery server: anybody could fill its memory."""
        del server, conf
        raise ServiceError(StatusCodes.BadServiceUnsupported)

    def decrypt_user_token(self, isession: Any, token: ua.UserNameIdentityToken) -> tuple[str, str]:
        """Name and password; only what OAEP encrypted for this very session, or what came as it is
        (clients do so only inside an encrypted channel)."""
        secret: Any = token.Password or b""
        if token.EncryptionAlgorithm:
            if token.EncryptionAlgorithm != _RSA_OAEP:
                raise ServiceError(StatusCodes.BadIdentityTokenInvalid)
            plain: bytes = uacrypto.decrypt_rsa_oaep(self.private_key, secret)  # type: ignore[no-untyped-call]
            length = int.from_bytes(plain[:_LENGTH_BYTES], "little")
            content = plain[_LENGTH_BYTES : _LENGTH_BYTES + length]
            nonce = isession.nonce or b""
            if not nonce or not hmac.compare_digest(content[-len(nonce) :], nonce):
                raise ServiceError(StatusCodes.BadIdentityTokenInvalid)
            secret = content[: -len(nonce)]
        return token.UserName or "", bytes(secret).decode("utf-8")

    async def _check_named(self, certificate: Any, description: Any) -> None:
        """An early and clear refusal; `_Session.activate_session` is what cannot be deceived."""
        del description
        if self.allow_open:  # a client may name a certificate that its open channel does not use
            return
        if not self.trust.trusts(certificate.public_bytes(serialization.Encoding.DER)):
            self.refused += 1
            raise ServiceError(StatusCodes.BadCertificateUntrusted)


class _Session(InternalSession):
    iserver: GuardedServer

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        guard = self.iserver
        # An open channel has no certificate; where none may be open, nothing else will do.
        trusted = guard.trust.trusts(peer_certificate) if peer_certificate else guard.allow_open
        if not trusted:
            guard.refused += 1
            raise ServiceError(StatusCodes.BadSecurityChecksFailed)
        try:
            return super().activate_session(params, peer_certificate)
        except (ServiceError, UaError):
            guard.refused += 1
            raise

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        reset = _may_command.set(self.iserver.users.may_command(self.user))
        try:
            return await super().call(params)
        finally:
            _may_command.reset(reset)
