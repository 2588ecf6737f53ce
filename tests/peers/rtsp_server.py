"""An RTSP server on loopback: `rtsp_server.py PORT [USER PASSWORD]`; prints UP when it listens.

To be run with Debian's own Python (/usr/bin/python3), which has the bindings: python3-gi,
gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good (RTP) and -ugly (x264).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = (
    "( videotestsrc is-live=true pattern=ball"
    " ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 bitrate=1000"
    " ! rtph264pay name=pay0 pt=96 )"
)


def main(port, user=None, password=None):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(LAUNCH)
    server.get_mount_points().add_factory("/cam", factory)
    if user:
        protect(server, factory, user, password)
    server.attach(None)
    print("UP", flush=True)
    GLib.MainLoop().run()


def protect(server, factory, user, password):
    """Basic authentication."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.from_string(
            "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
        )[0]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
