# order: 20
# timeout: 300
# builds: plain asan
"""The official OpenAI and Anthropic SDKs (tests/clients), through Aquifer, against the strict fake, where every answer is known: through a provider
of their own vendor's format and one of the other's.
Against a real model: test_local_model.py."""
from lib import acts
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import run, test

BROKEN = ("limited", "limited-for-ever", "error-event", "cut", "clean-end", "cut-json")

fake = Fake().start()


def gateway_to_fake(plain="main", claude="claude"):
    """Routes that the OpenAI SDK calls under their plain names, those of Anthropic's with `claude-` before them."""
    routes = [route("fast", deployment(plain, "gpt-4o-mini")), route("claude", deployment(claude, "claude-opus-5"))]
    for name in BROKEN:
        routes.append(route(name, deployment(plain, "gpt-" + name)))
        routes.append(route("claude-" + name, deployment(claude, "claude-" + name)))
    return Gateway(config([openai_provider(fake), anthropic_provider(fake)], routes)).start()


def script(vendor, events):
    """What the fake does for each model that misbehaves; `events` so many that "Hello " has been said."""
    fake.play_model(vendor + "limited", acts.rate_limited(), acts.say("after the wait"))
    fake.play_model(vendor + "limited-for-ever", acts.rate_limited())
    fake.play_model(vendor + "error-event", acts.error_event(events))
    fake.play_model(vendor + "cut", acts.cut(events))
    fake.play_model(vendor + "clean-end", acts.clean_end(events))
    fake.play_model(vendor + "cut-json", acts.cut_json())


gateway = gateway_to_fake()
crossed = gateway_to_fake("claude", "main")  # every model is the other vendor's


def at(which, **more):
    return {"AQUIFER_URL": f"http://127.0.0.1:{which.port}", "AQUIFER_API_KEY": which.key(), "AQUIFER_EXACT": "1", **more}


@test("openai SDK, Chat Completions, strict fake")
def _():
    script("gpt-", 2)
    run_client("chat.mjs", at(gateway, AQUIFER_MODEL="fast"))


@test("@anthropic-ai/sdk, Messages, strict fake")
def _():
    script("claude-", 4)
    run_client("messages.mjs", at(gateway, AQUIFER_MODEL="claude"))


@test("openai SDK, Chat Completions, a Messages provider (strict fake)")
def _():
    script("gpt-", 4)
    run_client("chat.mjs", at(crossed, AQUIFER_MODEL="fast", AQUIFER_CROSSED="1"))


@test("@anthropic-ai/sdk, Messages, a Chat Completions provider (strict fake)")
def _():
    script("claude-", 2)
    run_client("messages.mjs", at(crossed, AQUIFER_MODEL="claude", AQUIFER_CROSSED="1"))


def end():
    gateway.stop()
    crossed.stop()
    fake.stop()


run(end)
