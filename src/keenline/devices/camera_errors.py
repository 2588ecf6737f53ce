"""Turns what went wrong at a GenICam camera into an error that says where and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from keenline.errors import CameraError, Code, EnvironmentMissing, FrameBroken


def no_package(extra: str, package: str, problem: object, remedy: str = "") -> EnvironmentMissing:
    """The SDK of this kind of camera is not installed."""
    return EnvironmentMissing(
        Code.EXTRA_MISSING,
        f"This kind of camera needs {extra}",
        expected=package,
        got=problem,
        next=remedy or f"pip install 'keenline[{extra}]'",
    )


def missing(camera: str, asked: str, there: Sequence[str]) -> CameraError:
    """No camera answers to what was asked for; `there` names those that do answer."""
    return CameraError(
        Code.CAMERA_MISSING,
        "The camera is not there",
        where=f"camera {camera}",
        expected=asked,
        got=", ".join(there) or "no camera of this kind at all",
        next="check its cable, power and network, and the name in the station configuration",
    )


def not_opened(camera: str, got: object) -> CameraError:
    """The camera was found, and cannot be opened."""
    return CameraError(
        Code.CAMERA_MISSING,
        "The camera cannot be opened",
        where=f"camera {camera}",
        got=got,
        next="see that no other program holds it, and that it is in the network of this machine",
    )


def gone(camera: str, got: object) -> CameraError:
    """The camera was open and no longer answers."""
    return CameraError(
        Code.CAMERA_GONE,
        "The camera is gone",
        where=f"camera {camera}",
        got=got,
        next="check its cable, power and network; the station opens it again by itself",
    )


def timed_out(camera: str, timeout_s: float, got: str) -> CameraError:
    """No frame came."""
    return CameraError(
        Code.CAMERA_TIMEOUT,
        "No frame came in time",
        where=f"camera {camera}",
        expected=f"a frame within {timeout_s:g} s",
        got=got,
        next="check that the camera is triggered",
    )


def broken(camera: str, number: int, got: object, expected: str | None = None) -> FrameBroken:
    """A frame came that cannot be used."""
    facts = {} if expected is None else {"expected": expected}
    return FrameBroken(
        "The frame came incomplete",
        number=number,
        where=f"camera {camera}, frame {number}",
        got=str(got),
        next="check the network of the camera: packet size, cable, switch, other traffic",
        **facts,
    )


def refused(
    camera: str, node: str, value: object, may_be: str, said: str | None = None
) -> CameraError:
    """The camera does not accept a setting; `said` is what it answered."""
    return CameraError(
        Code.CAMERA_REFUSED,
        "The camera refuses a setting",
        where=f"camera {camera}, node {node}",
        expected=may_be,
        got=f"{value}" if said is None else f"{value}; {said}",
        next="change the setting in the station configuration",
    )


def no_trigger(camera: str, mode: str, got: str) -> CameraError:
    """The camera has no such trigger mode."""
    return CameraError(
        Code.CAMERA_NO_TRIGGER,
        "The camera cannot be triggered this way",
        where=f"camera {camera}",
        expected=f'nodes for trigger = "{mode}"',
        got=got,
        next='use another trigger or line; `trigger = "free"` needs none',
    )


def unknown_pixels(camera: str, pixel_format: object) -> CameraError:
    """The images of this pixel format cannot be turned into RGB."""
    return refused(
        camera, "PixelFormat", pixel_format, "Mono, Bayer, RGB or BGR, unsigned, 8 to 16 bits"
    )
