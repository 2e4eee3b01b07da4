# order: 40
# timeout: 400
# long: yes
"""Providers that refuse, hang, break off, lie or never end: the caller gets a clear error in its own format, with a request id,
in bounded time; each attempt has its row; another deployment takes over where it may."""
import asyncio
import decimal
import json
import re
import threading

from lib import acts
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.http import Conn
from lib.ports import free_ports
from lib.tap import SLOW, check, eq, run, test, until

# Only who is meant to be too slow meets a deadline: on a busy machine anybody might.
HASTY = "    timeouts: { first_byte: 1500ms, gap: 1500ms }\n"
SHORT_GAP = "    timeouts: { first_byte: 1m, gap: 2500ms }\n"
fake = Fake().start()
dead_port = free_ports(1)[0]
DEAD = f"  - name: dead\n    kind: openai\n    url: http://127.0.0.1:{dead_port}/v1\n    key: env:UPSTREAM_KEY\n"


def two(name, first, second="gpt-4o-mini", provider="main"):
    return route(name, deployment(provider, first), deployment("main", second))


# What makes the next deployment take over, each at a deployment of its own, which has not failed before.
FAILURES = {"408": lambda: acts.status(408), "429": acts.rate_limited, "500": lambda: acts.status(500), "503": lambda: acts.status(503),
            "cut": acts.garbage, "silence": acts.hang}


def fails_first(how):
    return two("fails-" + how, "failing-" + how, provider="hasty" if how == "silence" else "main")


gateway = Gateway(config(
    [openai_provider(fake), anthropic_provider(fake), DEAD, openai_provider(fake, "hasty", HASTY),
     anthropic_provider(fake, "hasty-claude", HASTY), openai_provider(fake, "short-gap", SHORT_GAP)],
    [route("fast", deployment("main", "gpt-4o-mini")), route("claude", deployment("claude", "claude-opus-5")),
     route("hasty", deployment("hasty", "gpt-4o-mini")), route("hasty-claude", deployment("hasty-claude", "claude-opus-5")),
     route("unreachable", deployment("dead", "gpt-4o-mini")), two("dead-first", "gpt-4o-mini", provider="dead"),
     *(fails_first(how) for how in (*FAILURES, "itself", "late")), two("rests", "resting"), two("both-limited", "limited-a", "limited-b"),
     two("refused", "refused-a"), route("short-gap", deployment("short-gap", "blanks"))],
    "limits: { answer: 256KiB }\n")).start()
KEY = gateway.key()
FORMATS = {"openai": gateway.chat, "anthropic": gateway.messages}
ROUTES = {"openai": "fast", "anthropic": "claude"}
HASTY_ROUTES = {"openai": "hasty", "anthropic": "hasty-claude"}


def rows():
    return gateway.usage()["total"]["requests"]


def error_of(vendor, body):
    """The error object of the caller's own format."""
    if vendor == "anthropic":
        eq(body["type"], "error")
    check(body["error"]["message"] and body["error"]["type"], "an error has a type and a message")
    return body["error"]


def ask(vendor, act, routes=ROUTES, **fields):
    """One request that meets this act; its answer, and that its attempt (one, or two where a kept connection was stale) has a row."""
    before, seen = rows(), len(fake.requests)
    fake.play(act, act)  # the second for the one retry on a stale connection
    got = FORMATS[vendor](KEY, model=routes[vendor], **fields)
    attempts = len(fake.requests) - seen
    fake.forget()
    check(attempts in (1, 2), f"{attempts} attempts")
    check(rows() - before in range(1, attempts + 1), f"{rows() - before} rows for {attempts} attempts")
    return got


WHOLE = {  # non-streamed: act → statuses that tell the caller what happened
    "closes without a word": (acts.close, {502}), "resets": (acts.reset, {502}), "answers with garbage": (acts.garbage, {502}),
    "sends a header without an end": (acts.endless_head, {502}), "sends JSON that stops in the middle": (acts.cut_json, {502}),
    "sends fewer bytes than promised": (acts.short_body, {502}), "sends HTML for JSON": (acts.garbage_body, {502}),
    "never answers": (acts.hang, {504}, HASTY_ROUTES), "redirects": (lambda: acts.redirect("http://127.0.0.1:1/v1"), {502}),
}
STREAMS = {
    "breaks off": (lambda: acts.cut(4),), "resets": (lambda: acts.cut(4, "reset"),),
    "ends cleanly without the last event": (lambda: acts.clean_end(4),), "sends an event that is not JSON": (lambda: acts.garbage_event(4),),
    "falls silent": (lambda: acts.hang_after(4), HASTY_ROUTES),
}


