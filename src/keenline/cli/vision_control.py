"""Commands of OPC UA clients turned into steps of the station."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from keenline.cli.station_config import StationConfig
from keenline.errors import Code, PartError, StationError
from keenline.publish.opc40100_control import JobRequest, KnownConfiguration, KnownRecipe
from keenline.station.states import Step
from keenline.station.station import Station


class StationControl:
    """A station as OPC 40100-1 sees it; a `VisionControl`."""

    def __init__(self, station: Station, config: StationConfig) -> None:
        self._station = station
        self._config = config
        self._since = datetime.now(UTC)

    def state(self) -> str:
        return self._station.state

    def recipes(self) -> Sequence[KnownRecipe]:
        programme = self._station.opened.programme
        return [
            KnownRecipe(
                programme.part or programme.recipe_sha256[:12],
                programme.recipe_sha256,
                programme.bundle_sha256,
                is_prepared=True,
            )
        ]

    def configuration(self) -> KnownConfiguration:
        return KnownConfiguration(self._config.station, self._config.sha256, self._since)

    def prepare_recipe(self, internal_id: str) -> None:
        if internal_id != self._station.opened.programme.recipe_sha256:
            raise StationError(
                Code.STATION_TRANSITION,
                "This station has no such recipe",
                problems=[f"asked for {internal_id}"],
                next="learn a bundle with it and change the station to that bundle",
            )
        self._station.health.states.take_if_possible(Step.MAKE_READY, "a client asked for it")

    def start_single_job(self, job: JobRequest) -> int:
        return self._station.single(job.part_id).number

    def start_continuous(self, job: JobRequest) -> None:
        del job
        self._station.health.resume("a client asked for it")

    def stop(self) -> None:
        self._station.health.pause("a client asked for it")

    def abort(self) -> None:
        self._station.line.abandon(PartError(Code.PART_INTERRUPTED, "A client aborted the job"))
        self._station.health.pause("a client aborted")

    def halt(self) -> None:
        self._station.health.states.take(Step.HALT, "a client asked for it")

    def reset(self) -> None:
        self._station.health.reset("a client asked for it")

    def select_mode_automatic(self) -> None:
        self._station.health.states.take(Step.SELECT_AUTOMATIC, "a client asked for it")
