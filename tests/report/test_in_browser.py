"""The page in a real browser: it shows the counts, asks the network for nothing, fits a phone."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.report import synthetic

from keenline.report.html import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("KEENLINE_REQUIRE_PEERS") == "1":
            pytest.fail("KEENLINE_REQUIRE_PEERS=1, but there is no chromium")
        pytest.skip("there is no chromium on this machine")
    return found


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    write_report(synthetic.content(), path, read=synthetic.read, read_mask=synthetic.read_mask)
    return path


def _run(browser: str, profile: Path, *arguments: str) -> str:
    command = [browser, *FLAGS, f"--user-data-dir={profile}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _screenshot(browser: str, folder: Path, page: str, width: int, *more: str) -> Pillow.Image:
    shot = folder / "shot.png"
    size = f"--window-size={width},1800"
    _run(browser, folder / "profile", f"--screenshot={shot}", size, *more, page)
    return Pillow.open(shot).convert("RGB")


def test_the_browser_keeps_every_part_of_the_page(
    browser: str, report: Path, tmp_path: Path
) -> None:
    dom = _run(browser, tmp_path / "profile", "--dump-dom", report.as_uri())
    assert "5 of 6 defective images found, fewest of dent: 4 of 5; 1 of 9 good images" in dom
    assert '<b>9</b><span class="name">PASS</span>' in dom
    assert dom.count('<article class="card">') == 7
    assert "<script" not in dom


def test_the_page_asks_a_server_for_itself_and_nothing_else(
    browser: str, report: Path, tmp_path: Path
) -> None:
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(report.parent))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/report.html"
            _run(browser, tmp_path / "profile", "--dump-dom", url)
        finally:
            server.shutdown()
            thread.join()
    assert set(asked) <= {"/report.html", "/favicon.ico"}  # browsers ask for the icon unasked
    assert "/report.html" in asked


def test_pictures_boxes_and_charts_are_painted(browser: str, report: Path, tmp_path: Path) -> None:
    light = np.asarray(_screenshot(browser, tmp_path, report.as_uri(), 1280)).astype(int)
    assert light.shape == (1800, 1280, 3)
    assert (light[5, 5] > 230).all()
    blue = (abs(light - (37, 99, 168)).sum(axis=2) < 12).sum()
    orange = (abs(light - (194, 84, 10)).sum(axis=2) < 12).sum()
    grey = (abs(light - 150).sum(axis=2) < 12).sum()
    assert min(blue, orange) > 1000  # bars of good and defective scores
    assert grey > 20_000  # the parts themselves


def test_dark_rooms_get_a_dark_page(browser: str, report: Path, tmp_path: Path) -> None:
    dark = "--blink-settings=preferredColorScheme=0"
    picture = np.asarray(_screenshot(browser, tmp_path, report.as_uri(), 1280, dark))
    assert (picture[5, 5] < 40).all()
    assert picture.max() > 220


def test_a_narrow_screen_needs_no_sideways_scrolling(
    browser: str, report: Path, tmp_path: Path
) -> None:
    """A browser window is never below 500 px wide, so the page is put in a frame of 420."""
    frame = tmp_path / "frame.html"
    # The page holds no script, so the frame asks for its width from outside.
    frame.write_text(
        "<iframe id=f style='width:420px;height:900px;border:0'></iframe><pre id=o></pre><script>"
        "const text=" + _quoted(report.read_text("utf-8")) + ";f.srcdoc=text;"
        "f.onload=()=>{const d=f.contentDocument.documentElement;"
        "o.textContent='wide='+d.scrollWidth}</script>",
        "utf-8",
    )
    dom = _run(
        browser, tmp_path / "profile", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()
    )
    width = re.search(r'<pre id="o">wide=(\d+)</pre>', dom)
    assert width
    assert int(width.group(1)) <= 420


def _quoted(text: str) -> str:
    """A JavaScript string that holds no `</script>` of its own."""
    safe = text.replace("\\", "\\\\").replace("`", "\\`").replace("$", "\\$")
    return "`" + safe.replace("</", "<\\/") + "`"
