# order: 25
# timeout: 400
# builds: plain asan
# long: yes
"""Codex itself (npm, pinned by tests/clients/package-lock.json), unmodified and without a way out of the machine, through Aquifer to
strict fakes of several vendors' formats: a tool loop of two steps, its free-text tools, and what it makes of failures."""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

from lib import acts
from lib.clients import CLIENTS
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import SLOW, check, eq, run, test

CODEX = next(iter(glob.glob(os.path.join(CLIENTS, "node_modules", "@openai", "codex-linux-*", "vendor", "*", "bin", "codex"))), "")
HOME = tempfile.mkdtemp(prefix="aquifer-codex-", dir=os.path.dirname(CLIENTS))
fake = Fake().start()


def in_responses(name):
    return route(name, deployment("responses", "responses-" + name))


def in_chat(name):
    return route(name, deployment("chat", "chat-" + name))


def in_messages(name):
    return route(name, deployment("claude", "claude-" + name))


# Codex knows the slugs gpt-…: with them it uses tools of its own kinds.
gateway = Gateway(config(
    [openai_provider(fake, "responses", "    formats: [openai_responses]\n"), openai_provider(fake, "chat"), anthropic_provider(fake),
     gemini_provider(fake)],
    [in_responses("plain-r"), in_chat("plain-c"), in_messages("plain-m"), in_responses("gpt-5.6-sol"), in_chat("gpt-5.5"),
     in_chat("gpt-6-sol"), in_messages("gpt-6-luna"), in_responses("limited"), in_responses("broken"), in_chat("cut-c"),
     in_responses("cut-r"), in_chat("openai.gpt-5.5"), in_messages("openai.gpt-6-sol"),
     route("plain-g", deployment("google", "gemini-plain-g"))])).start()
KEY = gateway.key()


COMMON = """\
check_for_update_on_startup = false
approval_policy = "never"
sandbox_mode = "danger-full-access"
analytics.enabled = false
feedback.enabled = false
"""
OWN = COMMON + f"""\
model_provider = "local"
[model_providers.local]
name = "Local"
base_url = "http://127.0.0.1:{gateway.port}/v1"
wire_api = "responses"
env_key = "LOCAL_KEY"
request_max_retries = 3
stream_max_retries = 3
"""
OVER_SOCKET = OWN + "supports_websockets = true\n"
LISTED = OWN + f'model_catalog_url = "http://127.0.0.1:{gateway.port}/v1/models"\n'
# Built in: signs with Signature Version 4, and lets the server sum up what became too long.
BEDROCK = COMMON + f"""\
model_provider = "amazon-bedrock"
model_auto_compact_token_limit = 2000
[model_providers.amazon-bedrock]
base_url = "http://127.0.0.1:{gateway.port}/openai/v1"
[model_providers.amazon-bedrock.aws]
region = "us-east-2"
"""


def codex(model, prompt="Run the command.", settings=OWN, **more):
    """What it says of itself, line by line."""
    check(CODEX, "codex is not installed (tools/setup clients)")
    work = tempfile.mkdtemp(dir=HOME)
    with open(os.path.join(HOME, "config.toml"), "w", encoding="utf-8") as file:
        file.write(settings)
    nowhere = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")}
    env = {"PATH": os.environ["PATH"], "HOME": HOME, "CODEX_HOME": HOME, "LOCAL_KEY": KEY, "NO_PROXY": "127.0.0.1", **nowhere, **more}
    done = subprocess.run([CODEX, "exec", "--skip-git-repo-check", "--json", "-m", model, prompt], cwd=work, env=env, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100 * SLOW)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        print("#   " + json.dumps(line)[:300], flush=True)
    return lines, work


def items(lines, kind):
    return [line["item"] for line in lines if line.get("type") == "item.completed" and line["item"]["type"] == kind]


def said(lines):
    return "\n".join(item["text"] for item in items(lines, "agent_message"))


def ended(lines):
    return [line["type"] for line in lines][-1]


def first_then_results(name, given):
    """The model calls one tool, and when it has a result it says that."""
    async def act(x):
        reply = x.vendor.echo(x.json)
        has_result = reply["text"].startswith("Results: ")
        await acts.say(**(reply if has_result else {"text": "", "tools": [(name, given)]}))(x)
    return act


def loop(model, upstream, name, given, settings=OWN):
    fake.play_model(upstream, first_then_results(name, given))
    lines, work = codex(model, settings=settings)
    eq(ended(lines), "turn.completed", f"{model}: {lines[-3:]}")
    return lines, work


COMMAND = {"cmd": "echo aquifer-$((6*7))"}


@test("a shell tool in two steps, whatever the provider speaks")
def _():
    for model, upstream in (("plain-r", "responses-plain-r"), ("plain-c", "chat-plain-c"), ("plain-m", "claude-plain-m"),
                            ("plain-g", "gemini-plain-g")):
        lines, _work = loop(model, upstream, "exec_command", COMMAND)
        check(any("aquifer-42" in item["aggregated_output"] for item in items(lines, "command_execution")), f"{model} ran no command")
        check("aquifer-42" in said(lines), f"{model} said {said(lines)!r}")
        usage = lines[-1]["usage"]
        eq((usage["input_tokens"] > 0, usage["output_tokens"] > 0), (True, True), model)


def sockets():
    """How many were opened so far."""
    return len(re.findall(r"exchange.done .* status=101 ", gateway.log()))


