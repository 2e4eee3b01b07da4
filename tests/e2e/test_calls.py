# order: 24
# timeout: 180
# builds: plain asan
"""State of tool calls for callers of Chat Completions: thoughts with their signatures, encrypted reasoning and thought signatures are kept
by project and call id, and are in the conversation again when the calls' results come: with every provider, streamed and not."""
import json

from lib import acts, gemini, http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.keeper import Keeper
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
aws = Fake(models=(SONNET,), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
fake = Fake(models=("gpt-4o-mini", "gpt-5.5", "claude-sonnet-4-5", "gemini-3-pro")).start()
PROVIDERS = [openai_provider(fake, "responses", "    formats: [openai_responses]\n"), openai_provider(fake), anthropic_provider(fake),
             gemini_provider(fake),
             f"  - name: converse\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n    access_key: env:ACCESS\n"
             "    secret_key: env:SECRET\n    formats: [bedrock_converse]\n"]
MODELS = {"responses": "gpt-5.5", "main": "gpt-4o-mini", "claude": "claude-sonnet-4-5", "google": "gemini-3-pro", "converse": json.dumps(SONNET)}
gateway = Gateway(config(PROVIDERS, [route(name, deployment(name, model)) for name, model in MODELS.items()]),
                  {"ACCESS": ACCESS, "SECRET": SECRET}).start()
keeper = Keeper(gateway)
KEY = gateway.key()
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
# What each provider's state looks like where it goes back.
STATE = {"responses": "gAAAAfake", "claude": "c2lnbmF0dXJl", "converse": "c2lnbmF0dXJl", "google": gemini.SIGNATURE}
QUESTION = {"role": "user", "content": "The weather?"}


def upstream(model):
    return aws if model == "converse" else fake


def chat(model, messages, key=KEY, **fields):
    got = http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}"},
                    {"model": model, "messages": messages, "tools": [WEATHER], "reasoning_effort": "high", **fields})
    return got


def folded(answer):
    """The assistant's message of a stream, as an SDK folds it."""
    message = {"role": "assistant", "content": None, "tool_calls": []}
    for _, data in answer.events():
        for choice in [] if data == "[DONE]" else json.loads(data)["choices"]:
            delta = choice["delta"]
            message["content"] = (message["content"] or "") + delta["content"] if delta.get("content") else message["content"]
            for call in delta.get("tool_calls") or []:
                if call["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append({"id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": ""}})
                message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"].get("arguments") or ""
    return message


CALLS = (("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Oslo"}))


def asked(model, stream):
    """A message that calls tools, after a thought."""
    upstream(model).play(acts.say(text="", thinking="They want the weather.", tools=CALLS))
    got = chat(model, [QUESTION], stream=stream)
    eq(got.status, 200, got.body)
    message = folded(got) if stream else got.json()["choices"][0]["message"]
    eq(len(message["tool_calls"]), len(CALLS), got.body)
    return message


def with_results(message, history=(QUESTION,)):
    return [*history, message, *({"role": "tool", "tool_call_id": call["id"], "content": "sun"} for call in message["tool_calls"])]


def sent(model):
    return upstream(model).last().body.decode()


@test("the state of a call is back with its maker when the result comes: every provider, streamed and not")
def _():
    for model, state in STATE.items():
        for stream in (False, True):
            again = with_results(asked(model, stream))
            check("aq1" not in json.dumps(again), again)
            got = chat(model, again, stream=stream)
            eq(got.status, 200, (model, stream, got.body))
            check(state in sent(model), (model, stream, sent(model)))
            check("opaque_foreign" not in (got.get("x-aquifer-losses") or ""), got.headers)


@test("words before the calls: the state is back where it was, with the calls and not with the words")
def _():
    for model, state in STATE.items():
        for stream in (False, True):
            upstream(model).play(acts.say(text="I will look.", thinking="They want the weather.", tools=CALLS))
            got = chat(model, [QUESTION], stream=stream)
            message = folded(got) if stream else got.json()["choices"][0]["message"]
            eq((message["content"], len(message["tool_calls"])), ("I will look.", len(CALLS)))
            got = chat(model, with_results(message), stream=stream)
            eq(got.status, 200, (model, stream, got.body))
            check(state in sent(model) and gemini.DUMMY not in sent(model), (model, stream, sent(model)))


@test("Responses: the result of a free-text call is one of its kind")
def _():
    body = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5.5", "output": [
        {"id": "ctc_1", "type": "custom_tool_call", "status": "completed", "call_id": "c1", "name": "patch", "input": "raw text"}],
            "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}
    tools = [{"type": "custom", "custom": {"name": "patch"}}]
    fake.play(acts.raw_json(body))
    message = chat("responses", [QUESTION], tools=tools).json()["choices"][0]["message"]
    eq(message["tool_calls"][0]["custom"], {"name": "patch", "input": "raw text"})
    got = chat("responses", with_results(message), tools=tools)
    eq(got.status, 200, got.body)
    eq([item["type"] for item in fake.last().json["input"][-2:]], ["custom_tool_call", "custom_tool_call_output"])


