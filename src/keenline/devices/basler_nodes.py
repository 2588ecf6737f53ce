"""Turns pypylon's node map and exceptions into the nodes and errors of Keenline."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keenline.devices.camera_errors import gone, no_package, not_opened, refused
from keenline.devices.sfnc import NodeValue, allowed
from keenline.errors import CameraError, Code

FAULTS = {
    "GenericException": Code.CAMERA_GONE,
    "RuntimeException": Code.CAMERA_GONE,
    "LogicalErrorException": Code.CAMERA_GONE,
    "BadAllocException": Code.CAMERA_REFUSED,
    "InvalidArgumentException": Code.CAMERA_REFUSED,
    "OutOfRangeException": Code.CAMERA_REFUSED,
    "PropertyException": Code.CAMERA_REFUSED,
    "AccessException": Code.CAMERA_REFUSED,
    "DynamicCastException": Code.CAMERA_REFUSED,
    "TimeoutException": Code.CAMERA_GONE,  # of a node: waiting for a frame raises nothing
}
"""What each exception of pypylon means once a camera is open, by the name of its class."""

_NODE = re.compile(r"thrown in node '(\w+)'")


def load() -> tuple[Any, Any]:
    """The modules `pylon` and `genicam` of pypylon; raises EnvironmentMissing."""
    try:
        with warnings.catch_warnings():
            # SWIG's types lack __module__; where that warning is an error, the import crashes.
            warnings.simplefilter("ignore", DeprecationWarning)
            from pypylon import genicam, pylon
    except ImportError as error:
        raise no_package("basler", "pypylon", error) from error
    return pylon, genicam


@contextmanager
def translated(genicam: Any, camera: str, *, opening: bool = False) -> Iterator[None]:
    """What pypylon raises inside comes out as CameraError; while `opening`, a camera that does
    not answer is missing rather than gone."""
    try:
        yield
    except genicam.GenericException as error:
        raise _translation(error, camera, opening=opening) from error


def meaning(error: Exception) -> Code:
    """By the nearest class in `FAULTS`, so that one unknown to it means what its base means."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next(FAULTS[name] for name in names if name in FAULTS)


def _translation(error: Exception, camera: str, *, opening: bool) -> CameraError:
    code, said = meaning(error), words_of(error)
    if code == Code.CAMERA_REFUSED:
        named = _NODE.search(str(error))
        node = named.group(1) if named else "not named"
        return refused(camera, node, "what was asked", "what the camera accepts", said)
    return not_opened(camera, said) if opening else gone(camera, said)


def words_of(error: Exception) -> str:
    """What pylon said, without the place in its own source."""
    return str(error).split(" : ", 1)[0].strip()


class PylonNodes:
    """`Nodes` of one open pylon camera."""

    def __init__(self, genicam: Any, node_map: Any, camera: str) -> None:
        self.camera = camera
        self._genicam = genicam
        self._map = node_map

    def has(self, name: str) -> bool:
        node = self._node(name)
        return node is not None and bool(self._genicam.IsAvailable(node))

    def read(self, name: str) -> NodeValue:
        with translated(self._genicam, self.camera):
            value: NodeValue = self._node(name).GetValue()
        return value

    def write(self, name: str, value: NodeValue) -> None:
        node = self._node(name)
        try:
            if self.is_command(name):
                node.Execute()
            else:
                node.SetValue(self._fitting(name, node, value))
        except self._genicam.GenericException as error:
            if meaning(error) == Code.CAMERA_REFUSED:
                raise refused(
                    self.camera, name, value, allowed(self, name), words_of(error)
                ) from error
            with translated(self._genicam, self.camera):
                raise

    def is_command(self, name: str) -> bool:
        return bool(self._kind(name) == self._genicam.intfICommand)

    def choices(self, name: str) -> tuple[str, ...]:
        if self._kind(name) != self._genicam.intfIEnumeration:
            return ()
        with translated(self._genicam, self.camera):
            return tuple(self._node(name).GetSymbolics())

    def limits(self, name: str) -> tuple[float, float, float] | None:
        kind = self._kind(name)
        if kind not in (self._genicam.intfIInteger, self._genicam.intfIFloat):
            return None
        node = self._node(name)
        with translated(self._genicam, self.camera):
            stepped = kind == self._genicam.intfIInteger or node.HasInc()
            return node.GetMin(), node.GetMax(), node.GetInc() if stepped else 0.0

    def pixel_code(self) -> int:
        """PFNC code of the pixel format that is set."""
        with translated(self._genicam, self.camera):
            return int(self._node("PixelFormat").GetIntValue())

    def _node(self, name: str) -> Any:
        try:
            return self._map.GetNode(name)
        except self._genicam.LogicalErrorException:  # how older versions say that there is none
            return None

    def _kind(self, name: str) -> int | None:
        node = self._node(name)
        if node is None or not self._genicam.IsAvailable(node):
            return None
        return int(node.GetNode().GetPrincipalInterfaceType())

    def _fitting(self, name: str, node: Any, value: NodeValue) -> NodeValue:
        """The value in the type that the node takes; pypylon raises TypeError for any other."""
        types: dict[int, tuple[type, ...]] = {
            self._genicam.intfIInteger: (int,),
            self._genicam.intfIFloat: (int, float),
            self._genicam.intfIBoolean: (bool,),
            self._genicam.intfIEnumeration: (str,),
            self._genicam.intfIString: (str,),
        }
        kind = int(node.GetNode().GetPrincipalInterfaceType())
        takes = types.get(kind, ())
        if not isinstance(value, takes) or (isinstance(value, bool) and bool not in takes):
            names = " or ".join(each.__name__ for each in takes) or "no value at all"
            raise refused(self.camera, name, value, f"{names}: {allowed(self, name)}")
        return float(value) if float in takes else value
