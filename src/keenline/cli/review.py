"""`keenline review`: which stored results a person should look at, and what the person says."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, require_writable
from keenline.cli.store_place import Since, StorePlace, Until, moment, open_for_asking, store_table
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.review.order import OrderSettings
    from keenline.store.queries import Query

_LISTED = 20


class RoleName(StrEnum):
    """Whose judgement a table holds."""

    REVIEW = "review"
    QC = "qc"


ReviewerName = Annotated[
    str | None, typer.Option("--by", help="Who judges; recorded.", metavar="NAME")
]
ImagesFolder = Annotated[
    Path | None,
    typer.Option(
        "--images",
        help="The folder of images, where STORE is no TOML file; else images beside it.",
        metavar="FOLDER",
    ),
]


def review(
    store: StorePlace,
    next_one: Annotated[
        bool, typer.Option("--next", help="Ask for judgements, one result after the other.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="So many results; listed: 20.")
    ] = None,
    by: ReviewerName = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Write what waits as CSV, to be filled in.", metavar="FILE"),
    ] = None,
    take_in: Annotated[
        Path | None,
        typer.Option("--import", help="Keep the judgements of a filled CSV.", metavar="FILE"),
    ] = None,
    role: Annotated[
        RoleName,
        typer.Option("--role", help="With --import: qc, the calls of the quality control."),
    ] = RoleName.REVIEW,
    new_class: Annotated[
        bool, typer.Option("--new-class", help="Classes that nobody has named yet may be named.")
    ] = False,
    to_dataset: Annotated[
        Path | None,
        typer.Option(
            "--to-dataset", help="Write judged images as a labelled folder.", metavar="FOLDER"
        ),
    ] = None,
    images: ImagesFolder = None,
    station: Annotated[
        str | None, typer.Option("--station", help="Only of this station.", metavar="NAME")
    ] = None,
    since: Since = None,
    until: Until = None,
    band: Annotated[
        tuple[float, float],
        typer.Option("--band", help="Class scores that count as uncertain.", metavar="LOW HIGH"),
    ] = (0.4, 0.6),
    audit_share: Annotated[
        float, typer.Option("--audit-share", min=0, max=1, help="Share of PASS parts to audit.")
    ] = 0.02,
    as_json: Json = False,
) -> None:
    """Say which stored results a person should look at next, and keep what the person says.

    First parts that passed although somebody names a defect, then uncertain ones, novel ones,
    anomalies, disagreements; every fifth is a random audit of the parts that passed.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        chosen = [bool(each) for each in (next_one, export, take_in, to_dataset)]
        if sum(chosen) > 1:
            raise typer.BadParameter("one of --next, --export, --import and --to-dataset")
        if next_one and as_json:
            raise typer.BadParameter("--next asks a person; --json: --export and --import")
        if not 0 <= band[0] <= band[1] <= 1:
            raise typer.BadParameter("LOW and HIGH from 0 to 1, LOW first", param_hint="--band")
        require_writable(export)
        begin, end = moment(since, "--since"), moment(until, "--until")
        with terminal.waiting(f"opening {store}"):
            from keenline.cli import review_steps
            from keenline.review.order import OrderSettings
            from keenline.store.opening import image_place
            from keenline.store.queries import Query

            database = open_for_asking(store)
            table, folder = store_table(store, images)
            place = image_place(table.images, folder)
        query: Query = Query(station=station, since=begin, until=end)
        settings: OrderSettings = replace(OrderSettings(), band=band, audit_share=audit_share)
        desk = review_steps.Desk(database, place, query, settings, terminal, _bundle(store))
        with closing(database), closing(place):
            if next_one:
                desk.ask(by, limit, new_class=new_class)
            elif export is not None:
                desk.export(export, limit)
            elif take_in is not None:
                desk.take_in(take_in, by, role.value, new_class=new_class)
            elif to_dataset is not None:
                desk.to_dataset(to_dataset)
            else:
                desk.show(limit or _LISTED)


def _bundle(store: str) -> Path | None:
    """The bundle at the station, where `store` names its configuration and the file is here."""
    from keenline.errors import StationError
    from keenline.lifecycle.promotion import Post

    try:
        found = Post.read(Path(store)).bundle if store.endswith(".toml") else None
    except StationError:
        return None  # a file with nothing but [store] is enough to judge
    return found if found is not None and found.exists() else None
