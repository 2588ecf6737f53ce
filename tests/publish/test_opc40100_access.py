"""Clients that break the rules of their own library get no further than honest ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client as AsyncuaClient
from asyncua import ua
from asyncua.common.utils import create_nonce
from asyncua.crypto import security_policies, uacrypto
from cryptography.hazmat.primitives import serialization
from tests.publish.vision_client import Client, free_port
from tests.publish.vision_station import BenchStation

from keenline.credentials import Credential
from keenline.publish.opc40100 import Opc40100Server, Opc40100Settings
from keenline.publish.opc40100_access import Users
from keenline.publish.opc40100_settings import OpcUaUser

Refusal = ua.uaerrors.UaStatusCodeError
PASSWORD = "correct horse"


class Guarded:
    """A server that lets in one certificate and one user."""

    def __init__(self, folder: Path) -> None:
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        settings = Opc40100Settings(
            port=free_port(),
            folder=str(folder / "server"),
            security=("sign-and-encrypt", "sign"),
            users=(OpcUaUser(name="line", password=Credential(file=str(secret)), commands=True),),
        )
        self.known, self.stranger = Client(folder, "known"), Client(folder, "stranger")
        self.expired = Client(folder, "expired", days=-1)
        self.server: Opc40100Server = settings.build(BenchStation())
        self.server.start()
        self.own = folder / "server" / "own" / "certificate.der"
        for each in (self.known, self.expired):
            trusted = folder / "server" / "trusted" / each.certificate.name
            trusted.write_bytes(each.certificate.read_bytes())

    async def channel(self, client: Client | None, *, sign_only: bool = False) -> AsyncuaClient:
        """A connection with an open channel and no session yet."""
        peer = AsyncuaClient(self.server.endpoint)
        if client is not None:
            modes = ua.MessageSecurityMode
            await peer.set_security(
                security_policies.SecurityPolicyBasic256Sha256,
                str(client.certificate),
                str(client.key),
                server_certificate=str(self.own),
                mode=modes.Sign if sign_only else modes.SignAndEncrypt,
            )
        await peer.connect_socket()
        await peer.send_hello()
        await peer.open_secure_channel()
        return peer

    async def session(
        self, client: Client | None, shown: Client | None, user: str | None, password: str | None
    ) -> None:
        """Activate a session that shows the certificate of `shown` on a channel of `client`."""
        peer = await self.channel(client)
        try:
            params = ua.CreateSessionParameters()
            params.EndpointUrl = self.server.endpoint
            params.SessionName = "test"
            params.ClientNonce = create_nonce(32)
            params.RequestedSessionTimeout = 60_000
            if shown is not None:
                params.ClientCertificate = shown.x509.public_bytes(serialization.Encoding.DER)
            answer = await peer.uaclient.create_session(params)
            peer._server_nonce = answer.ServerNonce
            await peer.activate_session(username=user, password=password)
        finally:
            peer.disconnect_socket()
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("guarded"))
    yield guarded
    guarded.server.close()


def test_the_honest_way_leads_in(guarded: Guarded):
    asyncio.run(guarded.session(guarded.known, guarded.known, "line", PASSWORD))


@pytest.mark.parametrize("shown", ["known", "stranger", "none"])
def test_a_channel_of_a_stranger_is_refused_whatever_certificate_it_shows(
    guarded: Guarded, shown: str
):
    certificate = {"known": guarded.known, "stranger": guarded.stranger, "none": None}[shown]
    with pytest.raises(Refusal) as refused:
        asyncio.run(guarded.session(guarded.stranger, certificate, "line", PASSWORD))
    wanted = {"stranger": "BadCertificateUntrusted"}.get(shown, "BadSecurityChecksFailed")
    assert type(refused.value).__name__ == wanted


@pytest.mark.parametrize("shown", ["known", "none"])
def test_an_open_channel_is_refused_where_none_is_configured(guarded: Guarded, shown: str):
    certificate = guarded.known if shown == "known" else None
    with pytest.raises(ua.uaerrors.BadSecurityChecksFailed):
        asyncio.run(guarded.session(None, certificate, "line", PASSWORD))


def test_a_trusted_certificate_that_has_expired_is_refused(guarded: Guarded):
    with pytest.raises(ua.uaerrors.BadCertificateUntrusted):
        asyncio.run(guarded.session(guarded.expired, guarded.expired, "line", PASSWORD))


def test_nobody_is_anonymous_unless_configured(guarded: Guarded):
    with pytest.raises(ua.uaerrors.BadIdentityTokenRejected):
        asyncio.run(guarded.session(guarded.known, guarded.known, None, None))


def test_a_recorded_password_cannot_be_played_again(guarded: Guarded):
    """Encrypted for an earlier session, it has the wrong nonce in it."""

    async def go() -> None:
        peer = await guarded.channel(guarded.known, sign_only=True)
        try:
            await peer.create_session()
            endpoint = uacrypto.x509_from_der(guarded.own.read_bytes())
            text = PASSWORD.encode()
            for nonce, algorithm in (
                (create_nonce(32), "http://www.w3.org/2001/04/xmlenc#rsa-oaep"),
                (peer._server_nonce, "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
            ):
                plain = (len(text) + 32).to_bytes(4, "little") + text + nonce
                token = ua.UserNameIdentityToken()
                token.UserName, token.EncryptionAlgorithm = "line", algorithm
                oaep = algorithm.endswith("oaep")
                encrypt = uacrypto.encrypt_rsa_oaep if oaep else uacrypto.encrypt_rsa15
                token.Password = encrypt(endpoint.public_key(), plain)
                params = ua.ActivateSessionParameters()
                challenge = guarded.own.read_bytes() + peer._server_nonce
                policy = peer.security_policy
                params.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
                params.ClientSignature.Signature = policy.asymmetric_cryptography.signature(
                    challenge
                )
                params.UserIdentityToken = token
                with pytest.raises(ua.uaerrors.BadIdentityTokenInvalid):
                    await peer.uaclient.activate_session(params)
            await peer.activate_session(username="line", password=PASSWORD)
            await peer.close_session()
        finally:
            peer.disconnect_socket()
            await asyncio.sleep(0.05)

    asyncio.run(go())


def test_no_other_server_can_be_registered(guarded: Guarded):
    async def go() -> None:
        peer = await guarded.channel(guarded.known)
        try:
            server: Any = ua.RegisteredServer()
            server.ServerUri, server.ServerNames = "urn:x", [ua.LocalizedText("x")]
            with pytest.raises(ua.uaerrors.BadServiceUnsupported):
                await peer.uaclient.register_server(server)
        finally:
            peer.disconnect_socket()
            await asyncio.sleep(0.05)

    asyncio.run(go())


def test_passwords_are_neither_kept_nor_shown():
    users = Users({"line": PASSWORD}, frozenset({"line"}))
    assert PASSWORD not in str(vars(users))
    known = users.get_user(None, "line", PASSWORD)
    assert users.may_command(known)
    assert users.get_user(None, "line", "") is None
    assert users.get_user(None, "", PASSWORD) is None
    assert users.get_user(None, "other", PASSWORD) is None
    assert not users.may_command(users.get_user(None))
