# order: 45
# timeout: 300
# builds: plain asan
"""Forms that are longer than limits.body: they go up while they come, with little memory, once what admission needs is known. What a
provider gets of them, what is tried again, and what never reaches a provider."""
import json
import re
import socket
import threading

from lib import acts, http, tasks
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.tap import SLOW, check, eq, run, test, until

fake, other = Fake(models=["gpt-4o-transcribe", "gpt-image-1"]).start(), Fake(models=["gpt-4o-transcribe"]).start()
with socket.create_server(("127.0.0.1", 0)) as listener:
    closed = listener.getsockname()[1]
nobody = f"  - name: nobody\n    kind: openai\n    url: http://127.0.0.1:{closed}/v1\n    key: env:UPSTREAM_KEY\n"
HEAR, PRICE = "gpt-4o-transcribe", "{ input: 0.02, output: 0 }"
gateway = Gateway(config([openai_provider(fake), openai_provider(other, "other"), openai_provider(fake, "third"), nobody],
                         [route("hear", deployment("main", HEAR, PRICE)), route("draw", deployment("main", "gpt-image-1", PRICE)),
                          route("cut", deployment("main", HEAR, PRICE)),
                          route("both", deployment("main", HEAR, PRICE), deployment("other", HEAR, PRICE)),
                          route("twin", deployment("third", HEAR, PRICE), deployment("other", HEAR, PRICE)),
                          route("saved", deployment("nobody", HEAR, PRICE), deployment("other", HEAR, PRICE))],
                         "limits: { body: 64KiB, upload: 32MiB }\n")).start()
KEY = gateway.key()
PATH = "/v1/audio/transcriptions"
LONG = b"\r\n----b\r\n--" + bytes(range(256)) * 4000


def form(*parts, end=b"--b--\r\n"):
    """Pairs of name and value; bytes are files. A name that holds a quote is the rest of its head."""
    out = b""
    for name, value in parts:
        out += b'--b\r\nContent-Disposition: form-data; name="%s"' % name.encode()
        out += b'; filename="a.wav"\r\nContent-Type: audio/wav' if isinstance(value, bytes) else b""
        out += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return out + end


def head(length, path=PATH):
    return (f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"{length}\r\n\r\n").encode()


