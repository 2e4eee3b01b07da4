# order: 24
# timeout: 300
# builds: plain asan tsan
"""Responses over a WebSocket: every road, chains in memory, warm-up, strands, errors as events, limits, clients that misbehave, and
the end of the gateway. The official clients are in test_codex.py and, at the end, here."""
import signal
import struct
import threading
import time

from lib import acts, http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.sigv4 import Signer
from lib.tap import check, eq, run, test, until
from lib.websocket import Closed, Refused, WebSocket, text_of

ROADS = ("responses", "main", "claude", "google")
SPECIAL = ("limited", "broken", "cut", "clean-end", "error-event", "held", "other", "hangs", "long", "waits")
fake = Fake().start()
fake.models |= {f"{provider}-plain" for provider in ROADS} | {"gemini-plain"}
routes = [route("in-" + provider, deployment(provider, "gemini-plain" if provider == "google" else f"{provider}-plain")) for provider in ROADS]
routes += [route(name, deployment("responses", "responses-" + name)) for name in SPECIAL]
providers = [openai_provider(fake, "responses", "    formats: [openai_responses]\n"), openai_provider(fake), anthropic_provider(fake),
             gemini_provider(fake)]
gateway = Gateway(config(providers, routes)).start()
KEY = gateway.key()
WEATHER = [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]


def connect(key=KEY, path="/v1/responses", gate=gateway, **headers):
    return WebSocket(gate.address, path, {"Authorization": f"Bearer {key}", **headers})


def refused(**how):
    try:
        connect(**how).conn.close()
    except Refused as refusal:
        return refusal.answer
    raise AssertionError("the handshake was accepted")


def user(text):
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def last_id(events):
    eq(events[-1]["type"], "response.completed", events[-1])
    return events[-1]["response"]["id"]


def rows():
    return gateway.usage()["total"]["requests"]


@test("each event of the answer is one message, the same as over HTTP")
def _():
    body = {"model": "in-responses", "input": "hello", "stream": True}
    over_http = http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {KEY}"}, body).events()
    with connect() as ws:
        events = ws.ask("in-responses")
    eq([event["type"] for event in events], [name for name, _data in over_http])
    eq(text_of(events), "You said: hello")
    sent = fake.last().json
    eq((sent["stream"], "type" in sent, "stream_id" in sent), (True, False, False))


@test("every road: text, a chain that only the connection knows, two tools and their results")
def _():
    for provider in ROADS:
        with connect() as ws:
            first = ws.ask("in-" + provider, [user("hello")], store=False)
            eq(text_of(first), "You said: hello", provider)
            second = ws.ask("in-" + provider, [user("and the weather?")], store=False, tools=WEATHER, previous_response_id=last_id(first))
            done = [event["item"] for event in second if event["type"] == "response.output_item.done"]
            calls = [item for item in done if item["type"] == "function_call"]
            eq(len(calls), 2, provider)
            results = [{"type": "function_call_output", "call_id": call["call_id"], "output": f"rain {at}"} for at, call in enumerate(calls)]
            third = ws.ask("in-" + provider, results, store=False, tools=WEATHER, previous_response_id=last_id(second))
            eq(text_of(third), "Results: rain 0; rain 1", provider)
            text = str(fake.last().json)
            check(all(word in text for word in ("hello", "You said: hello", "and the weather?")), f"{provider}: {text}")


@test("the other paths of the same endpoint")
def _():
    with connect(path="/openai/v1/responses") as ws:
        eq(text_of(ws.ask("in-responses")), "You said: hello")


@test("a warm-up answers without the provider, and may be continued")
def _():
    before, ledger = len(fake.requests), rows()
    with connect() as ws:
        warm = ws.ask("in-main", [user("base prompt")], store=False, generate=False, tools=WEATHER)
        eq([event["type"] for event in warm], ["response.created", "response.completed"])
        eq(warm[-1]["response"]["usage"]["total_tokens"], 0)
        eq((len(fake.requests), warm[-1]["response"]["tools"][0]["name"]), (before, "get_weather"))
        events = ws.ask("in-main", [user("go on")], store=False, previous_response_id=last_id(warm))
        eq(text_of(events), "You said: go on")
        check("base prompt" in str(fake.last().json), fake.last().json)
        denied = ws.ask("nowhere", [user("x")], generate=False)[-1]
        eq((denied["status"], denied["error"]["code"]), (404, "model_unknown"))
    until(lambda: rows() == ledger + 1, "one row for what a provider did, none for the warm-up")


