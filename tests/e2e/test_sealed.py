# order: 23
# timeout: 180
# builds: plain asan
"""State that we sealed, on its way back to a provider of the caller's own format: opened, and its own again; foreign, and dropped and
counted; a summary, and text. Everything else of the road stays as it is: answers pass byte for byte, bodies without a seal too."""
import json

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import check, eq, run, test

fake = Fake(models=("gpt-5.5", "claude-opus-5", "gemini-3-pro", "first", "second")).start()
PROVIDERS = [openai_provider(fake, "responses", "    formats: [openai_responses]\n"),
             openai_provider(fake, "summing", "    formats: [openai_responses]\n    quirks: [no_compact]\n"), anthropic_provider(fake), gemini_provider(fake)]
gateway = Gateway(config(PROVIDERS, [
    route("responses", deployment("responses", "gpt-5.5")), route("summing", deployment("summing", "gpt-5.5")), route("claude", deployment("claude", "claude-opus-5")),
    route("google", deployment("google", "gemini-3-pro")),
    route("both", deployment("claude", "first"), deployment("responses", "second")),
])).start()
KEY = gateway.key()
USER = {"role": "user", "content": "hello"}


def post(path, body, key=KEY):
    return http.call(gateway.address, "POST", path, {"Authorization": f"Bearer {key}"}, body)


def respond(model, given, key=KEY, path="/v1/responses", **fields):
    """Of what nobody keeps: else the answer is told with an id of ours."""
    fields = {"include": ["reasoning.encrypted_content"], "store": False, **fields}
    return post(path, {"model": model, "input": given, **{name: value for name, value in fields.items() if value is not None}}, key)


def message(model, messages, **fields):
    return post("/v1/messages", {"model": model, "max_tokens": 4000, "messages": messages, **fields})


def thought_by(ask, model):
    """One answer with a thought: (its items or blocks)."""
    fake.play(acts.say("Yes.", thinking="Let me see."))
    got = ask(model)
    eq(got.status, 200, got.body)
    return got.json()


def sent():
    return fake.last().body.decode()


def losses(answer):
    return answer.get("x-aquifer-losses") or ""


def thought_of_claude():
    first = thought_by(lambda model: respond(model, [USER]), "claude")["output"]
    check(first[0]["encrypted_content"].startswith("aq1."), first)
    return [USER, *first, {"role": "user", "content": "And now?"}]


@test("Responses: another vendor's thought is dropped and counted, and the answer passes as it came")
def _():
    again = thought_of_claude()
    for stream in (False, True):
        fake.forget()
        got = respond("responses", again, stream=stream, top_logprobs=0, metadata={"a": "b"})
        eq(got.status, 200, got.body)
        check("aq1." not in sent() and "Let me see" not in sent() and "Yes." in sent(), sent())
        check('"top_logprobs":0' in sent() and '"metadata":{"a": "b"}' in sent(), sent())
        check("opaque_foreign=1" in losses(got), got.headers)
        check(b"resp_fake" in got.body and b"gpt-5.5-2026-11-01" in got.body, got.body)  # the provider's own words
    eq([name for name, _ in got.events()][-1], "response.completed")


@test("Responses: from one family to another by failover, and back to the maker")
def _():
    fake.play_model("first", acts.say("Yes.", thinking="Let me see."))
    first = respond("both", [USER]).json()["output"]
    again = [USER, *first, {"role": "user", "content": "And now?"}]
    check(first[0]["encrypted_content"].startswith("aq1."), first)
    fake.play_model("first", acts.status(500))
    fake.play_model("second", acts.say("I stand in."))
    got = respond("both", again)
    eq((got.status, fake.last().json["model"]), (200, "second"), got.body)
    check("aq1." not in sent() and "Let me see" not in sent() and "Yes." in sent(), sent())
    check("opaque_foreign=1" in losses(got) and b"I stand in." in got.body, (got.headers, got.body))
    fake.play_model("second", acts.status(500))
    fake.play_model("first", acts.say("I am back."))
    for _ in range(3):  # the one that failed rests a while
        got = respond("both", again)
        if got.status == 200:
            break
    check("I am back." in got.body.decode(), got.body)
    thought = fake.last().json["messages"][1]["content"][0]
    eq((thought["thinking"], thought["signature"]), ("Let me see.", "c2lnbmF0dXJl"))
    check("opaque" not in losses(got) and "reasoning" not in losses(got), got.headers)


