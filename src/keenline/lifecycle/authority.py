"""A readiness that passes turned into the authority to reject, and a broken gate into its end."""

from __future__ import annotations

from pathlib import Path

from keenline.bundle import Bundle, Manifest, read_bundle
from keenline.errors import Code, LifecycleError
from keenline.lifecycle.class_facts import class_facts
from keenline.lifecycle.ledger import append, change, read_ledger
from keenline.lifecycle.readiness import Readiness, authority_of, readiness, with_authority
from keenline.types import Authority

_WITHDRAWN = f"{Authority.REJECT.value} -> {Authority.FLAG.value}"


def checklist(bundle: Path) -> tuple[Readiness, ...]:
    """The readiness of each class that a bundle tells apart, by name.

    Raises BundleError, StoreError (AUDIT_BROKEN).
    """
    recipe = read_bundle(bundle).manifest.recipe
    facts = class_facts(bundle)
    return tuple(readiness(facts[name], recipe) for name in sorted(facts))


def grant(bundle: Path, name: str, *, who: str, why: str) -> Bundle:
    """Let a class reject on its own, with a line in the ledger.

    Raises LifecycleError (AUTHORITY_NOT_READY) when a gate does not pass, which the ledger then
    says, or the bundle does not know the class, and as `ledger.change` does; the bundle is not
    changed then.
    """
    found = _of(bundle, name)
    if not found.is_ready:
        now = read_bundle(bundle).sha256
        words = f"{name} flag -> reject refused; asked for: {why}; {found.why_not}"
        append(
            bundle, "refused", who=who, why=words, before=now, after=now,
            facts={"class": name} | _said_of(found),
        )  # fmt: skip
        raise LifecycleError(
            Code.AUTHORITY_NOT_READY,
            f"The class {name} may not reject yet",
            where=bundle,
            problems=[f"{g.name}: {g.has}; needs {g.needs}" for g in found.broken],
            next=f"keenline readiness {bundle}",
        )
    return _set(bundle, name, Authority.REJECT, who=who, why=why, found=found)


def withdraw(bundle: Path, name: str, *, who: str, why: str) -> Bundle:
    """Let a class only flag, whatever its gates say, with a line in the ledger.

    Raises LifecycleError (AUTHORITY_NOT_READY) for a class that the bundle does not know, and as
    `ledger.change` does.
    """
    return _set(bundle, name, Authority.FLAG, who=who, why=why, found=_of(bundle, name))


def enforce(bundle: Path, *, who: str) -> tuple[Readiness, ...]:
    """Withdraw the authority of each class of which a gate is broken; gives what it found of them.

    To be called whenever new facts are written down. Raises as `withdraw` does.
    """
    broken = [each for each in checklist(bundle) if each.must_be_withdrawn]
    for each in broken:
        _set(
            bundle,
            each.class_name,
            Authority.FLAG,
            who=who,
            why=f"withdrawn automatically: {each.why_not}",
            found=each,
        )
    return tuple(broken)


def withdrawn_since(bundle: Path, sha256: str) -> tuple[str, ...]:
    """Classes that lost their authority since the bundle had this sha256.

    Empty where that is not all that has happened to it since, or nothing has. Raises BundleError,
    StoreError (AUDIT_BROKEN).
    """
    state = read_bundle(bundle).sha256
    names: list[str] = []
    for line in reversed(read_ledger(bundle)):
        if state == sha256:
            break
        if not line.before or line.before == line.after:
            continue  # something was measured, or said
        withdrawn = line.event == "authority" and line.facts.get("authority") == _WITHDRAWN
        if line.after != state or not withdrawn:
            return ()
        names.append(line.facts["class"])
        state = line.before
    return tuple(sorted(names)) if state == sha256 else ()


def _of(bundle: Path, name: str) -> Readiness:
    found = {each.class_name: each for each in checklist(bundle)}
    if name not in found:
        raise LifecycleError(
            Code.AUTHORITY_NOT_READY,
            f"The bundle does not tell the class {name} apart",
            where=bundle,
            expected=", ".join(found) or "a bundle that was taught classes",
            got=name,
            next="keenline teach",
        )
    return found[name]


def _set(
    bundle: Path, name: str, authority: Authority, *, who: str, why: str, found: Readiness
) -> Bundle:
    before = authority_of(read_bundle(bundle).manifest.recipe, name)
    facts = {"class": name, "authority": f"{before.value} -> {authority.value}"}
    facts |= _said_of(found)

    def changed(manifest: Manifest) -> Manifest:
        return with_authority(manifest, name, authority)

    words = f"{name} {before.value} -> {authority.value}: {why}"
    return change(bundle, "authority", changed, who=who, why=words, facts=facts)


def _said_of(found: Readiness) -> dict[str, str]:
    return {g.name: f"{'pass' if g.passes else 'fail'}: {g.has}" for g in found.gates}
