# order: 26
# timeout: 400
"""Claude Code itself (npm, pinned by tests/clients/package-lock.json), unmodified and without a way out of the machine: a tool loop
of two steps in its API mode and in its Bedrock mode, through Aquifer to strict fakes of Anthropic, OpenAI and Bedrock."""
import glob
import json
import os
import shutil
import subprocess
import tempfile

from lib import acts
from lib.clients import CLIENTS
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.sigv4 import Verifier
from lib.tap import SLOW, check, eq, run, test

CLAUDE = next(iter(glob.glob(os.path.join(CLIENTS, "node_modules", "@anthropic-ai", "claude-code-linux-*", "claude"))), "")
HOME = tempfile.mkdtemp(prefix="aquifer-claude-", dir=os.path.dirname(CLIENTS))
ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
OPUS = "us.anthropic.claude-opus-4-6-v1"  # a name that it knows: of others it thinks less
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
aws = Fake(models=(SONNET,), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
fake = Fake().start()


def bedrock_provider(form):
    return (f"  - name: {form}\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n    formats: [{form}]\n"
            "    access_key: env:ACCESS\n    secret_key: env:SECRET\n")


def claude_names(*deployments):
    """Whatever model it asks for to find out what there is."""
    return route("us.anthropic.*", *deployments)


ROUTES = [route("messages", deployment("claude", "claude-opus-5")), route("chat", deployment("main", "gpt-5.5")),
          route("invoke", deployment("bedrock_invoke", f'"{SONNET}"')), route("converse", deployment("bedrock_converse", f'"{SONNET}"')),
          route(OPUS, deployment("claude", "claude-opus-5")), claude_names(deployment("bedrock_invoke", f'"{SONNET}"'))]
PROVIDERS = [anthropic_provider(fake), openai_provider(fake), bedrock_provider("bedrock_invoke"), bedrock_provider("bedrock_converse")]
gateway = Gateway(config(PROVIDERS, ROUTES), {"ACCESS": ACCESS, "SECRET": SECRET}).start()
PAIR = gateway.cli("key", "create", "--name", "claude", "--aws", "--json")
URL = f"http://127.0.0.1:{gateway.port}"
API = {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_API_KEY": PAIR["key"]}
BEDROCK = {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "us-east-1", "ANTHROPIC_BEDROCK_BASE_URL": URL}
SIGNED = {**BEDROCK, "AWS_ACCESS_KEY_ID": PAIR["access_key_id"], "AWS_SECRET_ACCESS_KEY": PAIR["secret_access_key"]}
BEARER = {**BEDROCK, "AWS_BEARER_TOKEN_BEDROCK": PAIR["key"]}
QUIET = {name: "1" for name in ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING",
                                "DISABLE_AUTOUPDATER", "IS_SANDBOX")}
NOWHERE = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")}


def call_then_say():
    """The model calls the shell once, and when it has a result it says that."""
    async def act(x):
        reply = x.vendor.echo(x.json)
        has_result = reply["text"].startswith("Results: ")
        call = {"text": "", "tools": [("Bash", {"command": "echo aquifer-$((6*7))", "description": "Say it"})]}
        tools = x.json.get("tools") or x.json.get("toolConfig")
        await acts.say(**(reply if has_result or not tools else call))(x)
    return act


def claude(mode, model):
    """What it says in the end, and how it ended."""
    check(CLAUDE, "claude-code is not installed (tools/setup clients)")
    names = ("ANTHROPIC_MODEL", "ANTHROPIC_SMALL_FAST_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
             "ANTHROPIC_DEFAULT_HAIKU_MODEL")
    env = {"PATH": os.environ["PATH"], "HOME": HOME, "NO_PROXY": "127.0.0.1", **NOWHERE, **QUIET, **mode, **{name: model for name in names}}
    done = subprocess.run([CLAUDE, "-p", "Run the command.", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"],
                          cwd=tempfile.mkdtemp(dir=HOME), env=env, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=100 * SLOW)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print("#   " + json.dumps(lines[-1:])[:300], flush=True)
    check(lines, done.stderr[-2000:])
    return lines[-1]


def loop(mode, *models):
    for model in models:
        last = claude(mode, model)
        eq((last["type"], last["is_error"]), ("result", False), f"{model}: {last}")
        check("aquifer-42" in last["result"], f"{model} said {last['result']!r}")
        check(last["usage"]["output_tokens"] > 0, last)


fake.play_always(call_then_say())
aws.play_always(call_then_say())


@test("API mode: to Messages, Chat, Invoke and Converse")
def _():
    loop(API, "messages", "chat", "invoke", "converse")


@test("Bedrock mode, signed: to Invoke, Chat and Messages")
def _():
    loop(SIGNED, SONNET, "chat", OPUS)
    check("anthropic_beta" in (next(r for r in aws.requests if r.path.endswith("-stream")).json or {}), "betas came through")


@test("Bedrock mode with a bearer key")
def _():
    loop(BEARER, SONNET)


def end():
    gateway.stop()
    for one in (aws, fake):
        one.stop()
    shutil.rmtree(HOME, ignore_errors=True)


run(end)