def post(body, path=PATH, key=KEY, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.call(gateway.address, "POST", path, {"Authorization": f"Bearer {key}", "content-type": "multipart/form-data; boundary=b", **fields}, body)


def chunked(body, piece=7000):
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        sock.sendall(head("Transfer-Encoding: chunked\r\nConnection: close"))
        for at in range(0, len(body), piece):
            part = body[at:at + piece]
            sock.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        sock.sendall(b"0\r\n\r\n")
        return b"".join(iter(lambda: sock.recv(65536), b""))


def refused(got, status, word):
    eq(got.status, status, got.body)
    check(word in got.json()["error"]["message"], got.body)


@test("24 MB go up though 64 KB may be held: the model's name is replaced, all else stays, the length is right, memory is small")
def _():
    eq(post(form(("model", "hear"), ("file", LONG))).status, 200)
    before = gateway.peak_kb()
    sound = b"0123456789abcdef" * (24 << 16)
    body = form(("response_format", "json"), ("model", "hear"), ("prompt", "x" * 300), ("file", sound), ("language", "en"))
    got = post(body)
    eq((got.status, got.json()["text"]), (200, f"{len(sound)} bytes"), got.body[:300])
    sent = fake.last()
    check(sent.body == body.replace(b"\r\n\r\nhear\r\n", b"\r\n\r\n%s\r\n" % HEAR.encode()), "the same form with the provider's name in it")
    eq(sent.get("content-length"), str(len(sent.body)))
    until(lambda: [row["requests"] for row in gateway.cli("usage", "--json")["data"] if row["model"] == "hear"] == [2], "both are booked")
    if SLOW == 1:  # a sanitizer's allocator keeps what was freed
        check(gateway.peak_kb() - before < 4096, f"{gateway.peak_kb() - before} KB more at the peak")


@test("a form of unknown length: short ones are held, long ones go up in chunks")
def _():
    for sound in (b"RIFF" + b"x" * 500, LONG):
        check(f"{len(sound)} bytes".encode() in chunked(form(("model", "hear"), ("file", sound))), "an answer")
        eq(tasks.parts(fake.last())["file"], sound)
        eq(fake.last().get("transfer-encoding"), "chunked" if sound is LONG else None)
    eq(tasks.parts(fake.last())["model"], HEAR.encode())


@test("the other calls with forms, and those below a deployment of Azure's, with and without a model")
def _():
    got = post(form(("model", "draw"), ("image", LONG), ("prompt", "a hat")), "/v1/images/edits")
    eq((got.status, tasks.parts(fake.last())["image"] == LONG), (200, True), got.body[:300])
    for extra in ((), (("model", "of-the-sdk"),)):
        got = post(form(*extra, ("file", LONG)), "/openai/deployments/hear/audio/transcriptions?api-version=2024-10-21")
        eq(got.status, 200, got.body[:300])
        sent = fake.last()
        eq((sent.body.count(b'name="model"'), sent.body.count(HEAR.encode()), tasks.parts(sent)["file"] == LONG), (1, 1, True))
        eq(sent.get("content-length"), str(len(sent.body)))


@test("the model behind the file: held as far as the limit goes, and told beyond it what to do")
def _():
    fake.forget()
    eq(post(form(("file", b"x" * 60000), ("model", "hear"))).status, 200)
    refused(post(form(("file", LONG), ("model", "hear"))), 413, "put `model` before the file")
    check(b"put `model` before the file" in chunked(form(("file", LONG), ("model", "hear"))), "in chunks, too")
    refused(post(form(("file", LONG), ("model", "hear")), "/openai/deployments/hear/audio/transcriptions"), 400, "put `model` before the file")
    eq(len(fake.requests), 1)


@test("what stands behind the file is heeded: a stream passes as one")
def _():
    got = post(form(("model", "hear"), ("file", LONG), ("stream", "true")))
    eq([json.loads(data)["type"] for _, data in got.events()], ["transcript.text.delta", "transcript.text.done"])


@test("hostile forms: another model behind the file, or a name that can be read in two ways, never reaches the provider whole")
def _():
    fake.forget()
    before = fake.open_now
    first = ("model", "hear"), ("file", LONG)
    for parts, word in (((*first, ("model", "gpt-5.5-pro")), "twice"), ((*first, ('x"; name="model', "gpt-5.5-pro")), "two ways"),
                        ((*first, ("x\"; filename=\"a; name=\"model", "gpt-5.5-pro")), "two ways"), ((*first, ("x" * 5000, "y")), "longer than"),
                        ((*first, *((f"n{i}", "y") for i in range(300))), "256 parts"), ((*first, ("stream", "perhaps")), "true or false"),
                        ((("model", "m" * 5000), ("file", LONG)), "model"), ((("model", "nobody"), ("file", LONG)), "nobody")):
        got = post(form(*parts))
        check(got.status in (400, 404), f"{word}: {got}")
        refused(got, got.status, word)
    refused(post(form(*first, end=b"")), 400, "does not end")
    refused(post(form(*first).replace(b"--b\r\n", b"--bb\r\n")), 400, "broken")
    refused(post(form(*first), content_type="multipart/form-data"), 400, "boundary")
    eq(post(form(*first), content_encoding="gzip").status, 413)
    eq(post(form(*first), key=gateway.key("draws", "--routes", "draw")).status, 403)
    eq(len(fake.requests), 0)
    until(lambda: fake.open_now <= before, "no call is left open")
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        sock.sendall(head("Content-Length: 40000000"))
        check(b" 413 " in sock.recv(1000).split(b"\r\n")[0] + b" ", "over limits.upload")
    eq(post(form(*first)).status, 200, "and the next one is served")


@test("a client that breaks off in the middle ends the call upstream; the attempt is in the ledger")
def _():
    fake.forget()
    body = form(("model", "cut"), ("file", LONG))
    for at in (30, 200, 200000):
        before = fake.open_now
        with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
            sock.sendall(head(f"Content-Length: {len(body)}") + body[:at])
            if at > 100:
                until(lambda seen=before: fake.open_now > seen, "the upload has begun")
        until(lambda seen=before: fake.open_now <= seen, "and is over")
    eq(len(fake.requests), 0)
    until(lambda: [row["requests"] for row in gateway.cli("usage", "--json")["data"] if row["model"] == "cut"] == [2], "two were begun")


@test("an upstream that reads nothing stops the client; once it reads, all arrives")
def _():
    with socket.create_server(("127.0.0.1", 0)) as slow:
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/v1"
        text = f"  - name: slow\n    kind: openai\n    url: {url}\n    key: env:UPSTREAM_KEY\n"
        small = Gateway(config([text], [route("slow", deployment("slow", HEAR, PRICE))], "limits: { body: 64KiB, upload: 96MiB }\n")).start()
        body = form(("model", "slow"), ("file", b"0123456789abcdef" * (64 << 16)))
        text = head(f"Content-Length: {len(body)}").replace(KEY.encode(), small.key().encode()) + body
        with socket.create_connection(("127.0.0.1", small.port), 60) as sock:
            sock.settimeout(3)
            sent = 0
            try:
                while sent < len(text):
                    sent += sock.send(text[sent:sent + 65536])
            except TimeoutError:
                pass
            check(sent < len(text), "it was stopped")
            peer, _ = slow.accept()
            thread = threading.Thread(target=lambda: (sock.settimeout(60), sock.sendall(text[sent:])))
            thread.start()
            got = b""
            while b"\r\n\r\n" not in got:
                got += peer.recv(65536)
            begun, _, rest = got.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", begun).group(1))
            seen = len(rest)
            while seen < length:
                seen += len(peer.recv(1 << 20))
            peer.sendall(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"text":"late"}')
            thread.join()
            check(b"late" in sock.recv(65536), "the answer")
            eq(length, len(body) - len("slow") + len(HEAR))
            peer.close()
        small.stop()


@test("another deployment takes over while all of the form is here, and not later")
def _():
    body = form(("model", "saved"), ("file", LONG))
    other.forget()
    got = post(body)
    eq((got.status, got.json()["text"]), (200, f"{len(LONG)} bytes"), got.body[:300])
    check(other.last().body == body.replace(b"\r\n\r\nsaved\r\n", b"\r\n\r\n%s\r\n" % HEAR.encode()), "whole, and once")
    small = form(("model", "both"), ("file", b"x" * 100000))
    fake.play(acts.status(500))
    eq((post(small).status, len(other.requests)), (200, 2))
    fake.play(acts.status(500))
    eq((post(form(("model", "twin"), ("file", LONG))).status, len(other.requests)), (500, 2))


def end():
    gateway.stop()
    for one in (fake, other):  # forms that were broken off are what was asked for
        one.problems[:] = [problem for problem in one.problems if "within a request" not in problem]
        one.stop()


run(end)