@test("what could not be continued is forgotten, as the vendor does it, and the connection goes on")
def _():
    with connect() as ws:
        first = last_id(ws.ask("in-main", "one", store=False))
        lost = {"type": "function_call_output", "call_id": "call_of_nobody", "output": "x"}
        eq(ws.ask("in-main", [lost], store=False, previous_response_id=first)[-1]["type"], "error")
        eq(ws.ask("in-main", "x", store=False, previous_response_id=first)[-1]["error"]["code"], "previous_response_not_found")
        last_id(ws.ask("in-main", "anew", store=False))


@test("a chain that is stored is the same one over HTTP and on another connection")
def _():
    with connect() as ws:
        first = last_id(ws.ask("in-main", "one"))
        events = ws.ask("in-main", "two", previous_response_id=first)
        second = last_id(events)
        eq(events[-1]["response"]["previous_response_id"], first)
    with connect() as ws:
        eq(text_of(ws.ask("in-main", "three", previous_response_id=second)), "You said: three")
        eq([message["content"] for message in fake.last().json["messages"]], ["one", "You said: one", "two", "You said: two", "three"])
    got = http.call(gateway.address, "GET", f"/v1/responses/{second}", {"Authorization": f"Bearer {KEY}"})
    eq((got.status, got.json()["previous_response_id"]), (200, first))


@test("an id that nobody knows, and one that a newer response has pushed out")
def _():
    with connect() as ws:
        event = ws.ask("in-responses", "x", store=False, previous_response_id="resp_nobody")[-1]
        eq((event["status"], event["error"]["code"], event["error"]["param"]), (400, "previous_response_not_found", "previous_response_id"))
        first = last_id(ws.ask("in-main", "one", store=False))
        second = last_id(ws.ask("in-main", "two", store=False, previous_response_id=first))
        eq(ws.ask("in-main", "x", store=False, previous_response_id=first)[-1]["error"]["code"], "previous_response_not_found")
        last_id(ws.ask("in-main", "three", store=False, previous_response_id=second)) # a refusal has forgotten nothing
    with connect() as ws:
        eq(ws.ask("in-responses", "x", store=False, previous_response_id=second)[-1]["error"]["code"], "previous_response_not_found")


@test("strands run side by side, and each answers in order")
def _():
    gate = threading.Event()
    fake.play_model("responses-held", acts.say("held back", gate=gate), acts.say("its second"))
    fake.play_model("responses-other", acts.say("the other one"))
    with connect() as ws:
        ws.create("held", stream_id="a", store=False)
        ws.create("held", stream_id="a", store=False)
        ws.create("other", stream_id="b.2", store=False)
        held = []
        while (event := ws.event())["type"] != "response.completed":
            if event["stream_id"] == "a":
                held.append(event)
        eq((event["stream_id"], event["response"]["output"][0]["content"][0]["text"]), ("b.2", "the other one"))
        gate.set()
        eq(text_of(held + ws.events("a")), "held back")
        eq(text_of(ws.events("a")), "its second")
        fork = ws.ask("in-responses", "fork", store=False, stream_id="c", previous_response_id=event["response"]["id"]) # of another strand
        eq([text_of(fork), len(fake.last().json["input"])], ["You said: fork", 3])
    with connect() as ws:
        ws.create("in-responses", stream_id="")
        eq(ws.event()["error"]["code"], "invalid_stream_id")


