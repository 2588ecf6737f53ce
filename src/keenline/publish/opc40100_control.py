"""The port through which an OPC UA client's commands reach the station that stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client said about a job; each text is empty where it said nothing."""

    meas_id: str = ""
    """The client's own name of the measuring run; comes back with the results."""
    part_id: str = ""
    recipe_id: str = ""
    """`KnownRecipe.external_id` of a prepared recipe; "" for the one that is prepared."""
    product_id: str = ""


@dataclass(frozen=True, slots=True)
class KnownRecipe:
    """A recipe that the station has, with the bundle that goes with it."""

    external_id: str
    """As people and host systems name it: the part of the recipe."""
    internal_id: str
    """SHA-256 of the recipe, 64 hexadecimal digits."""
    bundle_id: str
    """SHA-256 of the bundle, 64 hexadecimal digits."""
    is_prepared: bool
    """The next part is inspected by it."""


@dataclass(frozen=True, slots=True)
class KnownConfiguration:
    """The station configuration that is active."""

    external_id: str
    """The name of the station."""
    internal_id: str
    """SHA-256 of the configuration, 64 hexadecimal digits."""
    last_modified: datetime
    """UTC."""


class VisionControl(Protocol):
    """What a station lets clients do; called from threads of the server, several at a time.

    A command returns once the station has taken it, within a second or two. It raises LineError
    where the station refuses, as StationError STATION_TRANSITION from a wrong state: the client
    gets the code of the error with a minus sign.
    """

    def state(self) -> str:
        """One of `opc40100_states.STATES`, at once: it is asked for several times a second."""

    def recipes(self) -> Sequence[KnownRecipe]:
        """Every recipe that could be prepared; at most one of them is prepared now."""

    def configuration(self) -> KnownConfiguration:
        """The active configuration; asked for once, when the server starts, and when read."""

    def prepare_recipe(self, internal_id: str) -> None:
        """Inspect by this recipe from the next part on."""

    def start_single_job(self, job: JobRequest) -> int:
        """Inspect one part now; returns the number of its trigger, which is the JobId too."""

    def start_continuous(self, job: JobRequest) -> None:
        """Inspect every part that the line brings, until stopped."""

    def stop(self) -> None:
        """End the execution after the part in hand."""

    def abort(self) -> None:
        """End the execution now; a part in hand becomes INVALID."""

    def halt(self) -> None:
        """Go to Halted."""

    def reset(self) -> None:
        """Go to Preoperational, from a fault too."""

    def select_mode_automatic(self) -> None:
        """Go from Preoperational into the automatic mode."""
