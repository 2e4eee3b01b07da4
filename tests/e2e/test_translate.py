# order: 30
# timeout: 400
# builds: plain asan
"""A client of one vendor's format, a provider of the other's: what the provider said arrives in the caller's own shape, streamed
and not; failures too; what was used and what it cost is the same to the client and in the ledger; what could not be expressed is
refused or counted."""
import json
import threading

from lib import acts
from lib.fake import Fake
from lib.openai import DIALECTS
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test, until

# Only for who is meant to be too slow: on a busy machine anybody might be.
HASTY = "    timeouts: { first_byte: 1500ms, gap: 1500ms }\n"
PRICE = "{ input: 1, output: 10, input_cache_read: 0.5, output_reasoning: 10 }"
fake = Fake(models=("gpt-4o-mini", "gpt-5.5", "claude-opus-5", "claude-sonnet-4-5")).start()


def to_claude(name, model, *more):
    return route(name, deployment("claude", model, PRICE), *more)


def to_gpt(name, model, *more):
    return route(name, deployment("main", model, PRICE), *more)


gateway = Gateway(config(
    [openai_provider(fake), anthropic_provider(fake), openai_provider(fake, "hasty", HASTY), anthropic_provider(fake, "hasty-claude", HASTY)],
    [to_claude("opus", "claude-opus-5"), to_claude("sonnet", "claude-sonnet-4-5"), to_gpt("mini", "gpt-4o-mini"), to_gpt("gpt", "gpt-5.5"),
     to_gpt("plain", "gpt-plain"), route("odd", deployment("main", "gpt-plain", PRICE, "        quirks: [max_tokens, no_developer, reasoning_content]\n")),
     to_claude("either", "claude-either", deployment("main", "gpt-either", PRICE)),
     route("hasty-opus", deployment("hasty-claude", "claude-opus-5")), route("hasty-gpt", deployment("hasty", "gpt-5.5")),
     to_gpt("either-claude", "gpt-either", deployment("claude", "claude-either", PRICE))])).start()
KEY = gateway.key()

# caller → how it asks, the route to the other vendor
CALLERS = {"openai": (gateway.chat, "opus"), "anthropic": (gateway.messages, "gpt")}
OTHER = {"openai": "anthropic", "anthropic": "openai"}


def ask(caller, act=None, **fields):
    call, model = CALLERS[caller]
    fake.forget()
    if act:
        fake.play(act)
    return call(KEY, **{"model": model, **fields})


def error_of(caller, body):
    if caller == "anthropic":
        eq(body["type"], "error")
    check(body["error"]["message"] and body["error"]["type"], "an error has a type and a message")
    return body["error"]


def text_of(caller, body):
    if caller == "openai":
        return body["choices"][0]["message"]["content"]
    return "".join(block["text"] for block in body["content"] if block["type"] == "text")


def chat_chunks(got):
    events = got.events()
    eq(events[-1], (None, "[DONE]"))
    return [json.loads(data) for _, data in events[:-1]]


def chat_text(chunks):
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


def messages_events(got):
    events = [(name, json.loads(data)) for name, data in got.events()]
    for name, data in events:
        eq(name, data["type"])
    eq((events[0][0], events[-1][0]), ("message_start", "message_stop"))
    return [data for _, data in events]


def messages_text(events):
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


