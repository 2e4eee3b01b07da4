# order: 31
# timeout: 120
"""HTTP/2 with a client that is not ours: curl, by prior knowledge in plain text (as the AWS SDK does it) and by ALPN over TLS;
Chat whole and streamed, many streams on one connection, long bodies, errors, a client that goes away."""
import json
import struct
import subprocess
import tempfile

from lib import acts
from lib.fake import Fake
from lib.gateway import CONFIG, Gateway, deployment, openai_provider, route
from lib.http import parse_events
from lib.ports import free_ports
from lib.tap import SLOW, check, eq, run, test, until
from lib.tls import Authority

authority = Authority()
CERT, KEY_FILE = authority.certificate()
fake = Fake().start()
tls_port = free_ports(1)[0]
LISTEN = f"listen:\n  - 127.0.0.1:{{port}}\n  - address: 127.0.0.1:{tls_port}\n    tls: {{ cert: {CERT}, key: {KEY_FILE} }}\n"
gateway = Gateway(CONFIG.replace("listen: 127.0.0.1:{port}\n", LISTEN, 1) + "providers:\n" + openai_provider(fake)
                  + "routes:\n" + route("fast", deployment("main", "gpt-4o-mini"))).start()
KEY = gateway.key()
WAYS = {"plain": (["--http2-prior-knowledge"], f"http://127.0.0.1:{gateway.port}"),
        "TLS": (["--http2", "--cacert", authority.file], f"https://127.0.0.1:{tls_port}")}


def curl(way, path, *words, body=None, key=KEY):
    """(status, protocol, headers in small letters, body)"""
    options, origin = WAYS[way]
    command = ["curl", "-sS", "-N", *options, "-D", "-", "-H", f"Authorization: Bearer {key}", *words]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run([*command, origin + path], input=body or b"", capture_output=True, timeout=60 * SLOW, check=False)
    eq(done.returncode, 0, done.stderr.decode())
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    protocol, status = lines[0].split(" ")[:2]
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(status), protocol, {name.lower(): value for name, value in headers.items()}, rest


def chat(text="hello", **fields):
    return json.dumps({"model": "fast", "messages": [{"role": "user", "content": text}], **fields}).encode()


@test("Chat, not streamed, plain and TLS")
def _():
    for way in WAYS:
        status, protocol, headers, body = curl(way, "/v1/chat/completions", body=chat())
        eq((status, protocol), (200, "HTTP/2"))
        eq(json.loads(body)["choices"][0]["message"]["content"], "You said: hello")
        check("connection" not in headers and "transfer-encoding" not in headers and headers["x-request-id"], headers)


@test("no WebSocket begins on HTTP/2: 426 says so")
def _():
    for way in WAYS:
        status, _protocol, _headers, body = curl(way, "/v1/responses")
        eq((status, json.loads(body)["error"]["code"]), (426, "upgrade_required"), way)


@test("Chat, streamed, plain and TLS")
def _():
    for way in WAYS:
        status, _, headers, body = curl(way, "/v1/chat/completions", body=chat(stream=True))
        eq((status, headers["content-type"].split(";")[0]), (200, "text/event-stream"))
        eq(list(parse_events(body))[-1][1], "[DONE]")


@test("errors keep their shape: no key, no such path, bad JSON, an unknown model")
def _():
    for status, path, body, key in ((401, "/v1/chat/completions", chat(), "aq_wrong"), (404, "/nowhere", None, KEY),
                                    (400, "/v1/chat/completions", b"{", KEY),
                                    (404, "/v1/chat/completions", chat().replace(b"fast", b"slow"), KEY)):
        seen, _, headers, answer = curl("plain", path, body=body, key=key)
        eq(seen, status, path)
        check(json.loads(answer)["error"]["message"] and headers["x-request-id"], answer)


