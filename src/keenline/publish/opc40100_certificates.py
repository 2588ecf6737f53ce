"""A folder of certificates turned into the server's own identity and the list of whom it trusts.

`own/` holds the server's certificate and key, `trusted/` those of the clients that may connect,
`rejected/` those that tried in vain: moving a file from there to `trusted/` lets its owner in, with
no restart. A client is trusted by its very certificate; authorities are not followed.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keenline.credentials import require_private
from keenline.errors import Code, CredentialError, OutputError

_VALID_DAYS = 3650  # nobody renews a certificate on a machine that is offline
_KEPT_REJECTED = 100
_SUFFIXES = (".der", ".crt", ".cer", ".pem")


class Identity:
    """The server's own certificate and private key."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises CredentialError: CREDENTIAL_MISSING for a file that cannot be read or holds no
        certificate, CREDENTIAL_EXPOSED when others may read the key."""
        self.certificate, self.key = certificate, key
        require_private(key)
        read = _certificate(certificate)
        if read is None:
            raise CredentialError(
                Code.CREDENTIAL_MISSING,
                "The server's certificate cannot be read",
                where=certificate,
                expected="an X.509 certificate, DER or PEM",
                next="check the path; without one of yours the server makes its own",
            )
        self.application_uri = _uri(read) or "urn:keenline"
        self.valid_until = read.not_valid_after_utc


class TrustList:
    """Who may connect."""

    def __init__(self, folder: Path) -> None:
        """Makes `trusted/` and `rejected/` in `folder`; raises OutputError."""
        self._trusted, self._rejected = folder / "trusted", folder / "rejected"
        try:
            self._trusted.mkdir(parents=True, exist_ok=True)
            self._rejected.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError.of(error, folder) from error

    def trusts(self, der: bytes) -> bool:
        """Whether this very certificate is in the list and valid today; keeps it if it is not."""
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:
            return False
        now = datetime.now(UTC)
        in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if in_time and any(known == certificate for known in self._known()):
            return True
        self._keep(certificate)
        return False

    def _known(self) -> list[x509.Certificate]:
        files = [path for path in self._trusted.iterdir() if path.suffix.lower() in _SUFFIXES]
        read = [_certificate(path) for path in files]
        return [certificate for certificate in read if certificate is not None]

    def _keep(self, certificate: x509.Certificate) -> None:
        der = certificate.public_bytes(serialization.Encoding.DER)
        path = self._rejected / f"{hashlib.sha256(der).hexdigest()[:40]}.der"
        kept = sorted(self._rejected.glob("*.der"), key=_modified)
        # A stranger who comes with ever new certificates must not fill the disk.
        for old in kept[: max(0, len(kept) + 1 - _KEPT_REJECTED)]:
            old.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a full disk must not keep anyone from being refused
            path.write_bytes(der)


def identity_in(folder: Path, name: str, host: str) -> Identity:
    """The identity in `folder`/own; made now, with a key that only its owner may read, if there is
    none. Raises OutputError and what `Identity` raises."""
    own = folder / "own"
    certificate, key = own / "certificate.der", own / "key.pem"
    if not (certificate.exists() and key.exists()):
        try:
            own.mkdir(parents=True, exist_ok=True)
            _make(certificate, key, name, host)
        except OSError as error:
            raise OutputError.of(error, own) from error
    return Identity(certificate, key)


def _make(certificate: Path, key: Path, name: str, host: str) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    machine = socket.gethostname()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Keenline"),
        ]
    )
    # Part 6 of OPC UA, 6.2.2: the URI of the application and the names of its host.
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{machine}:keenline:{_word(name)}"),
        x509.DNSName(machine),
    ]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    public = private.public_key()
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    number = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(secret)
    certificate.write_bytes(made.public_bytes(serialization.Encoding.DER))


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # self-signed: some clients check the chain of one
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate(path: Path) -> x509.Certificate | None:
    try:
        content = path.read_bytes()
        if content.startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except (OSError, ValueError):
        return None


def _uri(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _word(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
