"""A strict fake provider on a port of its own (a thread with an event loop): speaks OpenAI Chat and Responses, Anthropic Messages,
Bedrock and Gemini, refuses what the vendors refuse (openai.py, responses.py, anthropic.py, bedrock.py, gemini.py), and otherwise does what
the test scripted (acts.py).

    fake = Fake().start()
    fake.play(acts.status(500), acts.say("second try"))     # the next two requests; then the default: acts.echo
    fake.play_model("slow", acts.hang())                    # always, for that model
    fake.requests[-1].body                                  # the very bytes that came
"""
import asyncio
import collections
import json
import socket
import threading
import time

from . import acts, anthropic, bedrock, gemini, keep, openai, responses, tasks, vertex
from .gateway import UPSTREAM_KEY
from .sigv4 import Refused

HEAD_LIMIT = 1 << 20


class Request:
    """What arrived, byte by byte, and when; closed_at is set when the other side closed before our answer's end."""

    def __init__(self, method, path, headers, body):
        self.method, self.target, self.headers, self.body = method, path, headers, body
        self.path = path.split("?")[0]
        self.at, self.closed_at = time.monotonic(), None
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def get(self, name):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None


def vendor_of(path):
    if keep.serves(path):
        return keep
    if path.startswith("/v1/messages"):
        return anthropic
    if path.startswith("/model/"):
        return bedrock
    if path.startswith("/v1beta/"):
        return gemini
    if tasks.serves(path):
        return tasks
    return responses if path in ("/v1/responses", responses.COUNT, responses.COMPACT) else openai


class Exchange:
    """One request being answered; what acts see."""

    def __init__(self, fake, request, reader, writer):
        self.fake, self.request, self.json = fake, request, request.json
        self.reader, self.writer = reader, writer
        self.vendor = vendor_of(request.path)
        self.keep, self.begun = True, False

    @property
    def wants_stream(self):
        if self.vendor in (bedrock, gemini):
            return self.vendor.wants_stream(self.request)
        return isinstance(self.json, dict) and self.json.get("stream") is True

    async def send(self, data):
        """False when nobody takes it any more."""
        self.begun = True
        try:
            self.writer.write(data)
            await self.writer.drain()
            return not self.writer.is_closing()
        except ConnectionError:
            self._gone()
            return False

    def _gone(self):
        self.keep = False
        if self.request.closed_at is None:
            self.request.closed_at = time.monotonic()

    def head_bytes(self, status, headers):
        pairs = {**self.vendor.answer_headers(), **{"x-fake-connection": "kept"}, **headers}
        return (f"HTTP/1.1 {status} Whatever\r\n" + "".join(f"{name}: {value}\r\n" for name, value in pairs.items()) + "\r\n").encode()

    async def answer_bytes(self, status, body, kind="application/json", headers=None):
        head = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
        await self.send(self.head_bytes(status, head) + (b"" if self.request.method == "HEAD" else body))

    async def answer_json(self, status, body, headers=None):
        await self.answer_bytes(status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers=headers)

    async def stream_head(self, headers=None):
        kind = bedrock.STREAM_TYPE if self.vendor is bedrock else "text/event-stream; charset=utf-8"
        await self.send(self.head_bytes(200, {"content-type": kind, "cache-control": "no-cache",
                                              "transfer-encoding": "chunked", **(headers or {})}))

    async def chunk(self, data):
        return await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self):
        await self.send(b"0\r\n\r\n")

    def close(self):
        self.keep = False
        self.writer.close()

    def reset(self):
        self.keep = False
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def until_gone(self):
        """Waits until the other side closes (it must not send anything more meanwhile)."""
        try:
            more = await self.reader.read(1)
        except ConnectionError:
            more = b""
        if more:
            self.fake.problems.append("bytes came while an answer was open (pipelining towards a provider)")
        self._gone()

    async def wait_for(self, gate):
        """Waits for a threading.Event of the test, noticing when the other side goes away."""
        while not gate.is_set() and not self.writer.is_closing():
            if self.reader.at_eof():
                return self._gone()
            await asyncio.sleep(0.01)


