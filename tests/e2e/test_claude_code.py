# order: 26
# timeout: 500
# builds: plain asan
# long: yes
"""Claude Code itself (npm, pinned by tests/clients/package-lock.json), unmodified and without a way out of the machine, through Aquifer
to strict fakes: its API mode at every vendor's format, its Bedrock, its Mantle and its Vertex mode; a tool loop of two steps, and failures."""
import glob
import json
import os
import shutil
import subprocess
import tempfile

from lib import acts
from lib.clients import CLIENTS
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route, vertex_provider
from lib.sigv4 import Verifier
from lib.tap import SLOW, Skip, check, eq, run, test
from lib.wiretap import Wiretap

CLAUDE = next(iter(glob.glob(os.path.join(CLIENTS, "node_modules", "@anthropic-ai", "claude-code-linux-*", "claude"))), "")
ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SONNET, OTHER = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-opus-4-6-v1"
os.makedirs(CLIENTS, exist_ok=True)
HOME = tempfile.mkdtemp(prefix="aquifer-claude-", dir=os.path.dirname(CLIENTS))
fake = Fake(google_tokens={"ya29.of-the-tests"}).start()
aws = Fake(models=(SONNET,), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
BEDROCK = (f"  - name: aws\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n"
           "    access_key: env:ACCESS\n    secret_key: env:SECRET\n    formats: [bedrock_invoke]\n")
mantled = Fake(verifier=Verifier({ACCESS: SECRET}, "bedrock-mantle", "us-east-1")).start()
MANTLE = BEDROCK.replace("name: aws", "name: mantle").replace("kind: bedrock", "kind: bedrock_mantle").replace(aws.url, mantled.url).replace(
    "bedrock_invoke", "anthropic_messages")
CONVERSE = BEDROCK.replace("name: aws", "name: converse").replace("bedrock_invoke", "bedrock_converse")
ON_VERTEX = {"claude-opus-4-6": "vertex", "claude-sonnet-4-6": "claude"}  # names that it knows: it thinks as they can
PROBLEMS = ("limited", "broken", "cut")


def to(provider, name):
    return route(name, deployment(provider, f'"{provider}-{name}"'))


gateway = Gateway(config(
    [anthropic_provider(fake), openai_provider(fake, "chat"), BEDROCK, CONVERSE, MANTLE, vertex_provider(fake, extra="    key: env:GOOGLE_TOKEN\n"),
     openai_provider(fake, "responses", "    formats: [openai_responses]\n")],
    [to("claude", "same"), to("chat", "in-chat"), to("responses", "in-responses"), *(to("claude", name) for name in PROBLEMS),
     route(SONNET, deployment("aws", f'"{SONNET}"')), route("in-invoke", deployment("aws", f'"{SONNET}"')),
     route("in-converse", deployment("converse", f'"{SONNET}"')),
     route("mantle", deployment("mantle", "claude-mantle")), to("claude", OTHER), *(route(name, deployment(there, name)) for name, there in ON_VERTEX.items())]),
    {"ACCESS": ACCESS, "SECRET": SECRET, "GOOGLE_TOKEN": "ya29.of-the-tests"}).start()
PAIR = gateway.cli("key", "create", "--name", "claude-code", "--aws", "--json")
wire = Wiretap(gateway.address).start()
QUIET = {name: "1" for name in ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING",
                                "DISABLE_AUTOUPDATER", "IS_SANDBOX")}
NOWHERE = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")}


def api(key=PAIR["key"]):
    return {"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_API_KEY": key}


def bedrock(model):
    return {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "us-east-1", "ANTHROPIC_BEDROCK_BASE_URL": wire.url,
            "AWS_ACCESS_KEY_ID": PAIR["access_key_id"], "AWS_SECRET_ACCESS_KEY": PAIR["secret_access_key"], "ANTHROPIC_MODEL": model}


def bearer(model):
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {"AWS_BEARER_TOKEN_BEDROCK": PAIR["key"], **{name: value for name, value in bedrock(model).items() if name not in keys}}


def mantle():
    return {"CLAUDE_CODE_USE_MANTLE": "1", "AWS_REGION": "us-east-1", "ANTHROPIC_BEDROCK_MANTLE_BASE_URL": wire.url + "/anthropic",
            "AWS_BEARER_TOKEN_BEDROCK": PAIR["key"]}


def vertex(key=PAIR["key"]):
    """Without a Google account: what authenticates is a header of the user's own."""
    return {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "europe-west1", "ANTHROPIC_VERTEX_PROJECT_ID": "my-project",
            "ANTHROPIC_VERTEX_BASE_URL": wire.url + "/v1", "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1", "ANTHROPIC_AUTH_TOKEN": key}


