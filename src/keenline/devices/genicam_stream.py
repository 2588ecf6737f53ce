"""Turns the buffers of one GenTL data stream into images, a bounded number of buffers at a time.

GenTL's own calls are used rather than harvesters' acquirer: that one drops an incomplete buffer
without a word, measures its timeouts by the wall clock, so that a clock set back makes it wait
for as long, and takes over SIGINT. Terms: EMVA "GenICam GenTL Standard" 1.6.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from keenline.devices.genicam_nodes import Sdk


@dataclass(frozen=True, slots=True)
class Grabbed:
    """What is known of one buffer while it is lent."""

    frame_id: int
    is_complete: bool
    width: int
    height: int
    pixel_code: int
    padding: int
    """Unused bytes behind each row."""
    time_ns: int | None
    data: memoryview
    """Only until the buffer is given back."""


class Stream:
    """The first data stream of an open device; `buffers` is how many frames may wait in it."""

    def __init__(self, sdk: Sdk, device: Any, buffers: int) -> None:
        self._gentl = sdk.gentl
        self._wanted = buffers
        self._stream = device.create_data_stream()
        self._stream.open(device.data_stream_ids[0])
        token = self._stream.register_event(self._gentl.EVENT_TYPE_LIST.EVENT_NEW_BUFFER)
        self._events = self._gentl.EventManagerNewBuffer(token)
        self._announced: list[Any] = []
        self._memory: list[bytes] = []  # what the producer writes into must outlive the buffers

    def start(self, payload_size: int) -> None:
        """`payload_size` in bytes is used where the producer does not say how large a frame is."""
        stream = self._stream
        size = stream.payload_size if stream.defines_payload_size() else payload_size
        count = max(self._wanted, self._least())
        self._memory = [bytes(size) for _ in range(count)]
        for place, memory in enumerate(self._memory):
            buffer = stream.announce_buffer(self._gentl.BufferToken(memory, place))
            self._announced.append(buffer)
            stream.queue_buffer(buffer)
        stream.start_acquisition(self._gentl.ACQ_START_FLAGS_LIST.ACQ_START_FLAGS_DEFAULT, -1)

    def next(self) -> Any:
        """The next filled buffer, lent until `give_back`; None when there is none now.

        It does not wait: the package waits with Python's lock held, and nothing else would run.
        """
        try:
            self._events.update_event_data(0)
        except self._gentl.TimeoutException:
            return None
        return self._events.buffer

    def look(self, buffer: Any) -> Grabbed:
        """What the producer says of a buffer."""
        size = buffer.size_filled
        start = self._told(buffer, "image_offset", 0)
        return Grabbed(
            buffer.frame_id,
            bool(buffer.is_complete()),
            buffer.width,
            buffer.height,
            buffer.pixel_format,
            self._told(buffer, "padding_x", 0),
            self._told(buffer, "timestamp_ns", 0) or None,
            memoryview(buffer.raw_buffer)[start:size],
        )

    def give_back(self, buffer: Any) -> None:
        self._stream.queue_buffer(buffer)

    def stop(self) -> None:
        """Also of a device that is gone, so that its buffers are free."""
        gentl = self._gentl
        for step in (
            lambda: self._stream.stop_acquisition(gentl.ACQ_STOP_FLAGS_LIST.ACQ_STOP_FLAGS_KILL),
            lambda: self._stream.flush_buffer_queue(
                gentl.ACQ_QUEUE_TYPE_LIST.ACQ_QUEUE_ALL_DISCARD
            ),
            self._events.flush_event_queue,
        ):
            with suppress(gentl.GenericException):
                step()
        while self._announced:
            with suppress(gentl.GenericException):
                self._stream.revoke_buffer(self._announced.pop())
        self._memory.clear()

    def close(self) -> None:
        self.stop()
        for step in (self._events.unregister_event, self._stream.close):
            with suppress(self._gentl.GenericException):
                step()

    def _least(self) -> int:
        try:
            return int(self._stream.buffer_announce_min)
        except self._gentl.GenericException:  # optional: some producers do not tell
            return 1

    def _told(self, buffer: Any, name: str, otherwise: int) -> int:
        try:
            return int(getattr(buffer, name))
        except self._gentl.GenericException:  # optional: some producers do not tell
            return otherwise
