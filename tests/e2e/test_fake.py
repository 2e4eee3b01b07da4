# builds: plain
# order: 1
"""The fake provider's own test: it refuses what the vendors refuse, answers what they answer, and misbehaves as told."""
import json
import threading

from lib import acts, http
from lib.fake import Fake
from lib.gateway import UPSTREAM_KEY
from lib.http import Broken, Conn
from lib.tap import check, eq, run, test, until

fake = Fake().start()
address = ("127.0.0.1", fake.port)
OPENAI = {"Authorization": f"Bearer {UPSTREAM_KEY}"}
ANTHROPIC = {"x-api-key": UPSTREAM_KEY, "anthropic-version": "2023-06-01"}
USER = [{"role": "user", "content": "hello"}]
CALLS = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
USES = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}},
                                         {"type": "tool_use", "id": "b", "name": "f", "input": {}}]}


def chat(headers=None, **fields):
    body = {"model": "gpt-4o-mini", "messages": USER, **fields}
    body = {name: value for name, value in body.items() if value is not ...}
    return http.call(address, "POST", "/v1/chat/completions", OPENAI if headers is None else headers, body)


def messages(headers=None, path="/v1/messages", **fields):
    body = {"model": "claude-opus-5", "max_tokens": 100, "messages": USER, **fields}
    body = {name: value for name, value in body.items() if value is not ...}
    return http.call(address, "POST", path, ANTHROPIC if headers is None else headers, body)


def tool_result(one):
    return {"type": "tool_result", "tool_use_id": one, "content": "x"}


@test("Chat: refuses as OpenAI does")
def _():
    for fields, status, words in (
            ({"headers": {}}, 401, "provide an API key"),
            ({"headers": {"Authorization": "Bearer no"}}, 401, "Incorrect API key"),
            ({"model": ...}, 400, "model parameter"),
            ({"model": "gpt-9"}, 404, "does not exist"),
            ({"messages": ...}, 400, "Missing required parameter: 'messages'"),
            ({"messages": []}, 400, "empty array"),
            ({"stream": "yes"}, 400, "Invalid type for 'stream'"),
            ({"max_tokens": True}, 400, "Invalid type for 'max_tokens'"),
            ({"temperature": 3}, 400, "above maximum"),
            ({"unheard": 1}, 400, "Unrecognized request argument supplied: unheard"),
            ({"stream_options": {"include_usage": True}}, 400, "only allowed when 'stream'"),
            ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, 400, "pattern"),
            ({"messages": [{"role": "robot", "content": "x"}]}, 400, "Invalid value: 'robot'"),
            ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, 400, "Invalid value: 'video'"),
            ({"messages": USER + [{"role": "tool", "tool_call_id": "a", "content": "x"}]}, 400, "must be a response"),
            ({"messages": USER + [CALLS, {"role": "tool", "tool_call_id": "a", "content": "x"}]}, 400, "following tool_call_ids did not have response messages: b"),
            ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}, 400, "object schema missing properties"),
            ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, 400, "got 'type: \"None\"'"),
            ({"tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(129)]}, 400, "array too long"),
            ({"messages": USER + [CALLS] + USER}, 400, "did not have response messages: a, b")):
        got = chat(**fields)
        eq(got.status, status, str(fields))
        check(words in got.json()["error"]["message"], f"{fields}: {got.json()}")


@test("Chat: answers, whole and streamed, say the same")
def _():
    whole = chat().json()
    eq(whole["choices"][0]["message"]["content"], "You said: hello")
    streamed = chat(stream=True, stream_options={"include_usage": True})
    events = [data for _, data in streamed.events()]
    eq(events[-1], "[DONE]")
    chunks = [json.loads(data) for data in events[:-1]]
    eq("".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1]), "You said: hello")
    eq((chunks[-1]["choices"], chunks[-1]["usage"]), ([], whole["usage"]))
    check(all(chunk["usage"] is None for chunk in chunks[:-1]), "usage is null in all other chunks")
    check("usage" not in json.loads(chat(stream=True).events()[0][1]), "no usage where nobody asked")


@test("Chat: parallel tools, then their results")
def _():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
    said = [{"role": "user", "content": "the weather, please"}]
    message = chat(messages=said, tools=tools).json()["choices"][0]["message"]
    eq([json.loads(call["function"]["arguments"])["city"] for call in message["tool_calls"]], ["Paris", "Oslo"])
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "sun"} for call in message["tool_calls"]]
    answer = chat(messages=said + [{"role": "assistant", "content": None, "tool_calls": message["tool_calls"]}] + results, tools=tools)
    eq(answer.json()["choices"][0]["message"]["content"], "Results: sun; sun")


