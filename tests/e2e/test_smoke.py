# order: 2
"""The fixed points: the issue's own configuration file, health, a key from the command line, Chat streamed and not, usage and
cost equal to what the client was told."""
import json
import re
import subprocess
from decimal import Decimal

from lib import acts, http
from lib.fake import Fake
from lib.gateway import PROGRAM, Gateway
from lib.tap import check, eq, run, test, until

# As it stands in the issue, but for ports; comments and spaces are part of it.
CONFIG = """\
data: ./data
listen: 127.0.0.1:{port}
admin:
  listen: 127.0.0.1:{admin_port}
  key: env:AQUIFER_ADMIN_KEY
providers:
  - name: main
    kind: openai                      # openai | anthropic | local, more later
    url: %s/v1     # what the vendor's SDK takes as base URL (openai with /v1, anthropic without)
    key: env:UPSTREAM_KEY
routes:
  - name: fast
    deployments:
      - provider: main
        model: gpt-4o-mini
        price: { input: 0.15, output: 0.60 }   # dollars per million tokens; overrides the catalogue
"""
fake = Fake().start()
gateway = Gateway(CONFIG % fake.url).start()
told = {"requests": 0, "input": 0, "output": 0}
secret = None


def remember(usage):
    told["requests"] += 1
    told["input"] += usage["prompt_tokens"]
    told["output"] += usage["completion_tokens"]


@test("/healthz and /readyz need no key")
def _():
    for path in ("/healthz", "/readyz"):
        eq(http.call(gateway.address, "GET", path).status, 200, path)


@test("key create --json gives id, name and key")
def _():
    global secret
    made = gateway.cli("key", "create", "--name", "smoke", "--json")
    eq(sorted(made), ["id", "key", "name"])
    eq(made["name"], "smoke")
    check(made["key"].startswith("aq_") and made["id"] in made["key"], "the id stands in the key")
    secret = made["key"]


@test("a request without a key, or with a wrong one, is refused and reaches no provider")
def _():
    body = {"model": "fast", "messages": [{"role": "user", "content": "x"}]}
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer " + wrong}):
        got = http.call(gateway.address, "POST", "/v1/chat/completions", headers, body)
        eq(got.status, 401, str(headers))
        check(got.json()["error"]["message"], "says why")
        check(got.get("x-request-id"), "has a request id")
    eq(fake.requests, [])


@test("Chat, not streamed: the answer is the provider's, byte for byte")
def _():
    fake.play(acts.say("Good evening.", usage={"prompt": 1234, "cached": 200, "completion": 567, "reasoning": 89}))
    got = gateway.chat(secret, text="hello")
    eq(got.status, 200)
    eq(got.json()["choices"][0]["message"]["content"], "Good evening.")
    sent = fake.last()
    eq(sent.json, {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]})
    eq((sent.path, sent.get("authorization")), ("/v1/chat/completions", "Bearer upstream-key-of-the-tests"))
    check(secret.encode() not in sent.body and secret not in str(sent.headers), "the caller's key stays here")
    eq(got.get("set-cookie"), None)
    remember(got.json()["usage"])


@test("Chat, streamed, usage not asked for: the client sees no usage chunk, the ledger knows all the same")
def _():
    fake.play(acts.say("One two three.", usage={"prompt": 50, "completion": 4}))
    got = gateway.chat(secret, stream=True)
    events = [data for _, data in got.events()]
    eq((got.status, events[-1]), (200, "[DONE]"))
    chunks = [json.loads(data) for data in events[:-1]]
    eq("".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks), "One two three.")
    check(all(chunk["choices"] and not chunk.get("usage") for chunk in chunks), "no usage for who did not ask")
    eq(fake.last().json["stream_options"], {"include_usage": True})
    remember({"prompt_tokens": 50, "completion_tokens": 4})


@test("Chat, streamed, with usage")
def _():
    fake.play(acts.say("One two three.", usage={"prompt": 60, "completion": 5}))
    got = gateway.chat(secret, stream=True, stream_options={"include_usage": True})
    last = json.loads(got.events()[-2][1])
    eq(last["choices"], [])
    remember(last["usage"])


