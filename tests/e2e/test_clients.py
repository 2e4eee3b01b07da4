# order: 20
# timeout: 300
# builds: plain asan
"""The official OpenAI and Anthropic SDKs (tests/clients), through Aquifer: against the strict fake, where every answer is known,
and against `make run`'s local model when that is up, where shapes are checked."""
import glob
import os
import shutil
import subprocess
import urllib.request

from lib import acts
from lib.fake import Fake
from lib.gateway import ROOT, Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import SLOW, Skip, check, eq, run, test

CLIENTS = os.path.join(ROOT, "build", "clients")
NODE = next(iter(glob.glob(os.path.join(CLIENTS, "node_modules", "node-linux-*", "bin", "node"))), "")
BROKEN = ("limited", "limited-for-ever", "error-event", "cut", "clean-end", "cut-json")

fake = Fake().start()


def gateway_to_fake():
    """Routes of the OpenAI kind under their plain names, of the Anthropic kind with `claude-` before them."""
    routes = [route("fast", deployment("main", "gpt-4o-mini")), route("claude", deployment("claude", "claude-opus-5"))]
    for name in BROKEN:
        routes.append(route(name, deployment("main", "gpt-" + name)))
        routes.append(route("claude-" + name, deployment("claude", "claude-" + name)))
    return Gateway(config([openai_provider(fake), anthropic_provider(fake)], routes)).start()


def script(vendor, events):
    """What the fake does for each model that misbehaves; `events` so many that "Hello " has been said."""
    fake.play_model(vendor + "limited", acts.rate_limited(), acts.say("after the wait"))
    fake.play_model(vendor + "limited-for-ever", acts.rate_limited())
    fake.play_model(vendor + "error-event", acts.error_event(events))
    fake.play_model(vendor + "cut", acts.cut(events))
    fake.play_model(vendor + "clean-end", acts.clean_end(events))
    fake.play_model(vendor + "cut-json", acts.cut_json())


def run_client(name, env):
    check(NODE, "the test clients are not installed (tools/setup clients)")
    for file in (name, "tap.mjs"):
        shutil.copy(os.path.join(ROOT, "tests", "clients", file), CLIENTS)
    done = subprocess.run([NODE, name], cwd=CLIENTS, env={**os.environ, **env}, capture_output=True, text=True, check=False,
                          timeout=250 * SLOW)
    for line in (done.stdout + done.stderr).splitlines():
        print("#   " + line, flush=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
    eq((done.returncode, failed), (0, []), name)
    check("\nok 10 -" in done.stdout, "the client's tests ran")


gateway = gateway_to_fake()
KEY = gateway.key()
TO_FAKE = {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY, "AQUIFER_EXACT": "1"}


@test("openai SDK, Chat Completions, strict fake")
def _():
    script("gpt-", 2)
    run_client("chat.mjs", {**TO_FAKE, "AQUIFER_MODEL": "fast"})


@test("@anthropic-ai/sdk, Messages, strict fake")
def _():
    script("claude-", 4)
    run_client("messages.mjs", {**TO_FAKE, "AQUIFER_MODEL": "claude"})


def running_instance():
    """build/run.env of a `make run` that answers, or a reason to skip."""
    path = os.path.join(ROOT, "build", "run.env")
    if not os.path.exists(path):
        raise Skip("no local model: `make run` has not been called in this tree")
    with open(path, encoding="utf-8") as file:
        env = dict(line.strip().split("=", 1) for line in file if "=" in line)
    try:
        urllib.request.urlopen(env["AQUIFER_URL"] + "/readyz", timeout=5).close()
    except OSError as error:
        raise Skip(f"no local model: the instance of `make run` does not answer ({error})") from None
    return env


@test("openai SDK, Chat Completions, local model")
def _():
    run_client("chat.mjs", running_instance())


@test("@anthropic-ai/sdk, Messages, local model")
def _():
    run_client("messages.mjs", running_instance())


def end():
    gateway.stop()
    fake.stop()


run(end)
