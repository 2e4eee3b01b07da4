# order: 21
# timeout: 300
# builds: plain asan
"""Responses: the official OpenAI SDK as a caller of it, at strict fakes of all three vendors' formats; and the SDKs of Chat Completions
and of Messages at a provider that speaks only Responses."""
import json

from lib import acts, http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test, until

BROKEN = ("limited", "limited-for-ever", "error-event", "cut", "clean-end", "cut-json")
CALLED = {"responses": 5, "main": 2, "claude": 4}  # events until "Hello " has been said
fake = Fake().start()


def routes_of(provider):
    """What the SDK of Responses calls at this provider."""
    fake.models.add(f"{provider}-plain")
    fake.play_model(f"{provider}-limited", acts.rate_limited(), acts.say("after the wait"))
    fake.play_model(f"{provider}-long", acts.say("Once upon a", finish="max_tokens" if provider == "claude" else "length"))
    fake.play_model(f"{provider}-cut", acts.cut(CALLED[provider]))
    return [route("in-" + provider, deployment(provider, f"{provider}-plain"))] + [
        route(f"in-{provider}-{name}", deployment(provider, f"{provider}-{name}")) for name in ("limited", "long", "cut")]


def routes_to_responses():
    """What the other two SDKs call, all at the provider of Responses."""
    found = [route("fast", deployment("responses", "gpt-4o-mini")), route("opus", deployment("responses", "claude-opus-5"))]
    for name in BROKEN:
        found += [route(name, deployment("responses", "gpt-" + name)), route("claude-" + name, deployment("responses", "claude-" + name))]
    return found


providers = [openai_provider(fake, "responses", "    formats: [openai_responses]\n"), openai_provider(fake), anthropic_provider(fake)]
gateway = Gateway(config(providers, sum(map(routes_of, CALLED), routes_to_responses()))).start()
KEY = gateway.key()


def client(name, model, **more):
    run_client(name, {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY, "AQUIFER_EXACT": "1",
                      "AQUIFER_MODEL": model, **more})


def ask(model, given="hello", **fields):
    return http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {KEY}"}, {"model": model, "input": given, **fields})


@test("openai SDK, Responses, a provider of the same format")
def _():
    client("responses.mjs", "in-responses")


@test("openai SDK, Responses, a Chat Completions provider")
def _():
    client("responses.mjs", "in-main", AQUIFER_CROSSED="1")


@test("openai SDK, Responses, a Messages provider")
def _():
    client("responses.mjs", "in-claude", AQUIFER_CROSSED="1")


def script(vendor):
    fake.play_model(vendor + "limited", acts.rate_limited(), acts.say("after the wait"))
    fake.play_model(vendor + "limited-for-ever", acts.rate_limited())
    fake.play_model(vendor + "error-event", acts.error_event(5))
    fake.play_model(vendor + "cut", acts.cut(5))
    fake.play_model(vendor + "clean-end", acts.clean_end(5))
    fake.play_model(vendor + "cut-json", acts.cut_json())


@test("openai SDK, Chat Completions, a Responses provider")
def _():
    script("gpt-")
    client("chat.mjs", "fast", AQUIFER_CROSSED="1")


@test("@anthropic-ai/sdk, Messages, a Responses provider")
def _():
    script("claude-")
    client("messages.mjs", "opus", AQUIFER_CROSSED="1", AQUIFER_COUNTS="1")


@test("on the road of the same format the body is the caller's but for the model's name")
def _():
    fake.forget()
    body = b'{"model":"in-responses", "input":[{"role":"user","content":"h\\u00e9"}],"temperature":1.50,"store":false}'
    got = http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}, body)
    eq((got.status, fake.last().body), (200, body.replace(b'"in-responses"', b'"responses-plain"')))


@test("what was thought travels sealed, and comes back to its maker")
def _():
    fake.forget()
    fake.play(acts.say("Yes.", thinking="Let me see."))
    first = ask("in-claude", reasoning={"effort": "high"}).json()
    eq([item["type"] for item in first["output"]], ["reasoning", "message"])
    check(first["output"][0]["encrypted_content"].startswith("aq1."), first)
    again = [{"role": "user", "content": "hello"}, *first["output"], {"role": "user", "content": "And now?"}]
    eq(ask("in-claude", again).status, 200)
    thought = fake.last().json["messages"][1]["content"][0]
    eq((thought["type"], thought["thinking"], bool(thought["signature"])), ("thinking", "Let me see.", True))
    eq(ask("in-main", again).status, 200)  # another vendor does not get it
    check("aq1." not in json.dumps(fake.last().json) and "Let me see" not in json.dumps(fake.last().json), fake.last().body)


@test("what was sealed for one project opens for no other")
def _():
    fake.play(acts.say("Yes.", thinking="Let me see."))
    first = ask("in-claude", reasoning={"effort": "high"}).json()
    again = [{"role": "user", "content": "hello"}, *first["output"], {"role": "user", "content": "And now?"}]
    colleague, stranger = gateway.key("colleague"), gateway.key("stranger", "--project", "another")

    def as_key(key):
        return http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {key}"}, {"model": "in-claude", "input": again})
    eq(as_key(colleague).status, 200)
    fake.forget()
    refused = as_key(stranger)
    eq((refused.status, len(fake.requests)), (400, 0), refused.body)
    check("another project" in refused.json()["error"]["message"], refused.body)
    keys = {key["name"]: key["project"] for key in gateway.admin("GET", "/admin/v1/keys").json()["data"]}
    eq((keys["colleague"], keys["stranger"]), ("default", "another"))
    fake.forget()
    body = {"model": "in-claude", "input": "hello"}
    eq(http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {stranger}"}, body).status, 200)
    until(lambda: gateway.cli("usage", "--project", "another", "--json")["total"]["requests"] == 1, "its usage is told by project")
    check(gateway.usage()["total"]["requests"] > 1, "and everybody's by none")


@test("errors in this format's shape, with what to do")
def _():
    for given, fields, status, word in (("x", {"background": True, "store": False}, 400, "background"), (7, {}, 400, "input: must be a string"),
                                        ([{"type": "item_reference", "id": "msg_1"}], {}, 404, "msg_1"),
                                        ([{"type": "item_reference", "id": "msg_1"}], {"store": False}, 404, "msg_1")):
        got = ask("in-main", given, **fields)
        eq(got.status, status, got.body)
        check(word in got.json()["error"]["message"], got.body)


def end():
    gateway.stop()
    fake.stop()


run(end)
