"""GigE Vision over real sockets: Aravis' own camera, with packet loss and sudden death."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.devices.camera_contract import CameraContract, CameraRig
from tests.peers import require_peer

from keenline.devices.aravis import AravisCamera, AravisSettings
from keenline.devices.aravis_nodes import DEVICE_FAULTS, load
from keenline.devices.camera import ExposureAdjustable, SoftwareTriggered
from keenline.errors import CameraError, Code, EnvironmentMissing, FrameBroken

SYSTEM_PYTHON = "/usr/bin/python3"
SERIAL = "GV01"
FAST = {"AcquisitionFrameRate": 100.0}


@pytest.fixture(scope="session", autouse=True)
def bindings(tmp_path_factory) -> None:
    """The system's gi, and nothing else of the system's packages, made importable here."""
    try:
        load()
        return
    except EnvironmentMissing:
        pass
    if not Path(SYSTEM_PYTHON).exists():
        require_peer("needs the system's Python")
    asked = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import gi; print(gi.__path__[0])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        require_peer("needs the Debian package python3-gi")
    folder = tmp_path_factory.mktemp("system")
    (folder / "gi").symlink_to(asked.stdout.strip())
    sys.path.append(str(folder))
    try:
        load()
    except EnvironmentMissing as error:
        require_peer(f"needs Aravis' bindings for this Python: {error.got}")


class Peer:
    """The camera in a process of its own."""

    def __init__(self) -> None:
        program = Path(__file__).parents[1] / "peers" / "gige_camera.py"
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(program), SERIAL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = self._said()
        if said != "ready":
            self.kill()
            require_peer(f"the GigE camera: {said}")

    def lose(self, share: float) -> None:
        """That share of packets, from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{share}\n")
        self._process.stdin.flush()
        assert self._said() == "done"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def shared_peer(bindings) -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.kill()


@pytest.fixture
def peer(shared_peer) -> Iterator[Peer]:
    shared_peer.lose(0.0)
    yield shared_peer
    shared_peer.lose(0.0)


def settings(**keys: object) -> AravisSettings:
    base = {"name": "top", "kind": "aravis", "ip": "127.0.0.1", "width": 256, "height": 200}
    base["exposure_us"] = 10_000.0  # it keeps what a test before has set
    return AravisSettings.model_validate(base | {"nodes": FAST} | keys)


@pytest.fixture
def camera(request, peer) -> Iterator[AravisCamera]:
    made = settings(**getattr(request, "param", {})).build()
    made.open()
    made.start()
    yield made
    made.close()


def fired(camera: AravisCamera):
    camera.fire()
    return camera.grab(2.0)


def until_grabbed(camera: AravisCamera, count: int) -> tuple[list[int], list[int | None]]:
    """The numbers of that many frames: those that are whole, and those that are broken."""
    whole: list[int] = []
    broken: list[int | None] = []
    while len(whole) + len(broken) < count:
        try:
            whole.append(camera.grab(20.0).number)
        except FrameBroken as error:
            broken.append(error.number)
    return whole, broken


class TestFired(CameraContract):
    @pytest.fixture
    def rig(self, peer):  # noqa: ARG002
        absent = settings(ip=None, serial="nobody").build()
        # It has room for one trigger at a time.
        return CameraRig(settings().build(), absent=absent, size=(256, 200), has_pauses=True)


def test_it_says_what_it_is_however_it_is_found(peer):
    for way in ({}, {"ip": None}, {"ip": None, "serial": SERIAL}):
        camera = settings(**way).build()
        facts = camera.open()
        camera.close()
        assert (facts.vendor, facts.model, facts.serial) == ("Aravis", "Fake", SERIAL)
        assert facts.is_simulated
        assert facts.size == (256, 200)


def test_it_can_be_fired_and_exposed(camera):
    assert isinstance(camera, SoftwareTriggered)
    assert isinstance(camera, ExposureAdjustable)
    assert camera.exposure_range_us == (10.0, 10_000_000.0)
    assert camera.set_exposure(2500) == 2500
    frame = fired(camera)
    assert frame.exposure_us == 2500
    assert frame.device_time_ns is not None
    assert camera.set_exposure(0.1) == 10


