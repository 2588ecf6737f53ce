"""`keenline shadow`: a bundle that decides nothing held against who decided, on stored images."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, OtherEngine, Threads
from keenline.cli.review import ImagesFolder
from keenline.cli.store_place import Since, Until, moment, open_for_asking, store_table
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.evaluation.sequential import Plan
    from keenline.store.queries import Query


class Action(StrEnum):
    """What to do."""

    BEGIN = "begin"
    RUN = "run"
    SHOW = "show"
    RECORD = "record"
    PLAN = "plan"


def shadow(
    action: Annotated[
        Action,
        typer.Argument(
            help="begin, run, show, record, or plan.",
            metavar="begin|run|show|record|plan",
            show_default=False,
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Argument(help="The bundle in shadow.", metavar="BUNDLE", show_default=False),
    ] = None,
    store: Annotated[
        str | None,
        typer.Argument(
            help="A database file, its URL, or the TOML file of the station.",
            metavar="STORE",
            show_default=False,
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    station: Annotated[
        str | None, typer.Option("--station", help="Only of this station.", metavar="NAME")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="The newest N results.")
    ] = None,
    images: ImagesFolder = None,
    by: Annotated[
        str | None, typer.Option("--by", help="begin, record: who does it.", metavar="NAME")
    ] = None,
    why: Annotated[
        str | None, typer.Option("--why", help="begin: the reason; recorded.", metavar="TEXT")
    ] = None,
    good: Annotated[
        float, typer.Option("--good", help="Share of disagreements that is fine.")
    ] = 0.01,
    bad: Annotated[
        float, typer.Option("--bad", help="Share of disagreements that must not go live.")
    ] = 0.05,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Chance, at most, to promote a bad one.")
    ] = 0.05,
    beta: Annotated[
        float, typer.Option("--beta", help="Chance, at most, to refuse a good one.")
    ] = 0.1,
    engine: OtherEngine = None,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Let a bundle judge stored images beside the decisions that stand, and compare.

    begin brings a bundle to the stage shadow, in which a station may ask it beside the one that
    decides (its table [shadow]). run inspects the kept images of a period that the bundle has not
    seen, stores what it says, and shows; show compares anew, with the judgements that `keenline
    review` kept since; record writes the agreement of each class into the bundle's ledger; plan
    says how many parts a claim takes.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.cli import shadow_steps
        from keenline.evaluation.sequential import Plan

        try:
            plan: Plan = Plan(good, bad, alpha, beta)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        if action is Action.PLAN:
            shadow_steps.show_plan(plan, terminal)
            return
        if action is Action.BEGIN:
            if bundle is None or not by or not why:
                raise typer.BadParameter("begin needs BUNDLE, --by NAME and --why TEXT")
            shadow_steps.begin(bundle, by, why, terminal)
            return
        if bundle is None or store is None:
            raise typer.BadParameter(f"{action} needs BUNDLE and STORE")
        if action is Action.RECORD and not by:
            raise typer.BadParameter("record needs --by NAME: the ledger names who wrote it")
        begin, end = moment(since, "--since"), moment(until, "--until")
        with terminal.waiting(f"opening {store}"):
            from keenline.store.opening import image_place
            from keenline.store.queries import Query

            database = open_for_asking(store)
            table, folder = store_table(store, images)
            place = image_place(table.images, folder)
        query: Query = Query(station=station, since=begin, until=end, limit=limit)
        with closing(database), closing(place):
            shown = shadow_steps.Comparing(bundle, database, query, plan, terminal)
            if action is Action.RUN:
                shown.run(place, engine, threads)
            found = shown.show()
            if action is Action.RECORD and by:
                shown.record(found, by, store)
