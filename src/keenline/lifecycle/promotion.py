"""One bundle put in the place of another at a station, and back, in one step that is recorded.

The ledgers of both bundles and the audit chain of the station's store say who did it and why. The
configuration of the station is changed in the one line that names the bundle; a station that runs
takes it up with SIGHUP (`systemctl reload`) between two parts.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keenline.bundle import check_writable, read_bundle
from keenline.errors import Code, LifecycleError, OutputError, StationError
from keenline.evaluation.sequential import Plan
from keenline.lifecycle.ledger import read_ledger
from keenline.lifecycle.shadow import compared
from keenline.lifecycle.stages import NEXT, move
from keenline.store.database import Database
from keenline.store.migrating import require_current
from keenline.store.queries import Query
from keenline.store.remarking import keep_event
from keenline.toml_lines import find_lines
from keenline.types import LineEvent

PROMOTED, ROLLED_BACK = "bundle-promoted", "bundle-rolled-back"
"""Kinds of the events; facts: file and sha256 before and after, who and why."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a promotion or a rollback did."""

    station: str
    before: Path
    after: Path
    before_sha256: str
    """As it is now, retired."""
    after_sha256: str
    """As it is now, live."""
    shadow: str = ""
    """What the sequential test said of it in shadow here; empty for a rollback."""


@dataclass(frozen=True, slots=True)
class Post:
    """The place of a bundle: the configuration of a station."""

    file: Path
    text: str
    station: str
    bundle: Path

    @classmethod
    def read(cls, file: Path) -> Post:
        """Raises StationError: STATION_MISSING, STATION_SYNTAX, STATION_INVALID."""
        try:
            text = file.read_bytes().decode()
            content = tomllib.loads(text)
        except OSError as error:
            raise StationError(
                Code.STATION_MISSING,
                "The station configuration cannot be read",
                where=file,
                problems=[error.strerror or type(error).__name__],
            ) from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise StationError(
                Code.STATION_SYNTAX,
                "The station configuration is not TOML",
                where=file,
                problems=[str(error)],
            ) from error
        bundle, name = content.get("bundle"), content.get("station")
        if not isinstance(bundle, str) or not isinstance(name, str):
            raise StationError(
                Code.STATION_INVALID, "The configuration names no station or bundle", where=file
            )
        return cls(file, text, name, file.parent / bundle)

    def naming(self, bundle: Path) -> str:
        """The text of the configuration with another bundle, and nothing else changed.

        Raises LifecycleError (PROMOTION) where the line that names it cannot be changed.
        """
        named = os.path.relpath(bundle.resolve(), self.file.parent.resolve())
        lines = self.text.splitlines(keepends=True)
        place = find_lines(self.text)[("bundle",)] - 1
        old = lines[place]
        end = old[len(old.rstrip("\r\n")) :]
        lines[place] = f"bundle = {_quoted(Path(named).as_posix())}{_comment(old)}{end}"
        text = "".join(lines)
        wanted = tomllib.loads(self.text) | {"bundle": Path(named).as_posix()}
        try:
            is_right = tomllib.loads(text) == wanted
        except tomllib.TOMLDecodeError:
            is_right = False
        if not is_right:
            raise LifecycleError(
                Code.PROMOTION,
                "The line that names the bundle cannot be changed",
                where=f"{self.file}:{place + 1}",
                problems=[old.strip()],
                next='write it as bundle = "FILE.keen" on a line of its own',
            )
        return text


def promote(
    bundle: Path,
    file: Path,
    database: Database,
    *,
    who: str,
    why: str,
    despite_shadow: bool = False,
) -> Replaced:
    """Put `bundle` in the place of the one that the station's configuration names.

    It must be accepted (`stages.NEXT`); the one before it is retired. One that was asked in shadow
    at this station, of which the sequential test did not say `promote`, takes `despite_shadow`;
    what the test said is recorded either way. Raises LifecycleError
    (STAGE_ORDER, PROMOTION), BundleError, StationError, OutputError, StoreError; as far as can be
    known beforehand, nothing is changed then.
    """
    post = Post.read(file)
    if bundle.resolve() == post.bundle.resolve():
        raise _no_use(bundle, "The station has this bundle already")
    said = _in_shadow(bundle, post.station, database)
    if said.is_against and not despite_shadow:
        raise LifecycleError(
            Code.PROMOTION,
            "What the bundle said in shadow does not speak for it",
            where=bundle,
            got=said.words,
            next=f"keenline shadow show {bundle.name} {file.name}; with --despite-shadow it is "
            "promoted all the same, and the ledger says so",
        )
    return _replace(post, bundle, database, PROMOTED, who=who, why=why, shadow=said.words)


