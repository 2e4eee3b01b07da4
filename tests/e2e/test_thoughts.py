# order: 23
# timeout: 180
# builds: plain asan
"""Thoughts that nobody signed (Gemini's without a signature, those of servers of open models) come to callers of Responses as items with
text and nothing encrypted. OpenAI refuses such items: they stay out of what goes there, counted, on every road; a server that does
not encrypt gets its own back."""
import json

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, gemini_provider, openai_provider, route
from lib.tap import check, eq, run, test
from lib.websocket import WebSocket

RESPONSES = "    formats: [openai_responses]\n"
fake = Fake(models=("gpt-5.5", "gpt-5.5-known", "gemini-3-pro", "open-model", "open-at-home", "first", "gpt-5.5-second")).start()
PROVIDERS = [openai_provider(fake, "unknown", RESPONSES), openai_provider(fake, "strict", RESPONSES + "    quirks: [own_reasoning]\n"),
             openai_provider(fake, "lenient", RESPONSES + "    quirks: [any_reasoning]\n"), openai_provider(fake, "main"), gemini_provider(fake)]
gateway = Gateway(config(PROVIDERS, [
    route("unknown", deployment("unknown", "gpt-5.5")), route("strict", deployment("strict", "gpt-5.5-known")),
    route("lenient", deployment("lenient", "open-at-home")), route("home", deployment("unknown", "open-at-home")),
    route("google", deployment("google", "gemini-3-pro")), route("open", deployment("main", "open-model")),
    route("both", deployment("google", "first"), deployment("strict", "gpt-5.5-second")),
])).start()
KEY = gateway.key()
USER = {"role": "user", "content": "hello"}
MORE = {"role": "user", "content": "And now?"}
ROUTES = ("unknown", "strict")
VLLM = {"type": "reasoning", "id": "rs_vllm1", "summary": [], "content": [{"type": "reasoning_text", "text": "Let me see."}]}


def respond(model, given, path="/v1/responses", **fields):
    return http.call(gateway.address, "POST", path, {"Authorization": f"Bearer {KEY}"}, {"model": model, "input": given, **fields})


def think(model, **fields):
    """An answer with a thought that nobody signed."""
    fake.play(acts.say("Yes.", thinking="Let me see."))
    got = respond(model, [USER], **fields)
    eq(got.status, 200, got.body)
    return got.json()


def sent():
    return fake.last().body.decode()


def is_left_out(got, counted="reasoning_text=1"):
    eq(got.status, 200, got.body)
    check("Let me see" not in sent() and "Yes." in sent() and '"reasoning"' not in sent(), sent())
    eq(got.get("x-aquifer-losses"), counted)


def without_ids(items):
    """As Codex sends them back: no ids, no text of thoughts."""
    return [{name: value for name, value in item.items() if name not in ("id", "status") and (item["type"], name) != ("reasoning", "content")}
            for item in items]


@test("the caller sends the items back: streamed or not, whole or as Codex does")
def _():
    for source in ("google", "open"):
        items = think(source)["output"]
        check(items[0]["type"] == "reasoning" and not items[0].get("encrypted_content"), items)
        for model in ROUTES:
            for again, counted in ((items, "reasoning_text=1"), (without_ids(items), None)):  # of the latter nothing is left to be lost
                for stream in (False, True):
                    got = respond(model, [USER, *again, MORE], stream=stream, store=False)
                    is_left_out(got, counted)
                    if stream:
                        eq([name for name, _ in got.events()][-1], "response.completed")


@test("streamed thoughts have ids that tell, too")
def _():
    fake.play(acts.say("Yes.", thinking="Let me see."))
    events = respond("google", [USER], stream=True).events()
    events = [json.loads(data) for _, data in events]
    items = events[-1]["response"]["output"]
    eq(items[0]["type"], "reasoning")
    eq({event["item"]["id"] for event in events if event.get("item", {}).get("type") == "reasoning"}, {items[0]["id"]})
    is_left_out(respond("unknown", [USER, *items, MORE]))


@test("what is kept here: previous_response_id and conversations")
def _():
    for model in ROUTES:
        first = think("google")
        is_left_out(respond(model, [MORE], previous_response_id=first["id"]))
        made = http.call(gateway.address, "POST", "/v1/conversations", {"Authorization": f"Bearer {KEY}"}, {}).json()
        think("google", conversation=made["id"])
        is_left_out(respond(model, [MORE], conversation=made["id"]))


@test("a chain in a WebSocket's memory")
def _():
    for model in ROUTES:
        with WebSocket(gateway.address, "/v1/responses", {"Authorization": f"Bearer {KEY}"}) as socket:
            fake.play(acts.say("Yes.", thinking="Let me see."))
            first = socket.ask("google", [USER], store=False)[-1]["response"]["id"]
            eq(socket.ask(model, [MORE], store=False, previous_response_id=first)[-1]["type"], "response.completed")
        check("Let me see" not in sent() and "Yes." in sent(), sent())


@test("compacted, and counted")
def _():
    items = think("google")["output"]
    for model in ROUTES:
        for path in ("/v1/responses/compact", "/v1/responses/input_tokens"):
            got = respond(model, [USER, *items, MORE], path)
            is_left_out(got)
            eq(fake.last().path, path)


@test("another deployment takes over that may not have them")
def _():
    items = think("google")["output"]
    fake.play_model("first", acts.status(500))
    fake.play_model("gpt-5.5-second", acts.say("I stand in."))
    is_left_out(respond("both", [USER, *items, MORE]))


@test("a server that does not encrypt gets its own thoughts back as they came; OpenAI none of them")
def _():
    given = [USER, VLLM, {"role": "assistant", "content": "Yes."}, MORE]
    got = respond("home", given, store=False)
    eq((got.status, got.get("x-aquifer-losses")), (200, None))
    eq(fake.last().json["input"], given)
    is_left_out(respond("strict", given, store=False))


@test("a server that takes everybody's thoughts gets them")
def _():
    items = think("google")["output"]
    got = respond("lenient", [USER, *items, MORE])
    eq((got.status, got.get("x-aquifer-losses")), (200, None))
    check("Let me see." in sent(), sent())


@test("the rest of such a body goes as it came")
def _():
    items = think("google")["output"]
    is_left_out(respond("strict", [USER, *items, MORE], top_logprobs=0, metadata={"a": "b"}, store=False))
    check('"top_logprobs":0' in sent() and '"metadata":{"a": "b"}' in sent(), sent())


def end():
    gateway.stop()
    fake.stop()


run(end)