def whole_case(vendor, how, make, statuses, routes=ROUTES):
    @test(f"{vendor}, not streamed: the provider {how}")
    def _():
        got = ask(vendor, make(), routes)
        check(got.status in statuses, f"status {got.status}: {got.body}")
        error_of(vendor, got.json())
        check(got.get("request-id" if vendor == "anthropic" else "x-request-id"), "a request id, where this vendor's SDK looks for it")
        eq(got.get("location"), None)


def stream_case(vendor, how, make, routes=ROUTES):
    @test(f"{vendor}, streamed: the provider {how}; what came arrives, then the format's error event, never a normal end")
    def _():
        got = ask(vendor, make(), routes, stream=True)
        eq(got.status, 200)
        events = got.events()
        name, data = events[-1]
        error_of(vendor, json.loads(data))
        check("Hello" in got.body.decode(), "the text that came has arrived")
        check("[DONE]" not in got.body.decode() and "message_stop" not in got.body.decode(), "no normal end")
        eq(name, "error" if vendor == "anthropic" else None)


for one in FORMATS:
    for words, case in WHOLE.items():
        whole_case(one, words, *case)
    for words, case in STREAMS.items():
        stream_case(one, words, *case)


@test("the provider's own refusal arrives as it was said, in both formats")
def _():
    for vendor in FORMATS:
        body = b'{"error": {"message": "strange \\u00e4", "type": "odd", "more": [1.0]}}'
        for status in (400, 404, 422):
            got = ask(vendor, acts.status(status, body=body))
            eq((got.status, got.body), (status, body))


def only_log_tells(got, code, name, words):
    """Whose fault it was and where, without an address; the log has the words."""
    error = got.json()["error"]
    told = got.body.decode()
    check(f"'{name}'" in error["message"] and "127.0.0.1" not in told and words not in told, error)
    until(lambda: words in gateway.log() and code in gateway.log(), "the log has it", 10)


@test("our own key is refused: the caller's is good, and he is not told another's words")
def _():
    for number, status in enumerate((401, 403)):
        for vendor in FORMATS:
            words = f"Wrong key number {number} for {vendor} of org-77"
            before, seen = rows(), len(fake.requests)
            fake.play(acts.status(status, message=words))
            got = FORMATS[vendor](KEY, model=ROUTES[vendor])
            eq((got.status, got.get("x-should-retry"), got.get("www-authenticate"), len(fake.requests) - seen), (502, "false", None, 1))
            only_log_tells(got, "credentials.refused", "main" if vendor == "openai" else "claude", words)
            until(lambda: rows() - before == 1, "one row")


@test("our own key is refused: the next deployment is asked, and a key that is repeated stands in no log")
def _():
    secret = fake.key
    eq(gateway.chat(KEY).status, 200)  # it works again, and rests no more
    fake.play_model("refused-a", acts.status(401, message=f"no such key here: {secret}, try another"))
    eq(gateway.chat(KEY, model="refused").status, 200)
    until(lambda: "no such key here: " in gateway.log(), "the log has the words before it", 10)
    check(secret not in gateway.log(), "the key is nowhere")


@test("who cannot be reached is told by name; address and reason are in the log")
def _():
    got = gateway.chat(KEY, model="unreachable")
    eq((got.status, got.json()["error"]["code"]), (502, "upstream_connect"))
    only_log_tells(got, "upstream.failed", "dead", f"127.0.0.1:{dead_port}")


@test("429 of the only provider arrives with its retry-after")
def _():
    for vendor in FORMATS:
        got = ask(vendor, acts.rate_limited("7"))
        eq((got.status, got.get("retry-after")), (429, "7"))


@test("the provider's error event within a stream arrives as it was said")
def _():
    for vendor in FORMATS:
        got = ask(vendor, acts.error_event(4), stream=True)
        check("Overloaded" in got.events()[-1][1] and "[DONE]" not in got.body.decode(), got.events())


