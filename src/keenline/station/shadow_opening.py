"""A bundle of stage `shadow` turned into one that a station may ask, or into why it may not.

What is wrong with a bundle in shadow never keeps a station from inspecting.
"""

from __future__ import annotations

from collections.abc import Sequence

from keenline.errors import Code, KeenlineError, StationError
from keenline.station.books import Books
from keenline.station.engine_messages import Opening
from keenline.station.engine_process import EngineProcess, EngineSettings
from keenline.station.held_bundle import HeldBundle
from keenline.station.opening import StationPlan, require_fitting
from keenline.station.parts import Programme
from keenline.station.ports import ImageKeeper
from keenline.station.shadow import Shadow

_START_S = 600.0
"""It loads when nothing else wants the processor."""
_LONGEST_PAUSE_S = 60.0


def open_shadow(
    plan: StationPlan,
    live: Programme,
    sizes: Sequence[tuple[int, int]],
    books: Books,
    keeper: ImageKeeper,
) -> tuple[Shadow, EngineProcess]:
    """The plan's bundle in shadow and its process, which is not started yet.

    Raises BundleError, OutputError, ImageError for frames of a size that it did not learn, and
    StationError (STATION_SHADOW) for a bundle that has no business in shadow here.
    """
    assert plan.shadow is not None, "the plan has no shadow"
    path, table = plan.shadow
    bundle = HeldBundle(path)
    try:
        _require_shadow(bundle, path.name, live)
        require_fitting(bundle.manifest, None, sizes)
    except KeenlineError:
        bundle.close()
        raise
    shadow = Shadow(path.name, bundle.sha256, table, books, keeper)
    engine = EngineProcess(
        Opening(bundle.path, table.threads, tuple(dict.fromkeys(sizes))),
        shadow,
        EngineSettings(
            # One part at a time; those of a part that was lost on the way may still be in it.
            slots=2 * len(plan.cameras),
            largest_image=plan.engine.largest_image_mb * 1_000_000,
            hang_s=table.hang_ms / 1e3,
            start_s=_START_S,
            longest_pause_s=_LONGEST_PAUSE_S,
            in_background=True,
        ),
        factory=plan.shadow_inspector,
        bundle=bundle,
    )
    return shadow, engine


def _require_shadow(bundle: HeldBundle, name: str, live: Programme) -> None:
    manifest = bundle.manifest
    if bundle.sha256 == live.bundle_sha256:
        raise _no_shadow(
            name,
            "it is the bundle that decides at this station",
            "name another one, or take the table [shadow] out",
        )
    if manifest.stage != "shadow":
        raise _no_shadow(
            name,
            f"its stage is {manifest.stage}, not shadow",
            f"keenline shadow begin {name} --by NAME --why TEXT",
        )
    part = manifest.recipe.part
    if part != live.part:
        raise _no_shadow(
            name,
            f"it was learnt for {part or 'no part that has a name'}, the station inspects "
            f"{live.part or 'a part without a name'}",
            "the recipes of both must name the same part",
        )


def _no_shadow(name: str, why: str, what_next: str) -> StationError:
    return StationError(
        Code.STATION_SHADOW,
        "The bundle cannot run in shadow here",
        where=name,
        got=why,
        next=what_next,
    )