@test("over a WebSocket: the same tool, warmed up, and only what is new sent in the second step")
def _():
    for model, upstream in (("plain-r", "responses-plain-r"), ("plain-c", "chat-plain-c"), ("plain-m", "claude-plain-m"),
                            ("plain-g", "gemini-plain-g")):
        before, asked = sockets(), len(fake.requests)
        lines, _work = loop(model, upstream, "exec_command", COMMAND, OVER_SOCKET)
        check("aquifer-42" in said(lines), f"{model} said {said(lines)!r}")
        check(sockets() > before, f"{model} opened no WebSocket")
        eq([item["message"] for item in items(lines, "error") if "metadata" not in item["message"]], [], model)
        eq(len(fake.requests) - asked, 2, f"{model}: one call for each step, none for the warm-up")


@test("over a WebSocket: 429, 500 and a cut stream are tried again, a wrong key ends the turn")
def _():
    for acting in (acts.rate_limited(), acts.status(500), acts.cut(3)):
        before = sockets()
        fake.play_model("responses-broken", acting, acts.say("at last"))
        lines, _work = codex("broken", settings=OVER_SOCKET)
        eq((ended(lines), said(lines)[-7:]), ("turn.completed", "at last"))
        check(sockets() > before, "no WebSocket was opened")
    lines, _work = codex("plain-r", settings=OVER_SOCKET, LOCAL_KEY="aq_wrong")
    eq(ended(lines), "turn.failed")


PATCH = "*** Begin Patch\n*** Add File: note.txt\n+one \"quoted\" line\n*** End Patch\n"


@test("apply_patch, a free-text tool, at a Chat provider that has only functions")
def _():
    lines, work = loop("gpt-5.5", "chat-gpt-5.5", "apply_patch", {"input": PATCH})
    with open(os.path.join(work, "note.txt"), encoding="utf-8") as file:
        eq(file.read(), 'one "quoted" line\n')
    check(items(lines, "file_change"), "it tells of no change")


SCRIPT = 'const r = await tools.exec_command({cmd: "echo aquifer-$((6*7))"}); text(r);'


@test("exec, a free-text tool in a namespace announced in mid-conversation")
def _():
    for model, upstream, name, given in (("gpt-5.6-sol", "responses-gpt-5.6-sol", "functions.exec", SCRIPT),
                                         ("gpt-6-sol", "chat-gpt-6-sol", "functions__exec", {"input": SCRIPT}),
                                         ("gpt-6-luna", "claude-gpt-6-luna", "functions__exec", {"input": SCRIPT})):
        lines, _work = loop(model, upstream, name, given)
        check("aquifer-42" in said(lines), f"{model} said {said(lines)!r}")


def long_talk(name, given):
    """The model calls a tool and says how long the conversation is; sums it up when asked to, and then goes on from the summary."""
    async def act(x):
        text = json.dumps(x.json)
        usage = {"prompt": 250_000, "input": 250_000}
        if "Write a summary" in text:
            return await acts.say("The sum of it all.")(x)
        if "The sum of it all." in text:
            return await acts.say("It went on.")(x)
        return await acts.say("", tools=[(name, given)], usage=usage)(x)
    return act


@test("the Bedrock provider: signed calls, and a conversation that is summed up by the server")
def _():
    pair = gateway.cli("key", "create", "--name", "aws", "--aws", "--json")
    keys = {"AWS_ACCESS_KEY_ID": pair["access_key_id"], "AWS_SECRET_ACCESS_KEY": pair["secret_access_key"]}
    for model, upstream, name, given in (("openai.gpt-5.5", "chat-openai.gpt-5.5", "exec_command", COMMAND),
                                         ("openai.gpt-6-sol", "claude-openai.gpt-6-sol", "functions__exec", {"input": SCRIPT})):
        fake.play_model(upstream, long_talk(name, given))
        lines, _work = codex(model, settings=BEDROCK, **keys)
        eq((ended(lines), said(lines)), ("turn.completed", "It went on."), model)


@test("with our list of models there is nothing that Codex does not know of them")
def _():
    lines, work = loop("plain-c", "chat-plain-c", "apply_patch", {"input": PATCH}, LISTED)
    eq([item["message"] for item in items(lines, "error")], [])
    check(os.path.exists(os.path.join(work, "note.txt")), "the patch was not made")


@test("429 with retry-after is waited for")
def _():
    fake.play_model("responses-limited", acts.rate_limited(), acts.say("after the wait"))
    lines, _work = codex("limited")
    eq((ended(lines), said(lines)), ("turn.completed", "after the wait"))


@test("500 is tried again")
def _():
    fake.play_model("responses-broken", acts.status(500), acts.status(500), acts.say("at last"))
    lines, _work = codex("broken")
    eq((ended(lines), said(lines)), ("turn.completed", "at last"))


@test("a stream that breaks off is asked for again")
def _():
    for model, upstream in (("cut-r", "responses-cut-r"), ("cut-c", "chat-cut-c")):
        fake.play_model(upstream, acts.cut(3), acts.say("whole now"))
        lines, _work = codex(model)
        eq(ended(lines), "turn.completed", model)
        check("whole now" in said(lines), f"{model} said {said(lines)!r}")


@test("a wrong key ends the turn and says why")
def _():
    lines, _work = codex("plain-r", LOCAL_KEY="aq_wrong")
    eq(ended(lines), "turn.failed")
    check("401" in lines[-1]["error"]["message"], lines[-1])


def end():
    shutil.rmtree(HOME, ignore_errors=True)
    gateway.stop()
    fake.stop()


run(end)
