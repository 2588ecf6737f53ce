"""Turns GenTL producers, `.cti` libraries, into the devices behind them, shared by all cameras.

A producer may be initialised once in a process (GenTL 1.6, GCInitLib) while any number of its
devices are open, so cameras of one maker share it: it is loaded for the first and let go with the
last. harvesters cannot look for devices again without closing those that are open, so that is
done here with GenTL's own calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keenline.devices.genicam_nodes import Sdk

_PATH = "GENICAM_GENTL64_PATH"  # GenTL 1.6, 2.1.2: folders in which producers are found
_SEARCH_MS = 1000  # in each network or bus; the longest that GigE Vision devices take to answer


@dataclass(slots=True)
class _Loaded:
    """One library that is initialised in this process."""

    library: Any
    system: Any
    interfaces: dict[str, Any] = field(default_factory=dict)
    users: int = 0


_loaded: dict[str, _Loaded] = {}  # as there is one of each in a process, whoever uses it
_lock = threading.Lock()


class Producers:
    """Some producers while they are in use; `release` must follow."""

    def __init__(self, sdk: Sdk, files: Iterable[str]) -> None:
        """Raises one of `sdk.faults` for a file that is no producer."""
        self._sdk = sdk
        self._files: list[str] = []
        try:
            for file in files:
                with _lock:
                    if file not in _loaded:
                        _loaded[file] = _load(sdk, file)
                    _loaded[file].users += 1
                self._files.append(file)
        except sdk.faults:
            self.release()
            raise

    def devices(self) -> list[Any]:
        """What stands behind them now; devices that are open stay so."""
        found = []
        with _lock:
            for loaded in (_loaded[file] for file in self._files):
                loaded.system.update_interface_info_list(_SEARCH_MS)
                for info in loaded.system.interface_info_list:
                    if info.id_ not in loaded.interfaces:
                        interface = info.create_interface()
                        interface.open()
                        loaded.interfaces[info.id_] = interface
                for interface in loaded.interfaces.values():
                    interface.update_device_info_list(_SEARCH_MS)
                    found += list(interface.device_info_list)
        return found

    def release(self) -> None:
        """The devices must be closed before."""
        with _lock:
            while self._files:
                file = self._files.pop()
                _loaded[file].users -= 1
                if _loaded[file].users == 0:
                    _unload(self._sdk, _loaded.pop(file))


def producer_files(named: tuple[str, ...]) -> list[str]:
    """Those that are named, or those in the folders that the environment names."""
    if named:
        return list(named)
    folders = [each for each in os.environ.get(_PATH, "").split(os.pathsep) if each]
    return [str(file) for folder in folders for file in sorted(Path(folder).glob("*.cti"))]


def _load(sdk: Sdk, file: str) -> _Loaded:
    library = sdk.gentl.GenTLProducer.create_producer()
    library.open(file)
    try:
        system = library.create_system()
        system.open()
    except sdk.faults:
        library.close()
        raise
    return _Loaded(library, system)


def _unload(sdk: Sdk, loaded: _Loaded) -> None:
    for each in (*loaded.interfaces.values(), loaded.system, loaded.library):
        with suppress(*sdk.faults):  # of an interface that is gone
            each.close()
