# order: 21
# timeout: 200
# builds: plain asan
"""Google's official SDK (tests/clients/gemini.mjs) through Aquifer: a Gemini provider, and those of other formats; the body on the
same-format road; other vendors' callers with a Gemini provider behind."""
import base64
import json
import struct

from lib import acts, http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import check, eq, run, test

fake = Fake().start()
EVENTS = {"openai": 2, "anthropic": 4, "gemini": 1}  # until "Hello " has been said


def gateway_to(provider, model):
    names = {"gemini": model, **{f"gemini-{act}": f"{model}-{act}" for act in ("limited", "error-event", "clean-end")}}
    routes = [route(name, deployment("there", upstream)) for name, upstream in names.items()]
    return Gateway(config([provider(fake, "there")], routes)).start()


def client_through(provider, model, vendor, **more):
    fake.models.update({model})
    fake.play_model(f"{model}-limited", acts.rate_limited())
    fake.play_model(f"{model}-error-event", acts.error_event(EVENTS[vendor]))
    fake.play_model(f"{model}-clean-end", acts.clean_end(EVENTS[vendor]))
    gateway = gateway_to(provider, model)
    try:
        run_client("gemini.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": gateway.key(),
                                  "AQUIFER_MODEL": "gemini", "AQUIFER_EXACT": "1", **more})
    finally:
        gateway.stop()


@test("@google/genai, a Gemini provider (strict fake)")
def _():
    client_through(gemini_provider, "gemini-3-pro", "gemini")


@test("@google/genai, a Chat Completions provider (strict fake)")
def _():
    client_through(openai_provider, "gpt-4o-mini", "openai", AQUIFER_CROSSED="1")


@test("@google/genai, a Messages provider (strict fake)")
def _():
    client_through(anthropic_provider, "claude-opus-5", "anthropic", AQUIFER_CROSSED="1", AQUIFER_COUNTS="1", AQUIFER_NO_EMBEDDINGS="1")


def other_client(name, prefix):
    """Another vendor's SDK with Gemini behind every route that its test asks for."""
    acts_of = {"limited": (acts.rate_limited(), acts.say("after the wait")), "limited-for-ever": (acts.rate_limited(),),
               "error-event": (acts.error_event(1),), "cut": (acts.cut(1),), "clean-end": (acts.clean_end(1),),
               "cut-json": (acts.cut_json(),)}
    routes = [route("plain", deployment("google", "gemini-3-pro"))]
    for act, what in acts_of.items():
        fake.play_model(f"gemini-{act}", *what)
        routes.append(route(prefix + act, deployment("google", f"gemini-{act}")))
    gateway = Gateway(config([gemini_provider(fake)], routes)).start()
    try:
        run_client(name, {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": gateway.key(),
                          "AQUIFER_MODEL": "plain", "AQUIFER_EXACT": "1", "AQUIFER_CROSSED": "1", "AQUIFER_COUNTS": "1"})
    finally:
        gateway.stop()


@test("openai SDK, Chat Completions, a Gemini provider (strict fake)")
def _():
    other_client("chat.mjs", "")


@test("@anthropic-ai/sdk, Messages, a Gemini provider: signatures come back to their calls")
def _():
    other_client("messages.mjs", "claude-")
    signed = [request for request in fake.requests if b"functionResponse" in request.body]
    check(b'"thoughtSignature":"c2lnbmF0dXJl' in signed[-1].body, signed[-1].body[:400])


