# order: 30
# timeout: 200
"""Keys, prices, limits and spend caps as a client meets them: parts 8 to 10 of the foundation, sentence by sentence."""
import json
import threading

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test, until

fake = Fake().start()
fake.models.update(("in-no-catalogue", "no-limit", "priced"))
fake.play_always(acts.say("One two three.", usage={"prompt": 100, "completion": 50, "input": 100, "output": 50}))
gateway = Gateway(config([openai_provider(fake), anthropic_provider(fake)],
                         [route("fast", deployment("main", "gpt-4o-mini", "{ input: 10, output: 10 }")), route("claude", deployment("claude", "claude-opus-5", "{ input: 10, output: 10 }")),
                          route("dropped", deployment("main", "gpt-4o-mini", "{ input: 1, output: 2 }", "        drop: [max_tokens]\n")),
                          route("many", deployment("main", "gpt-4o-mini", "{ input: 1, output: 2 }", "        defaults: { n: 100 }\n")),
                          route("long", deployment("main", "no-limit", "{ input: 1, output: 2 }", "        defaults: { max_tokens: 100000 }\n")),
                          route("plain", deployment("main", "gpt-4o-mini", "{ input: 1, output: 2 }")),
                          route("half", deployment("main", "in-no-catalogue", None, "        allow_unpriced: true\n"), deployment("main", "priced", "{ input: 1, output: 2 }")),
                          route("unpriced", deployment("main", "in-no-catalogue", None)), route("free-for-all", deployment("main", "in-no-catalogue", None, "        allow_unpriced: true\n"))])).start()
FORMATS = {"fast": gateway.chat, "claude": gateway.messages}


def check_error(route_name, got):
    """It is one in the caller's own format, with a request id."""
    body = got.json()
    check(got.get("x-aquifer-request-id"), "a request id")
    if route_name == "claude":
        eq(body["type"], "error")
    check(body["error"]["type"] and body["error"]["message"], str(body))


@test("a key is taken in each of the three headers")
def _():
    key = gateway.key()
    body = {"model": "fast", "messages": [{"role": "user", "content": "x"}]}
    for name, value in (("Authorization", f"Bearer {key}"), ("x-api-key", key), ("api-key", key)):
        eq(http.call(gateway.address, "POST", "/v1/chat/completions", {name: value}, body).status, 200, name)


@test("allowed routes: another one is refused and not listed")
def _():
    key = gateway.key("narrow", "--routes", "fast")
    eq(gateway.chat(key, model="fast").status, 200)
    check(gateway.messages(key, model="claude").status in (403, 404), "claude is refused")
    listed = http.call(gateway.address, "GET", "/v1/models", {"Authorization": f"Bearer {key}"}).json()
    eq([model["id"] for model in listed["data"]], ["fast"])


@test("a key for a route that does not exist is refused with the nearest name; a pattern may mean routes to come")
def _():
    refused = gateway.cli("key", "create", "--name", "lost", "--routes", "fast,cloude", status=1, json_out=False)
    check("no route cloude" in refused.stderr and "did you mean claude" in refused.stderr, refused.stderr)
    gateway.key("wide", "--routes", "to-come-*,fast")
    check("lost" not in [row["name"] for row in gateway.cli("key", "list", "--json")["data"]], "no key was made")


@test("a rotated key's old secret works for its grace and no longer; an expired key is refused")
def _():
    made = gateway.cli("key", "create", "--name", "turning", "--json")
    new = gateway.cli("key", "rotate", made["id"], "--grace", "1h", "--json")["key"]
    eq((gateway.chat(made["key"]).status, gateway.chat(new).status), (200, 200))
    newer = gateway.cli("key", "rotate", made["id"], "--grace", "1s", "--json")["key"]
    until(lambda: gateway.chat(new).status == 401, "the secret before it is void")
    eq((gateway.chat(made["key"]).status, gateway.chat(newer).status), (401, 200))
    short = gateway.key("short", "--expires", "1s")
    until(lambda: gateway.chat(short).status == 401, "it has expired")


