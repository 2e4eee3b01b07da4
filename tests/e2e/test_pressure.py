# order: 33
# timeout: 180
# alone: yes
"""Clients that go away and clients that do not read, looked at from both of the gateway's sides: what it notices by itself, and
what it holds. Bytes are counted in the kernel's own tables, so that nothing depends on how fast anything is."""
import select
import socket
import statistics
import struct
import threading
import time

from lib import acts
from lib.acts import Reply
from lib.fake import Fake
from lib.gateway import BUILD, CONFIG, Gateway, deployment, openai_provider, route
from lib.http import Conn, request_bytes
from lib.ports import free_ports
from lib.tap import check, eq, run, test, until
from lib.tls import Authority

# Its allocator holds more than the program does, and keeps what was freed.
SANITIZED = "asan" in BUILD or "tsan" in BUILD
authority = Authority()
CERT, KEY_FILE = authority.certificate()
fake = Fake().start()
tls_port = free_ports(1)[0]
LISTEN = f"listen:\n  - 127.0.0.1:{{port}}\n  - address: 127.0.0.1:{tls_port}\n    tls: {{ cert: {CERT}, key: {KEY_FILE} }}\n"
gateway = Gateway(CONFIG.replace("listen: 127.0.0.1:{port}\n", LISTEN, 1) + "providers:\n" + openai_provider(fake)
                  + "routes:\n" + route("fast", deployment("main", "gpt-4o-mini"))).start()
KEY = gateway.key()
HELD_MAX = 256 << 10
ROUNDS, READS = 10, 5
BODY = b'{"model": "fast", "stream": true, "messages": [{"role": "user", "content": "x"}]}'
ASK = request_bytes("POST", "/v1/chat/completions", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}, BODY)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field of HPACK without any compression (RFC 7541 6.2.2)."""
    count = bytes([len(value)]) if len(value) < 127 else bytes([127, len(value) - 127])
    return b"\0" + bytes([len(name)]) + name + count + value


def ask_h2(window):
    """The same request on stream 1; window: how much the client takes of it before it says more."""
    fields = {b":method": b"POST", b":path": b"/v1/chat/completions", b":scheme": b"http", b":authority": b"a",
              b"authorization": b"Bearer " + KEY.encode(), b"content-type": b"application/json"}
    block = b"".join(literal(name, value) for name, value in fields.items())
    wide = frame(4, 0, 0, struct.pack(">HI", 4, window)) + (frame(8, 0, 0, struct.pack(">I", window - 65535)) if window > 65535 else b"")
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + wide + frame(1, 4, 1, block) + frame(0, 1, 1, BODY)


# -- clients that go away: the provider says nothing more, so only the client's own end can tell the gateway


PLAIN, TLS = {"address": gateway.address}, {"address": ("127.0.0.1", tls_port), "tls": authority.client()}
LEAVING = {
    "in mid-stream": (PLAIN, acts.hang_after(4), ASK, Conn.close),
    "in mid-stream, with a reset": (PLAIN, acts.hang_after(4), ASK, Conn.reset),
    "in mid-stream, over TLS": (TLS, acts.hang_after(4), ASK, Conn.close),
    "in mid-stream, over HTTP/2": (PLAIN, acts.hang_after(4), ask_h2(1 << 20), Conn.close),
    "before the answer begins": (PLAIN, acts.hang(), ASK, Conn.close),
    "behind 96 KiB of pipelined requests": (PLAIN, acts.hang_after(4), ASK + ASK * (98304 // len(ASK)), Conn.close),
}


def leave(end):
    """Milliseconds from the client's end to that of the upstream connection, as the provider sees it."""
    asked = fake.last()
    check(asked.closed_at is None, "nothing ended before the client did")
    at = time.monotonic()
    end()
    until(lambda: asked.closed_at, "the upstream connection is closed")
    return (asked.closed_at - at) * 1000


def come_and_leave(where, act, ask, end):
    fake.play(act)
    seen = len(fake.requests)
    conn = Conn(**where)
    conn.send(ask)
    until(lambda: len(fake.requests) > seen, "the provider is asked")
    if act.__qualname__.startswith("hang_after"):
        conn.sock.recv(1)
    return leave(lambda: end(conn))


def tell(name, took):
    print(f"# {name}: upstream closed after {statistics.median(took):.1f} ms, at most {max(took):.1f} (goal 50)", flush=True)


@test("a client that goes away closes its upstream connection, though the provider says nothing more")
def _():
    for name, case in LEAVING.items():
        tell(name, [come_and_leave(*case) for _ in range(ROUNDS)])


# -- clients that do not read


def queues():
    """{(local port, remote port): (sent and not acknowledged, received and not read)} of all TCP connections here."""
    found = {}
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in list(file)[1:]:
            _, local, remote, _, both = line.split()[:5]
            sent, received = both.split(":")
            found[int(local[9:], 16), int(remote[9:], 16)] = int(sent, 16), int(received, 16)
    return found


