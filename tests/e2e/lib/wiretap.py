"""A TCP forwarder between a client and Aquifer that keeps every byte: what a client that we cannot look into really sent and got.

    tap = Wiretap(gateway.address).start()      # the client is pointed at tap.url
    tap.requests()[-1].json                     # as it left the client, read by its Content-Length
    tap.answers()                               # (status, header fields) in each connection's order
"""
import asyncio
import re
import threading

from .fake import Request

ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(.*?\r\n)?\r\n", re.DOTALL)


def fields_of(lines):
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines.split("\r\n") if line)]


def read_requests(data):
    """The requests of one connection; a last one that is not whole is left out."""
    while data:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            return
        line, _, lines = head.decode("latin-1").partition("\r\n")
        method, target, _version = line.split(" ")
        fields = fields_of(lines)
        size = int(dict((name.lower(), value) for name, value in fields).get("content-length", "0"))
        if len(rest) < size:
            return
        yield Request(method, target, fields, rest[:size])
        data = rest[size:]


class Wiretap:
    def __init__(self, address):
        self.address, self.sides = address, []  # (bytes up, bytes down) of every connection, in order of arrival

    def start(self):
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="wiretap", daemon=True)
        self._thread.start()
        started.wait()
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def requests(self):
        return [request for up, _down in list(self.sides) for request in read_requests(bytes(up))]

    def answers(self):
        return [(int(found[1]), fields_of((found[2] or b"").decode("latin-1")))
                for _up, down in list(self.sides) for found in ANSWER.finditer(bytes(down))]

    def forget(self):
        """Between two clients, when no connection is open."""
        self.sides.clear()

    def stop(self):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    # -- the thread's side

    async def _serve(self, started):
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stopping.wait()
        server.close()

    async def _connection(self, reader, writer):
        up, down = bytearray(), bytearray()
        self.sides.append((up, down))
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.address)
            await asyncio.gather(self._pass(reader, far_writer, up), self._pass(far_reader, writer, down))
        except OSError:
            pass  # one side reset the connection: the client's or Aquifer's own matter
        finally:
            writer.close()

    @staticmethod
    async def _pass(reader, writer, kept):
        try:
            while data := await reader.read(65536):
                kept += data
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