@test("an event without an end is cut off, with bounded memory")
def _():
    got = []
    sums = spent(lambda: got.append(ask("openai", acts.endless_event(), stream=True)))
    error_of("openai", json.loads(got[0].events()[-1][1]))
    check(sums[1] > 0, f"it generated something, so its input is charged: {sums}")


@test("one byte at a time is slow, but whole")
def _():
    for vendor in FORMATS:
        fake.play(acts.trickle(0.001))
        got = FORMATS[vendor](KEY, model=ROUTES[vendor], stream=True)
        check(got.events()[-1][1] == "[DONE]" or got.events()[-1][0] == "message_stop", "it ended normally")


@test("a provider that cannot be reached is a 502 that says so")
def _():
    got = gateway.chat(KEY, model="unreachable")
    eq(got.status, 502)
    check(str(dead_port) in got.json()["error"]["message"] or "dead" in got.json()["error"]["message"], got.body)


def asked_first(how):
    """One request; was the first deployment asked before the second answered?"""
    seen = len(fake.requests)
    eq(gateway.chat(KEY, model="fails-" + how).status, 200)
    eq(fake.last().json["model"], "gpt-4o-mini")
    return "failing-" + how in [request.json["model"] for request in fake.requests[seen:]]


@test("the next deployment takes over: not reachable, 408, 429, 500, 503, cut before the first byte, silence")
def _():
    eq(gateway.chat(KEY, model="dead-first").status, 200)
    for how, make in FAILURES.items():
        fake.play_model("failing-" + how, make())
        check(asked_first(how), f"{how}: it is asked first")
    until(lambda: asked_first("500"), "one that told no time is tried again", 60)


@test("a refusal of the request itself is not tried elsewhere")
def _():
    fake.play_model("failing-itself", acts.status(400))
    eq(gateway.chat(KEY, model="fails-itself").status, 400)
    eq(fake.last().json["model"], "failing-itself")


@test("each attempt is a row of its own")
def _():
    fake.play_model("resting", acts.status(500, {"retry-after": "1"}), acts.say("well again"))
    before = rows()
    eq(gateway.chat(KEY, model="rests").status, 200)
    eq(rows() - before, 2)


@test("a failing deployment rests as long as it asked for, then is used again")
def _():
    until(lambda: gateway.chat(KEY, model="rests").json()["choices"][0]["message"]["content"] == "well again", "it comes back", 30)


@test("when all of a route rest, one is tried all the same, and what it says arrives")
def _():
    for model in ("limited-a", "limited-b"):
        fake.play_model(model, acts.rate_limited("30"))
    for _ in range(3):
        got = gateway.chat(KEY, model="both-limited")
        eq(got.status, 429)
        check(0 < int(got.get("retry-after")) <= 30, "whole seconds")


@test("after the first byte nothing is tried again")
def _():
    fake.play_model("failing-late", acts.cut(4))
    seen = len(fake.requests)
    check('"error"' in gateway.chat(KEY, model="fails-late", stream=True).events()[-1][1], "the first one's cut arrives")
    eq([request.json["model"] for request in fake.requests[seen:]], ["failing-late"])