@test("Messages: refuses as Anthropic does")
def _():
    for fields, status, words in (
            ({"headers": {"anthropic-version": "2023-06-01"}}, 401, "x-api-key header is required"),
            ({"headers": {"x-api-key": UPSTREAM_KEY}}, 400, "anthropic-version: header is required"),
            ({"max_tokens": ...}, 400, "max_tokens: Field required"),
            ({"max_tokens": "9"}, 400, "max_tokens: Input should be a valid value: an integer"),
            ({"model": "claude-9"}, 404, "model: claude-9"),
            ({"unheard": 1}, 400, "Extra inputs are not permitted"),
            ({"temperature": 1.5}, 400, "temperature"),
            ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "first message"),
            ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, 400, "non-empty"),
            ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, 400, "Input tag 'video'"),
            ({"messages": USER + [USES] + [{"role": "user", "content": [tool_result("a")]}]}, 400, "without `tool_result` blocks immediately after: b"),
            ({"messages": USER + [USES] + USER}, 400, "ids were found without"),
            ({"messages": [{"role": "user", "content": [tool_result("a")]}]}, 400, "unexpected `tool_use_id`"),
            ({"messages": USER + [USES, {"role": "user", "content": [{"type": "text", "text": "x"}, tool_result("a"), tool_result("b")]}]}, 400, "immediately after"),
            ({"thinking": {"type": "enabled", "budget_tokens": 5}}, 400, "budget_tokens"),
            ({"tools": [{"name": "f", "input_schema": {}}]}, 400, "input_schema.type: Field required"),
            ({"tools": [{"name": "f", "input_schema": {"type": "object", "anyOf": []}}]}, 400, "at the top level"),
            ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, 400, "must be explicitly set to false"),
            ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer", "minimum": 1}}}}, 400, "not supported"),
            ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5}, 400, "maximum of 4")):
        got = messages(**fields)
        eq(got.status, status, str(fields))
        check(words in got.json()["error"]["message"], f"{fields}: {got.json()}")


@test("Messages: answers, whole and streamed, say the same")
def _():
    whole = messages().json()
    eq(whole["content"], [{"type": "text", "text": "You said: hello"}])
    events = [(name, json.loads(data)) for name, data in messages(stream=True).events()]
    eq((events[0][0], events[-2][0], events[-1][0]), ("message_start", "message_delta", "message_stop"))
    eq("".join(data["delta"]["text"] for name, data in events if name == "content_block_delta"), "You said: hello")
    eq(events[-2][1]["usage"]["output_tokens"], whole["usage"]["output_tokens"])


@test("Messages: count_tokens takes no max_tokens")
def _():
    eq(messages(path="/v1/messages/count_tokens", max_tokens=...).json(), {"input_tokens": 11})
    eq(messages(path="/v1/messages/count_tokens").status, 400)


@test("misbehaves as told")
def _():
    fake.play(acts.status(500), acts.rate_limited("7"), acts.cut_json(), acts.garbage_body())
    eq(chat().status, 500)
    limited = chat()
    eq((limited.status, limited.get("retry-after")), (429, "7"))
    for _ in range(2):
        try:
            chat().json()
            check(False, "that was JSON")
        except ValueError:
            pass
    for act in (acts.close(), acts.reset(), acts.garbage(), acts.short_body(), acts.cut(2), acts.cut(2, "reset")):
        fake.play(act)
        try:
            chat(stream=True)
            check(False, "that was whole")
        except (Broken, ConnectionError):
            pass
    fake.play(acts.clean_end(2), acts.error_event(2))
    eq(len(chat(stream=True).events()), 2)
    check("Overloaded" in chat(stream=True).events()[-1][1], "an error event")


@test("knows when the other side went away")
def _():
    fake.play(acts.hang_after(2))
    with Conn(address) as conn:
        conn.request("POST", "/v1/chat/completions", OPENAI, {"model": "gpt-4o-mini", "messages": USER, "stream": True})
        events = conn.events(conn.head())
        next(events), next(events)
        eq(fake.last().closed_at, None)
    until(lambda: fake.last().closed_at, "the fake noticed")


@test("a gate holds the second half of a stream")
def _():
    gate = threading.Event()
    fake.play(acts.say("one two three four", gate=gate))
    with Conn(address) as conn:
        conn.request("POST", "/v1/chat/completions", OPENAI, {"model": "gpt-4o-mini", "messages": USER, "stream": True})
        events = conn.events(conn.head())
        next(events)
        gate.set()
        eq([data for _, _, data, _ in events][-1], "[DONE]")


run(fake.stop)
