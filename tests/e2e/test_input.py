# order: 35
# timeout: 240
"""What bad input gets: malformed and oversized HTTP, smuggling shapes, broken bodies, wrong paths and methods. Each is refused with
a clear error in the caller's own format and a request id, nothing of it reaches a provider, and the gateway is well afterwards."""
import gzip
import json

from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.http import Broken, Conn, call, request_bytes
from lib.tap import check, eq, run, test

EXTRA = "limits: { body: 1MiB, head: 16KiB }\nclient_timeouts: { head: 1500ms, body: 1500ms }\n"
fake = Fake().start()
gateway = Gateway(config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))], EXTRA)).start()
KEY = gateway.key()
AUTH = {"Authorization": f"Bearer {KEY}"}
PATH = "/v1/chat/completions"
BODY = b'{"model":"fast","messages":[{"role":"user","content":"x"}]}'
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEAD = LINE + b"Host: a\r\nContent-Type: application/json\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def length(count):
    return b"Content-Length: %d\r\n" % count


MALFORMED = {  # what it shows: bytes, statuses
    "Content-Length with Transfer-Encoding": (HEAD + length(5) + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "two different Content-Lengths": (HEAD + length(5) + length(6) + b"\r\n12345", {400}),
    "a list in Content-Length": (HEAD + b"Content-Length: 5, 5\r\n\r\n12345", {400}),
    "a negative Content-Length": (HEAD + b"Content-Length: -1\r\n\r\n", {400}),
    "a signed Content-Length": (HEAD + b"Content-Length: +5\r\n\r\n12345", {400}),
    "a Content-Length beyond 64 bits": (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", {400, 413}),
    "an unknown transfer coding": (HEAD + b"Transfer-Encoding: frobbed\r\n\r\n", {400, 501}),
    "chunked not last": (HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n", {400, 501}),
    "chunked twice": (HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "bare LF between headers": (LINE + b"Host: a\nContent-Length: 0\r\n\r\n", {400}),
    "bare LF at the end of the head": (LINE + b"Host: a\r\nContent-Length: 0\n\n", {400}),
    "bare CR in a value": (LINE + b"Host: a\r\nX: a\rb\r\n\r\n", {400}),
    "obs-fold": (LINE + b"Host: a\r\nX-A: 1\r\n 2\r\n\r\n", {400}),
    "a space before the colon": (LINE + b"Host: a\r\nContent-Length : 0\r\n\r\n", {400}),
    "a header name with a space": (LINE + b"Host: a\r\nX A: 1\r\n\r\n", {400}),
    "NUL in a value": (LINE + b"Host: a\r\nX: a\0b\r\n\r\n", {400}),
    "no Host": (LINE + b"Content-Length: 0\r\n\r\n", {400}),
    "two Hosts": (LINE + b"Host: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n", {400}),
    "HTTP/1.2": (b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", {400}),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "a bad chunk size": (CHUNKED + b"zz\r\n", {400}),
    "a negative chunk size": (CHUNKED + b"-1\r\n", {400}),
    "a chunk size beyond 64 bits": (CHUNKED + b"fffffffffffffffff\r\n", {400, 413}),
    "a chunk without its end": (CHUNKED + b"1\r\naXX\r\n", {400}),
    "a chunk line ended by LF": (CHUNKED + b"1\na\r\n0\r\n\r\n", {400}),
    "a head over the limit": (LINE + b"Host: a\r\nX: " + b"a" * 20000 + b"\r\n\r\n", {431}),
    "thousands of headers": (LINE + b"Host: a\r\n" + b"".join(b"X-%d: 1\r\n" % at for at in range(3000)) + b"\r\n", {431}),
    "a path over the limit": (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {414, 431}),
    "a body over the limit, by its length": (HEAD + length(2 << 20) + b"\r\n", {413}),
    "a body over the limit, in chunks": (CHUNKED + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 17, {413}),
}


def is_error(got):
    error = got.json()["error"]
    check(len(error["message"]) > 10 and error["type"], f"says what happened: {error}")
    check(got.get("x-request-id"), "has a request id")
    return error


def well():
    eq(fake.requests, [], "nothing reached the provider")
    check(gateway.is_ready(), "the gateway is well")


def malformed_case(shows, data, statuses):
    @test(f"HTTP: {shows}")
    def _():
        with Conn(gateway.address) as conn:
            try:
                conn.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all of it was sent
            try:
                got = conn.read()
            except Broken as broken:
                raise AssertionError(f"no answer: {broken}") from None
            check(got.status in statuses, f"status {got.status}: {got.body}")
            is_error(got)
            check(conn.is_closed(), "the connection is closed: nobody knows where the next request would begin")
        well()


for what, (raw, wanted) in MALFORMED.items():
    malformed_case(what, raw, wanted)

BODIES = {  # bodies: (bytes, word in the message)
    "JSON that breaks off": (BODY[:-1], "at byte"), "text after the JSON": (BODY + b"x", "at byte"), "no JSON": (b"hello", "at byte"),
    "an empty body": (b"", ""), "a list": (b"[]", ""), "single quotes": (BODY.replace(b'"', b"'"), "at byte"),
    "a trailing comma": (BODY[:-1] + b",}", "at byte"), "a number with a leading zero": (BODY[:-1] + b',"n":01}', "at byte"),
    "a control character in a string": (BODY.replace(b'"x"', b'"\x01"'), "at byte"), "a lone surrogate": (BODY.replace(b'"x"', b'"\\ud800"'), "at byte"),
    "broken UTF-8": (BODY.replace(b'"x"', b'"\xff"'), "at byte"), "overlong UTF-8": (BODY.replace(b'"x"', b'"\xc0\xaf"'), "at byte"),
    "the model named twice": (BODY[:-1] + b',"model":"fast"}', "twice"), "the model named twice, once escaped": (BODY[:-1] + b',"m\\u006fdel":"x"}', "twice"),
    "nesting 100,000 deep": (BODY[:-1] + b',"a":' + b"[" * 100000 + b"]" * 100000 + b"}", ""), "no model": (b'{"messages":[]}', "model"),
    "a number as model": (BODY.replace(b'"fast"', b"7"), "model"),
}


def body_case(shows, body, word):
    @test(f"body: {shows}")
    def _():
        with Conn(gateway.address) as conn:
            got = conn.request("POST", PATH, {**AUTH, "Content-Type": "application/json", "Content-Length": str(len(body))}, body).read()
            eq(got.status, 400)
            check(word in is_error(got)["message"], got.body)
            eq(got.get("x-should-retry"), "false")
            eq(conn.request("GET", "/healthz").read("GET").status, 200, "the connection goes on")
        well()


for what, (raw, told) in BODIES.items():
    body_case(what, raw, told)


@test("packed bodies: gzip is taken; a bomb, rubbish and an unknown coding are refused")
def _():
    def send(body, coding):
        return call(gateway.address, "POST", PATH, {**AUTH, "Content-Type": "application/json", "Content-Encoding": coding}, body)
    eq(send(gzip.compress(BODY), "gzip").status, 200)
    eq(json.loads(fake.last().body)["model"], "gpt-4o-mini")
    fake.forget()
    eq(send(gzip.compress(b" " * (64 << 20)), "gzip").status, 413)
    eq(send(b"rubbish" * 10, "gzip").status, 400)
    eq(send(gzip.compress(BODY)[:-9], "gzip").status, 400)
    eq(send(BODY, "br").status, 415)
    well()


@test("an unknown path is 404 in the caller's format, a wrong method 405 with `allow`")
def _():
    eq(call(gateway.address, "GET", "/nowhere", AUTH).status, 404)
    got = call(gateway.address, "GET", PATH, AUTH)
    eq((got.status, got.get("allow")), (405, "POST"))
    got = call(gateway.address, "POST", "/v1/messages", {"x-api-key": "aq_wrong", "anthropic-version": "2023-06-01"}, {"model": "fast"})
    eq((got.status, got.json()["type"], got.json()["error"]["type"]), (401, "error", "authentication_error"))
    well()


@test("a call that the model's provider cannot do in any format is refused clearly")
def _():
    body = {"model": "fast", "messages": [{"role": "user", "content": "Hello"}]}
    got = call(gateway.address, "POST", "/v1/messages/count_tokens", {"x-api-key": KEY, "anthropic-version": "2023-06-01"}, body)
    eq((got.status, got.json()["type"], got.json()["error"]["code"]), (400, "error", "format_unsupported"))
    well()


@test("a head or a body that never ends is given up, with 408 or a close")
def _():
    for data in (LINE + b"Host: a\r\nX", HEAD + length(1000) + b"\r\n{"):
        with Conn(gateway.address) as conn:
            conn.send(data)
            try:
                eq(conn.read().status, 408)
            except Broken:
                pass
            check(conn.is_closed(), "closed")
    well()


@test("pipelining: three requests at once, three answers in order")
def _():
    with Conn(gateway.address) as conn:
        conn.send(request_bytes("GET", "/healthz") + request_bytes("GET", "/nowhere", AUTH) + request_bytes("GET", "/readyz"))
        eq([conn.read("GET").status for _ in range(3)], [200, 404, 200])


@test("Expect: 100-continue is answered before the body comes")
def _():
    with Conn(gateway.address) as conn:
        conn.send(request_bytes("POST", PATH, {**AUTH, "Content-Type": "application/json", "Expect": "100-continue", "Content-Length": str(len(BODY))}))
        eq(conn.head().status, 100)
        eq(conn.send(BODY).read().status, 200)
    fake.forget()


@test("HEAD has no body, a chunked body with extension and trailer is whole, one byte at a time is too")
def _():
    with Conn(gateway.address) as conn:
        eq(conn.request("HEAD", "/healthz").read("HEAD").status, 200)
        conn.send(CHUNKED + b"%x;name=value\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY))
        eq(conn.read().status, 200)
        for byte in HEAD + length(len(BODY)) + b"\r\n" + BODY:
            conn.send(bytes([byte]))
        eq(conn.read().status, 200)
    eq([request.json["model"] for request in fake.requests], ["gpt-4o-mini"] * 2)
    fake.forget()


def end():
    gateway.stop()
    fake.stop()


run(end)
