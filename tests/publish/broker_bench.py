"""A mosquitto with passwords, TLS and limits as a test asks, and one who notes what comes."""

from __future__ import annotations

import ipaddress
import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from tests.faults.mosquitto import Broker

USER, PASSWORD = "line4", "s3cret of the line"


class ClosedBroker(Broker):
    """Takes USER with PASSWORD alone; `more` are lines of its configuration, behind the port."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder)
        self.kill()
        passwords = folder / "passwords"
        command = ["mosquitto_passwd", "-b", "-c", str(passwords), USER, PASSWORD]
        subprocess.run(command, check=True)
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"user root\nlistener {self.port} 127.0.0.1\n{more}\npassword_file {passwords}\n"
        )
        self.start()


class Notes:
    """Subscribes to everything, again after each end of the broker, and keeps what comes."""

    def __init__(self, port: int, set_up: Callable[[paho.Client], None] = lambda _: None) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self._here = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, "notes", protocol=MQTTProtocolVersion.MQTTv5
        )
        set_up(self._client)
        self._client.reconnect_delay_set(0.05, 0.1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._here.set()
        self._client.on_disconnect = lambda *_: self._here.clear()
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.wait()

    def wait(self) -> None:
        """Until it listens."""
        assert self._here.wait(10)

    def payloads(self, last_level: str) -> list[Any]:
        """JSON of the topic that ends so, in the order in which it came."""
        heard = [one.payload for one in list(self.messages) if one.topic.endswith(last_level)]
        return [json.loads(payload) for payload in heard]

    def firsts(self) -> list[str]:
        """Identifiers of results in the order in which each came first."""
        return list(dict.fromkeys(one["result_id"] for one in self.payloads("/results")))

    def statuses(self) -> list[bytes]:
        return [one.payload for one in list(self.messages) if one.topic.endswith("/status")]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Authority:
    """Signs certificates of a broker and of its clients: ca.pem, NAME.pem, NAME.key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {folder.name}")])
        builder = self._builder(self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self.ca = folder / "ca.pem"
        self._write(self.ca, builder)

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key; good for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = self._builder(subject, key)
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), False)
        certificate, secret = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        self._write(certificate, builder)
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        secret.chmod(0o600)
        return certificate, secret

    def trust(self, client: paho.Client) -> None:
        client.tls_set_context(ssl.create_default_context(cafile=self.ca))
        client.username_pw_set(USER, PASSWORD)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def _write(self, path: Path, builder: x509.CertificateBuilder) -> None:
        signed = builder.sign(self._key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