@test("a long body goes up, a long answer comes down, both whole")
def _():
    text = "a" * (2 << 20)
    eq(json.loads(curl("plain", "/v1/chat/completions", body=chat(text))[3])["choices"][0]["message"]["content"], "You said: " + text)
    eq(fake.last().json["messages"][0]["content"], text)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field of HPACK without any compression (RFC 7541 6.2.2)."""
    count = bytes([len(value)]) if len(value) < 127 else bytes([127, len(value) - 127])
    return b"\0" + bytes([len(name)]) + name + count + value


def frames(conn, last):
    """Frames (kind, flags, stream, payload) up to the first that last(kind, flags, stream) takes."""
    while True:
        head = conn.exactly(9)
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        yield kind, flags, stream, conn.exactly(int.from_bytes(head[:3], "big"))
        if last(kind, flags, stream):
            return


def ask(conn, key, length):
    """Stream 1 with a first piece of its body, on a connection by hand."""
    fields = {b":method": b"POST", b":path": b"/v1/chat/completions", b":scheme": b"http", b":authority": b"a",
              b"authorization": b"Bearer " + key.encode(), b"content-type": b"application/json", b"content-length": b"%d" % length}
    block = b"".join(literal(name, value) for name, value in fields.items())
    conn.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 4, 1, block) + frame(0, 0, 1, b" " * 1000))


def answer(conn):
    """The JSON body of stream 1, read to its end; nothing resets the stream before."""
    seen = list(frames(conn, lambda kind, flags, stream: stream == 1 and flags & 1))
    check(3 not in [kind for kind, *_ in seen], seen)
    return json.loads(b"".join(payload for kind, _, stream, payload in seen if (kind, stream) == (0, 1)))


def goes_on(conn):
    conn.send(frame(6, 0, 0, b"12345678"))
    seen = list(frames(conn, lambda kind, *_: kind == 6))
    eq(seen[-1][3], b"12345678", "the connection goes on")
    return seen


@test("an answer before the body is there: the client may send the rest, and no reset spoils what it reads")
def _():
    with gateway.conn() as conn:
        ask(conn, "aq_wrong", 2000)
        eq(answer(conn)["error"]["code"], "key_invalid")
        conn.send(frame(0, 1, 1, b" " * 1000))
        check(3 not in [kind for kind, *_ in goes_on(conn)], "the stream ended by itself")


@test("a body over the limit is answered with a whole 413; if the client waits then, the stream is reset without error (RFC 9113 8.1)")
def _():
    with gateway.conn() as conn:
        ask(conn, KEY, 41943040)
        eq(answer(conn)["error"]["code"], "body_too_large")
        eq(list(frames(conn, lambda kind, _, stream: (kind, stream) == (3, 1)))[-1][3], b"\0\0\0\0", "the reset says: no error")
        goes_on(conn)


@test("curl shows the answer to a long body that is not wanted")
def _():
    for way in WAYS:
        for size, key, status in ((1 << 20, "aq_wrong", 401), (40 << 20, KEY, 413)):
            seen, _, _, body = curl(way, "/v1/chat/completions", body=b" " * size, key=key)
            eq(seen, status, body)


@test("fifty streams on one connection, each whole")
def _():
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for at in range(50):
            body = json.dumps(chat(f"number {at}", stream=True).decode())
            lines += [f'url = "{WAYS["TLS"][1]}/v1/chat/completions"', f'output = "{folder}/{at}"', f"data-binary = {body}",
                      f'header = "Authorization: Bearer {KEY}"', 'header = "Content-Type: application/json"', "http2", f'cacert = "{authority.file}"',
                      "silent", "next"]
        done = subprocess.run(["curl", "--parallel", "--parallel-max", "50", "-K", "-"], input="\n".join(lines[:-1]), text=True,
                              capture_output=True, timeout=60 * SLOW, check=False)
        eq(done.returncode, 0, done.stderr)
        for at in range(50):
            with open(f"{folder}/{at}", encoding="utf-8") as file:
                events = [data for _, data in parse_events(file.read().encode())]
            text = "".join(json.loads(data)["choices"][0]["delta"].get("content") or "" for data in events[:-1])
            eq((events[-1], text), ("[DONE]", f"You said: number {at}"))


@test("a client that goes away closes its upstream connection")
def _():
    fake.play(acts.hang_after(3))
    options, origin = WAYS["plain"]
    seen = len(fake.requests)
    process = subprocess.Popen(["curl", "-sN", *options, "-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json",
                                "--data-binary", chat(stream=True).decode(), origin + "/v1/chat/completions"], stdout=subprocess.DEVNULL)
    until(lambda: len(fake.requests) > seen, "the provider is asked")
    asked = fake.last()
    process.kill()
    process.wait()
    until(lambda: asked.closed_at, "the upstream connection is closed")


def end():
    gateway.stop()
    fake.stop()


run(end)
