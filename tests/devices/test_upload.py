"""Uploads: the contract, what is refused before it costs much, and that none is lost silently."""

from __future__ import annotations

import io
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from tests.devices.camera_contract import CameraContract, CameraRig

from keenline.devices.upload import UploadCamera, UploadSettings
from keenline.errors import CameraError, Code
from keenline.strict_toml import TomlFaults, parse_strictly

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

IMAGE_TYPE = {"Content-Type": "image/png"}


def png(grey: int = 100, size: tuple[int, int] = (32, 24)) -> bytes:
    file = io.BytesIO()
    PillowImage.new("RGB", size, (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()


def upload(**keys: object) -> UploadCamera:
    return UploadSettings(name="in", kind="upload", port=0, **keys).build()  # type: ignore[arg-type]


def send(camera: UploadCamera, part: str = "p1", content: bytes | None = None, **more: object):
    headers = IMAGE_TYPE | dict(more.pop("headers", {}))  # type: ignore[call-overload]
    url = f"http://127.0.0.1:{camera.port}/parts/{part}/image"
    body = png() if content is None else content
    return httpx.post(url, content=body, headers=headers, timeout=20, verify=False, **more)


class Senders:
    """Sends in the background; ended before the test ends."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=8)
        self.answers: list[Future] = []

    def send(self, camera: UploadCamera, part: str = "p1", content: bytes | None = None) -> Future:
        self.answers.append(self._pool.submit(send, camera, part, content))
        return self.answers[-1]

    def close(self) -> None:
        self._pool.shutdown(wait=True)


@pytest.fixture
def senders() -> Iterator[Senders]:
    made = Senders()
    yield made
    made.close()


@pytest.fixture
def camera(request) -> Iterator[UploadCamera]:
    made = upload(**getattr(request, "param", {}))
    made.open()
    made.start()
    yield made
    made.close()


class TestUpload(CameraContract):
    @pytest.fixture
    def rig(self):
        camera, senders = upload(), Senders()

        def produce(count: int) -> None:
            for _ in range(count):
                waiting = camera.waiting
                senders.send(camera)
                end = time.monotonic() + 5
                while camera.waiting == waiting and time.monotonic() < end:
                    time.sleep(0.002)

        # 192.0.2.0/24 is for documentation: no machine has it (RFC 5737).
        absent = UploadSettings(
            name="in", kind="upload", host="192.0.2.1", token={"env": "PATH"}
        ).build()
        yield CameraRig(camera, produce, absent=absent, size=(32, 24))
        camera.close()
        senders.close()


def test_an_image_is_answered_for_once_it_is_taken(camera, senders):
    answer = senders.send(camera, "bolt 17", png(55))
    frame = camera.grab(5.0)
    assert frame.part_id == "bolt 17"
    assert (frame.image == 55).all()
    got = answer.result(5)
    assert got.status_code == 202
    assert got.json() == {"part_id": "bolt 17", "frame": 1}


def test_each_sender_is_told_the_number_of_its_own_frame(camera, senders):
    for number in range(8):
        senders.send(camera, f"p{number}", png(10 * number))
    frames = {}
    for _ in range(8):
        frame = camera.grab(5.0)
        frames[frame.part_id] = (frame.number, int(frame.image[0, 0, 0]))
    for number, answer in enumerate(senders.answers):
        assert frames[f"p{number}"] == (answer.result(5).json()["frame"], 10 * number)
    assert sorted(each for each, _ in frames.values()) == list(range(1, 9))


# What is refused


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, Code.IMAGE_EMPTY),
        (b"no image", 422, Code.IMAGE_UNREADABLE),
        (png(size=(64, 64))[:-40], 422, Code.IMAGE_TRUNCATED),
        (png(size=(4, 4)), 422, Code.IMAGE_TOO_SMALL),
    ],
    ids=["empty", "text", "cut", "small"],
)
def test_what_cannot_be_read_is_refused_with_its_code(camera, content, status, code):
    answer = send(camera, content=content)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert "/tmp" not in answer.text
    with pytest.raises(CameraError, match="KL5102"):
        camera.grab(0.05)


@pytest.mark.parametrize("camera", [{"max_bytes": 2000}], indirect=True)
@pytest.mark.parametrize("in_pieces", [False, True])
def test_too_many_bytes_are_refused_whether_told_or_not(camera, in_pieces):
    content = bytes(100_000)
    body = (content[place : place + 1000] for place in range(0, 100_000, 1000))
    url = f"http://127.0.0.1:{camera.port}/parts/a/image"
    try:
        answer = httpx.post(url, content=body if in_pieces else content, headers=IMAGE_TYPE)
    except httpx.WriteError:
        assert in_pieces  # the server may hang up on who goes on sending
        return
    assert answer.status_code == 413
    assert answer.json()["code"] == Code.UPLOAD_REFUSED


@pytest.mark.parametrize("camera", [{"max_pixels": 1_000_000}], indirect=True)
def test_too_many_pixels_are_refused_before_they_are_unpacked(camera):
    bomb = png(0, (12_000, 10_000))  # 360 MB unpacked
    assert len(bomb) < 1_000_000
    started = time.monotonic()
    answer = send(camera, content=bomb)
    assert answer.status_code == 413
    assert answer.json()["code"] == Code.IMAGE_TOO_LARGE
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_content_that_does_not_say_it_is_an_image_is_refused(camera, kind):
    answer = send(camera, headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.json()["code"] == Code.UPLOAD_REFUSED


@pytest.mark.parametrize("part", ["%00", "a%0Ab", "x" * 129, "%20"])
def test_part_names_that_cannot_be_used(camera, part):
    assert send(camera, part).status_code == 422


@pytest.mark.parametrize(("method", "path"), [("GET", "/parts/a/image"), ("POST", "/docs")])
def test_nothing_else_is_served(camera, method, path):
    answer = httpx.request(method, f"http://127.0.0.1:{camera.port}{path}")
    assert answer.status_code in (404, 405)


# Overload and stops


@pytest.mark.parametrize("camera", [{"queue": 2}], indirect=True)
def test_a_full_queue_asks_to_come_again_and_loses_nobody(camera, senders):
    senders.send(camera, "a")
    senders.send(camera, "b")
    end = time.monotonic() + 5
    while camera.waiting < 2 and time.monotonic() < end:
        time.sleep(0.005)
    refused = send(camera, "c")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert {camera.grab(5.0).part_id, camera.grab(5.0).part_id} == {"a", "b"}
    assert [answer.result(5).status_code for answer in senders.answers] == [202, 202]
    again = senders.send(camera, "c")
    assert camera.grab(5.0).part_id == "c"
    assert again.result(5).status_code == 202


@pytest.mark.parametrize("camera", [{"take_timeout_s": 0.2}], indirect=True)
def test_an_image_that_the_station_does_not_take_is_handed_back(camera):
    assert send(camera).status_code == 503
    with pytest.raises(CameraError, match="KL5102"):
        camera.grab(0.05)


def test_images_that_wait_when_the_camera_stops_are_handed_back(camera, senders):
    answer = senders.send(camera)
    time.sleep(0.3)
    camera.stop()
    assert answer.result(5).status_code == 503
    assert send(camera).status_code == 503


def test_every_image_sent_in_a_flood_is_either_taken_or_refused(senders):
    camera = upload(queue=3)
    camera.open()
    camera.start()
    taken: list[str] = []
    ended = threading.Event()

    def take() -> None:
        while not ended.is_set():
            try:
                taken.append(camera.grab(0.1).part_id)
            except CameraError:
                continue

    taker = threading.Thread(target=take)
    taker.start()
    answers = {f"p{number}": senders.send(camera, f"p{number}") for number in range(120)}
    statuses = {part: answer.result(20).status_code for part, answer in answers.items()}
    ended.set()
    taker.join()
    camera.close()
    assert set(statuses.values()) <= {202, 503}
    assert sorted(part for part, status in statuses.items() if status == 202) == sorted(taken)
    assert taken


@pytest.mark.parametrize("camera", [{"receive_timeout_s": 0.3}], indirect=True)
def test_a_sender_that_dawdles_is_told_so_and_frees_its_place(camera, senders):
    def slowly():
        yield b"x"
        time.sleep(0.8)
        yield b"x"

    url = f"http://127.0.0.1:{camera.port}/parts/a/image"
    with suppress(httpx.WriteError, httpx.RemoteProtocolError):  # it may be hung up on
        assert httpx.post(url, content=slowly(), headers=IMAGE_TYPE).status_code == 408
    answer = senders.send(camera, "b")
    assert camera.grab(5.0).part_id == "b"
    assert answer.result(5).status_code == 202


# Who may send


def test_a_token_is_asked_for(monkeypatch, senders):
    monkeypatch.setenv("UPLOAD_TOKEN", "s3cret")
    camera = upload(token={"env": "UPLOAD_TOKEN"})
    camera.open()
    camera.start()
    for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
        answer = send(camera, headers=shown)
        assert answer.status_code == 401
        assert "s3cret" not in answer.text
    url = f"http://127.0.0.1:{camera.port}/parts/a/image"
    headers = IMAGE_TYPE | {"Authorization": "Bearer s3cret"}
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(httpx.post, url, content=png(), headers=headers)
        camera.grab(5.0)
        assert sent.result(5).status_code == 202
    assert "s3cret" not in repr(camera.__dict__)
    camera.close()


def test_a_token_that_is_not_there_is_told_when_the_camera_is_opened(monkeypatch):
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    with pytest.raises(CameraError) as caught:
        upload(token={"env": "NO_SUCH_TOKEN"}).open()
    assert caught.value.code is Code.CAMERA_REFUSED


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "box.local"])
def test_other_machines_need_a_token(host):
    text = f'name = "in"\nkind = "upload"\nhost = "{host}"\n'
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(text, UploadSettings)
    assert "token" in str(caught.value.faults[0])
    parse_strictly(text + 'token = { env = "T" }\n', UploadSettings)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_none(host):
    parse_strictly(f'name = "in"\nkind = "upload"\nhost = "{host}"\n', UploadSettings)


def test_a_port_in_use_is_refused(camera):
    other = UploadSettings(name="in", kind="upload", port=camera.port).build()
    with pytest.raises(CameraError) as caught:
        other.open()
    assert caught.value.code is Code.CAMERA_REFUSED


def certificate(folder: Path) -> tuple[Path, Path]:
    made, key = folder / "cert.pem", folder / "key.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
        f" -keyout {key} -out {made}"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True)
    except OSError:
        pytest.skip("needs the program openssl")
    key.chmod(0o600)
    return made, key


def test_https_with_a_certificate(tmp_path):
    import ssl

    made, key = certificate(tmp_path)
    camera = upload(tls_certificate=str(made), tls_key=str(key))
    camera.open()
    camera.start()
    url = f"https://127.0.0.1:{camera.port}/parts/a/image"
    trust = ssl.create_default_context(cafile=str(made))
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(httpx.post, url, content=png(), headers=IMAGE_TYPE, verify=trust)
        assert camera.grab(5.0).part_id == "a"
        assert sent.result(5).status_code == 202
    camera.close()


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path):
    made, key = certificate(tmp_path)
    key.chmod(0o644)
    with pytest.raises(CameraError, match="KL5104"):
        upload(tls_certificate=str(made), tls_key=str(key)).open()
    key.chmod(0o600)
    key.write_text("no key")
    with pytest.raises(CameraError, match="KL5104"):
        upload(tls_certificate=str(made), tls_key=str(key)).open()


def test_memory_does_not_grow_with_the_images(camera, senders):
    """A rough guard: what is kept for each of 100 images would show as megabytes."""
    import resource

    content = png(size=(400, 400))

    def round_of(count: int) -> int:
        for number in range(count):
            senders.send(camera, f"p{number}", content)
            camera.grab(5.0)
        senders.answers.clear()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = round_of(60)
    assert round_of(100) - before < 20_000
