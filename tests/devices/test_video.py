"""Video: the contract on a file and on a real RTSP server, pace, ends, dropped frames, secrets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import SHARED
from tests.devices.camera_contract import CameraContract, CameraRig
from tests.peers import require_peer

from keenline.devices.video import VideoCamera, VideoSettings
from keenline.devices.video_errors import OPENING
from keenline.errors import CameraError, Code, FrameBroken
from keenline.strict_toml import TomlFaults, parse_strictly
from keenline.types import Frame

av = pytest.importorskip("av")

PYTHON_WITH_GI = "/usr/bin/python3"
SERVER = Path(__file__).parents[1] / "peers" / "rtsp_server.py"
SIZE = (64, 48)


def write_clip(path: Path, frames: int, fps: int = 25) -> Path:
    """Losslessly, so that a frame says by its grey which one it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "gray"
        for number in range(frames):
            picture = np.full((SIZE[1], SIZE[0]), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    return path


def video(source: object, **keys: object) -> VideoCamera:
    return VideoSettings(name="v", kind="video", source=str(source), **keys).build()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mkv", 20)


def running(camera: VideoCamera) -> VideoCamera:
    camera.open()
    camera.start()
    return camera


def take(camera: VideoCamera, count: int) -> list[Frame]:
    return [camera.grab(3.0) for _ in range(count)]


def until_it_ends(camera: VideoCamera) -> list[Frame]:
    """Everything that comes before the camera is gone."""
    frames = []
    while True:
        try:
            frames.append(camera.grab(5.0))
        except CameraError as error:
            if error.code is not Code.CAMERA_GONE:
                raise
            return frames


def greys(frames: list[Frame]) -> list[int]:
    return [int(frame.image[5, 5, 0]) for frame in frames]


# A file


class TestFile(CameraContract):
    @pytest.fixture
    def rig(self, clip, tmp_path):
        return CameraRig(
            video(clip, trigger="software", loop=True),
            absent=video(tmp_path / "none.mp4"),
            size=SIZE,
        )


def test_a_file_comes_whole_in_order_as_fast_as_it_is_taken_and_ends(clip):
    camera = running(video(clip, pace="fast"))
    started = time.monotonic()
    frames = take(camera, 20)
    assert time.monotonic() - started < 0.6
    assert greys(frames) == list(range(20))
    assert [frame.number for frame in frames] == list(range(1, 21))
    times = [frame.device_time_ns for frame in frames]
    assert np.allclose(np.diff(times), 40e6, atol=1e6)
    with pytest.raises(CameraError) as caught:
        camera.grab(1.0)
    assert caught.value.code is Code.CAMERA_GONE
    camera.close()


def test_a_file_that_was_played_does_not_begin_again_by_itself(clip):
    camera = running(video(clip, pace="fast"))
    take(camera, 20)
    with pytest.raises(CameraError, match="KL5101"):
        camera.grab(1.0)
    camera.close()
    with pytest.raises(CameraError) as caught:
        camera.open()
    assert caught.value.code is Code.CAMERA_MISSING
    assert "end" in str(caught.value)


def test_a_file_at_its_own_pace_takes_as_long_as_it_was_recorded(clip):
    camera = running(video(clip))
    started = time.monotonic()
    take(camera, 16)
    assert 0.55 < time.monotonic() - started < 1.2
    camera.close()


def test_a_loop_goes_on_with_rising_numbers_and_times(clip):
    camera = running(video(clip, pace="fast", loop=True))
    frames = take(camera, 45)
    camera.close()
    assert greys(frames) == [*range(20), *range(20), *range(5)]
    assert [frame.number for frame in frames] == list(range(1, 46))
    times = [frame.device_time_ns or 0 for frame in frames]
    assert (np.diff(times) > 20e6).all()


def test_a_fired_file_gives_one_frame_for_each(clip):
    camera = running(video(clip, trigger="software"))
    camera.fire()
    camera.fire()
    assert greys(take(camera, 2)) == [0, 1]
    with pytest.raises(CameraError, match="KL5102"):
        camera.grab(0.05)
    camera.close()


def test_a_damaged_packet_is_a_broken_frame_and_the_rest_comes(tmp_path):
    path = tmp_path / "clip.avi"
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        for _ in range(6):
            noise = rng.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
            picture = av.VideoFrame.from_ndarray(noise, format="rgb24")
            container.mux(stream.encode(picture.reformat(format="yuvj420p")))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0)]
    begin, length = packets[2]
    content = bytearray(path.read_bytes())
    content[begin + 8 : begin + length] = bytes(length - 8)
    path.write_bytes(content)
    camera = running(video(path, pace="fast"))
    seen: list[int] = []
    for _ in range(6):
        try:
            seen.append(camera.grab(2.0).number)
        except FrameBroken as broken:
            seen.append(-(broken.number or 0))
    camera.close()
    assert seen == [1, 2, -3, 4, 5, 6]