class Flow:
    """A flood from the provider through the gateway to one client, and who holds how much of it."""

    def __init__(self, ask, total):
        self.given, self.read, self.transport = 0, 0, None
        self.begun = threading.Event()
        fake.play(self.flood(total))
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(60)
        self.sock.connect(gateway.address)
        self.sock.sendall(ask)
        check(self.begun.wait(60), "the provider is asked")

    def flood(self, total, piece=16384):
        async def act(x):
            await x.stream_head()
            self.transport = x.writer.transport
            self.upstream_port = x.writer.get_extra_info("peername")[1]
            self.begun.set()
            events = x.vendor.events(x.json, Reply("a" * piece, pieces=["a" * piece]))
            event = next(text for text in events if len(text) > piece)
            while self.given < total:
                self.given += len(b"%x\r\n%s\r\n" % (len(event), event))
                if not await x.chunk(event):
                    return
        return act

    def take(self, count):
        self.read += len(self.sock.recv(count))

    def look(self):
        """(held by the gateway, by the kernel for it): bytes between what it took and what it gave."""
        at, client = queues(), self.sock.getsockname()[1]
        provider_unsent = self.transport.get_write_buffer_size() + at[fake.port, self.upstream_port][0]
        unread = at[self.upstream_port, fake.port][1]
        unsent, arrived = at[gateway.port, client][0], at[client, gateway.port][1]
        return self.given - provider_unsent - unread - (self.read + arrived + unsent), unread + unsent

    def settled(self):
        """The same, once nothing moves any more."""
        seen = [None]

        def stands():
            seen.append((self.given, self.transport.get_write_buffer_size(), self.look()))
            time.sleep(0.1)  # longer than a delayed acknowledgement
            return seen[-1] == seen[-2]
        until(stands, "the flood stands still")
        return self.look()


@test("of 100 MB for a client that reads 1 KB now and then the gateway holds at most 256 KB")
def _():
    for name, ask in {"HTTP/1.1": ASK, "HTTP/2 with a wide window": ask_h2(1 << 30), "HTTP/2 with a narrow one": ask_h2(65535)}.items():
        flow = Flow(ask, 100 << 20)
        seen = [flow.settled()]
        for _ in range(READS):
            flow.take(1024)
            seen.append(flow.settled())
        held, kernel = max(own for own, _ in seen), max(more for _, more in seen)
        print(f"# {name}: the gateway held at most {held >> 10} KiB, the kernel {kernel >> 10} KiB for it", flush=True)
        check(0 < held <= HELD_MAX, f"{name}: the gateway held {held} bytes")
        check(flow.given < 100 << 20, "the provider was held back")
        tell(f"{name}, held back", [leave(flow.sock.close)])


# -- clients that only hold memory

CROWD, HEAD = 600, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 60000


@test("heads that never end fill the memory ceiling and no more: the next are refused with 503, and it heals")
def _():
    small = Gateway(CONFIG + "memory: { max: 32MiB }\nproviders:\n" + openai_provider(fake)
                    + "routes:\n" + route("fast", deployment("main", "gpt-4o-mini"))).start()
    try:
        key = small.key()
        conns = [small.conn().send(HEAD) for _ in range(CROWD)]

        def refused():
            return len(select.select(conns_by_socket, [], [], 0)[0])
        conns_by_socket = [conn.sock for conn in conns]
        until(refused, "somebody is refused")
        told = conns[conns_by_socket.index(select.select(conns_by_socket, [], [], 0)[0][0])].read()
        eq((told.status, told.json()["error"]["code"]), (503, "overloaded"))
        size = 0
        for pid in small.pids("gateway"):
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                size += sum(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
        check(SANITIZED or size < 48 << 10, f"the gateway has grown to {size} KiB")
        for conn in conns:
            conn.close()
        if not SANITIZED:  # a sanitizer's allocator keeps what was freed, so there nothing heals
            until(lambda: small.chat(key).status == 200, "it serves again")
    finally:
        small.stop()


@test("a body of millions of values leaves nothing behind that keeps the gateway at its memory ceiling")
def _():
    small = Gateway(CONFIG + "loops: 1\nmemory: { max: 60MiB }\nproviders:\n" + openai_provider(fake)
                    + "routes:\n" + route("fast", deployment("main", "gpt-4o-mini"))).start()
    try:
        key = small.key()
        body = b'{"model": "fast", "messages": [' + b"0," * 4_400_000 + b"0]}"
        with small.conn() as conn:
            told = conn.request("POST", "/v1/chat/completions", [("authorization", f"Bearer {key}")], body).read()
        eq((told.status, told.json()["error"]["code"]), (400, "bad_json"))
        if not SANITIZED:  # a sanitizer's allocator keeps what was freed, so there nothing heals
            until(lambda: small.chat(key).status == 200, "it serves again")
    finally:
        small.stop()


def end():
    gateway.stop()
    fake.stop()


run(end)
