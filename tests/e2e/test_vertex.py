# order: 22
# timeout: 240
# builds: plain asan
"""Vertex AI as a provider (Gemini's models and Claude) and as what callers speak: Anthropic's Vertex SDK and Google's own in its Vertex
mode (tests/clients/vertex.mjs), to Vertex AI, to Anthropic and Gemini themselves, and to another vendor; what is said in path, body and
fields of either dialect of Messages."""
import json

from lib import acts, http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route, vertex_provider
from lib.tap import check, eq, run, test, until

TOKEN = "ya29.of-the-tests"
CLAUDE, GEMINI = "claude-opus-5@20260301", "gemini-3-pro"
fake = Fake(google_tokens={TOKEN}, models=(CLAUDE, GEMINI, "claude-opus-5", "gpt-4o-mini")).start()
VERTEX = vertex_provider(fake, extra="    key: env:GOOGLE_TOKEN\n")


def gateway_to(claude, gemini):
    """Each a (provider, model)."""
    providers = [VERTEX, anthropic_provider(fake), gemini_provider(fake), openai_provider(fake, "chat")]
    routes = [route("claude", deployment(*claude)), route("gemini", deployment(*gemini))]
    return Gateway(config(providers, routes), {"GOOGLE_TOKEN": TOKEN}).start()


def clients_to(claude, gemini, **more):
    gateway = gateway_to(claude, gemini)
    try:
        run_client("vertex.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": gateway.key(), "AQUIFER_MODEL": "claude",
                                  "AQUIFER_CLAUDE": "claude", "AQUIFER_GEMINI": "gemini", "AQUIFER_EXACT": "1", **more})
    finally:
        gateway.stop()


@test("both SDKs, Vertex AI itself (strict fake)")
def _():
    fake.forget()
    clients_to(("vertex", f'"{CLAUDE}"'), ("vertex", GEMINI))
    check(any(one.path.endswith(f"/publishers/anthropic/models/{CLAUDE}:streamRawPredict") for one in fake.requests), "the model stands in the path")
    check(any(one.path.endswith("/models/count-tokens:rawPredict") for one in fake.requests), "tokens are counted")


@test("both SDKs, Anthropic and Gemini themselves (strict fakes)")
def _():
    clients_to(("claude", "claude-opus-5"), ("google", GEMINI))


@test("both SDKs, a Chat Completions provider (strict fake)")
def _():
    clients_to(("chat", "gpt-4o-mini"), ("chat", "gpt-4o-mini"), AQUIFER_CROSSED="1")


gateway = Gateway(config(
    [VERTEX, anthropic_provider(fake), openai_provider(fake, "chat")],
    [route("on-vertex", deployment("vertex", f'"{CLAUDE}"')), route("gemini", deployment("vertex", GEMINI)),
     route("at-anthropic", deployment("claude", "claude-opus-5")), route("claude-opus-5", deployment("claude", "claude-opus-5")),
     route("tuned", deployment("vertex", f'"{CLAUDE}"', extra="        defaults: { temperature: 1 }\n        drop: [metadata]\n"))]),
    {"GOOGLE_TOKEN": TOKEN}).start()
KEY = gateway.key()
BODY = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
PLACE = "/v1/projects/any/locations/where/publishers/anthropic/models/"


def post(path, body, headers=(), status=200):
    fake.forget()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    got = http.call(gateway.address, "POST", path, [("authorization", f"Bearer {KEY}"), ("content-type", "application/json"), *headers], text)
    eq(got.status, status, repr(got))
    return got


def up():
    """What went to the provider: its body, as text."""
    return fake.last().body.decode()


@test("Messages to Claude on Vertex AI: three edits of the body, nothing else changes")
def _():
    body = b'{ "model" : "on-vertex", "max_tokens":9,\n "messages":[{"role":"user","content":"Hi \\u00e9"}] , "stop_sequences":["x"]}'
    post("/v1/messages", body, [("anthropic-version", "2023-06-01"), ("anthropic-beta", "one-2025-01-01")])
    eq(up(), '{ "max_tokens":9,\n "messages":[{"role":"user","content":"Hi \\u00e9"}] , "stop_sequences":["x"],"anthropic_version":"vertex-2023-10-16"}')
    eq((fake.last().get("anthropic-beta"), fake.last().get("anthropic-version")), ("one-2025-01-01", None))
    eq(fake.last().path, f"/v1/projects/p/locations/europe-west1/publishers/anthropic/models/{CLAUDE}:rawPredict")
    post("/v1/messages", {"model": "on-vertex", **BODY}, [("anthropic-version", "2026-10-21")])
    eq(json.loads(up())["anthropic_version"], "2026-10-21", "a later version has one name everywhere")
    post("/v1/messages/count_tokens", {"model": "on-vertex", "messages": BODY["messages"]}, [("anthropic-version", "2023-06-01")])
    eq(json.loads(up()), {"model": CLAUDE, "messages": BODY["messages"], "anthropic_version": "vertex-2023-10-16"})
    post("/v1/messages", {"model": "tuned", "metadata": {"user_id": "u"}, **BODY}, [("anthropic-version", "2023-06-01")])
    eq(json.loads(up()), {**BODY, "anthropic_version": "vertex-2023-10-16", "temperature": 1}, "the deployment's own edits beside them")


