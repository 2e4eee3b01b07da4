# order: 21
# timeout: 200
# builds: plain asan
"""Google's official SDK (tests/clients/gemini.mjs) through Aquifer: a Gemini provider, and those of other formats; the body on the
same-format road; other vendors' callers with a Gemini provider behind."""
from lib import acts
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import run, test

fake = Fake().start()
EVENTS = {"openai": 2, "anthropic": 4, "gemini": 1}  # until "Hello " has been said


def gateway_to(provider, model):
    names = {"gemini": model, **{f"gemini-{act}": f"{model}-{act}" for act in ("limited", "error-event", "clean-end")}}
    routes = [route(name, deployment("there", upstream)) for name, upstream in names.items()]
    return Gateway(config([provider(fake, "there")], routes)).start()


def client_through(provider, model, vendor, **more):
    fake.models.update({model})
    fake.play_model(f"{model}-limited", acts.rate_limited())
    fake.play_model(f"{model}-error-event", acts.error_event(EVENTS[vendor]))
    fake.play_model(f"{model}-clean-end", acts.clean_end(EVENTS[vendor]))
    gateway = gateway_to(provider, model)
    try:
        run_client("gemini.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": gateway.key(),
                                  "AQUIFER_MODEL": "gemini", "AQUIFER_EXACT": "1", **more})
    finally:
        gateway.stop()


@test("@google/genai, a Gemini provider (strict fake)")
def _():
    client_through(gemini_provider, "gemini-3-pro", "gemini")


@test("@google/genai, a Chat Completions provider (strict fake)")
def _():
    client_through(openai_provider, "gpt-4o-mini", "openai", AQUIFER_CROSSED="1")


@test("@google/genai, a Messages provider (strict fake)")
def _():
    client_through(anthropic_provider, "claude-opus-5", "anthropic", AQUIFER_CROSSED="1")


def end():
    fake.stop()


run(end)