class Fake:
    def __init__(self, key=UPSTREAM_KEY, models=("gpt-4o-mini", "gpt-5.5", "claude-opus-5", "gemini-3-pro"), tls=None, strict=True, verifier=None,
                 google_tokens=()):
        self.verifier = verifier  # of AWS signatures: then it is Bedrock, with its own paths
        self.google_tokens = google_tokens  # Vertex: the access tokens that hold
        self.key, self.models, self.tls, self.strict = key, set(models), tls, strict
        self.requests, self.problems = [], []
        self.connections, self.open_now, self.flooded = 0, 0, 0
        self._queue, self._by_model = collections.deque(), {}
        self._default = None
        self._server_connections = set()

    # -- the test's side

    def start(self):
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="fake", daemon=True)
        self._thread.start()
        started.wait()
        return self

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def play(self, *what):
        """The next requests get these acts, one each."""
        self._queue.extend(what)

    def play_model(self, model, *what):
        """Requests for this upstream model: the acts in turn, the last one for ever."""
        self.models.add(model)
        self._by_model[model] = collections.deque(what)

    def play_always(self, act):
        self._default = act

    def forget(self):
        self.requests.clear()
        self._queue.clear()

    def last(self):
        return self.requests[-1]

    def drop_connections(self):
        """Closes every connection that waits between two requests, as a provider does with idle ones."""
        self._loop.call_soon_threadsafe(lambda: [writer.close() for writer in list(self._server_connections)])

    def stop(self):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        assert not self.problems, self.problems

    # -- the thread's side

    def _run(self, started):
        asyncio.run(self._serve(started))

    async def _serve(self, started):
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self.tls, limit=HEAD_LIMIT, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stopping.wait()
        server.close()
        for writer in list(self._server_connections):
            writer.transport.abort()

    async def _connection(self, reader, writer):
        self.connections += 1
        self.open_now += 1
        self._server_connections.add(writer)
        try:
            while True:
                request = await self._read(reader)
                if request is None or not await self._answer(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side went away between two requests or within one; what that means is the test's business
        finally:
            self.open_now -= 1
            self._server_connections.discard(writer)
            writer.close()

    async def _read(self, reader):
        """One request, read as strictly as a vendor's front door does; None at a clean end."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                self.problems.append(f"closed within a request's head: {end.partial[:100]!r}")
            return None
        lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        self._judge_head(version, headers)
        return Request(method, target, headers, await self._body(reader, headers))

    def _judge_head(self, version, headers):
        names = [name.lower() for name, _ in headers]
        if version != "HTTP/1.1":
            self.problems.append(f"{version} towards a provider")
        for name in ("host", "content-length", "transfer-encoding", "authorization", "content-type", "x-api-key", "anthropic-version"):
            if names.count(name) > 1:
                self.problems.append(f"header {name} came {names.count(name)} times")
        if "host" not in names:
            self.problems.append("no Host header")
        for name in ("cookie", "proxy-authorization", "te", "trailer", "upgrade", "keep-alive", "x-forwarded-for"):
            if name in names:
                self.problems.append(f"header {name} has no business at a provider")

    async def _body(self, reader, headers):
        fields = {name.lower(): value for name, value in headers}
        if "transfer-encoding" in fields:
            if "content-length" in fields:
                self.problems.append("both Content-Length and Transfer-Encoding")
            return await self._chunked(reader)
        return await reader.readexactly(int(fields.get("content-length", "0")))

    async def _chunked(self, reader):
        body = b""
        while True:
            size = int((await reader.readuntil(b"\r\n"))[:-2].split(b";")[0], 16)
            body += await reader.readexactly(size)
            await reader.readexactly(2)
            if size == 0:
                return body

    async def _answer(self, request, reader, writer):
        """True when the connection may be used again."""
        self.requests.append(request)
        request, refusal = self._front(request)
        x = Exchange(self, request, reader, writer)
        if not refusal and self.strict:
            refusal = x.vendor.refuse(self, request)
        if refusal:
            await x.answer_json(*refusal)
        else:
            await self._choose(x)(x)
        return x.keep and not writer.is_closing()

    def _front(self, request):
        """What stands before the models of Vertex and Bedrock, token or signature: the request as the model's vendor would see it, or a
        refusal."""
        if vertex.serves(request.path):
            try:
                return Request(*vertex.inside(self, request)), None
            except vertex.No as no:
                return request, no.args
        if not self.verifier:
            return request, None
        try:
            self.verifier.check(request.method, request.target, request.headers, request.body)
        except Refused as no:
            return request, (no.status, {"message": str(no)})
        if request.path.startswith("/model/"):
            return request, None
        _, _, path = request.target[1:].partition("/")  # /openai/v1/…, /anthropic/v1/…
        names = {"authorization", "x-api-key"}
        headers = [(name, value) for name, value in request.headers if name.lower() not in names]
        return Request(request.method, "/" + path, [*headers, ("authorization", f"Bearer {self.key}")], request.body), None

    @staticmethod
    def _model_of(x):
        if x.vendor is bedrock:
            return bedrock.operation(x.request)[0]
        if x.vendor is gemini:
            return gemini.model_of(x.request)
        return x.vendor.model_of(x.request) if x.vendor in (tasks, keep) else (x.json or {}).get("model")

    def _choose(self, x):
        plain = x.vendor.plain_answer(self, x.request)
        if plain:
            return plain
        model = self._model_of(x)
        if model in self._by_model:
            queue = self._by_model[model]
            return queue.popleft() if len(queue) > 1 else queue[0]
        if self._queue:
            return self._queue.popleft()
        if x.vendor is tasks:
            return tasks.answer(x)
        return self._default or acts.say(**x.vendor.echo(x.json))