@test("a client that goes away closes its upstream connection, and the attempt has its row")
def _():
    before = rows()
    fake.play(acts.hang_after(4))
    with Conn(gateway.address) as conn:
        conn.request("POST", "/v1/chat/completions", {"Authorization": f"Bearer {KEY}"},
                     {"model": "fast", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        next(conn.events(conn.head()))
        asked = fake.last()
    until(lambda: asked.closed_at, "the upstream connection is closed")
    until(lambda: rows() == before + 1, "the row is there")


def resident(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


@test("a client that reads slowly holds a flood back: little memory, and all of it arrives")
def _():
    total = 24 << 20
    fake.play(acts.flood(total))
    pids = gateway.pids("gateway")
    before = resident(pids)
    with Conn(gateway.address, receive_buffer=4096) as conn:
        conn.request("POST", "/v1/chat/completions", {"Authorization": f"Bearer {KEY}"},
                     {"model": "fast", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        events = conn.events(conn.head())
        for _ in range(20):
            next(events)
        threading.Event().wait(1)  # time for a flood that nobody holds back
        grown = resident(pids) - before
        if SLOW == 1:
            check(grown < 4096, f"the gateway grew by {grown} KB while the client did not read")
        check(fake.flooded < total, "the provider was held back")
        eq([data for _, _, data, _ in events][-1], "[DONE]")


@test("an answer too long to be held passes as it comes, and its usage is read from its end")
def _():
    for vendor in FORMATS:
        before = gateway.usage()["total"]
        text = 'a "usage":{"prompt_tokens":1} ' * 40000
        fake.play(acts.say(text, usage={"prompt": 70, "completion": 50, "input": 70, "output": 50}))
        got = FORMATS[vendor](KEY, model=ROUTES[vendor])
        check(len(got.body) > len(text) and got.status == 200 and text in json.dumps(got.json()).replace('\\"', '"'), "it came whole")
        total = gateway.usage()["total"]
        eq([total[name] - before[name] for name in ("requests", "input_tokens", "output_tokens")], [1, 70, 50], vendor)


@test("now and then a byte, and never a whole event or body, is a hang like silence")
def _():
    for vendor in FORMATS:
        got = ask(vendor, acts.trickle(0.05), HASTY_ROUTES, stream=True)
        check("crawled" in error_of(vendor, json.loads(got.events()[-1][1]))["message"], got.body)
        got = ask(vendor, acts.trickle(0.05), HASTY_ROUTES)
        eq(got.status, 504)
        check("crawled" in error_of(vendor, got.json())["message"], got.body)


@test("blanks before an answer keep it alive longer than any silence may last")
def _():
    async def act(x):
        body = json.dumps(x.vendor.whole(x.json, acts.Reply("Hello there."))).encode()
        await x.send(x.head_bytes(200, {"content-type": "application/json", "transfer-encoding": "chunked"}))
        for _ in range(30):
            await x.chunk(b"\n")
            await asyncio.sleep(0.1)
        await x.chunk(body)
        await x.end()
    fake.play_model("blanks", act)
    got = gateway.chat(KEY, model="short-gap")
    eq((got.status, got.json()["choices"][0]["message"]["content"]), (200, "Hello there."))


def spent(work):
    """What one request adds to the ledger's sums and says in the access log: [input, output, cost]."""
    before, logged = gateway.usage()["total"], gateway.log().count("exchange.done")
    work()
    until(lambda: gateway.log().count("exchange.done") == logged + 1, "the access log has it")
    total = gateway.usage()["total"]
    line = dict(re.findall(r"(\w+)=(\d+)", [one for one in gateway.log().splitlines() if "exchange.done" in one][-1]))
    sums = [total[name] - before[name] for name in ("requests", "input_tokens", "output_tokens")]
    cost = round((decimal.Decimal(total["cost"]) - decimal.Decimal(before["cost"])) * 10**12)
    eq([int(line["input_tokens"]), int(line["output_tokens"]), int(line["cost_pico"])], sums[1:] + [cost])
    return sums + [cost]


@test("counts that no answer can have are no counts: log, ledger and price agree on an estimate")
def _():
    for vendor in FORMATS:
        for odd in (10**30, 2**63, 10**18, -3, 1.5):
            for stream in (False, True):
                fake.play(acts.say("Hello there.", usage={"prompt": odd, "completion": odd, "input": odd, "output": odd}))
                sums = spent(lambda: FORMATS[vendor](KEY, model=ROUTES[vendor], stream=stream))
                check(sums[0] == 1 and 0 < sums[1] < 1000 and 0 < sums[2] < 1000, f"{vendor} {odd}: {sums}")


@test("what was no answer is not charged: a page for a browser, a stream without an event, no HTTP at all")
def _():
    for vendor in FORMATS:
        for make in (acts.garbage_body, acts.garbage, lambda: acts.garbage_event(0)):
            for stream in (False, True):
                fake.play(make(), make())
                sums = spent(lambda: FORMATS[vendor](KEY, model=ROUTES[vendor], stream=stream))
                fake.forget()
                check(sums[0] in (1, 2) and sums[1:] == [0, 0, 0], f"{vendor} {stream}: {sums}")


def end():
    gateway.stop()
    fake.stop()


run(end)
