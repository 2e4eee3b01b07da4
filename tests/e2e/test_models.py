# order: 31
# timeout: 120
# builds: plain asan
"""What models take, by the catalogue's families: effort in each model's own words, Responses where Chat Completions refuses tools
beside it. The fakes refuse what the vendors refuse."""
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import check, eq, run, test

PRICE = "{ input: 1, output: 10 }"
OPENAI = ("gpt-4o", "gpt-5.1", "gpt-5.5", "gpt-5.6-sol")
CLAUDE = ("claude-opus-4-7", "claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5")
GEMINI = ("gemini-3-pro", "gemini-2.5-flash")
fake = Fake().start()
fake.models |= {*OPENAI, *CLAUDE, *GEMINI}
BOTH = "    formats: [openai_chat, openai_responses]\n"
gateway = Gateway(config(
    [openai_provider(fake, extra=BOTH), openai_provider(fake, "chat"), anthropic_provider(fake), gemini_provider(fake)],
    [route(name, deployment("main", name, PRICE)) for name in OPENAI]
    + [route("chat-only", deployment("chat", "gpt-5.5", PRICE)), route("any-*", deployment("main", '"*"', PRICE))]
    + [route(name, deployment("claude", name, PRICE)) for name in CLAUDE]
    + [route(name, deployment("google", name, PRICE)) for name in GEMINI])).start()
KEY = gateway.key()
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
CLAUDE_TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]


def up(answer):
    """(path, body) of what went up, and the losses that the caller was told."""
    eq(answer.status, 200, answer.body)
    sent = fake.requests[-1]
    return sent.path, sent.json, answer.get("x-aquifer-losses") or ""


def think(budget):
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": 40000}


@test("Claude since 4.7 thinks adaptively, at the effort that was asked for; older ones by budget (A11)")
def _():
    for model in CLAUDE[:3]:
        _, body, losses = up(gateway.chat(KEY, model=model, reasoning_effort="high"))
        eq((body["thinking"], body["output_config"], losses), ({"type": "adaptive"}, {"effort": "high"}, ""))
    _, body, losses = up(gateway.chat(KEY, model="claude-haiku-4-5", reasoning_effort="high", max_tokens=1500))
    eq((body["thinking"], losses), ({"type": "enabled", "budget_tokens": 1125}, "effort=1"))
    _, body, losses = up(gateway.chat(KEY, model="claude-opus-4-7", reasoning_effort="none", temperature=0.2))
    eq(({"thinking", "temperature"} & set(body), losses), (set(), "sampling=1"))


@test("OpenAI's models get an effort that they have, or none")
def _():
    for model, budget, effort in (("gpt-4o", 1024, None), ("gpt-5.1", 1024, "low"), ("gpt-5.1", 31999, "high"), ("gpt-5.5", 31999, "xhigh")):
        _, body, losses = up(gateway.messages(KEY, model=model, **think(budget)))
        eq((body.get("reasoning_effort"), losses), (effort, "effort=1"), model)


@test("settings that a model refuses do not go up")
def _():
    both = {"temperature": 0.2, "top_p": 0.9}
    _, body, losses = up(gateway.chat(KEY, model="claude-haiku-4-5", stop=["\n", "END"], **both))
    eq((body["temperature"], "top_p" in body, body["stop_sequences"], losses), (0.2, False, ["END"], "sampling=2"))
    user = "user_" + 130 * "a"
    hashes = set()
    for _ in range(2):
        _, body, losses = up(gateway.messages(KEY, model="gpt-5.1", stop_sequences=["END"], metadata={"user_id": user}))
        check("stop" not in body and len(body["user"]) == 64, body)
        eq(losses, "hint=1, sampling=1")
        hashes.add(body["user"])
    eq(len(hashes), 1)
    tools = {"tools": TOOLS, "response_format": {"type": "json_object"}}
    answer = gateway.chat(KEY, model="gemini-2.5-flash", **tools)
    eq(answer.status, 400, answer.body)
    check(b"takes no response format beside tools" in answer.body, answer.body)
    _, body, _ = up(gateway.chat(KEY, model="gemini-3-pro", **tools))
    eq(body["generationConfig"]["responseMimeType"], "application/json")


@test("Gemini's models get a level or a budget that they have (G11)")
def _():
    for model, effort, config_, lost in (("gemini-3-pro", "minimal", {"thinkingLevel": "low"}, "effort=1"),
                                         ("gemini-3-pro", "none", {"thinkingLevel": "low"}, "effort=1"),
                                         ("gemini-3-pro", "high", {"thinkingLevel": "high"}, ""),
                                         ("gemini-2.5-flash", "none", {"thinkingBudget": 0}, "")):
        _, body, losses = up(gateway.chat(KEY, model=model, reasoning_effort=effort))
        eq((body["generationConfig"]["thinkingConfig"], losses), (config_, lost), model)


@test("tools beside reasoning go by Responses, whoever asks (C10)")
def _():
    for ask in (lambda: gateway.chat(KEY, model="gpt-5.5", tools=TOOLS, reasoning_effort="high"),
                lambda: gateway.chat(KEY, model="gpt-5.5", tools=TOOLS, reasoning_effort="high", stream=True),
                lambda: gateway.chat(KEY, model="gpt-5.6-sol", tools=TOOLS),
                lambda: gateway.messages(KEY, model="gpt-5.5", tools=CLAUDE_TOOLS, **think(8192))):
        path, body, _ = up(ask())
        eq((path, len(body["tools"])), ("/v1/responses", 1))
    for ask in (lambda: gateway.chat(KEY, model="gpt-5.5", reasoning_effort="high"),
                lambda: gateway.chat(KEY, model="gpt-5.6-sol", tools=TOOLS, reasoning_effort="none"),
                lambda: gateway.chat(KEY, model="gpt-5.1", tools=TOOLS, reasoning_effort="high")):
        eq(up(ask())[0], "/v1/chat/completions")


@test("without Responses the effort gives way, and is counted; the caller's own Chat goes as it came")
def _():
    path, body, losses = up(gateway.messages(KEY, model="chat-only", tools=CLAUDE_TOOLS, **think(8192)))
    eq((path, body["reasoning_effort"]), ("/v1/chat/completions", "none"))
    check("effort=" in losses, losses)
    refused = gateway.chat(KEY, model="chat-only", tools=TOOLS, reasoning_effort="high")
    eq(refused.status, 400)
    check("Function tools with reasoning_effort" in refused.json()["error"]["message"], refused.body)


def end():
    gateway.stop()
    fake.stop()


run(end)
