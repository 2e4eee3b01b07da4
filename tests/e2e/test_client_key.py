# order: 47
# timeout: 200
# builds: plain asan
"""key: client: the caller's own credential reaches the vendor, Aquifer's comes in x-aquifer-key, and neither is ever logged nor
passed to the wrong one."""
import json

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.sigv4 import Signer
from lib.tap import check, eq, run, test

OWN = "sk-the-callers-own-credential"
OURS = "        key: client\n"
fake, plain = Fake(key=OWN).start(), Fake().start()
gateway = Gateway(config(
    [openai_provider(fake), anthropic_provider(fake), openai_provider(plain, name="house")],
    [route("own", deployment("main", "gpt-4o-mini", extra=OURS)), route("own-claude", deployment("claude", "claude-opus-5", extra=OURS)),
     route("house", deployment("house", "gpt-4o-mini")),
     route("either", deployment("main", "gpt-4o-mini", extra=OURS), deployment("house", "gpt-4o-mini"))],
    "log: { level: debug }\n")).start()
KEY = gateway.key()
CHAT = {"messages": [{"role": "user", "content": "hello"}]}
CLAUDE = {"max_tokens": 9, **CHAT}


def ask(model, headers, path="/v1/chat/completions", body=CHAT):
    return http.call(gateway.address, "POST", path, headers, {"model": model, **body})


@test("the caller's credential goes up as it came, Aquifer's key stays here")
def _():
    eq(ask("own", {"authorization": f"Bearer {OWN}", "x-aquifer-key": KEY}).status, 200)
    eq(fake.last().get("authorization"), f"Bearer {OWN}")
    eq(ask("own-claude", {"x-api-key": OWN, "x-aquifer-key": KEY, "anthropic-version": "2023-06-01"}, "/v1/messages", CLAUDE).status, 200)
    eq((fake.last().get("x-api-key"), fake.last().get("authorization")), (OWN, None))
    for one in fake.requests:
        check(KEY not in str(one.headers) and not one.get("x-aquifer-key"), "our key is nowhere")


@test("translated, it goes as the other vendor wants it")
def _():
    eq(ask("own-claude", {"authorization": f"Bearer {OWN}", "x-aquifer-key": KEY}).status, 200)
    eq((fake.last().get("x-api-key"), fake.last().get("authorization")), (OWN, None))


@test("without one of the two it is refused, and says what is missing")
def _():
    seen = len(fake.requests)
    got = ask("own", {"authorization": f"Bearer {KEY}"})
    eq((got.status, got.json()["error"]["code"]), (401, "key_missing"))
    check("x-aquifer-key" in got.json()["error"]["message"], got.body)
    eq(ask("own", {"x-aquifer-key": KEY}).status, 401)
    eq(ask("own", {"x-aquifer-key": KEY, "x-api-key": KEY}).status, 401)
    eq(ask("own", {"authorization": f"Bearer {OWN}"}).json()["error"]["code"], "key_invalid")
    eq(ask("own", {"authorization": f"Bearer {KEY}", "x-aquifer-key": OWN}).json()["error"]["code"], "key_invalid")
    eq(len(fake.requests), seen)


@test("what was signed or made with a pair of Aquifer's never goes up; one made with a pair of AWS does")
def _():
    pair, seen = gateway.cli("key", "create", "--name", "signer", "--aws", "--json"), len(fake.requests)
    signer, host = Signer(pair["access_key_id"], pair["secret_access_key"]), f"127.0.0.1:{gateway.port}"
    for model, path, body in (("own", "/v1/chat/completions", CHAT), ("own-claude", "/v1/messages", CLAUDE), ("own-claude", "/v1/chat/completions", CHAT)):
        text = json.dumps({"model": model, **body}).encode()
        signed = signer.sign("POST", path, {"host": host, "content-type": "application/json"}, text)
        got = http.call(gateway.address, "POST", path, {**signed, "x-aquifer-key": pair["key"]}, text)
        eq(got.status, 401, got)
        check("signature is for Aquifer alone" in got.json()["error"]["message"], got.body)
        eq(ask(model, {"authorization": f"Bearer {signer.api_key()}", "x-aquifer-key": pair["key"]}, path, body).status, 401)
    eq(len(fake.requests), seen)
    theirs = Signer("AKIAIOSFODNN7EXAMPLE", "a-secret-of-amazon").api_key()
    ask("own", {"authorization": f"Bearer {theirs}", "x-aquifer-key": pair["key"]})
    eq(fake.last().get("authorization"), f"Bearer {theirs}")


@test("a deployment with the provider's key never gets the caller's; it may stand in where he sent none")
def _():
    eq(ask("house", {"authorization": f"Bearer {OWN}", "x-aquifer-key": KEY}).status, 200)
    check(OWN not in str(plain.last().headers), "the caller's credential stays here")
    eq(ask("either", {"authorization": f"Bearer {KEY}"}).status, 200)


@test("one caller's limit is nobody else's")
def _():
    mine = {"authorization": f"Bearer {OWN}", "x-aquifer-key": KEY}
    fake.play(acts.rate_limited("60"))
    eq([ask("own", mine).status, ask("own", mine).status], [429, 200])


@test("what the vendor says of his own credential he reads as it was said")
def _():
    mine = {"authorization": f"Bearer {OWN}", "x-aquifer-key": KEY}
    for status in (401, 403):
        fake.play(acts.status(status, message="Your own key is wrong."))
        got = ask("own", mine)
        eq((got.status, got.json()["error"]["message"]), (status, "Your own key is wrong."))


@test("neither credential is in the log")
def _():
    check(OWN not in gateway.log() and KEY not in gateway.log(), "a credential was logged")


@test("kinds that sign, and models of our own, cannot have it")
def _():
    with open(gateway.file + ".bad", "w", encoding="utf-8") as file:
        file.write("data: ./data\nlisten: 127.0.0.1:1\nproviders: [{ name: l, kind: local }]\n"
                   "routes: [{ name: a, deployments: [{ provider: l, model: m, key: client }] }]\n")
    done = gateway.cli("config", "check", "--config", gateway.file + ".bad", status=None, json_out=False)
    check(done.returncode and "key: client" in done.stdout + done.stderr, done.stdout + done.stderr)


def end():
    gateway.stop()
    fake.stop()
    plain.stop()


run(end)