@test("Vertex AI's body to Anthropic: the model comes in, version and betas become fields")
def _():
    given = {"anthropic_version": "vertex-2023-10-16", "anthropic_beta": ["body-2025-01-01"], **BODY}
    post(PLACE + "at-anthropic:rawPredict", given, [("anthropic-beta", "field-2025-01-01")])
    eq(json.loads(up()), {**BODY, "model": "claude-opus-5"})
    eq(sorted(value for name, value in fake.last().headers if name.lower() == "anthropic-beta"), ["body-2025-01-01", "field-2025-01-01"])
    eq(fake.last().get("anthropic-version"), "2023-06-01")
    post(PLACE + "claude-opus-5:streamRawPredict", {"anthropic_version": "2026-10-21", **BODY})  # the route's name is the model's
    eq(json.loads(up()), {**BODY, "model": "claude-opus-5", "stream": True})
    eq(fake.last().get("anthropic-version"), "2026-10-21")


@test("Vertex AI's body to Vertex AI: as it came")
def _():
    body = b'{"anthropic_version":"vertex-2023-10-16", "max_tokens":9, "messages":[{"role":"user","content":"Hi"}]}'
    post(PLACE + "on-vertex:rawPredict", body)
    eq(up().encode(), body)
    got = post(PLACE + "on-vertex:streamRawPredict", body)
    check(b"message_stop" in got.body, got)
    eq(json.loads(up())["stream"], True)


@test("what Claude's paths refuse, in Anthropic's shape")
def _():
    def no(path, body, words, status=400):
        got = post(PLACE + path, body, status=status)
        eq(got.json()["type"], "error", got)
        check(words in got.json()["error"]["message"], got)
    no("on-vertex:rawPredict", {"model": "on-vertex", "anthropic_version": "vertex-2023-10-16", **BODY}, "stands in the path")
    no("on-vertex:rawPredict", {"anthropic_version": 7, **BODY}, "anthropic_version")
    no("on-vertex:rawPredict", {"anthropic_version": "Vertex 1", **BODY}, "anthropic_version")
    no("on-vertex:rawPredict", BODY, "model: missing")  # a body of Anthropic's own dialect
    no("count-tokens:rawPredict", {"anthropic_version": "vertex-2023-10-16", **BODY}, "model: missing")
    no("nowhere:rawPredict", {"anthropic_version": "vertex-2023-10-16", **BODY}, "no model 'nowhere'", 404)
    no("on-vertex:predict", BODY, "", 404)
    got = post("/v1/messages", {"anthropic_version": "vertex-2023-10-16", **BODY}, status=400)
    check("model: missing" in got.json()["error"]["message"], got)


@test("tokens are counted across: Claude's path for a Gemini model, Gemini's path for Claude")
def _():
    got = post(PLACE + "count-tokens:rawPredict", {"anthropic_version": "vertex-2023-10-16", "model": "gemini", "messages": BODY["messages"]})
    eq(got.json(), {"input_tokens": 11})
    got = post("/v1beta/models/on-vertex:countTokens", {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
    eq(got.json()["totalTokens"], 11)
    check(fake.last().path.endswith("/publishers/anthropic/models/count-tokens:rawPredict"), fake.last().path)


@test("errors of Vertex AI's own front, and of the model behind it")
def _():
    fake.play_model(CLAUDE, acts.status(529), acts.say("again"))
    got = post("/v1/messages", {"model": "on-vertex", **BODY}, [("anthropic-version", "2023-06-01")], 529)
    eq(got.json()["error"]["type"], "overloaded_error")
    fake.google_tokens.clear()
    got = post("/v1/chat/completions", {"model": "on-vertex", "messages": BODY["messages"]}, status=502)
    eq(got.json()["error"]["code"], "upstream_auth")
    until(lambda: "invalid authentication credentials" in gateway.log(), "the log has Google's words", 10)
    fake.google_tokens.add(TOKEN)


def end():
    gateway.stop()
    fake.stop()


run(end)
