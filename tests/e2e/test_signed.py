# builds: plain asan
# order: 36
# timeout: 180
"""Callers who sign (AWS Signature Version 4) with a key pair of Aquifer's: over HTTP/1.1 and HTTP/2, in the head, in the query and as
a short-lived Bedrock API key; what is refused, and with which words. Other vendors' ways to send a key. No secret in any log."""
import json
import os
import socket
import subprocess
import time

from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.http import call
from lib.sigv4 import Signer
from lib.tap import SLOW, check, eq, run, test, until

fake = Fake().start()
TEXT = config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))])
gateway = Gateway(TEXT).start()
PAIR = gateway.cli("key", "create", "--name", "signer", "--aws", "--json")
SIGNER = Signer(PAIR["access_key_id"], PAIR["secret_access_key"])
PATH = "/v1/chat/completions"
HOST = f"127.0.0.1:{gateway.port}"
BODY = json.dumps({"model": "fast", "messages": [{"role": "user", "content": "hello"}]}).encode()
SECRETS = [PAIR["key"], PAIR["secret_access_key"]]


def post(headers, target=PATH, body=BODY):
    return call(gateway.address, "POST", target, {"host": HOST, "content-type": "application/json", **headers}, body)


def signed(signer=SIGNER, target=PATH, body=BODY, host=HOST, **options):
    return signer.sign("POST", target, {"host": host, "content-type": "application/json"}, body, **options)


def passes(got):
    eq(got.status, 200, got)
    eq(got.json()["choices"][0]["message"]["content"], "You said: hello")


def refused(got, status, *words):
    before = len(fake.requests)
    eq(got.status, status, got)
    message = got.json()["error"]["message"]
    for word in words:
        check(word in message, f"'{word}' in: {message}")
    eq(len(fake.requests), before)


@test("a pair has the forms that AWS's tools expect, and is shown once")
def _():
    check(len(PAIR["access_key_id"]) == 20 and PAIR["access_key_id"].isalnum() and PAIR["access_key_id"].isupper(), PAIR["access_key_id"])
    eq(len(PAIR["secret_access_key"]), 40)
    listed = [key for key in gateway.cli("key", "list", "--json")["data"] if key["id"] == PAIR["id"]]
    eq(listed[0]["access_key_id"], PAIR["access_key_id"])
    check("secret_access_key" not in listed[0], "no secret in the list")
    passes(call(gateway.address, "POST", PATH, {"Authorization": f"Bearer {PAIR['key']}"}, BODY))


@test("signed with the body's digest, without it, and with the body left out")
def _():
    for claim in ("hash", "none", "unsigned"):
        passes(post(signed(claim=claim)))


@test("each of the services, any region")
def _():
    for service in ("bedrock", "bedrock-mantle", "execute-api"):
        passes(post(signed(Signer(PAIR["access_key_id"], PAIR["secret_access_key"], service, "eu-central-1"))))
    refused(post(signed(Signer(PAIR["access_key_id"], PAIR["secret_access_key"], "s3"))), 403, "'s3'", "bedrock, bedrock-mantle")


@test("the host counts as it was sent, not as it is configured")
def _():
    passes(post(signed(host="127.0.0.1")))
    refused(post({**signed(host="127.0.0.1"), "host": "127.0.0.2"}), 403, "does not match")


@test("a query is signed, in any order")
def _():
    passes(post(signed(target=PATH + "?b=%2f&a=1"), PATH + "?a=1&b=%2F"))
    refused(post(signed(target=PATH + "?a=1"), PATH + "?a=2"), 403, "does not match")


@test("GET without a body")
def _():
    for claim in ("hash", "none"):
        got = call(gateway.address, "GET", "/v1/models", SIGNER.sign("GET", "/v1/models", {"host": HOST}, claim=claim))
        eq(got.status, 200, got)


@test("a changed body is seen, whichever way it was signed")
def _():
    other = BODY.replace(b"hello", b"hallo")
    refused(post(signed(), body=other), 400, "the body is not the one that was signed")
    refused(post(signed(claim="none"), body=other), 403, "does not match")


@test("a changed, added or missing signed field is seen")
def _():
    headers = signed()
    refused(post({**headers, "content-type": "application/json; charset=utf-8"}), 403, "does not match")
    refused(post({**headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}), 403, "does not match")
    refused(post({**headers, "authorization": headers["authorization"].replace("host;", "host;x-other;")}), 400, "SignedHeaders")
    refused(post({**headers, "authorization": headers["authorization"].replace("x-amz-date,", "x-amz-date;x-other,")}), 400, "x-other")


