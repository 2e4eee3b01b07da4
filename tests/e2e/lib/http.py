"""A raw HTTP/1.1 client: every byte that goes out is the test's own, every byte that comes in is checked for its framing."""
import json
import socket
import ssl
import time

from .tap import SLOW

TIMEOUT = 30.0


class Broken(Exception):
    """The answer broke off or was not HTTP; .partial holds the body up to there."""

    def __init__(self, text, partial=b""):
        super().__init__(text)
        self.partial = partial


class Response:
    def __init__(self, status, headers, body=b""):
        self.status, self.headers, self.body = status, headers, body

    def get(self, name):
        """The header's value, or None; twice the same name is an error of the test's subject."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(found) > 1:
            raise Broken(f"header {name} came {len(found)} times")
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The SSE events of the whole body: (event name or None, data)."""
        return list(parse_events(self.body))

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]!r}>"


def parse_events(body):
    for block in body.decode().replace("\r\n", "\n").split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if name or data:
            yield name, "\n".join(data)


def request_bytes(method, path, headers=(), body=b"", host="aquifer.test"):
    """A plain well-formed request; headers is a dict or a list of pairs and goes out as it stands."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    names = {name.lower() for name, _ in pairs}
    if "host" not in names:
        pairs.insert(0, ("Host", host))
    if body and "content-length" not in names and "transfer-encoding" not in names:
        pairs.append(("Content-Length", str(len(body))))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n"
    return head.encode("latin-1") + body


class Conn:
    """One connection. send() what you like, then read() whole answers or head() and pieces()."""

    def __init__(self, address, tls=None, receive_buffer=None, timeout=TIMEOUT):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout * SLOW)
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST, as a killed client does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def request(self, method, path, headers=(), body=b""):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **dict(headers)}
        return self.send(request_bytes(method, path, headers, body))

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        except ssl.SSLEOFError:
            data = b""
        self.pending += data
        return bool(data)

    def _line(self):
        while b"\r\n" not in self.pending:
            if len(self.pending) > 1 << 20:
                raise Broken("a line without end")
            if not self._more():
                raise Broken("closed within a line", self.pending)
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def exactly(self, count):
        """So many bytes, whatever they are."""
        while len(self.pending) < count:
            if not self._more():
                raise Broken(f"closed {count - len(self.pending)} bytes before the end", self.pending)
        data, self.pending = self.pending[:count], self.pending[count:]
        return data

    def head(self):
        """Status line and headers of the next answer; 1xx answers are answers too."""
        line = self._line().decode("latin-1")
        parts = line.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise Broken(f"not a status line: {line!r}")
        headers = []
        while True:
            line = self._line().decode("latin-1")
            if not line:
                return Response(int(parts[1]), headers)
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise Broken(f"not a header: {line!r}")
            headers.append((name, value.strip()))

    def pieces(self, response, method="POST"):
        """The body as it arrives, framing taken off and checked."""
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return
        length, coding = response.get("content-length"), response.get("transfer-encoding")
        if length is not None and coding is not None:
            raise Broken("both content-length and transfer-encoding")
        if coding is not None:
            yield from self._chunks()
        elif length is not None:
            left = int(length)
            while left:
                if not self.pending and not self._more():
                    raise Broken(f"closed {left} bytes before the end")
                data, self.pending = self.pending[:left], self.pending[left:]
                left -= len(data)
                yield data
        else:
            while self.pending or self._more():
                data, self.pending = self.pending, b""
                yield data

    def _chunks(self):
        while True:
            size = int(self._line().split(b";")[0], 16)
            if size == 0:
                while self._line():
                    pass
                return
            yield self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Broken("a chunk without its end")

    def read(self, method="POST"):
        """The next whole answer (after any 100 Continue). Raises Broken, with what came, when it broke off."""
        response = self.head()
        while response.status == 100:
            response = self.head()
        body = b""
        try:
            for piece in self.pieces(response, method):
                body += piece
        except Broken as broken:
            raise Broken(str(broken), body + broken.partial) from None
        response.body = body
        return response

    def events(self, response):
        """SSE events as they arrive: (seconds since the call, event name, data, comment)."""
        started, text = time.monotonic(), b""
        for piece in self.pieces(response):
            text += piece
            while b"\n\n" in text:
                block, text = text.split(b"\n\n", 1)
                comment = b"".join(line for line in block.split(b"\n") if line.startswith(b":"))
                for name, data in list(parse_events(block)) or [(None, "")]:
                    yield time.monotonic() - started, name, data, comment

    def is_closed(self, seconds=10.0):
        """True when the other side closes within that time and sends nothing more."""
        self.sock.settimeout(seconds * SLOW)
        try:
            return not self._more()
        except (TimeoutError, socket.timeout):
            return False


def call(address, method, path, headers=(), body=b"", tls=None):
    """One request on a connection of its own."""
    with Conn(address, tls) as conn:
        return conn.request(method, path, headers, body).read(method)
