"""What FFmpeg says when a source is opened turned into a code: not there, or refused."""

from __future__ import annotations

from keenline.errors import Code

OPENING = {
    **dict.fromkeys(
        [
            "BlockingIO",
            "BrokenPipe",
            "ChildProcess",
            "ConnectionAborted",
            "ConnectionRefused",
            "ConnectionReset",
            "EOF",
            "Exit",
            "External",
            "FFmpeg",
            "FileNotFound",
            "HTTP",
            "HTTPNotFound",
            "HTTPOtherClient",
            "HTTPServer",
            "HTTPTooManyRequests",
            "Interrupted",
            "InvalidData",  # a file of another kind, and an address that never answers
            "NotADirectory",
            "OS",
            "ProcessLookup",
            "Timeout",
            "Undefined",
            "Unknown",
        ],
        Code.CAMERA_MISSING,
    ),
    **dict.fromkeys(
        [
            "Argument",
            "BSFNotFound",
            "BufferTooSmall",
            "Bug",
            "DecoderNotFound",
            "DemuxerNotFound",
            "EncoderNotFound",
            "Experimental",
            "FileExists",
            "FilterNotFound",
            "HTTPBadRequest",
            "HTTPClient",
            "HTTPForbidden",
            "HTTPUnauthorized",
            "InputChanged",
            "IsADirectory",
            "Lookup",
            "Memory",
            "MuxerNotFound",
            "NotImplemented",
            "OptionNotFound",
            "OutputChanged",
            "Overflow",
            "PatchWelcome",
            "Permission",
            "ProtocolNotFound",
            "PyAVCallback",
            "Runtime",
        ],
        Code.CAMERA_REFUSED,
    ),
}
"""By the name of PyAV's exception (`av.error`) without its ending `Error`."""