@test("wrong secret, unknown key, mistyped key, revoked key: each says which")
def _():
    refused(post(signed(Signer(PAIR["access_key_id"], "0" * 40))), 403, "does not match", "secret access key")
    refused(post(signed(Signer("AKIDEXAMPLE", PAIR["secret_access_key"]))), 403, "AKIDEXAMPLE", "access key id")
    gone = gateway.cli("key", "create", "--name", "gone", "--aws", "--json")
    plain = gateway.cli("key", "create", "--name", "plain", "--json")
    check("access_key_id" not in plain, "only who asks gets a pair")
    passes(post(signed(Signer(gone["access_key_id"], gone["secret_access_key"]))))
    gateway.cli("key", "revoke", gone["id"], json_out=False)
    refused(post(signed(Signer(gone["access_key_id"], gone["secret_access_key"]))), 403, gone["access_key_id"])


@test("clocks: expired and skewed are told apart, with both times")
def _():
    refused(post(signed(at=time.time() - 400)), 403, "expired", "before the time here")
    refused(post(signed(at=time.time() + 400)), 403, "clock is fast", "after the time here")
    passes(post(signed(at=time.time() - 200)))


@test("callers of Bedrock's own calls get AWS's names for it, by which its SDKs put their clock right")
def _():
    target, body = "/model/fast/converse", b'{"messages": [{"role": "user", "content": [{"text": "hello"}]}]}'
    stranger = Signer("AKIDEXAMPLE", PAIR["secret_access_key"])
    for signer, at, name in ((SIGNER, time.time() - 400, "InvalidSignatureException"), (SIGNER, time.time() + 400, "InvalidSignatureException"),
                             (stranger, time.time(), "UnrecognizedClientException")):
        got = call(gateway.address, "POST", target, signer.sign("POST", target, {"host": HOST, "content-type": "application/json"}, body, at=at), body)
        eq((got.status, got.get("x-amzn-errortype")), (403, name), got)
        check(got.get("date"), "the time here")


@test("presigned: in the query, for as long as it says")
def _():
    passes(post({}, SIGNER.presign("POST", PATH, HOST, body=BODY)))
    passes(post({}, SIGNER.presign("POST", PATH, HOST, body=BODY, at=time.time() - 1000, expires=2000)))
    refused(post({}, SIGNER.presign("POST", PATH, HOST, body=BODY, at=time.time() - 1000, expires=900)), 403, "expired")
    refused(post({}, SIGNER.presign("POST", PATH, HOST, body=b"{}")), 403, "does not match")
    refused(post({}, SIGNER.presign("POST", PATH, HOST, body=BODY).replace("Expires=60", "Expires=61")), 403, "does not match")
    refused(post(signed(), SIGNER.presign("POST", PATH, HOST, body=BODY)), 400, "signed twice")


@test("a short-lived Bedrock API key is a bearer key")
def _():
    for name, value in (("authorization", "Bearer " + SIGNER.api_key()), ("x-api-key", SIGNER.api_key())):
        passes(post({name: value}))
    refused(post({"authorization": "Bearer " + SIGNER.api_key(at=time.time() - 50000)}), 403, "expired")
    refused(post({"authorization": "Bearer " + SIGNER.api_key(expires=50000)}), 400, "12 hours")
    refused(post({"authorization": "Bearer " + SIGNER.api_key()[:-8]}), 403, "does not match")
    refused(post({"authorization": "Bearer bedrock-api-key-%%%%"}), 401, "not whole")


@test("a rotated pair: the old secret goes on for the time of grace, then not")
def _():
    first = gateway.cli("key", "create", "--name", "turning", "--aws", "--json")
    second = gateway.cli("key", "rotate", first["id"], "--grace", "10m", "--json")
    eq(second["access_key_id"], first["access_key_id"])
    check(second["secret_access_key"] != first["secret_access_key"], "a new secret")
    SECRETS.extend([first["secret_access_key"], second["secret_access_key"]])
    for pair in (first, second):
        passes(post(signed(Signer(pair["access_key_id"], pair["secret_access_key"]))))
    third = gateway.cli("key", "rotate", first["id"], "--json")
    for pair, works in ((first, False), (second, False), (third, True)):
        eq(post(signed(Signer(pair["access_key_id"], pair["secret_access_key"]))).status, 200 if works else 403)