def rollback(file: Path, database: Database, *, who: str, why: str) -> Replaced:
    """Put the bundle back that the last promotion at this station replaced.

    Raises as `promote` does; LifecycleError (PROMOTION) where the ledger of the bundle that is
    there knows of no predecessor here.
    """
    post = Post.read(file)
    replaced = [
        line.facts["replaces"]
        for line in read_ledger(post.bundle)
        if line.facts.get("station") == post.station and line.facts.get("replaces")
    ]
    if not replaced:
        raise _no_use(post.bundle, f"It replaced no bundle at {post.station}")
    before = post.bundle.parent / replaced[-1]
    return _replace(post, before, database, ROLLED_BACK, who=who, why=why)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the sequential test says of a bundle in shadow."""

    words: str
    is_against: bool


def _in_shadow(bundle: Path, station: str, database: Database) -> _Said:
    """With the plan of `keenline shadow show`; a bundle that was never asked has nothing against
    it, and the record says that it was never asked."""
    require_current(database)
    test = compared(bundle, database, Query(station=station), Plan()).test
    if not test.compared:
        return _Said("never asked in shadow here", is_against=False)
    words = {"promote": "promote", "refuse": "refuse", "continue": "not decided"}[test.outcome]
    told = f"{words} after {test.compared} parts, {test.disagreed} not alike"
    return _Said(told, is_against=test.outcome != "promote")


def _replace(
    post: Post,
    bundle: Path,
    database: Database,
    kind: str,
    *,
    who: str,
    why: str,
    shadow: str = "",
) -> Replaced:
    if not who.strip() or not why.strip():
        raise _no_use(bundle, "A promotion needs the name of a person and a reason")
    old = post.bundle
    text = post.naming(bundle)
    read_bundle(bundle)
    can_retire = "retired" in NEXT.get(read_bundle(old).manifest.stage, frozenset())
    require_current(database)
    check_writable(bundle)
    check_writable(old)
    replaces = os.path.relpath(old.resolve(), bundle.resolve().parent)
    facts = {"station": post.station}
    begun = facts | {"replaces": replaces} | ({"shadow": shadow} if shadow else {})
    live = move(bundle, "live", who=who, why=why, facts=begun)
    _write(post.file, text)
    by = {"replaced by": os.path.relpath(bundle.resolve(), old.resolve().parent)}
    retired = move(old, "retired", who=who, why=why, facts=facts | by) if can_retire else None
    left = retired or read_bundle(old)
    done = Replaced(post.station, old, bundle, left.sha256, live.sha256, shadow)
    said = {
        "before": old.name,
        "before_sha256": done.before_sha256,
        "after": bundle.name,
        "after_sha256": done.after_sha256,
        "who": who,
        "why": why,
    } | ({"shadow": shadow} if shadow else {})
    moment = datetime.now(UTC)
    keep_event(database, LineEvent(str(uuid.uuid4()), post.station, kind, moment, said))
    return done


def _write(file: Path, text: str) -> None:
    """In one step, with the permissions that the file has."""
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name[:100]}.", dir=file.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        partial.chmod(file.stat().st_mode & 0o7777)
        partial.replace(file)
    except OSError as error:
        raise OutputError.of(error, file) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(line: str) -> str:
    """The remark behind the value of a line, which stays; none where the value holds a #."""
    value, mark, remark = line.rstrip("\r\n").partition("#")
    return f"  #{remark}" if mark and value.rstrip()[-1:] in "\"'" else ""


def _no_use(bundle: Path, what: str) -> LifecycleError:
    return LifecycleError(Code.PROMOTION, what, where=bundle)
