"""A PLC behind OPC UA against the server of npm node-opcua: contract, security, users, types."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.devices.plc_contract import TIMEOUT_MS, PlcContract, PlcRig, fails
from tests.peers.node_peer import require_package
from tests.peers.plc_process import PlcProcess, free_port

from keenline.devices.opcua import OpcUaSettings, translated
from keenline.errors import Code, PlcError

IN = {"heartbeat": "heartbeat_in"}
INPUTS = {
    name: f"ns=1;s=Line.{IN.get(name, name)}"
    for name in ("trigger", "part_id", "encoder", "acknowledge", "heartbeat")
}
OUTPUTS = {
    name: f"ns=1;s=Line.{name}"
    for name in (
        *("ready", "busy", "result_valid", "passed", "rejected", "divert", "fault"),
        *("fault_code", "result_number", "result_part_id", "heartbeat"),
    )
}
PASSWORD = "s3cret-word"


def make(port: int, **given: object) -> OpcUaSettings:
    fixed = {
        "url": f"opc.tcp://127.0.0.1:{port}/PLC",
        "timeout_ms": TIMEOUT_MS,
        "connect_timeout_ms": 3000.0,
        "inputs": INPUTS,
        "outputs": OUTPUTS,
    }
    return OpcUaSettings.model_validate(fixed | given)


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[PlcRig]:
    node = require_package("node-opcua")
    folder = tmp_path_factory.mktemp("pki")
    os.environ["PEER_PASSWORD"] = PASSWORD
    peer = PlcProcess([node, "opcua_server.js", str(folder)], free_port())
    yield PlcRig(
        peer,
        make,
        INPUTS,
        OUTPUTS,
        count="ns=1;s=Line.count",
        unknown="ns=1;s=Line.missing",
        longest_text=254,
        connect_s=3.0,
    )
    peer.kill()
    del os.environ["PEER_PASSWORD"]


@pytest.fixture(scope="module")
def own_files(tmp_path_factory) -> tuple[str, str]:
    """A certificate of the station with its key."""
    import asyncio

    from asyncua.crypto.cert_gen import setup_self_signed_certificate
    from cryptography.x509.oid import ExtendedKeyUsageOID

    folder = tmp_path_factory.mktemp("own")
    key, certificate = folder / "key.pem", folder / "cert.der"
    made = setup_self_signed_certificate(
        key,
        certificate,
        "urn:keenline:station",
        "localhost",
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        {},
    )
    asyncio.run(made)
    key.chmod(0o600)
    return str(certificate), str(key)


class TestOpcUa(PlcContract):
    @pytest.mark.parametrize("what", ["level", "list", "plc_bit"])
    def test_nodes_that_carry_no_signal(self, rig, what):
        """A Double, an array, and a bit that may only be read."""
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(outputs=OUTPUTS | {"fault_code": f"ns=1;s=Line.{what}"}).connect()
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(outputs=OUTPUTS | {"passed": f"ns=1;s=Line.{what}"}).connect()

    def test_an_unsigned_encoder_wraps_to_a_signed_one(self, rig):
        wide = rig.plc(inputs={"encoder": "ns=1;s=Line.wide"})
        wide.connect()
        rig.peer.set(wide=(1 << 32) - 5)
        assert wide.read() == {"encoder": -5}

    def test_a_server_that_has_lost_its_plc(self, rig, plc):
        rig.peer.ask(lost=True)
        try:
            with fails(Code.PLC_GONE, TIMEOUT_MS / 1e3):
                plc.read()
        finally:
            rig.peer.ask(lost=False)
        plc.connect()
        assert "trigger" in plc.read()

    @pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
    @pytest.mark.parametrize(
        "policy", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]
    )
    def test_security(self, rig, own_files, policy, mode):
        certificate, key = own_files
        secured = rig.plc(
            security_policy=policy, security_mode=mode, certificate=certificate, private_key=key
        )
        secured.connect()
        rig.peer.set(encoder=-9)
        assert secured.read()["encoder"] == -9
        secured.write({"result_part_id": "signed"})
        assert rig.peer.get("result_part_id") == "signed"

    def test_a_user_over_an_encrypted_connection(self, rig, own_files):
        user = rig.plc(**secured(own_files), user="keenline", password={"env": "PEER_PASSWORD"})
        user.connect()
        assert "trigger" in user.read()

    @pytest.mark.parametrize("user", ["keenline", "stranger"])
    def test_a_wrong_password_or_user_is_refused(self, rig, own_files, user, monkeypatch):
        monkeypatch.setenv("WRONG", "wr0ng-word")
        secret = {"env": "WRONG" if user == "keenline" else "PEER_PASSWORD"}
        other = rig.plc(**secured(own_files), user=user, password=secret)
        with pytest.raises(PlcError) as caught:
            other.connect()
        assert caught.value.code == Code.PLC_REFUSED
        assert "-word" not in str(caught.value)

    def test_a_key_that_others_can_read_is_refused(self, rig, own_files, tmp_path):
        key = tmp_path / "key.pem"
        key.write_bytes(Path(own_files[1]).read_bytes())
        key.chmod(0o644)
        with fails(Code.PLC_REFUSED, 0):
            rig.plc(**secured((own_files[0], str(key)))).connect()

    def test_files_and_passwords_that_are_not_there(self, rig, own_files, tmp_path):
        missing = str(tmp_path / "none.pem")
        with fails(Code.PLC_REFUSED, 0):
            rig.plc(**secured((missing, own_files[1]))).connect()
        user = rig.plc(**secured(own_files), user="keenline", password={"env": "NOT_SET_AT_ALL"})
        with fails(Code.PLC_REFUSED, 0):
            user.connect()

    def test_another_server_than_the_one_pinned_is_refused(self, rig, own_files):
        pinned = rig.plc(**secured(own_files), server_certificate=own_files[0])
        with pytest.raises(PlcError) as caught:
            pinned.connect()
        assert caught.value.code in (Code.PLC_REFUSED, Code.PLC_UNREACHABLE)


def secured(files: tuple[str, str]) -> dict[str, str]:
    return {
        "security_policy": "Basic256Sha256",
        "security_mode": "SignAndEncrypt",
        "certificate": files[0],
        "private_key": files[1],
    }


def test_every_status_of_the_package_is_translated():
    from asyncua.ua import uaerrors

    kinds = [kind for kind in vars(uaerrors).values() if isinstance(kind, type)]
    bad = [kind for kind in kinds if kind.__name__.startswith("Bad")]
    assert len(bad) > 200
    codes = {kind.__name__: translated(kind(), "plc", connecting=False).code for kind in bad}
    assert set(codes.values()) == {Code.PLC_GONE, Code.PLC_REFUSED}
    for name in ("BadUserAccessDenied", "BadIdentityTokenRejected", "BadCertificateUntrusted"):
        assert codes[name] == Code.PLC_REFUSED
    for name in ("BadSessionIdInvalid", "BadTimeout", "BadConnectionClosed", "BadShutdown"):
        assert codes[name] == Code.PLC_GONE


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://x/"},
        {"url": "opc.tcp://user:word@x:4840"},
        {"security_policy": "Basic256Sha256"},
        {"security_mode": "Sign"},
        {"security_policy": "Basic256Sha256", "security_mode": "Sign"},
        {"certificate": "a.pem"},
        {"user": "x"},
        {"user": "x", "password": {"env": "A"}},
        {"inputs": {"trigger": "Line.Trigger"}},
        {"inputs": {"trigger": "ns=x;s=a"}},
        {"inputs": {"trigger": "ns=1;i=x"}},
        {"inputs": {"trigger": "ns=1;s="}},
    ],
)
def test_settings_that_do_not_go_together(given):
    with pytest.raises(ValidationError):
        make(4840, **given)


@pytest.mark.parametrize(
    "node", ["i=84", "ns=3;s=a b.c", "ns=2;g=" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12]
)
def test_node_ids_that_are_taken(node):
    assert make(4840, inputs={"trigger": node}).inputs.trigger == node