@test("Responses: a summary of ours is text for a provider of Responses, whole and streamed")
def _():
    fake.play(acts.say("We were greeting each other."))
    item = respond("claude", [USER, {"type": "compaction_trigger"}]).json()["output"][0]
    eq((item["type"], item["encrypted_content"][:4]), ("compaction", "aq1."))
    for stream in (False, True):
        fake.forget()
        got = respond("responses", [item, {"role": "user", "content": "Go on."}], stream=stream)
        eq(got.status, 200, got.body)
        said = json.dumps(fake.last().json["input"])
        check("summary of this conversation" in said and "We were greeting each other." in said and "aq1." not in said, said)
        check(b"Go on." in got.body, got.body)


@test("Responses: such a text has no compaction's id, which OpenAI would refuse: compacted again, here or there, and in mid-conversation")
def _():
    fake.play(acts.say("We were greeting each other."))
    item = respond("claude", [USER], path="/v1/responses/compact", include=None, store=None).json()["output"][-1]
    check(item["id"].startswith("cmp_"), item)
    for model, path, last in (("responses", "/v1/responses/compact", []), ("summing", "/v1/responses/compact", []),
                              ("responses", "/v1/responses", [{"type": "compaction_trigger"}]), ("responses", "/v1/responses/input_tokens", [])):
        fake.forget()
        got = respond(model, [item, {"role": "user", "content": "Go on."}, *last], path=path, include=None, store=None)
        eq(got.status, 200, (model, path, got.body))
        check("We were greeting each other." in sent() and "cmp_" not in sent() and "aq1." not in sent(), (model, path, sent()))


@test("Responses: what belongs to nobody here is refused with its path: forged, or of another project")
def _():
    again = thought_of_claude()
    blob = again[1]["encrypted_content"]
    fake.forget()
    for bad in (blob[:-4] + "AAAA", blob[:60]):
        got = respond("responses", [USER, {**again[1], "encrypted_content": bad}, USER])
        eq(got.status, 400, got.body)
        check("input[1]" in got.json()["error"]["message"] and "sealed" in got.json()["error"]["message"], got.body)
    stranger = gateway.key("stranger", "--project", "elsewhere")
    got = respond("responses", again, key=stranger)
    eq(got.status, 400, got.body)
    eq(fake.requests, [])


@test("Messages: a thought of OpenAI's goes back to it, and not to Anthropic")
def _():
    think = {"type": "enabled", "budget_tokens": 2000}
    first = thought_by(lambda model: message(model, [USER], thinking=think), "responses")["content"]
    eq([block["type"] for block in first][-1], "text")
    again = [USER, {"role": "assistant", "content": first}, {"role": "user", "content": "And now?"}]
    check("aq1." in json.dumps(first), first)
    fake.forget()
    got = message("claude", again, metadata={"user_id": "u"})
    eq(got.status, 200, got.body)
    check("aq1." not in sent() and "Let me see" not in sent() and '"user_id"' in sent(), sent())
    check("opaque_foreign=1" in losses(got) and b"claude-opus-5" in got.body, (got.headers, got.body))
    got = message("responses", again)
    eq(got.status, 200, got.body)
    check("gAAAAfake" in sent() and "aq1." not in sent(), sent())


@test("Gemini: a signature of Anthropic's is spelled in its alphabet, and not sent to Google")
def _():
    def generate(model, contents):
        return post(f"/v1beta/models/{model}:generateContent", {"contents": contents})
    user = {"role": "user", "parts": [{"text": "hello"}]}
    first = thought_by(lambda model: generate(model, [user]), "claude")["candidates"][0]["content"]
    check('"aq1/' in json.dumps(first), first)
    again = [user, first, {"role": "user", "parts": [{"text": "And now?"}]}]
    fake.forget()
    got = generate("google", again)
    eq(got.status, 200, got.body)
    check("aq1" not in sent() and "Yes." in sent(), sent())
    check("opaque_foreign=1" in losses(got), got.headers)
    eq(generate("claude", again).status, 200)
    check("c2lnbmF0dXJl" in sent(), sent())


@test("a text that only looks like a seal, and a seal where no state stands, go on as they came")
def _():
    looks = "aq1." + "x" * 60
    body = json.dumps({"model": "responses", "input": [{"role": "user", "content": looks}], "parallel_tool_calls": False, "store": False}).encode()
    fake.forget()
    got = http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}, body)
    eq((got.status, fake.last().body), (200, body.replace(b'"responses"', b'"gpt-5.5"')), got.body)
    eq(losses(got), "")


def end():
    gateway.stop()
    fake.stop()


run(end)
