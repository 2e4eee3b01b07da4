# order: 45
# timeout: 300
# builds: plain asan
"""OpenAI's calls that are no conversation: embeddings, images, audio, moderation, rerank. What the provider gets and what the
caller gets, byte by byte; what the ledger says of it; what is refused."""
import json
from decimal import Decimal

from lib import acts, http, tasks
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test

MODELS = {"embed": "text-embedding-3-small", "draw": "gpt-image-1", "speak": "gpt-4o-mini-tts", "hear": "gpt-4o-transcribe",
          "whisper": "whisper-1", "judge": "omni-moderation-latest", "rank": "rerank-2"}
PRICES = {"draw": "{ input: 5, output: 40, image_input: 10 }", "whisper": "{ input: 0, output: 0, audio_second: 0.1 }"}
NAMELESS = ("omni-moderation-latest", "omni-moderation-2024-09-26")  # the route of a moderation that names none, and its model
fake = Fake(models=[*MODELS.values(), NAMELESS[1]]).start()
ROUTES = [route(name, deployment("main", model, PRICES.get(name, "{ input: 0.02, output: 0 }"))) for name, model in MODELS.items()]
gateway = Gateway(config([openai_provider(fake), anthropic_provider(fake)],
                         [*ROUTES, route(NAMELESS[0], deployment("main", NAMELESS[1])), route("claude", deployment("claude", "claude-opus-5")),
                          route("second", deployment("claude", "claude-opus-5"), deployment("main", MODELS["embed"]))],
                         "limits: { body: 2MiB }\n")).start()
KEY = gateway.key()
BEARER = {"Authorization": f"Bearer {KEY}"}


def post(path, body, headers=None):
    return http.call(gateway.address, "POST", path, {**BEARER, **(headers or {})}, body)


def form(boundary="----aq", **fields):
    """A form as browsers and SDKs write it; bytes are files."""
    out = b""
    for name, value in fields.items():
        out += f"--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"".encode()
        if isinstance(value, bytes):
            out += f"; filename=\"{name}.bin\"\r\nContent-Type: application/octet-stream".encode()
        out += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}


def send_form(path, **fields):
    body, headers = form(**fields)
    return post(path, body, headers)


class Spent:
    """What the ledger gained since it was made."""

    def __init__(self):
        self.before = gateway.usage()["total"]

    def is_(self, requests, tokens_in, tokens_out, cost):
        now = gateway.usage()["total"]
        gained = [now[name] - self.before[name] for name in ("requests", "input_tokens", "output_tokens")]
        eq((gained, Decimal(str(now["cost"])) - Decimal(str(self.before["cost"]))), ([requests, tokens_in, tokens_out], Decimal(cost)))


@test("embeddings: the model's name is replaced, all else stays; tokens and cost are in the ledger")
def _():
    spent = Spent()
    got = post("/v1/embeddings", b'{"input":["a","b"],  "model":"embed", "dimensions":3}')
    eq((got.status, len(got.json()["data"])), (200, 2))
    eq(fake.last().body, b'{"input":["a","b"],  "model":"text-embedding-3-small", "dimensions":3}')
    check(got.get("x-aquifer-request-id"), "an id of ours")
    spent.is_(1, 13, 0, "0.00000026")


@test("embeddings: without usage in the answer the input is estimated")
def _():
    spent = Spent()
    fake.play(acts.raw_json({"object": "list", "data": []}))
    eq(post("/v1/embeddings", {"input": "x" * 400, "model": "embed"}).status, 200)
    gained = gateway.usage()["total"]["input_tokens"] - spent.before["input_tokens"]
    check(gained >= 100, f"{gained} tokens")


@test("a moderation that names no model asks for OpenAI's, and the provider is told which; pictures have none to go by")
def _():
    got = post("/v1/moderations", {"input": "x"})
    eq((got.status, got.json()["results"][0]["flagged"]), (200, False), got.body)
    eq(fake.last().json, {"model": "omni-moderation-2024-09-26", "input": "x"})
    eq(post("/v1/images/generations", {"prompt": "x"}).json()["error"]["message"][:14], "model: missing")


@test("rerank and moderation pass; a moderation costs nothing")
def _():
    spent = Spent()
    eq(len(post("/v1/rerank", {"model": "rank", "query": "q", "documents": ["a", "b"]}).json()["results"]), 2)
    eq(post("/v1/moderations", {"model": "judge", "input": "x"}).json()["results"][0]["flagged"], False)
    spent.is_(2, 21, 0, "0.00000042")


@test("images: JSON and form, tokens of text and picture apart")
def _():
    spent = Spent()
    eq(len(post("/v1/images/generations", {"model": "draw", "prompt": "a cat", "n": 2}).json()["data"]), 2)
    picture = bytes(range(256)) * 2000
    got = send_form("/v1/images/edits", image=picture, prompt="a hat", model="draw")
    eq((got.status, len(got.json()["data"])), (200, 1))
    sent = tasks.parts(fake.last())
    eq((sent["image"] == picture, sent["model"], sent["prompt"]), (True, b"gpt-image-1", b"a hat"))
    spent.is_(2, 100, 200, str(2 * (Decimal(10 * 5 + 40 * 10 + 100 * 40) / 1000000)))