@test("a 33rd strand is refused, the others live on")
def _():
    with connect() as ws:
        for number in range(32):
            eq(text_of(ws.ask("in-responses", stream_id=f"s{number}", store=False)), "You said: hello")
        ws.create("in-responses", stream_id="one-more")
        eq(ws.event()["error"]["code"], "websocket_stream_limit_reached")
        eq(text_of(ws.ask("in-responses", stream_id="s7")), "You said: hello")
        eq(text_of(ws.ask("in-responses")), "You said: hello")


@test("too many at once are refused")
def _():
    gate = threading.Event()
    fake.play_model("responses-waits", *[acts.say("waited", gate=gate)] * 17)
    with connect() as ws:
        for _number in range(18):
            ws.create("waits")
        while True: # of the first one the first half comes
            event = ws.event()
            if event["type"] == "error":
                break
        eq((event["status"], event["error"]["code"]), (429, "too_many_responses"))
        gate.set()
        for number in range(17):
            eq(ws.events()[-1]["type"], "response.completed", number)


@test("what is no request: an error, and the connection goes on")
def _():
    with connect() as ws:
        for text, code in (("{", None), ("[]", "invalid_event"), ('{"type":"response.steer"}', "invalid_event"), ("7", "invalid_event"),
                           ('{"type":"response.create","model":"in-responses","input":"x","background":true}', None),
                           ('{"type":"response.create","model":"in-responses","input":7}', None),
                           ('{"type":"response.create","model":"in-responses","input":"x","generate":"no"}', None)):
            ws.send(text)
            event = ws.event()
            eq((event["type"], event["status"], event["error"]["type"]), ("error", 400, "invalid_request_error"), text)
            check(code in (None, event["error"]["code"]), event)
        eq(text_of(ws.ask("in-responses")), "You said: hello")


@test("failures of the provider: status, its words and retry-after; a cut stream")
def _():
    fake.play_model("responses-limited", acts.rate_limited("7"))
    fake.play_model("responses-broken", *[acts.status(500, message="It is broken.")] * 3)
    fake.play_model("responses-cut", acts.cut(3), acts.say("whole now"))
    fake.play_model("responses-clean-end", acts.clean_end(3))
    fake.play_model("responses-error-event", acts.error_event(3, 429, "Slow down"))
    with connect() as ws:
        event = ws.ask("limited")[-1]
        eq((event["status"], event["headers"]["retry-after"], event["error"]["message"]), (429, "7", "Rate limit reached."))
        event = ws.ask("broken")[-1]
        eq((event["status"], event["error"]["message"]), (500, "It is broken."))
        eq(ws.ask("cut")[-1]["type"], "response.failed")
        eq(text_of(ws.ask("cut")), "whole now")
        eq(ws.ask("clean-end")[-1]["type"], "response.failed")
        event = ws.ask("error-event")[-1]
        check(event["type"] in ("error", "response.failed"), event)
        check(event["type"] != "error" or event["status"] >= 400, event)


@test("handshakes that are refused: as an answer of HTTP in the caller's format")
def _():
    answer = refused(key="aq_wrong")
    eq((answer.status, answer.json()["error"]["code"]), (401, "key_invalid"))
    answer = http.call(gateway.address, "GET", "/v1/responses", {"Authorization": f"Bearer {KEY}"})
    eq((answer.status, answer.get("upgrade"), answer.get("sec-websocket-version")), (426, "websocket", "13"))
    check(answer.json()["error"]["message"], answer)
    eq(refused(**{"Sec-WebSocket-Version": "8"}).status, 426)
    eq(refused(**{"Sec-WebSocket-Key": "short"}).status, 400)
    eq(refused(path="/v1/nothing").status, 404)


@test("a key that is revoked is refused at the next response; its limits hold")
def _():
    made = gateway.cli("key", "create", "--name", "short-lived", "--json")
    few = gateway.key("few", "--requests-per-minute", "2")
    with connect(made["key"]) as ws:
        eq(text_of(ws.ask("in-responses")), "You said: hello")
        gateway.cli("key", "revoke", made["id"], json_out=False)
        event = until(lambda: (found := ws.ask("in-responses")[-1])["type"] == "error" and found, "the revoked key is refused", 5)
        eq((event["status"], event["error"]["code"]), (401, "key_invalid"))
    with connect(few) as ws:
        found = [ws.ask("in-responses")[-1] for _ in range(3)]
        eq([event["type"] for event in found], ["response.completed"] * 2 + ["error"])
        eq(found[-1]["status"], 429)
        check(int(found[-1]["headers"]["retry-after"]) > 0, found[-1])


