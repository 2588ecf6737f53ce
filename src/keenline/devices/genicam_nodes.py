"""Turns the node map and the exceptions of the `genicam` package into those of Keenline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from keenline.devices.camera_errors import gone, no_package, not_opened, refused
from keenline.devices.sfnc import NodeValue, allowed
from keenline.errors import Code

FAULTS = {
    # Of nodes (genapi)
    "GenericException": Code.CAMERA_GONE,
    "RuntimeException": Code.CAMERA_GONE,
    "LogicalErrorException": Code.CAMERA_GONE,
    "InvalidArgumentException": Code.CAMERA_REFUSED,
    "OutOfRangeException": Code.CAMERA_REFUSED,
    "PropertyException": Code.CAMERA_REFUSED,
    "AccessException": Code.CAMERA_REFUSED,
    "DynamicCastException": Code.CAMERA_REFUSED,
    "TimeoutException": Code.CAMERA_GONE,  # of a node: waiting for a frame is handled apart
    # Of producer, device and stream (gentl; GenTL 1.6, table of error codes)
    "ErrorException": Code.CAMERA_GONE,
    "NotInitializedException": Code.CAMERA_GONE,
    "NotImplementedException": Code.CAMERA_REFUSED,
    "ResourceInUseException": Code.CAMERA_GONE,
    "AccessDeniedException": Code.CAMERA_GONE,
    "InvalidHandleException": Code.CAMERA_GONE,
    "InvalidIdException": Code.CAMERA_GONE,
    "NoDataException": Code.CAMERA_GONE,
    "InvalidParameterException": Code.CAMERA_REFUSED,
    "IoException": Code.CAMERA_GONE,
    "AbortException": Code.CAMERA_GONE,
    "InvalidBufferException": Code.CAMERA_GONE,
    "NotAvailableException": Code.CAMERA_REFUSED,
    "InvalidAddressException": Code.CAMERA_REFUSED,
    "BufferTooSmallException": Code.CAMERA_GONE,
    "InvalidIndexException": Code.CAMERA_GONE,
    "ParsingChunkDataException": Code.CAMERA_GONE,
    "InvalidValueException": Code.CAMERA_REFUSED,
    "ResourceExhaustedException": Code.CAMERA_GONE,
    "OutOfMemoryException": Code.CAMERA_GONE,
    "BusyException": Code.CAMERA_GONE,
    "LoadLibraryException": Code.CAMERA_GONE,
    "ClosedException": Code.CAMERA_GONE,
}
"""What each exception of the package means once a camera is open, by the name of its class."""


@dataclass(frozen=True, slots=True)
class Sdk:
    """The modules behind which GenICam lies."""

    genapi: Any
    gentl: Any
    harvesters: Any

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """The base of everything that they raise."""
        return (self.genapi.GenericException, self.gentl.GenericException)


def load() -> Sdk:
    """Raises EnvironmentMissing."""
    try:
        from genicam import genapi, gentl
        from harvesters import core
    except ImportError as error:
        raise no_package("genicam", "harvesters and genicam", error) from error
    return Sdk(genapi, gentl, core)


@contextmanager
def translated(sdk: Sdk, camera: str, *, opening: bool = False) -> Iterator[None]:
    """What the package raises inside comes out as CameraError; while `opening`, a camera that
    does not answer is missing rather than gone."""
    try:
        yield
    except sdk.faults as error:
        if meaning(error) == Code.CAMERA_REFUSED:
            raise refused(
                camera, "not named", "what was asked", "what the camera accepts", str(error)
            ) from error
        raise (not_opened if opening else gone)(camera, error) from error


def meaning(error: Exception) -> Code:
    """By the nearest class in `FAULTS`, so that one unknown to it means what its base means."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next(FAULTS[name] for name in names if name in FAULTS)


def answers(sdk: Sdk, device: Any) -> bool:
    """Whether an open device still answers. A producer may keep silent about one that is lost, so
    its first register is read: the version, with GigE Vision as with USB3 Vision."""
    try:
        device.remote_port.read(0, 4)
    except (
        sdk.gentl.InvalidAddressException,
        sdk.gentl.AccessDeniedException,
        sdk.gentl.NotImplementedException,
    ):
        return True  # it has no such register, and says so
    except sdk.faults:
        return False
    return True


class GenApiNodes:
    """`Nodes` of one open camera."""

    def __init__(self, sdk: Sdk, node_map: Any, camera: str) -> None:
        self.camera = camera
        self._sdk = sdk
        self._map = node_map
        modes = sdk.genapi.EAccessMode
        self._absent = (modes.NI, modes.NA)

    def has(self, name: str) -> bool:
        with translated(self._sdk, self.camera):
            return self._node(name) is not None

    def read(self, name: str) -> NodeValue:
        with translated(self._sdk, self.camera):
            value: NodeValue = self._node(name).value
        return value

    def write(self, name: str, value: NodeValue) -> None:
        node = self._node(name)
        genapi = self._sdk.genapi
        if node is None or not self._fits(node, value):
            raise refused(self.camera, name, value, allowed(self, name))
        try:
            if isinstance(node, genapi.ICommand):
                node.execute()
            elif isinstance(node, genapi.IFloat):
                node.value = float(value)
            else:
                node.value = value
        except self._sdk.faults as error:
            if meaning(error) != Code.CAMERA_REFUSED:
                raise gone(self.camera, error) from error
            said = str(error).split(" : ", 1)[0]
            raise refused(self.camera, name, value, allowed(self, name), said) from error

    def is_command(self, name: str) -> bool:
        return isinstance(self._node(name), self._sdk.genapi.ICommand)

    def choices(self, name: str) -> tuple[str, ...]:
        with translated(self._sdk, self.camera):
            node = self._node(name)
            return tuple(node.symbolics) if isinstance(node, self._sdk.genapi.IEnumeration) else ()

    def limits(self, name: str) -> tuple[float, float, float] | None:
        genapi = self._sdk.genapi
        with translated(self._sdk, self.camera):
            node = self._node(name)
            if isinstance(node, genapi.IInteger):
                return node.min, node.max, node.inc
            if isinstance(node, genapi.IFloat):
                return node.min, node.max, node.inc if node.has_inc() else 0.0
        return None

    def pixel_code(self) -> int:
        """PFNC code of the pixel format that is set."""
        with translated(self._sdk, self.camera):
            return int(self._node("PixelFormat").get_int_value())

    def _node(self, name: str) -> Any:
        """None where the camera has not, or not now, a node of this name."""
        if not self._map.has_node(name):
            return None
        node = getattr(self._map, name, None)
        return None if node is None or node.get_access_mode() in self._absent else node

    def _fits(self, node: Any, value: NodeValue) -> bool:
        """Checked here, because the package would turn text into any kind of value."""
        genapi = self._sdk.genapi
        if isinstance(value, bool):
            return isinstance(node, genapi.IBoolean | genapi.ICommand)
        if isinstance(value, str):
            return isinstance(node, genapi.IEnumeration | genapi.IString)
        return isinstance(node, genapi.IFloat) or (
            isinstance(value, int) and isinstance(node, genapi.IInteger)
        )
