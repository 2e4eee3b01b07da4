# order: 90
# timeout: 2400
# builds: plain
"""The official SDKs against the model that `make run` serves, in an instance of the test's own. Engine and model are fetched into
the user's cache where they are missing, as `make run` does it; skipped where no registry can be reached."""
import json
import os

from lib.clients import run_client
from lib.gateway import ROOT, Gateway, config, deployment, route
from lib.local import ENGINE, engine_and_model
from lib.tap import Skip, check, eq, run, test


class Local:
    """What the tests share; filled by the first one."""
    gateway = env = None


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
    text = config(["  - name: local\n    kind: local\n"], routes, ENGINE.format(command=command, models=os.path.dirname(path)))
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


def end():
    if Local.gateway:
        Local.gateway.stop()


run(end)