@test("a signed handshake, as Codex's Bedrock provider makes it; the key is looked up for each response")
def _():
    pair = gateway.cli("key", "create", "--name", "signer", "--aws", "--json")
    signer = Signer(pair["access_key_id"], pair["secret_access_key"])
    path, host = "/openai/v1/responses", f"127.0.0.1:{gateway.port}"
    with WebSocket(gateway.address, path, signer.sign("GET", path, {"host": host})) as ws:
        eq(text_of(ws.ask("in-main")), "You said: hello")
        gateway.cli("key", "revoke", pair["id"], json_out=False)
        event = until(lambda: (found := ws.ask("in-main")[-1])["type"] == "error" and found, "the revoked key is refused", 5)
        eq(event["status"], 403)


@test("one row in the ledger for each response, counted and priced as over HTTP")
def _():
    before = rows()
    with connect() as ws:
        for _number in range(3):
            ws.ask("in-main")
        metrics = gateway.admin("GET", "/metrics").body.decode()
        check('aquifer_websockets{gateway="0"} 1' in metrics, [line for line in metrics.splitlines() if "websockets" in line])
    until(lambda: rows() == before + 3, "three rows")
    until(lambda: 'aquifer_websockets{gateway="0"} 0' in gateway.admin("GET", "/metrics").body.decode(), "none is open")


@test("a client that goes away in the middle: the provider's call ends")
def _():
    ended = threading.Event()

    async def act(x):
        try:
            await acts.hang_after(3)(x)
        finally:
            ended.set()
    for how in ("reset", "close", "word"):
        ended.clear()
        fake.play_model("responses-hangs", act)
        ws = connect()
        ws.create("hangs")
        eq(ws.event()["type"], "response.created")
        if how == "word":
            ws.close()
        getattr(ws.conn, "reset" if how == "reset" else "close")()
        check(ended.wait(20), f"{how}: the provider's call goes on")


@test("a client that does not read: nothing is lost, the provider waits")
def _():
    words = "".join(f"{number:06d}" for number in range(30_000))
    fake.play_model("responses-long", acts.say(words))
    with WebSocket(gateway.address, "/v1/responses", {"Authorization": f"Bearer {KEY}"}, receive_buffer=4096) as ws:
        ws.create("long")
        eq(ws.event()["type"], "response.created")
        eq(text_of(ws.events()), words)


PIECE = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"%s"}\n\n' % (b"x" * 60_000)


def memory():
    """What bodies, queues and remembered conversations hold, in bytes."""
    lines = gateway.admin("GET", "/metrics").body.decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("aquifer_memory_bytes{"))


@test("a flood that nobody reads: the provider stops, memory stays small, and all of it comes when it is read")
def _():
    sent, most = [0], 500

    async def flood(x):
        await x.stream_head()
        for event in x.vendor.events(x.json, acts.Reply("Hello there"))[:3]:
            await x.chunk(event)
        for _piece in range(most):
            await x.chunk(PIECE)
            sent[0] += 1
        await x.until_gone()
    fake.play_model("responses-long", flood)
    with WebSocket(gateway.address, "/v1/responses", {"Authorization": f"Bearer {KEY}"}, receive_buffer=4096) as ws:
        ws.create("long")
        until(lambda: sent[0] and [sent[0]] * 20 == [time.sleep(0.02) or sent[0] for _look in range(20)], "the provider stops")
        check(sent[0] < most, "the provider was never stopped")
        check(memory() < 2_000_000, f"{memory()} bytes are held")
        got = 0
        while got < most:
            got += ws.event()["type"] == "response.output_text.delta"
        eq(sent[0], most)


