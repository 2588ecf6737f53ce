"""A signed content turned into a JSON file that is read only while it is what was signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keenline.errors import Code, LifecycleError
from keenline.lifecycle.signing import fault_in, signed
from keenline.report.writing import write_whole


@dataclass(frozen=True, slots=True)
class Signed:
    """What a file says, and who signed it."""

    content: Mapping[str, Any]
    sha256: str
    """Of the content's canonical text."""
    key: str
    """The public Ed25519 key: 64 hexadecimal digits."""
    signature: str

    @property
    def signer(self) -> str:
        """The number of the key as people compare it."""
        return " ".join(self.key[place : place + 4] for place in range(0, 16, 4))


def write_signed(content: Mapping[str, Any], file: Path, key: Path) -> Signed:
    """Sign and write; raises OutputError, CredentialError."""
    whole = signed(content, key)
    write_whole(json.dumps(whole, indent=1, ensure_ascii=True).encode() + b"\n", file)
    return Signed(content, whole["sha256"], whole["key"], whole["signature"])


def read_signed(file: Path, kind: str, *, signed_by: str | None = None) -> Signed:
    """Read and check a file whose content is of a kind.

    signed_by: the number of the key that must have signed it, or its beginning. Raises
    LifecycleError (ACCEPTANCE_CHANGED).
    """
    try:
        whole = json.loads(file.read_bytes())
    except OSError as error:
        raise _changed(file, error.strerror or str(error), kind) from error
    except ValueError as error:
        raise _changed(file, f"no JSON: {error}", kind) from error
    if not isinstance(whole, dict):
        raise _changed(file, "another kind of file", kind)
    fault = fault_in(whole)
    if not fault and whole["content"].get("kind") != kind:
        fault = f"a signed file of another kind, {whole['content'].get('kind')!r}"
    if fault:
        raise _changed(file, fault, kind)
    wanted = (signed_by or "").replace(" ", "").lower()
    if wanted and not whole["key"].startswith(wanted):
        raise _changed(file, f"signed with the key {whole['key']}, not with {wanted}", kind)
    return Signed(whole["content"], whole["sha256"], whole["key"], whole["signature"])


def _changed(file: Path, got: str, kind: str) -> LifecycleError:
    return LifecycleError(
        Code.ACCEPTANCE_CHANGED,
        "The file is not what was signed",
        where=file,
        expected=kind,
        got=got,
        next="restore it as it was signed; criteria that shall change are defined anew",
    )