def test_a_file_cut_short_ends_early_and_is_gone(clip, tmp_path):
    path = tmp_path / "cut.mkv"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    camera = running(video(path, pace="fast"))
    with pytest.raises(CameraError) as caught:
        take(camera, 30)
    camera.close()
    assert caught.value.code in (Code.CAMERA_GONE, Code.FRAME_BROKEN)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_what_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(CameraError) as caught:
        video(tmp_path / "a.mp4").open()
    assert caught.value.code in (Code.CAMERA_REFUSED, Code.CAMERA_MISSING)


def test_a_file_without_pictures_is_refused(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    with pytest.raises(CameraError, match="no video"):
        video(path).open()


def test_a_playlist_cannot_make_the_station_fetch_an_address(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
        path = tmp_path / "list.m3u8"
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(CameraError):
            running(video(path, open_timeout_s=1.0)).grab(1.0)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_real_clip_plays_to_its_end():
    path = SHARED / "data" / "video" / "bottle-detection.mp4"
    if not path.is_file():
        pytest.skip("needs the real clip in ../shared/data/video, which is not here")
    camera = running(video(path, pace="fast"))
    spread = [frame.image.std() for frame in until_it_ends(camera)]
    camera.close()
    assert min(spread) > 5
    with av.open(str(path)) as container:
        assert len(spread) == container.streams.video[0].frames


# A network stream


class Server:
    """The RTSP peer, in a process of its own."""

    def __init__(self, *login: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._login = login
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [PYTHON_WITH_GI, str(SERVER), str(self.port), *self._login],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"UP\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"


def require_bindings() -> None:
    program = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
    )
    try:
        done = subprocess.run(
            [PYTHON_WITH_GI, "-c", program], capture_output=True, check=False, timeout=30
        )
    except OSError:
        require_peer(f"the RTSP server needs {PYTHON_WITH_GI}")
    if done.returncode != 0:
        require_peer("the RTSP server needs python3-gi, gst-rtsp-server and the x264 plugin")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    require_bindings()
    made = Server()
    yield made
    made.kill()


@pytest.fixture
def mortal() -> Iterator[Server]:
    require_bindings()
    made = Server()
    yield made
    made.kill()


class TestStream(CameraContract):
    @pytest.fixture
    def rig(self, server):
        return CameraRig(
            video(server.url, trigger="software"),
            absent=video(f"rtsp://127.0.0.1:{server.port}/other", trigger="software"),
            size=(320, 240),
            has_pauses=True,
        )


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_stream_brings_every_frame_with_its_time(server, transport):
    camera = running(video(server.url, newest=False, transport=transport))
    frames = take(camera, 10)
    camera.close()
    assert [frame.number for frame in frames] == list(range(1, 11))
    assert np.allclose(np.diff([frame.device_time_ns or 0 for frame in frames]), 33.3e6, atol=2e6)


def test_what_a_slow_taker_misses_shows_as_a_gap_and_the_newest_comes(server):
    camera = running(video(server.url))
    first = camera.grab(3.0)
    time.sleep(0.5)
    second = camera.grab(3.0)
    age_ms = (time.monotonic_ns() - second.received_ns) / 1e6
    camera.close()
    assert second.number - first.number > 8
    assert age_ms < 100


def test_a_fired_frame_is_not_older_than_the_command(server):
    camera = running(video(server.url, trigger="software"))
    time.sleep(0.4)
    fired = time.monotonic_ns()
    camera.fire()
    frame = camera.grab(3.0)
    camera.close()
    assert fired < frame.received_ns < fired + 200_000_000
    assert frame.number == 1


def test_a_killed_server_is_a_camera_that_is_gone_and_comes_back(mortal):
    camera = running(video(mortal.url))
    take(camera, 3)
    mortal.kill()
    started = time.monotonic()
    until_it_ends(camera)
    assert time.monotonic() - started < 2.5
    camera.close()
    with pytest.raises(CameraError, match="KL5100"):
        camera.open()
    mortal.start()
    running(camera)
    assert take(camera, 2)[-1].number >= 2
    camera.close()


def test_a_server_that_falls_silent_is_gone_after_the_timeout(mortal):
    camera = running(video(mortal.url, read_timeout_s=0.6))
    take(camera, 2)
    mortal.signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        until_it_ends(camera)
        assert 0.4 < time.monotonic() - started < 3.0
        camera.close()
    finally:
        mortal.signal(signal.SIGCONT)


def test_nobody_there_is_told_within_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        camera = video(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/cam", open_timeout_s=0.5)
        started = time.monotonic()
        with pytest.raises(CameraError) as caught:
            camera.open()
    assert caught.value.code is Code.CAMERA_MISSING
    assert time.monotonic() - started < 3.0


def test_a_login_comes_from_the_environment_and_is_never_shown(monkeypatch):
    require_bindings()
    server = Server("inspector", "p@ss/w:rd")
    try:
        monkeypatch.setenv("CAM_PASSWORD", "p@ss/w:rd")
        login = {"user": "inspector", "password": {"env": "CAM_PASSWORD"}}
        camera = running(video(server.url, **login))
        assert take(camera, 1)[0].serial == server.url
        camera.close()
        monkeypatch.setenv("CAM_PASSWORD", "wrong-secret")
        with pytest.raises(CameraError) as caught:
            camera.open()
        assert caught.value.code is Code.CAMERA_REFUSED
        assert caught.value.__cause__ is None
        shown = str(caught.value) + repr(caught.value) + repr(camera.__dict__)
        assert "secret" not in shown
        monkeypatch.delenv("CAM_PASSWORD")
        with pytest.raises(CameraError, match="CAM_PASSWORD"):
            camera.open()
    finally:
        server.kill()


# Settings


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("rtsp://me:secret@host/cam", "user and password are keys"),
        ("concat://a|b", "allowed: rtsp"),
        ("rtsp:///cam", "allowed: scheme"),
    ],
)
def test_addresses_that_are_not_allowed(source, words):
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(f'name = "v"\nkind = "video"\nsource = "{source}"\n', VideoSettings)
    assert words in caught.value.faults[0].message


def test_a_usb_camera_is_asked_for_what_the_settings_say():
    text = """
    name = "v"
    kind = "video"
    source = "/dev/video0"
    [usb]
    size = [1280, 720]
    fps = 30
    pixel_format = "mjpeg"
    """
    settings = parse_strictly(text, VideoSettings)
    assert settings.source_kind == "usb"
    assert settings.options() == {
        "fflags": "nobuffer",
        "flags": "low_delay",
        "analyzeduration": "500000",
        "video_size": "1280x720",
        "framerate": "30",
        "input_format": "mjpeg",
    }


def test_a_usb_camera_that_is_not_plugged_in_is_missing():
    if Path("/dev/video9").exists():
        pytest.skip("there is a device where this test wants none")
    with pytest.raises(CameraError) as caught:
        video("/dev/video9").open()
    assert caught.value.code is Code.CAMERA_MISSING


def test_the_table_names_every_error_of_the_library():
    classes = [getattr(av.error, name) for name in dir(av.error)]
    errors = {
        each.__name__.removesuffix("Error")
        for each in classes
        if isinstance(each, type) and issubclass(each, av.error.FFmpegError)
    }
    assert errors <= set(OPENING)
