"""Turns the features and errors of Aravis' GObject bindings into nodes and errors of Keenline."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from keenline.devices.camera_errors import gone, no_package, not_opened, refused
from keenline.devices.sfnc import NodeValue, allowed
from keenline.errors import Code

DEVICE_FAULTS = {
    "WRONG_FEATURE": Code.CAMERA_REFUSED,
    "FEATURE_NOT_FOUND": Code.CAMERA_REFUSED,
    "NOT_CONNECTED": Code.CAMERA_GONE,
    "PROTOCOL_ERROR": Code.CAMERA_GONE,
    "TRANSFER_ERROR": Code.CAMERA_GONE,
    "TIMEOUT": Code.CAMERA_GONE,
    "NOT_FOUND": Code.CAMERA_GONE,
    "INVALID_PARAMETER": Code.CAMERA_REFUSED,
    "GENICAM_NOT_FOUND": Code.CAMERA_GONE,
    "NO_STREAM_CHANNEL": Code.CAMERA_GONE,
    "NOT_CONTROLLER": Code.CAMERA_GONE,
    "UNKNOWN": Code.CAMERA_GONE,
    "PROTOCOL_ERROR_NOT_IMPLEMENTED": Code.CAMERA_REFUSED,
    "PROTOCOL_ERROR_INVALID_PARAMETER": Code.CAMERA_REFUSED,
    "PROTOCOL_ERROR_INVALID_ADDRESS": Code.CAMERA_REFUSED,
    "PROTOCOL_ERROR_WRITE_PROTECT": Code.CAMERA_REFUSED,
    "PROTOCOL_ERROR_BAD_ALIGNMENT": Code.CAMERA_REFUSED,
    "PROTOCOL_ERROR_ACCESS_DENIED": Code.CAMERA_GONE,  # another program took control
    "PROTOCOL_ERROR_BUSY": Code.CAMERA_GONE,
}
"""What each `Aravis.DeviceError` means once a camera is open. Those of `Aravis.GcError`, all
about a node and its value, mean CAMERA_REFUSED; those of any other domain CAMERA_GONE."""

_DEVICE_DOMAIN = "arv-device-error-quark"
_NODE_DOMAIN = "arv-gc-error-quark"
_NO_STEP = sys.float_info.min  # what Aravis says for a number without steps


@dataclass(frozen=True, slots=True)
class Bindings:
    """The modules `Aravis` and `GLib` of gi.repository."""

    aravis: Any
    glib: Any


def load() -> Bindings:
    """Raises EnvironmentMissing naming the Debian packages: PyPI has no such bindings."""
    try:
        with warnings.catch_warnings():
            # gi's importer is of the kind before PEP 451, which Python warns of.
            warnings.simplefilter("ignore", ImportWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            import_module("gi").require_version("Aravis", "0.8")
            return Bindings(
                import_module("gi.repository.Aravis"), import_module("gi.repository.GLib")
            )
    except (ImportError, ValueError) as error:  # ValueError: gi is here, Aravis is not
        raise no_package(
            "the bindings of Aravis",
            "gi.repository.Aravis 0.8",
            error,
            "apt install gir1.2-aravis-0.8 python3-gi, and a venv with --system-site-packages",
        ) from error


@contextmanager
def translated(
    bindings: Bindings, camera: str, node: str = "not named", *, opening: bool = False
) -> Iterator[None]:
    """What Aravis raises inside comes out as CameraError; while `opening`, a camera that does
    not answer is missing rather than gone."""
    try:
        yield
    except bindings.glib.Error as error:
        if meaning(bindings, error) == Code.CAMERA_REFUSED:
            raise refused(
                camera, node, "what was asked", "what the camera accepts", error.message
            ) from error
        raise (not_opened if opening else gone)(camera, error.message) from error


def meaning(bindings: Bindings, error: Any) -> Code:
    """By the domain and the number of the error."""
    if error.domain == _NODE_DOMAIN:
        return Code.CAMERA_REFUSED
    if error.domain == _DEVICE_DOMAIN:
        name = bindings.aravis.DeviceError(error.code).value_nick.upper().replace("-", "_")
        return DEVICE_FAULTS.get(name, Code.CAMERA_GONE)
    return Code.CAMERA_GONE


class AravisNodes:
    """`Nodes` of one open device."""

    def __init__(self, bindings: Bindings, device: Any, camera: str) -> None:
        self.camera = camera
        self._bindings = bindings
        self._aravis = bindings.aravis
        self._device = device

    def let_go(self) -> None:
        """Drop the device, whoever still holds these nodes: an error keeps all that it passed."""
        self._device = None

    def has(self, name: str) -> bool:
        with translated(self._bindings, self.camera, name):
            return bool(self._device.is_feature_available(name))

    def read(self, name: str) -> NodeValue:
        getters = {
            bool: self._device.get_boolean_feature_value,
            int: self._device.get_integer_feature_value,
            float: self._device.get_float_feature_value,
            str: self._device.get_string_feature_value,
        }
        kind = self._kind(name)
        if kind is None:
            raise refused(self.camera, name, "its value", "a node with a value")
        with translated(self._bindings, self.camera, name):
            value: NodeValue = getters[kind](name)
        return value

    def write(self, name: str, value: NodeValue) -> None:
        kind = self._kind(name)
        try:
            if self.is_command(name):
                self._device.execute_command(name)
            elif kind is float and isinstance(value, int | float) and type(value) is not bool:
                self._device.set_float_feature_value(name, float(value))
            elif kind is bool and isinstance(value, bool):
                self._device.set_boolean_feature_value(name, value)
            elif kind is int and type(value) is int:
                self._device.set_integer_feature_value(name, value)
            elif kind is str and isinstance(value, str):
                self._device.set_string_feature_value(name, value)
            else:
                takes = "no value at all" if kind is None else kind.__name__
                raise refused(self.camera, name, value, f"{takes}: {allowed(self, name)}")
        except self._bindings.glib.Error as error:
            if meaning(self._bindings, error) != Code.CAMERA_REFUSED:
                raise gone(self.camera, error.message) from error
            may_be = allowed(self, name)
            raise refused(self.camera, name, value, may_be, error.message) from error

    def is_command(self, name: str) -> bool:
        return isinstance(self._node(name), self._aravis.GcCommand)

    def choices(self, name: str) -> tuple[str, ...]:
        if not isinstance(self._node(name), self._aravis.GcEnumeration):
            return ()
        with translated(self._bindings, self.camera, name):
            return tuple(self._device.dup_available_enumeration_feature_values_as_strings(name))

    def limits(self, name: str) -> tuple[float, float, float] | None:
        try:
            return self._limits(name)
        except self._bindings.glib.Error as error:
            if meaning(self._bindings, error) == Code.CAMERA_REFUSED:  # computed: it has none
                return None
            raise gone(self.camera, error.message) from error

    def pixel_code(self) -> int:
        """PFNC code of the pixel format that is set."""
        with translated(self._bindings, self.camera):
            return int(self._device.get_integer_feature_value("PixelFormat"))

    def _limits(self, name: str) -> tuple[float, float, float] | None:
        kind = self._kind(name)
        if kind is int:
            bounds = self._device.get_integer_feature_bounds(name)
            return bounds.min, bounds.max, self._device.get_integer_feature_increment(name)
        if kind is float:
            bounds = self._device.get_float_feature_bounds(name)
            step = self._device.get_float_feature_increment(name)
            return bounds.min, bounds.max, step if step > _NO_STEP else 0.0
        return None

    def _node(self, name: str) -> Any:
        return self._device.get_feature(name)

    def _kind(self, name: str) -> type[bool | int | float | str] | None:
        node = self._node(name)
        # An enumeration is also a number and a text, so the order matters.
        for interface, kind in (
            (self._aravis.GcEnumeration, str),
            (self._aravis.GcBoolean, bool),
            (self._aravis.GcFloat, float),
            (self._aravis.GcInteger, int),
            (self._aravis.GcString, str),
        ):
            if isinstance(node, interface):
                return kind
        return None