INFO = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [
    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.837906927s"}]}}
ASK = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
straight = Gateway(config(
    [gemini_provider(fake), openai_provider(fake, "chat")],
    [route(name, deployment("google", f"g-{name}")) for name in ("plain", "broken", "cut", "limited", "whole")]
    + [route("either", deployment("google", "g-busy"), deployment("google", "g-plain")), route("crossed", deployment("chat", "gpt-4o-mini")), route("crossed-broken", deployment("chat", "gpt-broken"))],
    "heartbeat: 100ms\n")).start()
KEY = straight.key()
fake.models.update({"g-plain"})


def stream(model, query="", key=KEY, status=200):
    got = http.call(straight.address, "POST", f"/v1beta/models/{model}:streamGenerateContent{query}",
                    [("x-goog-api-key", key), ("content-type", "application/json")], json.dumps(ASK).encode())
    eq(got.status, status, repr(got))
    return got


def pieces(got):
    eq(got.get("content-type"), "application/json")
    return json.loads(got.body)


def text_of(chunks):
    return "".join(part.get("text", "") for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])


@test("without alt=sse a stream is one JSON array in pieces, of the very objects that the events are")
def _():
    for model in ("plain", "crossed"):
        events = [json.loads(data) for _name, data in stream(model, "?alt=sse").events()]
        for query in ("", "?alt=json", "?key=" + KEY):
            array = pieces(stream(model, query))
            eq(text_of(array), text_of(events), model)
            eq(len(array), len(events), model)
            check(array[-1]["candidates"][0]["finishReason"] == "STOP", array[-1])
    check(all(one.target.endswith("?alt=sse") for one in fake.requests if one.path.endswith(":streamGenerateContent")), "upstream we ask for events")


@test("signs of life within the array are white space")
def _():
    slow = acts.say("one two three", gap=0.4)
    fake.play_model("g-plain", slow)
    got = stream("plain")
    check(b"\n\n" in got.body or b"\n," in got.body, got.body[:300])
    eq(text_of(pieces(got)), "one two three")
    fake.play_model("g-plain", acts.say("Hello there."))


@test("an error in mid-stream is the array's last element, and the array is whole")
def _():
    fake.play_model("g-broken", acts.error_event(1))
    fake.play_model("g-cut", acts.cut(1))
    fake.play_model("gpt-broken", acts.error_event(2))
    for model in ("broken", "cut", "crossed-broken"):
        array = pieces(stream(model))
        check("error" in array[-1] and array[-1]["error"]["code"] >= 500, array)
        check(all("candidates" in one for one in array[:-1]), array)


@test("refusals come in an array, too; a whole answer to a stream is its only element")
def _():
    eq(pieces(stream("plain", key="aq_wrong", status=401))[0]["error"]["status"], "UNAUTHENTICATED")
    eq(pieces(stream("nowhere", status=404))[0]["error"]["status"], "NOT_FOUND")
    fake.play_model("g-whole", acts.raw_json({"candidates": [{"content": {"parts": [{"text": "all"}], "role": "model"}, "finishReason": "STOP"}]}))
    eq(text_of(pieces(stream("whole"))), "all")


@test("a wait that stands in RetryInfo is obeyed, and told as retry-after")
def _():
    fake.play_model("g-limited", acts.status(429, body=INFO))
    got = stream("limited", status=429)
    eq((pieces(got), got.get("retry-after")), ([INFO], "46"))
    fake.play_model("g-busy", acts.status(429, body=INFO))
    stream("either")
    fake.forget()
    stream("either")
    eq([one.path for one in fake.requests], ["/v1beta/models/g-plain:streamGenerateContent"], "the one that said so rests")


def embed(path, body, status=200):
    got = http.call(straight.address, "POST", path, [("authorization", f"Bearer {KEY}"), ("content-type", "application/json")],
                    json.dumps(body).encode())
    eq(got.status, status, repr(got))
    return got


def part(text, **more):
    return {"content": {"parts": [{"text": text}]}, **more}


