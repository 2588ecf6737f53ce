"""A port on loopback that carries everything to another one, each piece so many milliseconds late.

`python benchmarks/tcp_delay.py PORT TO_PORT MILLISECONDS` says UP and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys


async def main(port: int, to_port: int, delay_s: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", to_port)
        await asyncio.gather(_carry(reader, to_there, delay_s), _carry(there, writer, delay_s))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    print("UP", flush=True)
    async with server:
        await server.serve_forever()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    """One piece after the other: a slow way also carries little."""
    try:
        while piece := await reader.read(4096):
            await asyncio.sleep(delay_s)
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass  # the other side went: so does this one
    writer.close()


if __name__ == "__main__":
    _, here, there, milliseconds = sys.argv
    asyncio.run(main(int(here), int(there), float(milliseconds) / 1000))