@test("a compressed body cannot be signed by its digest, and says so")
def _():
    refused(post({**signed(), "content-encoding": "gzip"}), 415, "compressed")


def curl(headers, target=PATH):
    command = ["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}", "--data-binary", "@-"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"] if name != ":authority" else []
    done = subprocess.run([*command, f"http://{HOST}{target}"], input=BODY, capture_output=True, timeout=60 * SLOW, check=False)
    eq(done.returncode, 0, done.stderr.decode())
    body, _, tail = done.stdout.decode().rpartition("\n")
    return tail, json.loads(body)


@test("HTTP/2 in plain text: :authority is signed, as the AWS SDK does it, or host")
def _():
    for name in (":authority", "host"):
        for claim in ("hash", "none"):
            headers = SIGNER.sign("POST", PATH, {name: HOST, "content-type": "application/json"}, BODY, claim=claim)
            eq(curl(headers)[0], "2 200")
    headers = SIGNER.sign("POST", PATH, {":authority": "elsewhere", "content-type": "application/json"}, BODY)
    tail, body = curl(headers)
    eq(tail, "2 403")
    check("does not match" in body["error"]["message"], body)


@test("Azure's and Google's ways to send a key")
def _():
    for name in ("api-key", "x-goog-api-key"):
        passes(post({name: PAIR["key"]}))
    passes(post({}, f"{PATH}?alt=sse&key={PAIR['key']}"))
    refused(post({}, f"{PATH}?key=AIzaNotOurs"), 401, "not valid")


@test("nothing of a caller's credential goes to the provider")
def _():
    passes(post(signed(target=f"{PATH}?a=1"), f"{PATH}?a=1"))
    text = str(fake.requests[-1].headers) + fake.requests[-1].target
    check("AWS4-HMAC" not in text and "x-amz-" not in text.lower() and PAIR["access_key_id"] not in text, text)


def listening(address):
    with socket.socket() as sock:
        return sock.connect_ex(address) == 0


@test("with a path prefix the whole path is what was signed")
def _():
    behind = Gateway("path_prefix: /llm\n" + TEXT).spawn()
    until(lambda: listening(behind.address) and call(behind.address, "GET", "/llm/readyz").status == 200, "it is ready", 30)
    pair = behind.cli("key", "create", "--name", "signer", "--aws", "--json")
    signer, host = Signer(pair["access_key_id"], pair["secret_access_key"]), f"127.0.0.1:{behind.port}"
    for path, status in (("/llm" + PATH, 200), (PATH, 403)):
        headers = signer.sign("POST", path, {"host": host, "content-type": "application/json"}, BODY)
        eq(call(behind.address, "POST", "/llm" + PATH, headers, BODY).status, status)
    behind.stop()


@test("the secret at rest is sealed; the sealing key is a file of its own, and without it only signing stops")
def _():
    path = os.path.join(gateway.dir, "data", "seal.key")
    eq(os.stat(path).st_mode & 0o777, 0o600)
    for name, data in gateway.at_rest().items():
        for secret in SECRETS:
            check(secret.encode() not in data, f"{name} holds no secret")
    with open(path, encoding="ascii") as file:
        seal = file.read()
    gateway.terminate()
    os.rename(path, path + ".away")
    gateway.start()
    refused(post(signed()), 403, PAIR["access_key_id"])
    passes(post({"authorization": f"Bearer {PAIR['key']}"}))
    check("seal.missing" in gateway.log(), "the log says why")
    gateway.terminate()
    gateway.write(TEXT.replace("data: ./data", "data: ./data\nseal_key: env:SEAL"))
    gateway.env["SEAL"] = seal
    gateway.start()
    passes(post(signed()))
    gateway.write(TEXT.replace("data: ./data", "data: ./data\nseal_key: env:UPSTREAM_KEY"))
    told = gateway.cli("reload", status=1, json_out=False)
    check("seal_key" in told.stdout + told.stderr, told)
    passes(post(signed()))


@test("no secret and no key of the query in the log")
def _():
    log = gateway.log()
    for secret in SECRETS:
        check(secret not in log, "no secret in the log")
    check("AIzaNotOurs" not in log and "X-Amz-Signature" not in log, "no query in the log")


def end():
    gateway.stop()
    fake.stop()


run(end)