@test("OpenAI's embeddings from a Gemini provider: as numbers, as base64, with their usage")
def _():
    got = embed("/v1/embeddings", {"model": "plain", "input": ["a\n\u00e9", "bcd"], "dimensions": 2, "user": "u"})
    eq(json.loads(fake.last().body), {"requests": [
        {"model": "models/g-plain", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2} for text in ("a\n\u00e9", "bcd")]})
    eq(got.json(), {"object": "list", "model": "plain", "usage": {"prompt_tokens": 9, "total_tokens": 9}, "data": [
        {"object": "embedding", "index": 0, "embedding": [3, 0.5]}, {"object": "embedding", "index": 1, "embedding": [3, 0.5]}]})
    check("hint=1" in got.get("x-aquifer-losses"), got)
    packed = embed("/v1/embeddings", {"model": "plain", "input": "four", "encoding_format": "base64"}).json()["data"][0]["embedding"]
    eq([round(one, 6) for one in struct.unpack("<3f", base64.b64decode(packed))], [4, 0.5, -0.00125])


@test("Gemini's embeddings from an OpenAI provider, and from its own")
def _():
    got = embed("/v1beta/models/crossed:embedContent", part("abc", outputDimensionality=2, taskType="RETRIEVAL_QUERY", title="t"))
    eq(fake.last().path, "/v1/embeddings")
    eq(json.loads(fake.last().body), {"model": "gpt-4o-mini", "input": ["abc"], "encoding_format": "float", "dimensions": 2})
    check(len(got.json()["embedding"]["values"]) >= 2 and "hint=2" in got.get("x-aquifer-losses"), got)
    got = embed("/v1/models/crossed:batchEmbedContents", {"requests": [part("a", model="models/crossed"), part("b", model="models/crossed")]})
    eq(len(got.json()["embeddings"]), 2)
    got = embed("/v1beta/models/plain:batchEmbedContents",
                {"requests": [part("abc", model="models/plain", task_type="CLUSTERING", title="\u00e9"), part("b", model="models/plain")]})
    eq([one["model"] for one in json.loads(fake.last().body)["requests"]], ["models/g-plain"] * 2)
    eq((json.loads(fake.last().body)["requests"][0]["taskType"], got.get("x-aquifer-losses")), ("CLUSTERING", None))
    eq([one["values"][0] for one in got.json()["embeddings"]], [3, 1])
    got = embed("/v1beta/models/plain:embedContent", part("abcd", model="models/plain", taskType="CLUSTERING"))
    eq((got.json()["embedding"]["values"][0], json.loads(fake.last().body)["model"]), (4, "models/g-plain"))


@test("what embeddings refuse, in the caller's shape")
def _():
    for body, words in (({"input": [1, 2]}, "token ids"), ({"input": []}, "from 1 to"), ({"input": "a", "dimensions": 0}, "dimensions"),
                        ({"input": "a", "encoding_format": "hex"}, "encoding_format"), ({"input": "a", "surprise": 1}, "surprise"), ({}, "input")):
        check(words in embed("/v1/embeddings", {"model": "plain", **body}, 400).json()["error"]["message"], body)
    for body, words in ((part("a", surprise=1), "surprise"), ({"content": {"parts": [{"text": "a"}, {"text": "b"}]}}, "content.parts"),
                        ({"content": {"parts": [{"inlineData": {}}]}}, "must be a text"), ({}, "content")):
        got = embed("/v1beta/models/crossed:embedContent", body, 400)
        check(words in got.json()["error"]["message"] and got.json()["error"]["status"] == "INVALID_ARGUMENT", got)
    before = (len(fake.requests), straight.usage()["total"]["requests"])
    for path, body in (("/v1/embeddings", {"model": "plain", "input": ["a"] * 101}),
                       ("/v1beta/models/plain:batchEmbedContents", {"requests": [part("a", model="models/plain")] * 101})):
        check("take 100 texts in one request, not 101" in embed(path, body, 400).json()["error"]["message"], path)
    eq((len(fake.requests), straight.usage()["total"]["requests"]), before, "nobody was asked")
    eq(len(embed("/v1/embeddings", {"model": "plain", "input": ["a"] * 100}).json()["data"]), 100)
    fake.play_model("gpt-4o-mini", acts.raw_json({"data": []}))
    eq(embed("/v1beta/models/crossed:embedContent", part("a"), 502).json()["error"]["status"], "UNAVAILABLE")


def end():
    straight.stop()
    fake.stop()


run(end)
