"""What a line is handed: who records, keeps images, tells the PLC, and takes frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from keenline.errors import KeenlineError
from keenline.journal.entries import Entry
from keenline.station.matching import Matcher
from keenline.station.rulings import Ruling
from keenline.types import Image, Verdict


class Recorder(Protocol):
    """Where triggers, results and events are kept; the journal."""

    def append(self, entry: Entry) -> object:
        """Keep `entry` so that it survives the process. Raises OutputError."""

    @property
    def is_on_reserve(self) -> bool:
        """Its disk is full, or was, and it writes into room that was set aside."""

    @property
    def reserve_left(self) -> int:
        """Bytes of that room."""


class ImageKeeper(Protocol):
    """Where images are kept, off the line's path."""

    def wants(self, verdict: Verdict, result_id: str) -> bool:
        """Whether the images of this result are to be kept."""

    def put(self, sha256: str, image: Image) -> bool:
        """Take an image without waiting; False when it cannot be taken."""


class Actuator(Protocol):
    """Who tells the line; a PLC's handshake."""

    def tell(self, ruling: Ruling) -> None:
        """Pass a ruling on, without waiting."""

    def trouble(self) -> KeenlineError | None:
        """Why the line cannot be told at present; None when it can."""


@dataclass(frozen=True, slots=True)
class StationFacts:
    """What every record of a station names."""

    name: str
    sha256: str
    """Of its configuration."""
    software: str
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class CameraAtLine:
    """A camera as the line uses it."""

    matcher: Matcher
    fire: Callable[[], None] | None
    """Takes one frame; None where hardware does, or frames come by themselves."""
    restart: Callable[[], None]
    """Asks for acquisition to be started anew."""
