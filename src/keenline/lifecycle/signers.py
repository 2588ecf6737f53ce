"""Lines of a bundle's ledger turned into who may sign for it, and a person added or struck out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from keenline.bundle import read_bundle
from keenline.errors import Code, LifecycleError
from keenline.lifecycle.ledger import LedgerLine, append, ledger_of, read_ledger

ADDED, REMOVED = "added", "removed"


@dataclass(frozen=True, slots=True)
class Signer:
    """A person and the public key that is theirs."""

    name: str
    key: str
    """Ed25519: 64 hexadecimal digits."""
    since: str
    """UTC, ISO 8601: the time of the line."""
    by: str
    """Who added them."""


def signers(bundle: Path) -> tuple[Signer, ...] | None:
    """Who may sign for a bundle, in the order of the ledger; None where nobody was ever named.

    None lets every key sign; an empty list none. Raises StoreError (AUDIT_BROKEN).
    """
    lines = [line for line in read_ledger(bundle) if line.event == "user"]
    if not lines:
        return None
    found: dict[str, Signer] = {}
    for line in lines:
        name, key = line.facts["name"], line.facts["key"]
        if line.facts["did"] == ADDED:
            found[name] = Signer(name, key, line.time, line.who)
        else:
            found.pop(name, None)
    return tuple(found.values())


def add_signer(bundle: Path, name: str, key: str, *, who: str, why: str) -> LedgerLine:
    """From now on only those who were added may sign.

    key: the number of the public key, spaces allowed. Raises LifecycleError (ACCEPTANCE_SIGNER),
    BundleError, OutputError, StoreError (AUDIT_BROKEN).
    """
    number = "".join(key.split()).lower()
    if not re.fullmatch("[0-9a-f]{64}", number):
        raise _fault(bundle, "This is no public key", "64 hexadecimal digits", key)
    known = {each.name: each for each in signers(bundle) or ()}
    if name in known:
        raise _fault(bundle, f"{name} may sign already", "a new name", known[name].key)
    return _write(bundle, ADDED, name, number, who, why)


def remove_signer(bundle: Path, name: str, *, who: str, why: str) -> LedgerLine:
    """Strike somebody out; what they signed before stays signed. Raises as `add_signer` does."""
    known = {each.name: each for each in signers(bundle) or ()}
    if name not in known:
        raise _fault(bundle, f"{name} is none who may sign", ", ".join(known) or "nobody", name)
    return _write(bundle, REMOVED, name, known[name].key, who, why)


def require_signer(bundle: Path, key: str, what: str) -> None:
    """Raise LifecycleError (ACCEPTANCE_SIGNER) when the ledger names others who may sign.

    what: that which is or shall be signed, such as `the report`.
    """
    known = signers(bundle)
    if known is None or key in {each.key for each in known}:
        return
    expected = "; ".join(f"{each.name}: {each.key}" for each in known) or "nobody may sign now"
    raise _fault(bundle, f"The key of {what} may not sign for this bundle", expected, key)


def _write(bundle: Path, did: str, name: str, key: str, who: str, why: str) -> LedgerLine:
    now = read_bundle(bundle).sha256
    words = f"{name} may {'' if did == ADDED else 'no longer '}sign: {why}"
    return append(
        bundle, "user", who=who, why=words, before=now, after=now,
        facts={"did": did, "name": name, "key": key},
    )  # fmt: skip


def _fault(bundle: Path, what: str, expected: str, got: str) -> LifecycleError:
    return LifecycleError(
        Code.ACCEPTANCE_SIGNER,
        what,
        where=ledger_of(bundle),
        expected=expected,
        got=got,
        next=f"keenline signer show {bundle}",
    )