@test("a limit that is no number is told by its option's name")
def _():
    for option, wrong in (("--requests-per-minute", "-1"), ("--tokens-per-minute", "1e3"), ("--concurrency", "two"), ("--spend-day", "$5")):
        done = gateway.cli("key", "create", "--name", "n", f"{option}={wrong}", status=2, json_out=False)
        check(option in done.stderr and wrong in done.stderr, done.stderr)


@test("limits: 429 in the caller's format with a retry-after of whole seconds, and nothing reaches the provider")
def _():
    for name, ask in FORMATS.items():
        key = gateway.key("limited", "--requests-per-minute", "3")
        before = len(fake.requests)
        statuses = [ask(key, model=name) for _ in range(5)]
        eq([got.status for got in statuses], [200, 200, 200, 429, 429], name)
        eq(len(fake.requests) - before, 3)
        check(1 <= int(statuses[-1].get("retry-after")) <= 60, statuses[-1].get("retry-after"))
        check_error(name, statuses[-1])


@test("concurrency is exact")
def _():
    key, gate, got = gateway.key("pair", "--concurrency", "2"), threading.Event(), []
    fake.play_always(acts.say("slow", gate=gate))
    threads = [threading.Thread(target=lambda: got.append(gateway.chat(key).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(got) == 6, "six are refused")
    gate.set()
    for thread in threads:
        thread.join()
    fake.play_always(acts.say("One two three.", usage={"prompt": 100, "completion": 50, "input": 100, "output": 50}))
    eq(sorted(got), [200, 200] + 6 * [429])
    eq(gateway.chat(key).status, 200)


@test("money: a 402-class refusal in the caller's format, never more spent than the cap, however many ask at once")
def _():
    for name, ask in FORMATS.items():
        made = gateway.cli("key", "create", "--name", "poor", "--spend-day", "0.02", "--json")  # an answer costs 0.0015
        got = []
        threads = [threading.Thread(target=lambda ask=ask, name=name, made=made: got.extend(ask(made["key"], model=name, max_tokens=60) for _ in range(8))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while True:  # nothing else is under way any more: what still fits is let through
            got.append(ask(made["key"], model=name, max_tokens=60))
            if got[-1].status != 200:
                break
        refused = [answer for answer in got if answer.status != 200]
        check({answer.status for answer in refused} <= {402, 429}, str({answer.status for answer in got}))
        eq((refused[-1].status, refused[-1].get("x-should-retry")), (402, "false"))
        check_error(name, refused[-1])
        row = next(row for row in gateway.usage()["data"] if row["key"] == made["id"])
        eq(row["requests"], len(got) - len(refused))
        check(0.015 < float(row["cost"]) <= 0.02, f"{row['cost']} of 0.02 dollars")


@test("money: what the provider fetches is reserved as the model's whole context")
def _():
    fake.play_always(acts.say("A cat.", usage={"prompt": 50000, "completion": 5, "input": 50000, "output": 5}))
    picture = [{"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]}]
    made, got = gateway.cli("key", "create", "--name", "pictures", "--spend-day", "4", "--json"), []
    threads = [threading.Thread(target=lambda: got.extend(gateway.chat(made["key"], messages=picture, max_tokens=10).status for _ in range(12)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while got[-1] != 402:  # whoever waited for others is the only one now
        got.append(gateway.chat(made["key"], messages=picture, max_tokens=10).status)
        check(got[-1] in (200, 402), str(got))
    fake.play_always(acts.say("One two three.", usage={"prompt": 100, "completion": 50, "input": 100, "output": 50}))
    row = next(row for row in gateway.usage()["data"] if row["key"] == made["id"])
    check(set(got) <= {200, 402, 429}, str(set(got)))
    eq(row["requests"], got.count(200))
    check(0 < float(row["cost"]) <= 4, f"{row['cost']} of 4 dollars")


CAT = "https://example.com/cat.png"
BEYOND = {  # one request that may cost more than the cap of its key, however it says so
    "its own bound": ("plain", {"max_tokens": 20000}),
    "the older of two names": ("plain", {"max_tokens": 20000, "max_completion_tokens": 1}),
    "its bound is dropped": ("dropped", {"max_tokens": 1}),
    "answers that a default asks for": ("many", {"max_tokens": 100}),
    "a default's bound": ("long", {}),
    "a picture": ("plain", {"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": CAT}}]}]}),
}


@test("money: what goes up is what is reserved: drop, defaults, both names, and names with escapes in them")
def _():
    key, before = gateway.key("careful", "--spend-day", "0.01"), len(fake.requests)
    for what, (name, body) in BEYOND.items():
        got = gateway.chat(key, model=name, **body)
        eq((got.status, got.json()["error"]["code"]), (402, "spend_day"), what)
    name, body = BEYOND["a picture"]
    hidden = json.dumps({"model": name, **body}).replace("image_url", "image\\u005furl").replace('"url"', '"\\u0075rl"')
    got = http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}", "content-type": "application/json"}, hidden.encode())
    eq((got.status, len(fake.requests)), (402, before), repr(got))
    eq([gateway.chat(key, model=name, max_tokens=1).status for name in ("plain", "many")], [200, 200])


@test("money: where only requests under way hold it, waiting helps: 429 with a retry-after, not 402")
def _():
    key, gate, first = gateway.key("waiting", "--spend-day", "0.02"), threading.Event(), []
    fake.play_always(acts.say("slow", usage={"prompt": 100, "completion": 50}, gate=gate))
    before = len(fake.requests)
    thread = threading.Thread(target=lambda: first.append(gateway.chat(key, max_tokens=1000).status))
    thread.start()
    until(lambda: len(fake.requests) > before, "the first is at the provider")
    got = gateway.chat(key, max_tokens=1000)
    eq((got.status, got.json()["error"]["code"], got.get("retry-after")), (429, "spend_reserved", "2"))
    check(got.get("x-should-retry") != "false", repr(got))
    eq(gateway.chat(key, max_tokens=100000).status, 402)  # would not fit alone
    gate.set()
    thread.join()
    fake.play_always(acts.say("One two three.", usage={"prompt": 100, "completion": 50, "input": 100, "output": 50}))
    eq(first, [200])
    eq(gateway.chat(key, max_tokens=1000).status, 200)


@test("money: a key with a cap, even of nothing, passes over what has no price")
def _():
    poor, zero, before = gateway.key("capped", "--spend-day", "5"), gateway.key("zero", "--spend-month", "0"), len(fake.requests)
    for key in (poor, zero):
        got = gateway.chat(key, model="free-for-all")
        eq((got.status, got.json()["error"]["code"], got.get("x-should-retry")), (402, "spend_unpriced", "false"))
    eq(len(fake.requests), before)
    eq(gateway.chat(poor, model="half").status, 200)
    eq(fake.requests[-1].json["model"], "priced")


@test("a model without a price is refused, unless allowed; then its cost is unknown and never 0")
def _():
    key = gateway.key("unpriced")
    before = len(fake.requests)
    got = gateway.chat(key, model="unpriced")
    check(got.status >= 400 and "price" in got.body.decode(), got.body.decode())
    eq(len(fake.requests), before)
    eq(gateway.chat(key, model="free-for-all").status, 200)
    eq(gateway.usage()["total"]["unknown_cost_requests"], 1)
    row = gateway.admin("GET", "/admin/v1/attempts?limit=1").json()["data"][0]
    eq((row["model"], row["cost"]), ("free-for-all", None))


def end():
    gateway.stop()
    fake.stop()


run(end)