@test("a stream of pictures passes as it comes, and its usage is read")
def _():
    spent = Spent()
    got = post("/v1/images/generations", {"model": "draw", "prompt": "a cat", "stream": True})
    eq([json.loads(data)["type"] for _, data in got.events()], ["image_generation.partial_image", "image_generation.completed"])
    spent.is_(1, 50, 100, str(Decimal(10 * 5 + 40 * 10 + 100 * 40) / 1000000))


@test("speech: the very bytes; what it cost is unknown, and said so")
def _():
    got = post("/v1/audio/speech", {"model": "speak", "input": "Hello.", "voice": "alloy"})
    eq((got.status, got.get("content-type"), got.body == tasks.SOUND), (200, "audio/mpeg", True))
    rows = [row for row in gateway.cli("usage", "--json")["data"] if row["model"] == "speak"]
    eq((len(rows), rows[0]["requests"]), (1, 1))


@test("transcripts: by tokens, by seconds, as text, streamed; the file arrives as it was")
def _():
    sound = b"\r\n------a\r\n--" + bytes(range(256)) * 3000
    spent = Spent()
    eq(send_form("/v1/audio/transcriptions", file=sound, model="hear").json()["text"], f"{len(sound)} bytes")
    check(tasks.parts(fake.last())["file"] == sound, "the same file")
    spent.is_(1, 14, 5, "0.00000028")
    spent = Spent()
    eq(send_form("/v1/audio/translations", model="whisper", file=sound).status, 200)
    spent.is_(1, 0, 0, "0.0009")
    got = send_form("/v1/audio/transcriptions", file=sound, model="hear", response_format="text")
    eq((got.status, got.body), (200, f"{len(sound)} bytes\n".encode()))
    got = send_form("/v1/audio/transcriptions", file=sound, model="hear", stream="true")
    eq([json.loads(data)["type"] for _, data in got.events()], ["transcript.text.delta", "transcript.text.done"])


@test("errors come in OpenAI's shape: ours, and the provider's as it was said")
def _():
    for path, body, status, word in (
            ("/v1/embeddings", {"input": "x"}, 400, "model"), ("/v1/embeddings", {"model": "embed"}, 400, "input"),
            ("/v1/embeddings", {"model": "nobody", "input": "x"}, 404, "nobody"), ("/v1/embeddings", b"{", 400, "JSON"),
            ("/v1/embeddings", {"model": "embed", "input": ""}, 400, "$.input"), ("/v1/embeddings", {"model": "claude", "input": "x"}, 400, "claude"),
            ("/v1/audio/transcriptions", {"model": "hear"}, 400, "multipart/form-data"),
            ("/v1/audio/speech", {"model": "speak", "input": "x"}, 400, "voice")):
        got = post(path, body)
        eq(got.status, status, path)
        check(word in got.json()["error"]["message"] and got.json()["error"]["type"], got.body)
    body, headers = form(file=b"x", model="hear")
    for broken in (body[:-8], body.replace(b"name=\"model\"", b"name=\"module\""), b""):
        got = post("/v1/audio/transcriptions", broken, headers)
        eq((got.status, got.json()["error"]["code"]), (400, "bad_request"))
    eq(post("/v1/audio/transcriptions", *form(file=b"x" * (3 << 20), model="hear")).status, 413)
    eq(http.call(gateway.address, "POST", "/v1/embeddings", {}, {"model": "embed", "input": "x"}).status, 401)
    eq(http.call(gateway.address, "GET", "/v1/embeddings", BEARER).status, 405)


@test("calls that are not served say so, and what to do instead")
def _():
    for path, word in (("/v1/fine_tuning/jobs", "trained"), ("/v1/vector_stores", "vector stores"), ("/v1/completions", "/v1/chat/completions")):
        got = post(path, {})
        eq((got.status, got.json()["error"]["code"]), (404, "not_found"))
        check(word in got.json()["error"]["message"], got.body)
    check("no such path" in post("/v1/filesystem", {}).json()["error"]["message"], "another path is another path")


@test("a deployment that cannot do the call is passed over; another one may take over from a failing one")
def _():
    eq(post("/v1/embeddings", {"model": "second", "input": "x"}).status, 200)
    fake.play(acts.garbage_body())
    got = post("/v1/embeddings", {"model": "embed", "input": "x"})
    eq((got.status, got.json()["error"]["code"]), (502, "upstream_garbage"))


@test("a broken answer that already passes is a broken transfer, never a whole one")
def _():
    async def cut(x):
        await x.send(x.head_bytes(200, {"content-type": "audio/mpeg", "content-length": "1000"}) + b"x" * 10)
        x.close()
    fake.play(cut)
    try:
        post("/v1/audio/speech", {"model": "speak", "input": "Hello.", "voice": "alloy"})
    except http.Broken:
        return
    check(False, "it looked whole")


@test("a key with limits: the calls count, and no more is spent than it may")
def _():
    poor = gateway.key("poor", "--spend-day", "0.000001")
    got = http.call(gateway.address, "POST", "/v1/embeddings", {"Authorization": f"Bearer {poor}"}, {"model": "embed", "input": "x" * 4000})
    eq(got.status, 402)
    few = gateway.key("few", "--requests-per-minute", "1")
    ask = lambda: http.call(gateway.address, "POST", "/v1/embeddings", {"Authorization": f"Bearer {few}"}, {"model": "embed", "input": "x"}).status
    eq([ask(), ask()], [200, 429])


@test("openai SDK: embeddings, images, audio, moderation")
def _():
    run_client("tasks.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY, "AQUIFER_EXACT": "1"})


def end():
    gateway.stop()
    fake.stop()


run(end)