@pytest.mark.parametrize(
    ("keys", "node", "words"),
    [
        ({"width": 9999}, "Width", "1 to 2048"),
        ({"exposure_us": 59e6}, "ExposureTimeAbs", "10 to 1e+07"),
        ({"gain_db": 3.0}, "Gain", "no such node"),
        ({"pixel_format": "Mono7"}, "PixelFormat", "Mono8"),
        ({"nodes": {"NoSuchNode": 1}}, "NoSuchNode", "no such node"),
        ({"nodes": {"GainRaw": 1.5}}, "GainRaw", "int"),
        ({"nodes": {"AcquisitionFrameRate": "x"}}, "AcquisitionFrameRate", "0.1 to"),
        ({"nodes": {"TriggerMode": True}}, "TriggerMode", "On"),
        ({"nodes": {"PayloadSize": 10}}, "PayloadSize", ""),
        ({"nodes": {"AcquisitionStop": 10}}, "AcquisitionStop", "a command"),
    ],
)
def test_a_setting_that_the_camera_refuses_is_named_with_what_is_allowed(peer, keys, node, words):
    with pytest.raises(CameraError) as caught:
        settings(**keys).build().open()
    assert caught.value.code == Code.CAMERA_REFUSED
    assert caught.value.where == f"camera top, node {node}"
    assert words in (caught.value.expected or "")


def test_a_line_that_the_camera_does_not_have_is_no_trigger(peer):
    with pytest.raises(CameraError, match="Line0") as caught:
        settings(trigger="line", line="Line9").build().open()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


@pytest.mark.parametrize("camera", [{"trigger": "line", "line": "Line0"}], indirect=True)
def test_a_camera_that_waits_for_its_line_brings_nothing_and_cannot_be_fired(camera):
    with pytest.raises(CameraError) as caught:
        camera.fire()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER
    with pytest.raises(CameraError) as caught:
        camera.grab(0.3)
    assert caught.value.code == Code.CAMERA_TIMEOUT


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono16", "RGB8", "BayerRG8", "BayerGB8"])
def test_every_pixel_format_comes_as_rgb(peer, pixel_format):
    camera = settings(pixel_format=pixel_format).build()
    camera.open()
    camera.start()
    image = fired(camera).image
    camera.close()
    assert image.shape == (200, 256, 3)
    assert image.std() > 5
    assert (np.ptp(image, axis=2) == 0).all() == pixel_format.startswith("Mono")


@pytest.mark.parametrize("camera", [{"trigger": "free"}], indirect=True)
def test_a_free_camera_counts_on_beyond_the_16_bits_of_its_frame_ids(camera):
    numbers = [camera.grab(2.0).number for _ in range(60)]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("camera", [{"trigger": "free"}], indirect=True)
def test_lost_packets_make_broken_frames_or_gaps_and_numbers_go_on(camera, peer):
    peer.lose(0.01)
    whole, broken = until_grabbed(camera, 120)
    assert len(broken) > 10
    assert whole
    seen = sorted(whole + broken)
    assert len(set(seen)) == len(seen)
    assert seen[-1] <= 200, "a gap is no larger than what was lost"
    peer.lose(0.0)
    until_grabbed(camera, 20)  # what was on its way
    assert until_grabbed(camera, 10)[1] == []


@pytest.mark.parametrize("camera", [{"trigger": "free", "buffers": 3}], indirect=True)
def test_frames_that_nobody_takes_are_a_gap_and_memory_stays_bounded(camera):
    first = camera.grab(2.0).number
    time.sleep(0.5)
    numbers = [camera.grab(2.0).number for _ in range(6)]
    assert numbers[-1] - first > 20


def test_memory_is_flat(camera):
    def resident_kib() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    def some() -> None:
        camera.stop()
        camera.start()
        for _ in range(5):
            fired(camera)

    for _ in range(3):
        some()
    before = resident_kib()
    for _ in range(12):
        some()
    # One start leaks at least its 16 buffers of 50 KiB, were they kept: 9 MiB.
    assert resident_kib() - before < 4096


@pytest.mark.slow
def test_a_camera_that_dies_is_gone_and_comes_back(peer, shared_peer):
    camera = settings(trigger="free").build()
    camera.open()
    camera.start()
    camera.grab(2.0)
    shared_peer.kill()
    died = time.monotonic()
    with pytest.raises(CameraError) as caught:
        until_grabbed(camera, 10_000)
    assert caught.value.code == Code.CAMERA_GONE
    assert time.monotonic() - died < 15
    camera.close()
    with pytest.raises(CameraError) as caught:
        camera.open()
    assert caught.value.code == Code.CAMERA_MISSING
    shared_peer.__init__()
    camera.open()
    camera.start()
    assert until_grabbed(camera, 5)[0][-1] == 5
    camera.close()


def test_a_closed_camera_is_gone():
    camera = settings().build()
    for attempt in (camera.start, camera.fire, lambda: camera.grab(0.1)):
        with pytest.raises(CameraError) as caught:
            attempt()
        assert caught.value.code == Code.CAMERA_GONE


def test_every_device_error_of_aravis_has_a_meaning():
    names = {name for name in dir(load().aravis.DeviceError) if name.isupper()}
    assert names == set(DEVICE_FAULTS)
