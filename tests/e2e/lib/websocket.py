"""A raw WebSocket client (RFC 6455): every frame that goes out is the test's own, every one that comes in is checked."""
import base64
import hashlib
import json
import os
import struct

from . import http

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LAST = ("response.completed", "response.incomplete", "response.failed", "error")


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, answer):
        super().__init__(repr(answer))
        self.answer = answer


class Closed(Exception):
    """The server closed; code is None when it just went."""

    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    def __init__(self, address, path="/v1/responses", headers=(), shake=True, **options):
        self.conn = http.Conn(address, **options)
        self.pings = 0
        if shake:
            self.shake(path, headers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()

    def shake(self, path, headers):
        key = base64.b64encode(os.urandom(16)).decode()
        ours = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
                "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        self.conn.request("GET", path, {**ours, **dict(headers)})
        head = self.conn.head()
        if head.status != 101:
            head.body = b"".join(self.conn.pieces(head, "GET"))
            raise Refused(head)
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        if head.get("sec-websocket-accept") != accept or head.get("sec-websocket-extensions"):
            raise http.Broken(f"a bad handshake: {head}")
        self.opened = head

    def frame(self, first, payload=b"", mask=b"\x01\x02\x03\x04"):
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size) if size < 65536 else b"\xff" + struct.pack(">Q", size)
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        self.conn.send(bytes([first]) + length + mask + masked)

    def send(self, event):
        """One text message: an object, or the text itself."""
        self.frame(0x81, (event if isinstance(event, str) else json.dumps(event)).encode())

    def create(self, model, given="hello", **fields):
        self.send({"type": "response.create", "model": model, "input": given, **fields})

    def close(self, code=1000):
        self.frame(0x88, struct.pack(">H", code))

    def _take(self, count):
        while len(self.conn.pending) < count:
            if not self.conn._more():
                raise Closed(None)
        data, self.conn.pending = self.conn.pending[:count], self.conn.pending[count:]
        return data

    def receive(self):
        """The next frame: (opcode, payload)."""
        first, second = self._take(2)
        if first & 0x70 or not first & 0x80 or second & 0x80:
            raise http.Broken(f"a bad frame: {first:02x} {second:02x}")
        size = second & 127
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        return first & 15, self._take(size)

    def event(self):
        """The next event; pings are counted."""
        while True:
            opcode, payload = self.receive()
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == CLOSE:
                raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)
            self.pings += opcode == PING

    def events(self, stream_id=None):
        """All of one answer; with a stream_id those of that stream alone."""
        found = []
        while not found or found[-1]["type"] not in LAST:
            event = self.event()
            if event.get("stream_id") == stream_id:
                found.append(event)
        return found

    def ask(self, model, given="hello", **fields):
        """One whole answer: its events."""
        self.create(model, given, **fields)
        return self.events(fields.get("stream_id"))

    def wait_closed(self):
        """The code of the close that comes next, whatever is said before."""
        while True:
            try:
                self.event()
            except Closed as closed:
                return closed.code


def text_of(events):
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
