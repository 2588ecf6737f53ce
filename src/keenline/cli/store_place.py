"""What a person types for a store and for a moment turned into a database and a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.errors import Code, StationError

if TYPE_CHECKING:
    from keenline.store.database import Database
    from keenline.store.settings import StoreSettings

StorePlace = Annotated[
    str,
    typer.Argument(
        help="A database file, its URL, or the TOML file of the station.",
        metavar="STORE",
        show_default=False,
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="From this moment on: 2026-11-30, 2026-11-30T06:00, 24h, 7d."),
]
Until = Annotated[str | None, typer.Option("--until", help="Before this moment.")]

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def open_for_asking(place: str) -> Database:
    """The database that `place` names; nothing in it is changed.

    Raises StoreError: STORE_UNREACHABLE, STORE_SCHEMA; StationError for a station's file;
    BadParameter for what names no database.
    """
    from keenline.store.migrating import require_current
    from keenline.store.opening import open_database

    if place.endswith(".toml"):
        path = Path(place)
        database = open_database(_store_table(path), path.parent, must_exist=True)
    else:
        database = open_database(_by_url(place), must_exist=True)
    require_current(database)
    return database


def store_table(place: str, images: Path | None) -> tuple[StoreSettings, Path]:
    """The settings of the store that `place` names, and the folder where its paths begin.

    `images`: the folder of images in place of what they say. Raises as `open_for_asking`.
    """
    from keenline.store.settings import DiskImages

    if place.endswith(".toml"):
        table, folder = _store_table(Path(place)), Path(place).parent
    else:
        table = _by_url(place)
        folder = Path(table.database.partition(":///")[2]).parent
    if images is not None:
        table = table.model_copy(update={"images": DiskImages(folder=str(images.absolute()))})
    return table, folder


def moment(text: str | None, option: str) -> datetime | None:
    """`--since` and `--until` in UTC; without an offset, the local time of this machine.

    Raises BadParameter.
    """
    if text is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if ago:
        return datetime.now(UTC) - int(ago.group(1)) * _UNITS[ago.group(2)]
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        words = f"{text!r} is no time; allowed: 2026-11-30, 2026-11-30T06:00, 24h, 7d"
        raise typer.BadParameter(words, param_hint=option) from error


def _by_url(place: str) -> StoreSettings:
    from pydantic import ValidationError

    from keenline.store.settings import StoreSettings

    url = place if "://" in place else f"sqlite:///{place}"
    try:
        return StoreSettings(database=url)
    except ValidationError as error:
        words = error.errors()[0]["msg"]
        raise typer.BadParameter(words, param_hint="STORE") from error


def _store_table(path: Path) -> StoreSettings:
    from pydantic import BaseModel

    from keenline.store.settings import StoreSettings
    from keenline.strict_toml import TomlFaults, parse_strictly

    class OnlyStore(BaseModel):
        """A station's file, of which the other tables are not looked at."""

        store: StoreSettings = StoreSettings()

    try:
        return parse_strictly(path.read_text("utf-8"), OnlyStore).store
    except OSError as error:
        raise StationError(
            Code.STATION_MISSING,
            "The station configuration cannot be read",
            where=path,
            problems=[error.strerror or type(error).__name__],
            next="check the path",
        ) from error
    except UnicodeDecodeError as error:
        raise StationError(
            Code.STATION_SYNTAX, "The station configuration is not text", where=path
        ) from error
    except TomlFaults as faults:
        raise StationError(
            Code.STATION_SYNTAX if faults.is_syntax else Code.STATION_INVALID,
            "The station configuration cannot be used",
            where=path,
            problems=[f"line {each.line}: {each.key} {each.message}" for each in faults.faults],
            next="correct it, then ask again",
        ) from faults
