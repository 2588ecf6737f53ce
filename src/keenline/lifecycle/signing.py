"""A text and a private key turned into a signature that shows every change of the text (Ed25519).

A signature proves that who holds the key signed exactly this text. Whose key it is, a file cannot
say: note its number on paper, or in the quality manual, when it is first used. A time inside the
text is that of the signer's clock; what proves an order is a line in a log (RFC 8032 for the
signature, S. Josefsson and I. Liusvaara, 2017).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keenline.credentials import require_private
from keenline.errors import Code, CredentialError, OutputError

KEY_VARIABLE = "KEENLINE_SIGNING_KEY"
"""Variable of the environment with the path of the private key."""


def signing_key(path: Path | None = None) -> Path:
    """Where the private key is; it is made at first use, readable by its owner only.

    `path`, else `KEENLINE_SIGNING_KEY`, else `~/.config/keenline/signing.pem`. Raises OutputError
    when it cannot be made, CredentialError when others may read it.
    """
    said = os.environ.get(KEY_VARIABLE, "")
    place = path or (Path(said) if said else Path.home() / ".config/keenline/signing.pem")
    if not place.exists():
        _make(place)
    require_private(place)
    return place


def public_of(key: Path) -> str:
    """The number of a private key by which people know it: 64 hexadecimal digits.

    Raises CredentialError for a key that is none.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public: bytes = _private(key).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return public.hex()


def signed(content: Mapping[str, Any], key: Path) -> dict[str, Any]:
    """The content with its sha256, the number of the key, and the signature.

    Raises CredentialError for a key that is none.
    """
    return {
        "content": dict(content),
        "sha256": sha256_of(content),
        "key": public_of(key),
        "signature": _private(key).sign(canonical(content)).hex(),
    }


def fault_in(whole: Mapping[str, Any]) -> str:
    """Why what `signed` made is not what was signed; empty when it is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        content = whole["content"]
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(whole["key"]))
        signature = bytes.fromhex(whole["signature"])
        if whole["sha256"] != sha256_of(content):
            return "its text is another one than its sha256 names"
        public.verify(signature, canonical(content))
    except InvalidSignature:
        return "its signature does not belong to its text and key"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"a member is missing or broken: {error!r}"
    return ""


def sha256_of(content: Mapping[str, Any]) -> str:
    """Of the canonical text of a content."""
    import hashlib

    return hashlib.sha256(canonical(content)).hexdigest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """One text for one content, whatever the order of its keys; raises ValueError for NaN."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def _make(place: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    text = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return  # another process was quicker: its key is as good
    except OSError as error:
        words = f"name a place that may be written in {KEY_VARIABLE}"
        raise OutputError.of(error, place, next=words) from error


def _private(place: Path) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    require_private(place)
    try:
        key = load_pem_private_key(place.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _no_key(place, str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(place, type(key).__name__)
    return key


def _no_key(place: Path, got: str) -> CredentialError:
    return CredentialError(
        Code.CREDENTIAL_MISSING,
        "The signing key cannot be used",
        where=place,
        expected="a private Ed25519 key, PEM, without a passphrase",
        got=got,
        next="restore it, or name another key",
    )
