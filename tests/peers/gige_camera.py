"""A GigE Vision camera on 127.0.0.1, port 3956: Aravis' own, with packet loss when asked.

Run by the system's Python, which has the bindings: gige_camera.py SERIAL. It says `ready`, then
takes a number from each line it reads: the share of packets that are lost, 0 to 1.
"""

import sys
import threading

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis, GLib  # noqa: E402


def obey(camera: "Aravis.GvFakeCamera", loop: "GLib.MainLoop") -> None:
    for line in sys.stdin:
        camera.props.gvsp_lost_ratio = float(line)
        print("done", flush=True)
    loop.quit()


loop = GLib.MainLoop()
camera = Aravis.GvFakeCamera.new("127.0.0.1", sys.argv[1])
print("ready" if camera.is_running() else "cannot listen on 127.0.0.1:3956", flush=True)
if camera.is_running():
    threading.Thread(target=obey, args=(camera, loop), daemon=True).start()
    loop.run()
