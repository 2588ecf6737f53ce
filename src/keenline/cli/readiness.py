"""`keenline readiness`: what each class must still show before it may reject, as a checklist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.dataset_version import Split
    from keenline.lifecycle.readiness import Readiness, ShadowAgreement


def readiness(
    bundle: BundlePath,
    seeded: Annotated[
        Path | None,
        typer.Option(
            "--seeded",
            help="Inspect the held-out samples of this version and write down the recall.",
            metavar="FILE.keenset",
        ),
    ] = None,
    shadow: Annotated[
        Path | None,
        typer.Option("--shadow", help="Write down how shadow mode agreed.", metavar="FILE.json"),
    ] = None,
    drift: Annotated[
        Path | None,
        typer.Option("--drift", help="Write down whether anything drifts.", metavar="FILE.json"),
    ] = None,
    enforce: Annotated[
        bool,
        typer.Option(
            "--enforce",
            help="Withdraw the authority of classes with a broken gate, with nothing new written.",
        ),
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", help="Who does this; else the account.", metavar="NAME")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which classes may reject, and which gate keeps the others from it.

    Gates: samples learnt from, recall on held-out parts, agreement in shadow mode, drift. What was
    measured stands in the ledger beside the bundle; the newest word counts. Where what is written
    down breaks a gate of a class that rejects, its authority is withdrawn in the same step.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.data.importers.version_file import account
        from keenline.lifecycle import authority
        from keenline.lifecycle.class_facts import record_drift, record_shadow

        who = by or account()
        if seeded is not None:
            _measure(bundle, seeded, who, terminal)
        if shadow is not None:
            record_shadow(bundle, _agreements(shadow), who=who, source=shadow.name)
        if drift is not None:
            record_drift(bundle, _states(drift), who=who, source=drift.name)
        # A fact that breaks a gate ends the authority at once, not when somebody thinks of it.
        is_new = not (seeded is shadow is drift is None)
        withdrawn = authority.enforce(bundle, who=who) if enforce or is_new else ()
        found = authority.checklist(bundle)
        if as_json:
            names = [each.class_name for each in withdrawn]
            terminal.emit({"classes": [each.as_dict() for each in found], "withdrawn": names})
            return
        _show(found, terminal)
        for each in withdrawn:
            words = f"{each.class_name} may only flag now: {each.why_not}"
            terminal.fact("withdrawn", one_line(words), "bold red")
        for each in found:
            if each.must_be_withdrawn:
                words = f"{each.class_name} rejects although a gate is broken: --enforce"
                terminal.fact("beware", one_line(words), "bold red")


def _show(found: tuple[Readiness, ...], terminal: Terminal) -> None:
    if not found:
        terminal.say("The bundle tells no classes apart: only the anomaly asks for a review.")
    for each in found:
        ready = "ready to reject" if each.is_ready else "not ready to reject"
        terminal.fact(one_line(each.class_name), f"{each.authority}; {ready}", "bold")
        for gate in each.gates:
            words = f"{'yes' if gate.passes else 'NO ':<4}{gate.name}: {gate.has}"
            if not gate.passes:
                words += f"; needs {gate.needs}"
            terminal.fact("", one_line(words), "green" if gate.passes else "yellow")


def _measure(bundle: Path, version: Path, who: str, terminal: Terminal) -> None:
    from keenline.data.importers.version_file import open_version
    from keenline.data.origins import origins_of
    from keenline.inference.inspector import Inspector
    from keenline.lifecycle.class_facts import record_seeded
    from keenline.training.evaluate import evaluate

    with terminal.waiting(f"reading {version}"):
        held_out: tuple[Split, ...] = ("seeded",)
        dataset = open_version(version, held_out)
        inspector = Inspector.open(bundle)
    origins = origins_of(version, dataset)
    with terminal.steps() as progress:
        evaluation, _ = evaluate(inspector, dataset, progress, origins=origins)
    assert evaluation.evidence is not None
    data = f"{version.name}, seeded, version {dataset.version}"
    written = record_seeded(bundle, evaluation.evidence, who=who, data=data)
    terminal.fact("measured", one_line(", ".join(written) or "no class that the bundle knows"))


def _agreements(file: Path) -> list[ShadowAgreement]:
    """`{"classes": [{"class": NAME, "compared": N, "disagreed": N}]}`."""
    from keenline.lifecycle.class_facts import agreement

    found = []
    try:
        for row in _json(file)["classes"]:
            found.append(agreement(str(row["class"]), row["compared"], row["disagreed"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(file, repr(error)) from error
    return found


def _states(file: Path) -> dict[str, Any]:
    """`{"classes": {NAME: "quiet" | "drifting" | "not monitored"}}`."""
    try:
        return {str(name): state for name, state in _json(file)["classes"].items()}
    except (KeyError, AttributeError, TypeError) as error:
        raise _unusable(file, repr(error)) from error


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from error
    except ValueError as error:
        raise _unusable(file, str(error)) from error


def _unusable(file: Path, got: str) -> Exception:
    from keenline.errors import Code, LifecycleError

    return LifecycleError(
        Code.READINESS_FACTS,
        "The file cannot be used",
        where=file,
        got=got,
        next="docs/acceptance.md says what it holds",
    )
