# order: 90
# timeout: 2400
# builds: plain
# long: yes
"""The official SDKs against the model that `make run` serves, in an instance of the test's own. Engine and model are fetched into
the user's cache where they are missing, as `make run` does it; skipped where no registry can be reached."""
import json
import os

from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import ROOT, Gateway, config, deployment, openai_provider, route
from lib.local import ENGINE, engine_and_model
from lib.tap import Skip, check, eq, run, test


class Local:
    """What the tests share; filled by the first one."""
    gateway = env = None


cloud = Fake().start()
WAIT = 300.0  # a busy machine loads the model first
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def tools_of(name):
    """Whether the catalogue says that the model calls tools."""
    with open(os.path.join(ROOT, "share", "models", "catalogue.json"), encoding="utf-8") as file:
        return next(model["tools"] for model in json.load(file)["models"] if model["name"] == name)


@test("engine and model are here, or fetched; an instance serves them")
def _():
    command, name, path = engine_and_model("--or-smaller")
    free = "{ input: 0, output: 0 }"
    routes = [route("own", deployment("local", name, free))] + [
        route(one, deployment("local", name, free, f"        formats: [{one}]\n")) for one in ("openai_chat", "anthropic_messages")]
    routes.append(route("shared", deployment("local", name, free), deployment("cloud", "gpt-4o-mini", free)))
    text = config(["  - name: local\n    kind: local\n", openai_provider(cloud, "cloud")], routes, ENGINE.format(command=command, models=os.path.dirname(path)))
    Local.gateway = Gateway(text).start()
    Local.env = {"AQUIFER_URL": f"http://127.0.0.1:{Local.gateway.port}", "AQUIFER_API_KEY": Local.gateway.key(),
                 "AQUIFER_MODEL": "own", "AQUIFER_TOOLS": "1" if tools_of(name) else ""}


def client(name, model="own"):
    if not Local.gateway:
        raise Skip("there is no local model (see the first test)")
    crossed = {} if model == "own" else {"AQUIFER_CROSSED": "1"}
    run_client(name, {**Local.env, "AQUIFER_MODEL": model, **crossed}, 900)


@test("openai SDK, Chat Completions, translated to Messages, local model")
def _():
    client("chat.mjs", "anthropic_messages")


@test("@anthropic-ai/sdk, Messages, translated to Chat Completions, local model")
def _():
    client("messages.mjs", "openai_chat")


@test("openai SDK, Chat Completions, local model")
def _():
    client("chat.mjs")


@test("@anthropic-ai/sdk, Messages, local model")
def _():
    client("messages.mjs")


@test("the ledger has what the model used")
def _():
    if not Local.gateway:
        raise Skip("there is no local model (see the first test)")
    rows = Local.gateway.usage()["data"]
    eq(sorted(row["model"] for row in rows), ["anthropic_messages", "openai_chat", "own"])
    for row in rows:
        eq(row["cost"], 0)
        check(row["requests"] >= 5 and row["input_tokens"] > row["requests"] and row["output_tokens"] > row["requests"], row)


def post(path, body, **headers):
    if not Local.gateway:
        raise Skip("there is no local model (see the first test)")
    with Local.gateway.conn(timeout=WAIT) as conn:
        return conn.request("POST", path, {"Authorization": f"Bearer {Local.env['AQUIFER_API_KEY']}", **headers}, body).read()


def talk(content, **more):
    return {"max_tokens": 3, "messages": [{"role": "user", "content": content}], **more}


@test("what the model is not made for is refused in our words, or goes elsewhere; the model does not rest for it")
def _():
    picture = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    for path, body in (("/v1/embeddings", {"input": "x"}), ("/v1/chat/completions", talk(picture))):
        for _ in range(3):
            got = post(path, {"model": "own", **body})
            eq((got.status, got.json()["error"]["code"]), (400, "format_unsupported"), str(got))
    before = len(cloud.requests)
    eq(post("/v1/chat/completions", {"model": "shared", **talk(picture)}).status, 200)
    eq(len(cloud.requests), before + 1)
    eq(post("/v1/chat/completions", {"model": "shared", **talk("hi")}).status, 200)
    eq(len(cloud.requests), before + 1, "the local model answers on")


@test("the engine's errors have the caller's shape")
def _():
    long = "word " * 60000
    got = post("/v1/messages", {"model": "own", **talk(long)}, **{"anthropic-version": "2023-06-01"})
    eq((got.status, got.json()["type"], got.json()["error"]["type"]), (400, "error", "invalid_request_error"), str(got))
    check(got.json()["error"]["message"].startswith("prompt is too long"), str(got))
    got = post("/v1/chat/completions", {"model": "own", **talk(long)})
    eq((got.status, got.json()["error"]["code"]), (400, "context_length_exceeded"), str(got))


def end():
    if Local.gateway:
        Local.gateway.stop()


run(end)
