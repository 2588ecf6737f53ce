"""node-opcua, a client of another make, driven by a script; and certificates for it."""

from __future__ import annotations

import json
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.peers.node_peer import require_package

PEERS = Path(__file__).parents[1] / "peers"
URI = "urn:keenline:test-client"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Client:
    """A client with a certificate of its own."""

    def __init__(self, folder: Path, name: str, *, days: int = 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        public = private.public_key()
        self.x509 = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.UniformResourceIdentifier(URI), x509.DNSName("localhost")]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(True, True, True, True, False, True, False, False, False),
                critical=True,
            )
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
                ),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(private, hashes.SHA256())
        )
        self.certificate.write_bytes(self.x509.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def command(self, endpoint: str, *do: str, **facts: Any) -> list[str]:
        """What to run: `do` are actions of tests/peers/opcua_client.js."""
        node = require_package("node-opcua")
        wanted = {
            "endpoint": endpoint,
            "security": "sign-and-encrypt",
            "certificate": str(self.certificate),
            "key": str(self.key),
            "uri": URI,
            "folder": str(self.folder / "pki"),
            "do": do,
        } | facts
        return [node, str(PEERS / "opcua_client.js"), json.dumps(wanted)]

    def run(self, endpoint: str, *do: str, **facts: Any) -> dict[str, dict[str, Any]]:
        """What the client said, by its words."""
        return {each["word"]: each for each in self.lines(endpoint, *do, **facts)}

    def lines(self, endpoint: str, *do: str, **facts: Any) -> list[dict[str, Any]]:
        """What the client said, line by line."""
        done = subprocess.run(
            self.command(endpoint, *do, **facts),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        said = [json.loads(line) for line in lines]
        assert said, done.stdout + done.stderr
        return said
