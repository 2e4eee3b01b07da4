# builds: plain asan
# order: 37
# timeout: 180
"""Bedrock as a provider: calls are signed (AWS Signature Version 4) so that a verifier of the tests' own, as strict as Amazon's,
lets them in; on runtime and mantle paths, streamed and not, with a session token, with a key instead."""
import json

from lib import http
from lib.fake import Fake
from lib.gateway import UPSTREAM_KEY, Gateway, config, deployment, route
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test, until

ACCESS, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "session/token+of==the test"
ENV = {"ACCESS": ACCESS, "SECRET": SECRET, "TOKEN": TOKEN, "WRONG": "0" * 40}
runtime = Fake(verifier=Verifier({ACCESS: SECRET}, "bedrock", "eu-central-1")).start()
mantle = Fake(verifier=Verifier({ACCESS: SECRET}, "bedrock-mantle", "us-east-1", tokens=[TOKEN])).start()
plain = Fake().start()


def provider(name, kind, fake, region="us-east-1", secret="SECRET", extra=""):
    return (f"  - name: {name}\n    kind: {kind}\n    url: {fake.url}\n    region: {region}\n"
            + (f"    access_key: env:ACCESS\n    secret_key: env:{secret}\n" if secret else "") + extra)


TOKEN_LINE = "    session_token: env:TOKEN\n"
PROVIDERS = [provider("runtime", "bedrock", runtime, "eu-central-1"),
             provider("mantle", "bedrock_mantle", mantle, extra=TOKEN_LINE),
             provider("wrong", "bedrock_mantle", mantle, secret="WRONG", extra=TOKEN_LINE),
             provider("keyed", "bedrock", plain, secret=None, extra="    key: env:UPSTREAM_KEY\n")]
ROUTES = [route(name, deployment(name, "gpt-5.5")) for name in ("runtime", "mantle", "wrong", "keyed")]
ROUTES += [route("claude", deployment("mantle", "claude-opus-5")), route("second", deployment("wrong", "gpt-5.5"),
                                                                        deployment("mantle", "gpt-5.5"))]
gateway = Gateway(config(PROVIDERS, ROUTES), ENV).start()
KEY = gateway.key()


def said(got):
    eq(got.status, 200, repr(got))
    return got.json()["choices"][0]["message"]["content"]


@test("runtime: signed for its region and service, on OpenAI's path")
def _():
    eq(said(gateway.chat(KEY, "runtime", "h\u00e4llo")), "You said: h\u00e4llo")
    eq(runtime.last().target, "/openai/v1/chat/completions")
    check("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date," in runtime.last().get("authorization"), "what is signed")


@test("mantle: with a session token; a stream")
def _():
    eq(said(gateway.chat(KEY, "mantle")), "You said: hello")
    eq(mantle.last().get("x-amz-security-token"), TOKEN)
    got = gateway.chat(KEY, "mantle", stream=True)
    eq(got.status, 200, repr(got))
    eq(got.events()[-1], (None, "[DONE]"))


@test("mantle: Anthropic's format on its own path, and counting")
def _():
    got = gateway.messages(KEY)
    eq(got.status, 200, repr(got))
    eq(mantle.last().target, "/anthropic/v1/messages")


@test("mantle: Claude is asked in Messages by callers of every format, another model never")
def _():
    for path, body, where in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}, "/openai/v1/chat/completions"),
                              ("/v1/responses", {"input": "hello"}, "/openai/v1/chat/completions"),
                              ("/v1/messages", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}, "/openai/v1/chat/completions")):
        for model, goes in (("claude", "/anthropic/v1/messages"), ("mantle", where)):
            for stream in (False, True):
                got = http.call(gateway.address, "POST", path, {"Authorization": f"Bearer {KEY}"}, {"model": model, "stream": stream, **body})
                eq((got.status, mantle.last().target), (200, goes), (path, model, got.body))
                eq(mantle.last().get("anthropic-version"), "2023-06-01" if model == "claude" else None)


@test("a caller's own signature fields do not mix with ours")
def _():
    body = {"model": "mantle", "messages": [{"role": "user", "content": "hello"}]}
    with gateway.conn() as conn:
        headers = {"Authorization": f"Bearer {KEY}", "X-Amz-Date": "20150830T123600Z", "X-Amz-Security-Token": "theirs"}
        eq(said(conn.request("POST", "/v1/chat/completions", headers, body).read()), "You said: hello")


@test("a wrong secret is Amazon's to refuse; the caller is told that it is ours, the log what it said")
def _():
    got = gateway.chat(KEY, "wrong")
    eq((got.status, got.json()["error"]["code"]), (502, "upstream_auth"), repr(got))
    until(lambda: "credentials.refused" in gateway.log() and "the signature does not match" in gateway.log(), "the log has it", 10)


@test("with a key it is a bearer key, and nothing is signed")
def _():
    plain.strict = False
    eq(gateway.chat(KEY, "keyed").status, 200)
    eq(plain.last().get("authorization"), f"Bearer {UPSTREAM_KEY}")
    check(plain.last().get("x-amz-date") is None, "not signed")


@test("mistakes in the file are told")
def _():
    good = config(PROVIDERS, ROUTES)
    for old, new, want in (("    region: eu-central-1\n", "", "region is missing"),
                           ("    secret_key: env:SECRET\n", "", "belong together"),
                           ("    access_key: env:ACCESS\n    secret_key: env:SECRET\n", "", "needs one of"),
                           ("kind: bedrock\n", "kind: openai\n", "are for AWS")):
        gateway.write(good.replace(old, new, 1))
        told = gateway.cli("config", "check", "--config", gateway.file, status=1, json_out=False)
        check(want in told.stdout + told.stderr, told)
    gateway.write(good)


@test("no secret in the log")
def _():
    log = gateway.log()
    for secret in (SECRET, TOKEN):
        check(secret not in log and json.dumps(secret) not in log, "no secret in the log")


def end():
    gateway.stop()
    for fake in (runtime, mantle, plain):
        fake.stop()


run(end)