@test("Messages: the thought with its signature stands before the calls, as the vendor demands while it thinks")
def _():
    again = with_results(asked("claude", True))
    eq(chat("claude", again).status, 200)
    body = fake.last().json
    eq(body["thinking"]["type"], "enabled")
    eq([block["type"] for block in body["messages"][1]["content"]], ["thinking", "tool_use", "tool_use"])
    eq({k: body["messages"][1]["content"][0][k] for k in ("thinking", "signature")},
       {"thinking": "They want the weather.", "signature": "c2lnbmF0dXJl"})


async def thinks_calls_tells(x):
    """A model that thinks and calls, and when it has results says them."""
    reply = x.vendor.echo(x.json)
    has_results = reply["text"].startswith("Results: ")
    await acts.say(**(reply if has_results else {"text": "", "thinking": "They want the weather.", "tools": CALLS}))(x)


def step(thought, signature, call):
    """A second answer of Anthropic's, with an id that the first did not have."""
    blocks = [{"type": "thinking", "thinking": thought, "signature": signature},
              {"type": "tool_use", "id": call, "name": "get_weather", "input": {"city": "Rome"}}]
    return acts.raw_json({"id": "msg_2", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": blocks,
                          "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 9}})


@test("a loop of several steps: each step's state stays with its own calls; where the last one's is gone nobody thinks")
def _():
    history = with_results(asked("claude", False))
    fake.play(step("One more.", "b25lbW9yZQ==", "toolu_9"))
    second = chat("claude", history).json()["choices"][0]["message"]
    eq(chat("claude", with_results(second, history)).status, 200)
    body = fake.last().json
    thoughts = [block["signature"] for message in body["messages"] if isinstance(message["content"], list)
                for block in message["content"] if block["type"] == "thinking"]
    eq((thoughts, body["thinking"]["type"]), (["c2lnbmF0dXJl", "b25lbW9yZQ=="], "enabled"))
    second["tool_calls"][0]["id"] = "toolu_unknown"
    got = chat("claude", with_results(second, history))
    eq(got.status, 200, got.body)
    check("thinking" not in fake.last().json, sent("claude"))


@test("a turn of very many calls: the newest are those whose state comes back")
def _():
    old = {"role": "assistant", "content": None, "tool_calls": [
        {"id": f"call_before_{n}", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}} for n in range(700)]}
    newest = asked("claude", False)
    got = chat("claude", with_results(newest, with_results(old)))
    eq(got.status, 200, got.body)
    eq([block["type"] for block in fake.last().json["messages"][3]["content"]], ["thinking", "tool_use", "tool_use"])


@test("other providers get none of it, and it is counted; what is unknown is left off as before")
def _():
    again = with_results(asked("claude", False))
    for other in ("responses", "google"):
        got = chat(other, again)
        eq(got.status, 200, got.body)
        check("c2lnbmF0dXJl" not in sent(other) and "They want" not in sent(other), sent(other))
        check("opaque_foreign=1" in got.get("x-aquifer-losses"), got.headers)
    for call, result in zip(again[1]["tool_calls"], again[2:]):
        call["id"] = result["tool_call_id"] = "call_of_nobody_" + call["id"]
    got = chat("claude", again)
    eq(got.status, 200, got.body)
    check("c2lnbmF0dXJl" not in sent("claude") and '"thinking":"They' not in sent("claude"), sent("claude"))


@test("another project's call ids lead to nothing")
def _():
    again = with_results(asked("claude", False))
    stranger = gateway.key("stranger", "--project", "elsewhere")
    eq(chat("claude", again, key=stranger).status, 200)
    check("c2lnbmF0dXJl" not in sent("claude"), sent("claude"))
    eq(chat("claude", again).status, 200)
    check("c2lnbmF0dXJl" in sent("claude"), sent("claude"))


@test("who may not have the answer, or not now, makes nobody look up what is kept")
def _():
    again, seen = with_results(asked("claude", False)), keeper.count("POST /calls/recall")
    slow = gateway.key("slow", "--requests-per-minute", "1")
    eq((chat("claude", again, key=slow).status, keeper.count("POST /calls/recall")), (200, seen + 1))
    for key, status in ((slow, 429), (gateway.key("narrow", "--routes", "main"), 403), (gateway.key("poor", "--spend-day", "0.000001"), 402)):
        eq((chat("claude", again, key=key).status, keeper.count("POST /calls/recall")), (status, seen + 1))


@test("a turn that is over asks for nothing; a provider of Chat itself gets the body as it is")
def _():
    again = [*with_results(asked("claude", False)), {"role": "assistant", "content": "Sun."}, {"role": "user", "content": "Thanks."}]
    eq(chat("claude", again).status, 200)
    check("c2lnbmF0dXJl" not in sent("claude"), sent("claude"))
    body = json.dumps({"model": "main", "messages": [QUESTION], "tools": [WEATHER], "temperature": 1.50}).encode()
    got = http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}, body)
    eq((got.status, fake.last().body), (200, body.replace(b'"main"', b'"gpt-4o-mini"')))


@test("the official SDK's own tool loop, with every provider")
def _():
    for model, state in STATE.items():
        upstream(model).play_always(thinks_calls_tells)
        run_client("calls.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY, "AQUIFER_MODEL": model}, least=2)
        check(state in sent(model), (model, sent(model)))


def end():
    gateway.stop()
    keeper.stop()
    fake.stop()
    aws.stop()


run(end)
