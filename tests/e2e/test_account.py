# builds: plain asan
# order: 40
# timeout: 240
"""What an account keeps: files, uploads and batches pass both ways as they come, to the project whose account it is and nobody else."""
import json
import socket
import threading

from lib import http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import SLOW, check, eq, run, test, until

fake, other = Fake().start(), Fake().start()
PROVIDERS = [openai_provider(fake, "main", "    files: default\n"), anthropic_provider(fake, "claude", "    files: default\n"),
             openai_provider(other, "second", "    files: default\n    batches: all\n"), openai_provider(other, "blue", "    files: blue\n    batches: off\n")]
ROUTES = [route("fast", deployment("main", "gpt-4o-mini")), route("there", deployment("second", "gpt-5.5"))]
gateway = Gateway(config(PROVIDERS, ROUTES, "limits: { body: 64KiB, upload: 96MiB }\n")).start()
KEY = gateway.key()
BATCH = {"input_file_id": "file-0", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def call(method, path, key=KEY, body=b"", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.call(gateway.address, method, path, {"Authorization": f"Bearer {key}", **fields}, body)


def form(size):
    head = (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    return head + b"0123456789abcdef" * (size // 16) + b"\r\n--b--\r\n"


@test("the official SDKs of OpenAI and Anthropic")
def _():
    run_client("keep.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY})


@test("64 MB go up through a slow upstream, and hardly any of them are ever here")
def _():
    body = form(64 << 20)
    call("POST", "/v1/files", body=form(1 << 20), content_type="multipart/form-data; boundary=b")
    before = gateway.peak_kb()
    got = call("POST", "/v1/files", body=body, content_type="multipart/form-data; boundary=b")
    eq(got.status, 200, got.body)
    check(got.json()["bytes"] == 64 << 20, got.body)
    check(fake.last().get("content-length") == str(len(body)), "the length goes up as it was said")
    if SLOW == 1:  # a sanitizer's allocator keeps what was freed
        check(gateway.peak_kb() - before < 4096, f"{gateway.peak_kb() - before} KB more at the peak")


@test("too long, compressed, signed bodies are refused; a body of unknown length goes up in chunks")
def _():
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        head = f"POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
        sock.sendall((head + "Content-Length: 200000000\r\n\r\n").encode())
        check(b" 413 " in sock.recv(1000).split(b"\r\n")[0] + b" ", "over limits.upload")
    got = call("POST", "/v1/files", body=b"x" * 100, content_encoding="gzip")
    eq(got.status, 415, got.body)
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        sock.sendall((head + "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n").encode())
        whole = form(160)
        for piece in (whole[:50], whole[50:]):
            sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        sock.sendall(b"0\r\n\r\n")
        check(b" 200 " in sock.recv(4000).split(b"\r\n")[0], "chunked")
    eq((fake.last().body, fake.last().get("transfer-encoding")), (whole, "chunked"))


@test("a client that breaks off ends the call upstream; nothing is tried again")
def _():
    fake.forget()
    before = fake.open_now
    with socket.create_connection(("127.0.0.1", gateway.port), 60) as sock:
        sock.sendall((f"POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 90000\r\n\r\n" + "x" * 5000).encode())
        until(lambda: fake.open_now > before, "the upload has begun")
    until(lambda: fake.open_now <= before, "and is over")
    eq(len(fake.requests), 0)


@test("an upstream that answers in the middle is heard, and the client's rest goes nowhere")
def _():
    listener, heard = socket.create_server(("127.0.0.1", 0)), []

    def refuse():
        peer, _ = listener.accept()
        heard.append(peer.recv(1000))
        peer.sendall(b'HTTP/1.1 429 Slow\r\ncontent-type: application/json\r\ncontent-length: 32\r\n\r\n{"error":{"message":"too many"}}')
        while heard[-1]:
            heard.append(peer.recv(65536))
        peer.close()
    thread = threading.Thread(target=refuse)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    text = f"  - name: rude\n    kind: openai\n    url: {url}\n    key: env:UPSTREAM_KEY\n    files: default\n"
    small = Gateway(config([text], [route("fast", deployment("rude", "gpt-4o-mini"))])).start()
    with small.conn() as conn:  # half of it goes when the answer has come, so that there is a middle
        conn.send(http.request_bytes("POST", "/v1/files", {"Authorization": f"Bearer {small.key()}", "Content-Length": str(2 << 19)}, b"x" * (1 << 19)))
        got = conn.read()
        eq((got.status, got.json()), (429, {"error": {"message": "too many"}}))
        try:
            conn.send(b"y" * (1 << 19))
        except ConnectionError:
            pass  # nobody needs to hear it
        thread.join()
    check(b"yyyy" not in b"".join(heard), "the rest went up")
    listener.close()
    small.stop()


@test("each project has its own account; a route names another one; strangers are told what is missing")
def _():
    blue, red = gateway.key("blue", "--project", "blue"), gateway.key("red", "--project", "red")
    other.forget(), fake.forget()
    eq(call("GET", "/v1/files", blue).status, 200)
    eq((len(other.requests), len(fake.requests)), (1, 0))
    eq(call("GET", "/v1/files?limit=3&key=secret&order=a<b", x_aquifer_route="there").status, 200)
    eq(other.last().target, "/v1/files?limit=3")
    eq(len(fake.requests), 0)
    got = call("GET", "/v1/files", red)
    eq(got.status, 404, got.body)
    check("files: red" in got.json()["error"]["message"], got.body)
    eq(call("GET", "/v1/files", x_aquifer_route="nobody").status, 404)
    eq(call("GET", "/v1/files/../models").status, 404)
    eq(call("GET", "/v1/files", blue, anthropic_version="2023-06-01").status, 404)


@test("a body that belongs to no body's call is left behind")
def _():
    for method in ("DELETE", "GET"):
        for body in (b"{}", b"x" * 100000):
            got = call(method, "/v1/files/file-0", KEY, body, content_type="application/json")
            check(got.status in (200, 404), got)
    eq(call("GET", "/v1/files").status, 200)


@test("a key for some routes reaches the accounts behind those, and no caller picks another part of one")
def _():
    eq(call("GET", "/v1/files", gateway.key("fast-only", "--routes", "fast")).status, 200)
    fake.forget()
    there = gateway.key("there-only", "--routes", "there")
    eq((call("GET", "/v1/files", there).status, len(fake.requests)), (200, 0), "the account behind the other route")
    eq(call("GET", "/v1/files", there, x_aquifer_route="fast").status, 404)
    call("GET", "/v1/files", OpenAI_Project="proj_other", OpenAI_Organization="org-other")
    eq((fake.last().get("openai-project"), fake.last().get("openai-organization")), (None, None))


@test("another project's file cannot be named in a request either")
def _():
    red = gateway.key("red2", "--project", "red")
    body = {"model": "fast", "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-0"}}]}]}
    fake.forget()
    got = http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {red}"}, body)
    eq((got.status, len(fake.requests)), (403, 0), got.body)
    spelled = json.dumps(body).replace("file_id", "\\u0066ile_\\u0069d").encode()
    searched = {**body, "messages": [], "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}
    for other in (spelled, searched):
        got = http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {red}"}, other)
        eq((got.status, len(fake.requests)), (403, 0), got.body)
    named = {"model": "fast", "messages": [{"role": "user", "content": "hello"}], "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"file_id": {"type": "string"}}}}}]}
    eq(http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {red}"}, named).status, 200)
    plain = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
    eq(http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {red}"}, plain).status, 200)


@test("a batch's cost is unknown, never nothing; caps and limited keys are refused unless it was allowed")
def _():
    capped, narrow, blue = gateway.key("capped", "--spend-day", "5"), gateway.key("narrow", "--routes", "fast"), gateway.key("b", "--project", "blue")
    plain = gateway.cli("key", "create", "--name", "plain", "--json")
    json_body = json.dumps(BATCH).encode()
    for key, word in ((capped, "spend cap"), (narrow, "some routes only"), (blue, "batches: off")):
        got = call("POST", "/v1/batches", key, json_body, content_type="application/json")
        eq(got.status, 403, got.body)
        check(word in got.json()["error"]["message"], got.body)
    eq(call("POST", "/v1/batches", capped, json_body, content_type="application/json", x_aquifer_route="there").status, 200)
    eq(call("GET", "/v1/batches/batch_1", plain["key"]).status, 200)
    eq(call("POST", "/v1/batches", plain["key"], json_body, content_type="application/json").status, 200)
    until(lambda: [row.get("unknown_cost_requests") for row in gateway.usage()["data"] if row["key"] == plain["id"]] == [1], "one of two calls has an unknown cost")
    row = [row for row in gateway.usage()["data"] if row["key"] == plain["id"]][0]
    eq((row["model"], row["requests"]), ("files", 2))


def end():
    gateway.stop()
    for one in (fake, other):
        one.problems[:] = [problem for problem in one.problems if "within a request" not in problem]
        one.stop()


run(end)
