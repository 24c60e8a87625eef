"""A wire that can be broken: TCP on one side, PostgreSQL's own socket on the other; told what to do line by line.

pass         everything goes through
slow 0.2     everything that goes to the server waits so many seconds
silent       nothing goes through in either direction; connections stay open
mute         the server hears everything and nobody hears the server
cut          all connections are reset, and new ones too
"""

import asyncio
import sys
from contextlib import suppress


class _Wire:
    def __init__(self, server: str) -> None:
        self._server = server
        self._mode, self._delay = "pass", 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._ends: set[asyncio.StreamWriter] = set()

    def set(self, line: str) -> None:
        self._mode, _, seconds = line.partition(" ")
        self._delay = float(seconds or 0)
        if self._mode in {"pass", "slow", "mute"}:
            self._open.set()
        elif self._mode == "silent":
            self._open.clear()
        if self._mode == "cut":
            for end in self._ends:
                end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        await self._open.wait()
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        ends = {writer, server_writer}
        self._ends |= ends
        try:
            ways = {
                asyncio.create_task(self._pump(reader, server_writer, to_server=True)),
                asyncio.create_task(self._pump(server_reader, writer, to_server=False)),
            }
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
        finally:
            self._ends -= ends
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if to_server and self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                if to_server or self._mode != "mute":
                    writer.write(data)
                    await writer.drain()


async def _main(port: int, server: str) -> None:
    wire = _Wire(server)
    await asyncio.start_server(wire.carry, "127.0.0.1", port)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        wire.set(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