def claude(model, env=None, retries=3, prompt="Run the command."):
    """What it says of itself, line by line; the last line is its result."""
    if not CLAUDE:
        raise Skip("Claude Code is not installed (tools/setup clients)")
    wire.forget()
    for one in (fake, aws, mantled):
        one.forget()
    own = {"ANTHROPIC_MODEL": model, "ANTHROPIC_SMALL_FAST_MODEL": model, "CLAUDE_CODE_MAX_RETRIES": str(retries), "HOME": HOME,
           "PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **QUIET, **NOWHERE, **(env or api())}
    done = subprocess.run([CLAUDE, "-p", prompt, "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"],
                          cwd=tempfile.mkdtemp(dir=HOME), env=own, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=100 * SLOW)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        print("#   " + json.dumps(line)[:300], flush=True)
    print("#   " + " ".join(f"{status}" for status, _ in wire.answers()), flush=True)
    check(lines and lines[-1]["type"] == "result", f"it told no result: {done.stdout[-500:]}{done.stderr[-500:]}")
    return lines


def said(lines):
    return lines[-1]["result"]


COMMAND = {"command": "echo aquifer-$((6*7))", "description": "Says a number"}


def command_then_results():
    """The model calls for the shell, and when it has a result it says that; a probe is answered shortly."""
    async def act(x):
        reply = x.vendor.echo(x.json)
        if not x.wants_stream:
            reply = {"text": "ok"}
        elif not reply["text"].startswith("Results: "):
            reply = {"text": "I look.", "tools": [("Bash", COMMAND)]}
        await acts.say(**reply)(x)
    return act


def loop(model, server, upstream, env=None):
    server.play_model(upstream, command_then_results())
    lines = claude(model, env)
    check("aquifer-42" in said(lines), f"{model} said {said(lines)!r}")
    eq(lines[-1]["is_error"], False, model)
    check(lines[-1]["usage"]["output_tokens"] > 0, f"{model}: {lines[-1]}")
    return lines


def generations(requests, path="/messages"):
    """Those of a conversation's turns, not its probes."""
    return [one for one in requests if path in one.path and one.method == "POST" and one.json and len(one.json.get("tools") or []) > 5]


def told(name):
    """What Aquifer said under a header name in its answers, in order."""
    return [value for _status, fields in wire.answers() for key, value in fields if key.lower() == name]


@test("API mode, Anthropic: the shell in two steps, and nothing of the requests changed")
def _():
    loop("same", fake, "claude-same")
    sent, got = generations(wire.requests()), generations(fake.requests)
    eq((len(sent), len(got)), (2, 2), "turns")
    eq(len(wire.requests()), len(fake.requests), "requests")
    for ours, theirs in zip(got, sent):
        eq(ours.body, theirs.body.replace(b'"model":"same"', b'"model":"claude-same"', 1), "the body, byte by byte")
        for name in ("anthropic-beta", "anthropic-version", "x-claude-code-session-id", "x-app", "user-agent"):
            check(theirs.get(name), f"Claude Code no longer sends {name}")
            eq(ours.get(name), theirs.get(name), name)
        check(PAIR["key"] not in str(ours.headers), "our key at the provider")
    eq(sorted({"context_management", "output_config", "thinking"} - set(sent[0].json)), [], "what it sends no longer")
    check("system" in [one["role"] for one in sent[0].json["messages"]], "no system message within the conversation any more")
    check(b"cache_control" in got[0].body and len(got[0].json["system"]) > 1, "no marks for caching any more")


@test("API mode, a Chat, a Responses, an Invoke and a Converse provider: the same loop; what was lost is told")
def _():
    loop("in-invoke", aws, SONNET)
    for model, server, upstream, losses in (("in-chat", fake, "chat-in-chat", ("cache_mark=", "hint=")),
                                            ("in-responses", fake, "responses-in-responses", ("cache_mark=", "hint=")),
                                            ("in-converse", aws, SONNET, ("hint=", "system_place="))):
        loop(model, server, upstream)
        lost = told("x-aquifer-losses")
        eq(len(lost), len(generations(wire.requests())), f"{model}: answers that tell their losses")
        for one in lost:
            eq([name for name in losses if name not in one], [], f"{model} told {one}")
        check("TaskCreate" in server.last().body.decode(), "the tools arrived")


@test("Bedrock mode, signed, at Bedrock: probes, then the loop; the body as it was")
def _():
    loop(SONNET, aws, SONNET, bedrock(SONNET))
    sent, got = generations(wire.requests(), "/invoke-with"), generations(aws.requests, "/invoke-with")
    eq((len(sent), [one.body for one in got]), (2, [one.body for one in sent]), "bodies")
    eq([one.get("anthropic-beta") for one in got], [one.get("anthropic-beta") for one in sent], "betas in the field")
    listed = [one for one in wire.requests() if one.path == "/inference-profiles"]
    check(listed and listed[0].get("authorization").startswith("AWS4-HMAC-SHA256 "), "it asks for the profiles, signed")
    probes = [one for one in aws.requests if one.json.get("max_tokens") == 1]
    check(probes, "it tries models with one token")
    check(all(one.get("host") == "127.0.0.1" for one in sent), "it signs a Host without the port, as ever")


@test("Bedrock mode, with a bearer key, and at a Chat provider")
def _():
    loop(SONNET, aws, SONNET, bearer(SONNET))
    check(all(one.get("authorization") == "Bearer " + PAIR["key"] for one in wire.requests()), "it signs nothing then")
    loop("in-chat", fake, "chat-in-chat", bedrock("in-chat"))


def betas_of(request):
    return request.json["anthropic_beta"] + request.get("anthropic-beta").split(",")


@test("Bedrock mode, at Anthropic: invoke becomes Messages")
def _():
    loop(OTHER, fake, "claude-" + OTHER, bedrock(OTHER))
    sent, got = generations(wire.requests(), "/invoke-with"), generations(fake.requests)
    eq((len(sent), len(got)), (2, 2), "turns")
    for ours, theirs in zip(got, sent):
        for name in ("system", "messages", "tools", "thinking", "output_config", "metadata", "max_tokens"):
            eq(ours.json.get(name), theirs.json.get(name), name)
        eq(ours.get("anthropic-beta").split(","), betas_of(theirs), "betas, those of the body and those of the field")
    refused = [status for status, _fields in wire.answers() if status != 200]
    eq(set(refused) - {404}, set(), "a probe for a model that is not there")


@test("Mantle mode, with our key as its bearer token, at Bedrock's mantle")
def _():
    loop("mantle", mantled, "claude-mantle", mantle())
    sent, got = generations(wire.requests()), generations(mantled.requests)
    eq((len(sent), [one.target for one in got]), (2, ["/anthropic/v1/messages"] * 2), "turns")
    for ours, theirs in zip(got, sent):
        eq(ours.body, theirs.body.replace(b'"model":"mantle"', b'"model":"claude-mantle"', 1), "the body, byte by byte")
        eq(ours.get("anthropic-beta"), theirs.get("anthropic-beta"), "betas")


@test("Vertex mode, at Vertex AI and at Anthropic: the loop; model, version and betas where each wants them")
def _():
    loop("claude-opus-4-6", fake, "claude-opus-4-6", vertex())
    sent, got = generations(wire.requests(), ":streamRawPredict"), generations(fake.requests, ":streamRawPredict")
    eq((len(sent), [one.body for one in got]), (2, [one.body for one in sent]), "the body, byte by byte")
    eq([one.get("anthropic-beta") for one in got], [one.get("anthropic-beta") for one in sent], "betas")
    loop("claude-sonnet-4-6", fake, "claude-sonnet-4-6", vertex())
    sent, got = generations(wire.requests(), ":streamRawPredict"), generations(fake.requests)
    eq((len(sent), len(got)), (2, 2), "turns")
    for ours, theirs in zip(got, sent):
        told_there = {name: value for name, value in theirs.json.items() if name not in ("anthropic_version", "anthropic_beta")}
        eq(ours.json, {**told_there, "model": "claude-sonnet-4-6"}, "the body, member by member")
    loop("in-chat", fake, "chat-in-chat", vertex())


@test("429 with retry-after is waited for")
def _():
    fake.play_model("claude-limited", acts.rate_limited(), acts.say("after the wait"))
    eq(said(claude("limited")), "after the wait")
    check("1" in told("retry-after"), "retry-after arrived")


@test("500 is tried again")
def _():
    fake.play_model("claude-broken", acts.status(500), acts.say("at last"))
    eq(said(claude("broken")), "at last")


@test("a stream that breaks off is asked for again, whatever the provider speaks")
def _():
    for model, upstream in (("cut", "claude-cut"), ("in-chat", "chat-in-chat"), ("in-responses", "responses-in-responses")):
        fake.play_model(upstream, acts.cut(2), acts.say("whole now"))
        eq(said(claude(model)), "whole now", model)


@test("a wrong key ends it and says why, in all four modes")
def _():
    wrong = "aq_wrong"
    for env, status in ((api(wrong), 401), (vertex(wrong), 401), ({**mantle(), "AWS_BEARER_TOKEN_BEDROCK": wrong}, 401),
                        ({**bedrock(SONNET), "AWS_SECRET_ACCESS_KEY": "0" * 40}, 403)):
        lines = claude(SONNET, env, retries=1)
        eq(lines[-1]["is_error"], True, lines[-1])
        check(str(status) in said(lines), f"it says {said(lines)!r}")
    eq((fake.requests, aws.requests), ([], []), "nothing reached a provider")


def end():
    shutil.rmtree(HOME, ignore_errors=True)
    wire.stop()
    gateway.stop()
    for one in (fake, aws, mantled):
        one.stop()


run(end)
