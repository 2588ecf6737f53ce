"""One camera kept delivering: opened, grabbed from, started anew, opened again when it is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from keenline.devices.camera import Camera, CameraFacts, HoldsBack
from keenline.errors import CameraError, Code, EnvironmentMissing, FrameBroken, KeenlineError
from keenline.types import Frame

_GRAB_S = 0.1
_ROOM_S = 0.002
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


class FrameTaker(Protocol):
    """Who is told what a camera does; called from the thread of that camera."""

    def frame(self, frame: Frame) -> None:
        """A whole frame."""

    def frame_broken(self, camera: str, number: int | None, error: KeenlineError) -> None:
        """A frame that cannot be used."""

    def camera_restarted(self, camera: str) -> None:
        """Acquisition is about to begin anew; frames from before can no longer come."""


class Acquisition:
    """Runs one camera on a thread of its own."""

    def __init__(
        self,
        camera: Camera,
        taker: FrameTaker,
        on_change: Callable[[str, KeenlineError | None], None],
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """`on_change(camera, trouble)` is called when the camera goes and, with None, when it is
        back; `has_room`: a part that may as well come later would be inspected at once."""
        self.camera = camera
        self.facts: CameraFacts | None = None
        self.restarts = 0
        """How often acquisition was started anew, for whatever reason."""
        self._taker = taker
        self._has_room = has_room
        self._on_change = on_change
        self._is_running = False
        self._restart = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.name}", daemon=True)

    @property
    def is_running(self) -> bool:
        """Frames may come."""
        return self._is_running

    def open(self) -> CameraFacts:
        """Connect for the first time. Raises CameraError or EnvironmentMissing."""
        self.facts = self.camera.open()
        return self.facts

    def start(self) -> None:
        """Begin to grab; `open` must have gone well."""
        self._thread.start()

    def restart(self) -> None:
        """Ask for acquisition to begin anew; returns at once."""
        self._restart.set()

    def stop(self) -> None:
        """End the thread and let the camera go."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.camera.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        is_open = True
        while not self._stopping.is_set():
            try:
                if not is_open:
                    self.facts = self.camera.open()
                    is_open = True
                self._begin()
                pause = _FIRST_PAUSE_S
                self._grab_until_restart()
            except (CameraError, EnvironmentMissing) as trouble:
                self._is_running = False
                self._on_change(self.camera.name, trouble)
                self.camera.close()
                is_open = False
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _begin(self) -> None:
        self._restart.clear()
        self.camera.stop()
        # Told before the start, so that a frame never comes to someone who waits for none.
        self.camera.start()
        self._taker.camera_restarted(self.camera.name)
        self.restarts += 1
        if not self._is_running:
            self._is_running = True
            self._on_change(self.camera.name, None)

    def _grab_until_restart(self) -> None:
        while not (self._restart.is_set() or self._stopping.is_set()):
            if isinstance(self.camera, HoldsBack) and not self._has_room():
                self._stopping.wait(_ROOM_S)
                continue
            try:
                frame = self.camera.grab(_GRAB_S)
            except FrameBroken as broken:
                self._taker.frame_broken(self.camera.name, broken.number, broken)
            except CameraError as trouble:
                if trouble.code is not Code.CAMERA_TIMEOUT:
                    raise
            else:
                self._taker.frame(frame)