@test("number spelling, key order and unknown fields arrive as they were sent")
def _():
    fake.strict = False
    body = (b'{ "zeta" : 1.50e+01,\n"model":"fast", "messages":[{"content":"\\u0068i","role":"user"}],"unheard":{"b":1,"a":[null , 2.0]}}')
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    got = http.call(gateway.address, "POST", "/v1/chat/completions", headers, body)
    fake.strict = True
    eq(got.status, 200)
    eq(fake.last().body, body.replace(b'"fast"', b'"gpt-4o-mini"'))
    remember(got.json()["usage"])


@test("usage --json equals what the client was told, to the last digit of the cost")
def _():
    seen = gateway.usage()
    cost = (Decimal(told["input"]) * Decimal("0.15") + Decimal(told["output"]) * Decimal("0.60")) / 1000000
    total = seen["total"]
    eq((total["requests"], total["input_tokens"], total["output_tokens"]), (told["requests"], told["input"], told["output"]))
    eq(Decimal(str(total["cost"])), cost)
    check(re.fullmatch(r"\d+(\.\d+)?", str(total["cost"])), f"no exponent: {total['cost']}")
    row = seen["data"][0]
    check({"cost", "day", "input_tokens", "key", "model", "output_tokens", "requests"} <= set(row), row)
    eq((len(seen["data"]), row["model"], row["requests"]), (1, "fast", told["requests"]))
    check(secret.startswith("aq_") and row["key"] in secret, "the row names the key's id")


@test("GET /v1/models lists the route")
def _():
    got = http.call(gateway.address, "GET", "/v1/models", {"Authorization": f"Bearer {secret}"})
    eq([model["id"] for model in got.json()["data"]], ["fast"])


@test("an unknown model is refused, with the nearest name")
def _():
    got = gateway.chat(secret, model="fsat")
    eq(got.status, 404)
    check("fast" in got.json()["error"]["message"], got.body)


@test("a revoked key is refused within a second")
def _():
    made = gateway.cli("key", "create", "--name", "short", "--json")
    eq(gateway.chat(made["key"]).status, 200)
    gateway.cli("key", "revoke", made["id"], json_out=False)
    until(lambda: gateway.chat(made["key"]).status == 401, "the revoked key is refused", 1)


@test("no secret stands in the log")
def _():
    log = gateway.log()
    for word in (secret, "upstream-key-of-the-tests", "admin-key-of-the-tests"):
        check(word not in log, "a secret in the log")


@test("usage survives a restart")
def _():
    before = gateway.usage()["total"]
    eq(gateway.terminate(), 0)
    gateway.start()
    eq(gateway.usage()["total"], before)


@test("the admin key's variable is control's alone")
def _():
    def has_it(pid):
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"AQUIFER_ADMIN_KEY=" in file.read()
    eq(([has_it(pid) for pid in gateway.pids("-control")], [has_it(pid) for pid in gateway.pids("role-gateway")]), ([True], [False]))


@test("empty lists of providers and routes are valid")
def _():
    empty = Gateway("data: ./data\nlisten: 127.0.0.1:{port}\nadmin:\n  listen: 127.0.0.1:{admin_port}\n"
                    "  key: env:AQUIFER_ADMIN_KEY\nproviders: []\nroutes: []\n").start()
    key = empty.key()
    eq(empty.chat(key).status, 404)
    eq(http.call(empty.address, "GET", "/v1/models", {"Authorization": f"Bearer {key}"}).json()["data"], [])
    empty.stop()


@test("a wrong configuration is refused with file, line and key")
def _():
    broken = Gateway(CONFIG.replace("kind: openai ", "kind: openia ") % fake.url)
    done = subprocess.run([PROGRAM, "serve", "--config", broken.file], env=broken.env, capture_output=True, text=True, timeout=60, check=False)
    check(done.returncode != 0, "it refuses to start")
    check(re.search(r"aquifer\.yaml:[78]:", done.stderr) and "kind" in done.stderr and "openai" in done.stderr, done.stderr)
    broken.stop()


def end():
    gateway.stop()
    fake.stop()


run(end)