@test("what a connection remembers is counted, bounded by limits.body, and given back")
def _():
    before = memory()
    fake.play_model("responses-other", *[acts.say("short")] * 2)
    with connect() as ws:
        kept = last_id(ws.ask("other", [user("y" * 6_000_000)], store=False))
        check(memory() - before > 5_000_000, f"{memory() - before} bytes for a conversation of six million")
        ws.create("other", [user("z" * 34_000_000)], store=False, previous_response_id=kept)
        eq(ws.wait_closed(), 1009)
    with connect() as ws:
        kept = last_id(ws.ask("other", [user("y" * 17_000_000)], store=False))
        event = ws.ask("other", [user("z" * 17_000_000)], store=False, previous_response_id=kept)[-1]
        eq((event["type"], event["status"]), ("error", 413))
    until(lambda: memory() - before < 500_000, "the memory is given back")


@test("frames that break the rules end the connection with their code")
def _():
    for first, payload, code in ((0xc1, b"x", 1002), (0x82, b"x", 1003), (0x81, b"\xff", 1007), (0x83, b"", 1002), (0x89, b"x" * 126, 1002)):
        ws = connect()
        ws.frame(first, payload)
        eq(ws.wait_closed(), code, f"{first:02x}")
        ws.conn.close()
    ws = connect()
    ws.conn.send(b"\x81\x01x") # not masked
    eq(ws.wait_closed(), 1002)
    ws = connect()
    ws.conn.send(b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"mask" + b"x")
    eq(ws.wait_closed(), 1009)
    ws = connect()
    ws.close(4000)
    eq(ws.wait_closed(), 4000)


@test("the official OpenAI SDK's client for WebSockets")
def _():
    run_client("websocket.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY, "AQUIFER_EXACT": "1",
                                 "AQUIFER_MODEL": "in-claude"})


@test("heartbeats, idleness and age as configured")
def _():
    own = Gateway(config(providers, routes, "heartbeat: 50ms\nclient_timeouts: { idle: 2s }\nlimits: { websocket_age: 4s }\n")).start()
    try:
        key = own.key()
        with connect(key, gate=own) as ws:
            eq(ws.wait_closed(), 1000)
            check(ws.pings > 0, "no ping came")
        with connect(key, gate=own) as ws:
            try:
                while ws.ask("in-responses", store=False)[-1]["type"] != "error":
                    pass
                raise AssertionError("never too old")
            except Closed as closed:
                eq(closed.code, 1001)
    finally:
        own.stop()


@test("a takeover by a new binary: the response under way ends in the old one, new connections go to the new one")
def _():
    gate = threading.Event()
    fake.play_model("responses-held", acts.say("held over", gate=gate))
    old, ws = gateway.pids("role-gateway"), connect()
    ws.create("held")
    eq(ws.event()["type"], "response.created")
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: "gateway.draining" in gateway.log(), "the old one drains", 30)
    with connect() as fresh:
        eq(text_of(fresh.ask("in-main")), "You said: hello")
    gate.set()
    eq(ws.events()[-1]["type"], "response.completed")
    eq(ws.wait_closed(), 1012)
    ws.conn.close()
    until(lambda: not set(old) & set(gateway.pids("role-gateway")), "the old one ends", 30)


@test("a drain: the response under way ends, no other begins, and the connection closes with 1012")
def _():
    gate = threading.Event()
    fake.play_model("responses-held", acts.say("held until the end", gate=gate))
    idle, ws = connect(), connect()
    ws.create("held")
    eq(ws.event()["type"], "response.created")
    gateway.process.send_signal(signal.SIGTERM)
    eq(idle.wait_closed(), 1012)
    ws.create("in-responses", stream_id="late")
    while (event := ws.event())["type"] != "error":
        pass
    eq((event["status"], event["stream_id"]), (503, "late"))
    gate.set()
    eq(ws.events()[-1]["type"], "response.completed")
    eq(ws.wait_closed(), 1012)
    ws.close(1012)
    ws.conn.close()
    idle.conn.close()


def end():
    gateway.stop()
    fake.stop()


run(end)