def metric(name, label=""):
    body = gateway.admin("GET", "/metrics").body.decode()
    found = [line for line in body.splitlines() if line.startswith(name) and label in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def total():
    return gateway.usage()["total"]


# -- whole answers and streams


@test("Chat → Messages: text, in Chat's own shape, and what the provider got is its own")
def _():
    got = ask("openai", acts.say("Hällo 😀."), max_completion_tokens=50, temperature=1, stop=["END"])
    eq(got.status, 200)
    body = got.json()
    eq((body["object"], text_of("openai", body), body["choices"][0]["finish_reason"]), ("chat.completion", "Hällo 😀.", "stop"))
    eq(body["model"], "claude-opus-5-20261101")
    eq(body["usage"]["total_tokens"], 18)
    sent = fake.last()
    eq(sent.path, "/v1/messages")
    eq({name: sent.json[name] for name in ("model", "max_tokens", "temperature", "stop_sequences")},
       {"model": "claude-opus-5", "max_tokens": 50, "temperature": 1, "stop_sequences": ["END"]})
    eq(sent.json["messages"][0]["role"], "user")
    eq((sent.get("x-api-key"), sent.get("authorization")), (KEY and "upstream-key-of-the-tests", None))
    eq(got.get("content-type").split(";")[0], "application/json")


@test("a temperature goes across as it was said, both ways, where the model takes one")
def _():
    eq(ask("openai", acts.say("Yes."), model="sonnet", temperature=0.25).status, 200)
    eq((fake.last().path, fake.last().json["temperature"]), ("/v1/messages", 0.25))
    eq(ask("anthropic", acts.say("Yes."), model="mini", temperature=0.25, stop_sequences=["END"]).status, 200)
    eq((fake.last().path, fake.last().json["temperature"], fake.last().json["stop"]), ("/v1/chat/completions", 0.25, ["END"]))


@test("Messages → Chat: text, in the Messages shape, and what the provider got is its own")
def _():
    got = ask("anthropic", acts.say("Hällo 😀."), temperature=1, stop_sequences=["END"], system="Be kind.")
    eq(got.status, 200)
    body = got.json()
    eq((body["type"], body["role"], text_of("anthropic", body), body["stop_reason"]), ("message", "assistant", "Hällo 😀.", "end_turn"))
    eq((body["usage"]["input_tokens"], body["usage"]["output_tokens"]), (11, 7))
    sent = fake.last()
    eq(sent.path, "/v1/chat/completions")
    eq((sent.json["model"], sent.json["temperature"], "stop" in sent.json), ("gpt-5.5", 1, False), "who reasons takes no stop sequences")
    eq([message["role"] for message in sent.json["messages"]][-1], "user")
    check("Be kind." in json.dumps(sent.json["messages"][0]), "the system prompt goes first")
    check(got.get("request-id"), "a request id where the SDK looks for it")


@test("Chat → Messages, streamed: chunks, one role, one end, usage only when asked")
def _():
    got = ask("openai", acts.say("Hällo 😀, you."), stream=True)
    chunks = chat_chunks(got)
    eq(chat_text(chunks), "Hällo 😀, you.")
    check(all(len(chunk["choices"]) == 1 and not chunk.get("usage") for chunk in chunks), "no usage that nobody asked for")
    eq([chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"][0]["finish_reason"]], ["stop"])
    eq([at for at, chunk in enumerate(chunks) if chunk["choices"][0]["delta"].get("role")], [0])
    eq(len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}), 1)
    got = ask("openai", acts.say("Hello."), stream=True, stream_options={"include_usage": True})
    chunks = chat_chunks(got)
    eq(chunks[-1]["choices"], [])
    eq((chunks[-1]["usage"]["prompt_tokens"], chunks[-1]["usage"]["completion_tokens"]), (13, 5))
    check(all(chunk["usage"] is None for chunk in chunks[:-1]), "usage: null before it")


@test("Messages → Chat, streamed: the vendor's order of events, usage in message_delta")
def _():
    events = messages_events(ask("anthropic", acts.say("Hällo 😀, you."), stream=True))
    eq(messages_text(events), "Hällo 😀, you.")
    kinds = [event["type"] for event in events if event["type"] != "content_block_delta"]
    eq(kinds, ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"])
    eq((events[-2]["delta"]["stop_reason"], events[-2]["usage"]["output_tokens"]), ("end_turn", 7))
    eq(fake.last().json["stream_options"], {"include_usage": True})


def tools_for(caller):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    if caller == "openai":
        return [{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]
    return [{"name": "get_weather", "input_schema": schema}]


TWO_CALLS = dict(text="Let me look.", tools=[("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Zürich"})])


@test("two parallel calls, streamed and not, both ways")
def _():
    for caller in CALLERS:
        body = ask(caller, acts.say(**TWO_CALLS), tools=tools_for(caller)).json()
        if caller == "openai":
            calls = body["choices"][0]["message"]["tool_calls"]
            eq([json.loads(call["function"]["arguments"])["city"] for call in calls], ["Paris", "Zürich"])
            eq(body["choices"][0]["finish_reason"], "tool_calls")
        else:
            eq([block["input"]["city"] for block in body["content"] if block["type"] == "tool_use"], ["Paris", "Zürich"])
            eq(body["stop_reason"], "tool_use")
    chunks = chat_chunks(ask("openai", acts.say(**TWO_CALLS), tools=tools_for("openai"), stream=True))
    arguments = {}
    for chunk in chunks:
        for call in chunk["choices"][0]["delta"].get("tool_calls") or []:
            arguments[call["index"]] = arguments.get(call["index"], "") + call["function"].get("arguments", "")
    eq([json.loads(arguments[at])["city"] for at in (0, 1)], ["Paris", "Zürich"])
    events = messages_events(ask("anthropic", acts.say(**TWO_CALLS), tools=tools_for("anthropic"), stream=True))
    inputs = {}
    for event in events:
        if event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
            inputs[event["index"]] = inputs.get(event["index"], "") + event["delta"]["partial_json"]
    eq([json.loads(inputs[at])["city"] for at in sorted(inputs)], ["Paris", "Zürich"])


@test("a provider that answers a request for a stream with one JSON body: the caller gets its stream all the same")
def _():
    async def whole(x):
        await x.answer_json(200, x.vendor.whole(x.json, acts.Reply("Hello there.", tools=[("get_weather", {"city": "Paris"})])))
    chunks = chat_chunks(ask("openai", whole, stream=True, tools=tools_for("openai")))
    eq(chat_text(chunks), "Hello there.")
    eq(chunks[-1]["choices"][0]["finish_reason"], "tool_calls")
    eq(messages_text(messages_events(ask("anthropic", whole, stream=True))), "Hello there.")


@test("quirks of a deployment: the request speaks its dialect, reasoning goes back and forth")
def _():
    fake.models.add("gpt-plain")
    thought = [{"role": "user", "content": "Why?"},
               {"role": "assistant", "content": [{"type": "thinking", "thinking": "Because.", "signature": ""}, {"type": "text", "text": "So."}]},
               {"role": "user", "content": "Really?"}]
    said = {"system": [{"type": "text", "text": "Be kind."}], "messages": thought}
    got = ask("anthropic", acts.say("Yes.", thinking="Hm."), model="odd", **said)
    sent = fake.last().json
    eq((sent.get("max_tokens"), "max_completion_tokens" in sent), (100, False))
    eq([message["role"] for message in sent["messages"]], ["system", "user", "assistant", "user"])
    eq(sent["messages"][2]["reasoning_content"], "Because.")
    eq([block["type"] for block in got.json()["content"]], ["thinking", "text"])
    eq(got.get("x-aquifer-losses"), None)
    got = ask("anthropic", acts.say("Yes."), model="plain", **said)
    eq(("max_tokens" in fake.last().json, "reasoning_content" in fake.last().json["messages"][2]), (False, False))
    check("reasoning_text=" in got.get("x-aquifer-losses"), got.headers)


def halves():
    """A good stream, in which one event ends with half a character and the next begins with the other."""
    async def act(x):
        events = x.vendor.events(x.json, acts.Reply("a FIRST SECOND b", pieces=["a FIRST", "SECOND b"]))
        await x.stream_head()
        for event in events:
            await x.chunk(event.replace(b"FIRST", b"\\ud83d").replace(b"SECOND", b"\\ude00"))
        await x.end()
    return act


@test("a character cut in two between events arrives whole, translated and in the same format")
def _():
    eq(chat_text(chat_chunks(ask("openai", halves(), stream=True))), "a \U0001f600 b")
    eq(messages_text(messages_events(ask("anthropic", halves(), stream=True))), "a \U0001f600 b")
    same = chat_text(chat_chunks(ask("openai", halves(), stream=True, model="gpt")))
    eq(same.encode("utf-16", "surrogatepass").decode("utf-16"), "a \U0001f600 b")


# -- failures


STATUS = {  # the provider's status → the caller's
    400: {400}, 404: {404}, 413: {413}, 429: {429}, 500: {500}, 503: {503}, 529: {529, 503},
}


@test("the provider's refusals: status, words and type in the caller's shape")
def _():
    for caller in CALLERS:
        for code, wanted in STATUS.items():
            got = ask(caller, acts.status(code, message=f"No: {code}."), stream=code == 400)
            check(got.status in wanted, f"{caller}, {code}: {got}")
            error = error_of(caller, got.json())
            check(f"No: {code}." in error["message"], error)
            eq(got.get("content-type").split(";")[0], "application/json")


@test("429 with retry-after, both ways")
def _():
    for caller in CALLERS:
        got = ask(caller, acts.rate_limited("7"))
        eq((got.status, got.get("retry-after")), (429, "7"))
        error = error_of(caller, got.json())
        eq(error["type"] if caller == "anthropic" else error["code"], "rate_limit_error" if caller == "anthropic" else "rate_limit_exceeded")
        check("Rate limit reached." in error["message"], error)


def fields(**headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


AN_HOUR_OFF = "2000-01-01T00:00:00Z"  # has passed: not told
OURS = "ours"  # nothing that we understand was said: as long as we leave the provider alone ourselves
WAITS = [  # what the provider says → whole seconds
    (fields(retry_after="1.5"), "2"), (fields(retry_after_ms="250"), "1"), (fields(x_ms_retry_after_ms="2001"), "3"),
    ({}, OURS), (fields(retry_after="soon"), OURS), (fields(retry_after="-5"), OURS), (fields(retry_after="Sun, 06 Nov 1994 08:49:37 GMT"), OURS),
    (fields(x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s"), "360"),
    (fields(anthropic_ratelimit_requests_remaining="0", anthropic_ratelimit_requests_reset=AN_HOUR_OFF), OURS),
]


@test("a wait is told in whole seconds, in whatever form the provider told it")
def _():
    for caller in CALLERS:
        for told, wanted in WAITS:
            got = ask(caller, acts.status(429, told, message="Slow down."))
            eq((told, got.status, got.get("retry-after-ms")), (told, 429, None))
            if wanted is OURS:
                check(int(got.get("retry-after") or 0) > 0, (told, got.headers))
            else:
                eq((told, got.get("retry-after")), (told, wanted))


SAME = [  # on the same-format road whole seconds and milliseconds pass as they came, the rest as above
    (fields(retry_after="7"), ("7", None)), (fields(retry_after="1.2"), ("2", None)), (fields(retry_after="-4"), (None, None)),
    (fields(retry_after="abc"), (None, None)), (fields(retry_after="99999999999999999999"), (None, None)),
    (fields(retry_after="Sun, 06 Nov 1994 08:49:37 GMT"), (None, None)), (fields(retry_after_ms="1500"), ("2", "1500")),
    (fields(retry_after_ms="99999999999999999"), (None, None)),
]


@test("a wait is told in whole seconds by a provider of the caller's own format, too")
def _():
    for told, wanted in SAME:
        fake.forget()
        fake.play(acts.status(429, told, message="Slow down."))
        got = gateway.chat(KEY, model="mini")
        eq((told, got.status, got.get("retry-after"), got.get("retry-after-ms")), (told, 429, *wanted))
    fake.forget()


@test("an answer of 200 that is an error is one, and the next deployment gets its turn where that helps")
def _():
    failed = {"error": {"message": "Provider returned error", "code": 429}}
    got = ask("anthropic", acts.status(200, body=failed))
    eq((got.status, error_of("anthropic", got.json())["type"]), (429, "rate_limit_error"))
    check("Provider returned error" in got.json()["error"]["message"], got.json())
    fake.forget()
    fake.models |= {"claude-either", "gpt-either"}
    fake.play(acts.status(200, body=failed))
    got = gateway.messages(KEY, model="either-claude")
    eq(got.status, 200)


def hasty(caller):
    return "hasty-" + CALLERS[caller][1]


def silent():
    return acts.hang_after(4)


BROKEN = {
    "the vendor's error event": lambda: acts.error_event(4), "breaks off": lambda: acts.cut(4), "resets": lambda: acts.cut(4, "reset"),
    "ends cleanly without the last event": lambda: acts.clean_end(4), "sends an event that is not JSON": lambda: acts.garbage_event(4),
    "falls silent": silent,
}


def broken_case(caller, how, make):
    @test(f"{caller} caller, streamed: {how}; what came arrives, then the caller's own error, never a normal end")
    def _():
        got = ask(caller, make(), stream=True, model=hasty(caller) if make is silent else CALLERS[caller][1])
        eq(got.status, 200)
        name, data = got.events()[-1]
        error_of(caller, json.loads(data))
        eq(name, "error" if caller == "anthropic" else None)
        check("Hello" in got.body.decode(), "the text that came has arrived")
        check("[DONE]" not in got.body.decode() and "message_stop" not in got.body.decode(), "no normal end")


for who in CALLERS:
    for words, maker in BROKEN.items():
        broken_case(who, words, maker)


@test("not streamed: cut, garbage and silence are a 502 or 504 in the caller's shape")
def _():
    for caller in CALLERS:
        for make, status in ((acts.cut_json, 502), (acts.garbage_body, 502), (acts.short_body, 502), (acts.garbage, 502), (acts.hang, 504)):
            fake.forget()
            fake.play(make(), make())
            got = CALLERS[caller][0](KEY, model=hasty(caller) if make is acts.hang else CALLERS[caller][1])
            eq((make.__name__, got.status), (make.__name__, status))
            error_of(caller, got.json())
    fake.forget()


# -- dialects of compatible servers


def dialect_case(dialect, stream):
    @test(f"a Chat provider's calls, {'streamed' if stream else 'whole'}, dialect {dialect!r}: each arrives with its arguments and an id of its own")
    def _():
        arguments = [{"city": "Paris", "days": [1, 2]}, {"city": "Oslo"}]
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
        got = ask("anthropic", acts.say("", tools=[("look", one) for one in arguments], dialect=dialect), tools=tools, stream=stream)
        eq(got.status, 200, got.body)
        if stream:
            events = messages_events(got)
            calls = [event["content_block"] for event in events if event["type"] == "content_block_start"]
            inputs = {}
            for event in events:
                if event["type"] == "content_block_delta":
                    inputs[event["index"]] = inputs.get(event["index"], "") + event["delta"]["partial_json"]
            found = [json.loads(inputs[at]) for at in sorted(inputs)]
        else:
            calls = got.json()["content"]
            found = [call["input"] for call in calls]
        eq((found, [call["name"] for call in calls]), (arguments, ["look", "look"]))
        ids = {call["id"] for call in calls}
        check(len(ids) == 2 and all(ids), ids)


for spelled in DIALECTS:
    dialect_case(spelled, False)
    dialect_case(spelled, True)


@test("a call whose arguments are neither a text nor an object is the provider's mistake")
def _():
    for stream in (False, True):
        got = ask("anthropic", acts.say("", tools=[("look", [1])], dialect="objects"), stream=stream, model="gpt",
                  tools=[{"name": "look", "input_schema": {"type": "object"}}])
        check(got.status == 502 or "event: error" in got.body.decode(), got.body)
    fake.forget()


# -- what it cost


USAGE = {"openai": {"input": 100, "cache_read": 40, "cache_5m": 10, "output": 30},
         "anthropic": {"prompt": 150, "cached": 40, "completion": 30, "reasoning": 12}}


@test("cached and reasoning tokens: the caller's totals, the ledger's and the price agree, streamed and not")
def _():
    for caller in CALLERS:
        for stream in (False, True):
            before = total()
            more = {"stream_options": {"include_usage": True}} if stream and caller == "openai" else {}
            got = ask(caller, acts.say("Hello there.", usage=USAGE[caller]), stream=stream, **more)
            eq(got.status, 200)
            after = until(lambda: total()["requests"] > before["requests"] and total(), "the row is there")
            if caller == "openai":
                usage = chat_chunks(got)[-1]["usage"] if stream else got.json()["usage"]
                told = (usage["prompt_tokens"], usage["completion_tokens"], usage["prompt_tokens_details"]["cached_tokens"])
            else:
                usage = messages_events(got)[-2]["usage"] if stream else got.json()["usage"]
                told = (usage["input_tokens"] + usage["cache_read_input_tokens"] + (usage.get("cache_creation_input_tokens") or 0),
                        usage["output_tokens"], usage["cache_read_input_tokens"])
            eq(told, (150, 30, 40), caller)
            eq(after["input_tokens"] - before["input_tokens"], 150)
            eq(after["output_tokens"] - before["output_tokens"], 30)


WORDS = ["word " * 100] * 12  # of which eight come: 4000 characters, that no vendor calls fewer than 500 tokens


def early(end):
    """The first of them, then a broken connection or silence until the caller is gone."""
    async def act(x):
        await x.stream_head()
        events = x.vendor.events(x.json, acts.Reply("".join(WORDS), pieces=WORDS))
        came = [at for at, event in enumerate(events) if b"word word" in event][7]
        for event in events[:came + 1]:
            await x.chunk(event)
        if end == "cut":
            x.close()
        else:
            await x.until_gone()
    return act


def hang_up(vendor, model):
    """A caller that leaves when it has seen enough."""
    path, name = ("/v1/chat/completions", "Authorization") if vendor == "openai" else ("/v1/messages", "x-api-key")
    conn = gateway.conn()
    conn.request("POST", path, {name: KEY if name == "x-api-key" else f"Bearer {KEY}", "anthropic-version": "2023-06-01"},
                 {"model": model, "stream": True, "messages": [{"role": "user", "content": "q"}],
                  **({} if vendor == "openai" else {"max_tokens": 9000})})
    head, seen = conn.head(), 0
    eq(head.status, 200)
    for piece in conn.pieces(head):
        seen += piece.count(b"word")
        if seen >= 800:
            break
    conn.reset()


def early_case(caller, model, end):
    @test(f"{caller} caller of {model}, streamed: a {end} before the provider told the output is charged by what came, as an estimate")
    def _():
        before, call = total(), {"openai": gateway.chat, "anthropic": gateway.messages}[caller]
        fake.forget()
        fake.play(early(end))
        if end == "cut":
            call(KEY, model=model, stream=True)
        else:
            hang_up(caller, model)
        after = until(lambda: total()["requests"] > before["requests"] and total(), "the row is there")
        grown = after["output_tokens"] - before["output_tokens"]
        check(500 <= grown <= 2000, grown)
        eq(after["estimated_requests"] - before.get("estimated_requests", 0), 1)
        eq(after["estimated_output_tokens"] - before.get("estimated_output_tokens", 0), grown)
        check(after["cost"] > before["cost"], after)


for who in CALLERS:
    for to in ("opus", "gpt"):
        for how_it_ends in ("cut", "hang-up"):
            early_case(who, to, how_it_ends)


# -- losses and refusals


@test("what the target has no place for is told in x-aquifer-losses and counted")
def _():
    before = metric("aquifer_losses_total")
    got = ask("openai", seed=7, user="somebody")
    eq(got.status, 200)
    lost = got.get("x-aquifer-losses")
    eq(lost, "sampling=1")
    eq((fake.last().json["metadata"], "seed" in fake.last().json), ({"user_id": "somebody"}, False))
    check(metric("aquifer_losses_total") > before, "the metric counts")
    streamed = ask("openai", seed=7, stream=True)
    check("sampling=1" in streamed.get("x-aquifer-losses"), streamed.headers)
    eq(ask("openai").get("x-aquifer-losses"), None)
    eq(ask("openai", frobnicate=1).get("x-aquifer-losses"), "extra_field=1")
    back = ask("anthropic", top_k=5)
    check("sampling=1" in back.get("x-aquifer-losses"), back.headers)


@test("what the target cannot express is refused with a clear message, and nothing is sent")
def _():
    for caller, fields, word in (("openai", {"n": 2}, "n"), ("openai", {"modalities": ["audio"], "audio": {"voice": "x"}}, "modalities"),
                                 ("anthropic", {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "server tool of tools[0]"),
                                 ("anthropic", {"container": "c"}, "container")):
        got = ask(caller, **fields)
        eq((got.status, len(fake.requests)), (400, 0), f"{caller} {fields} {got.body}")
        check(word in error_of(caller, got.json())["message"], got.body)
        eq(got.get("x-should-retry"), "false")


@test("a deployment that cannot express the request is passed over for one that can")
def _():
    fake.models |= {"claude-either", "gpt-either"}
    got = ask("openai", model="either", n=2)
    eq((got.status, fake.last().path), (200, "/v1/chat/completions"))
    got = ask("openai", model="either")
    eq((got.status, fake.last().path), (200, "/v1/messages"))
    got = ask("anthropic", model="either-claude", tools=[{"type": "code_execution_20250825", "name": "code_execution"}])
    eq((got.status, fake.last().path), (200, "/v1/messages"))


@test("the next deployment takes over across formats when the first fails")
def _():
    fake.models |= {"claude-either", "gpt-either"}
    got = ask("openai", acts.status(500), model="either")
    eq((got.status, [one.path for one in fake.requests]), (200, ["/v1/messages", "/v1/chat/completions"]))
    eq(got.get("x-aquifer-losses"), None)


@test("a client that goes away ends the provider's call, and the attempt has its row")
def _():
    for caller in CALLERS:
        before = total()["requests"]
        fake.forget()
        gate = threading.Event()
        fake.play(acts.say("Hello there, and so on.", gate=gate))
        path, headers, body = _raw(caller)
        conn = gateway.conn()
        conn.request("POST", path, headers, body)
        head = conn.head()
        eq(head.status, 200)
        next(conn.pieces(head))
        conn.close()
        until(lambda: fake.last().closed_at, "the provider's connection is closed")
        until(lambda: total()["requests"] == before + 1, "its row is there")
        gate.set()


def _raw(caller):
    body = {"model": CALLERS[caller][1], "stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    if caller == "openai":
        return "/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}, body
    return "/v1/messages", {"x-api-key": KEY, "anthropic-version": "2023-06-01"}, body


@test("an answer that is longer than can be held is an error of its own")
def _():
    for caller in CALLERS:
        got = ask(caller, acts.say("a" * (20 << 20)))
        eq(got.status, 502)
        error_of(caller, got.json())


def end():
    gateway.stop()
    fake.stop()


run(end)
