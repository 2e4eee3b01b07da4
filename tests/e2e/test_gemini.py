# order: 21
# timeout: 200
# builds: plain asan
"""Google's official SDK (tests/clients/gemini.mjs) through Aquifer: a Gemini provider, and those of other formats; the body on the
same-format road; other vendors' callers with a Gemini provider behind."""
from lib import acts
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import check, run, test

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
    client_through(anthropic_provider, "claude-opus-5", "anthropic", AQUIFER_CROSSED="1", AQUIFER_COUNTS="1")


def other_client(name, prefix):
    """Another vendor's SDK with Gemini behind every route that its test asks for."""
    acts_of = {"limited": (acts.rate_limited(), acts.say("after the wait")), "limited-for-ever": (acts.rate_limited(),),
               "error-event": (acts.error_event(1),), "cut": (acts.cut(1),), "clean-end": (acts.clean_end(1),),
               "cut-json": (acts.cut_json(),)}
    routes = [route("plain", deployment("google", "gemini-3-pro"))]
    for act, what in acts_of.items():
        fake.play_model(f"gemini-{act}", *what)
        routes.append(route(prefix + act, deployment("google", f"gemini-{act}")))
    gateway = Gateway(config([gemini_provider(fake)], routes)).start()
    try:
        run_client(name, {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": gateway.key(),
                          "AQUIFER_MODEL": "plain", "AQUIFER_EXACT": "1", "AQUIFER_CROSSED": "1", "AQUIFER_COUNTS": "1"})
    finally:
        gateway.stop()


@test("openai SDK, Chat Completions, a Gemini provider (strict fake)")
def _():
    other_client("chat.mjs", "")


@test("@anthropic-ai/sdk, Messages, a Gemini provider: signatures come back to their calls")
def _():
    other_client("messages.mjs", "claude-")
    signed = [request for request in fake.requests if b"functionResponse" in request.body]
    check(b'"thoughtSignature":"c2lnbmF0dXJl"' in signed[-1].body, signed[-1].body[:400])


def end():
    fake.stop()


run(end)
