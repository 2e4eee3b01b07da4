# builds: plain asan
# order: 41
# timeout: 400
"""Streams that end before they begin: a provider says 200, and then that it cannot. While another deployment may take over the
caller's head waits; nothing but an answer makes it go; when nobody is left, the caller gets a status and not a stream."""
import asyncio
import base64
import itertools
import json
import re
import threading
from urllib.parse import quote

from lib import acts, bedrock, http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test, until

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HASTY = "    timeouts: { first_byte: 1500ms }\n"  # only for who is meant to be too slow: on a busy machine anybody might be
fake = Fake().start()
aws = Fake(verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()


def bedrock_provider(name, wire):
    return (f"  - name: {name}\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n    access_key: env:ACCESS\n"
            f"    secret_key: env:SECRET\n    formats: [bedrock_{wire}]\n")


PROVIDERS = {
    "chat": openai_provider(fake, "chat"), "responses": openai_provider(fake, "responses", "    formats: [openai_responses]\n"),
    "messages": anthropic_provider(fake, "messages"), "gemini": gemini_provider(fake, "gemini"),
    "converse": bedrock_provider("converse", "converse"), "invoke": bedrock_provider("invoke", "invoke"),
    "hasty": anthropic_provider(fake, "hasty", HASTY)}
STATUS = {"chat": 502, "responses": 503, "messages": 529, "gemini": 529, "converse": 503, "invoke": 503}  # of "overloaded", as each tells it
PING = {"chat": b": OPENROUTER PROCESSING\n\n", "responses": b": wait\n\n", "gemini": b": wait\n\n",
        "messages": b'event: ping\ndata: {"type": "ping"}\n\n',
        "invoke": bedrock.frame("event", "chunk", {"bytes": base64.b64encode(b'{"type":"ping"}').decode()})}
BEGUN = {  # what a vendor says before a model is at work: Azure of its filters, OpenAI of the response that will be
    "chat": b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n',
    "responses": b"".join(
        b"event: response.%s\ndata: %s\n\n" % (kind.encode(), json.dumps({
            "type": f"response.{kind}", "sequence_number": number,
            "response": {"id": "resp_early", "object": "response", "created_at": 1700000000, "status": kind, "model": "up", "output": [],
                         "instructions": "Repeats what it was told. " * 1500, "error": None, "usage": None}}).encode())
        for number, kind in enumerate(("created", "in_progress")))}
USER = {"role": "user", "content": "hi"}
CALLS = {  # the path and the body of each caller's request for a stream
    "chat": lambda m: ("/v1/chat/completions", {"model": m, "stream": True, "max_tokens": 50, "messages": [USER]}),
    "responses": lambda m: ("/v1/responses", {"model": m, "stream": True, "input": "hi"}),
    "messages": lambda m: ("/v1/messages", {"model": m, "stream": True, "max_tokens": 50, "messages": [USER]}),
    "gemini": lambda m: (f"/v1beta/models/{m}:streamGenerateContent?alt=sse", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    "converse": lambda m: (f"/model/{quote(m)}/converse-stream", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
    "invoke": lambda m: (f"/model/{quote(m)}/invoke-with-response-stream",
                         {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [USER]})}
PAIRS = [(one, one) for one in CALLS] + [("chat", "messages"), ("messages", "chat"), ("responses", "messages"), ("chat", "gemini"),
                                         ("gemini", "converse"), ("converse", "responses"), ("invoke", "chat"), ("messages", "invoke")]
HOWS = ["fails", "fails-pinging", "stays", "both-fail", "wrong", "cut", "garbage", "alone", "pings", "slow"]


def upstream(caller, provider, how, place):
    return f"{'anthropic.' if provider == 'invoke' else ''}up-{caller}-{provider}-{how}-{place}"


def route_of(caller, provider, how):
    names = [deployment(provider, upstream(caller, provider, how, place)) for place in (1, 2)]
    return route(f"{caller}-{provider}-{how}", *names[:1 if how == "alone" else 2])


ROUTES = [route_of(*pair, how) for pair in PAIRS for how in HOWS] + [route_of("messages", "hasty", "crawls")]
gateway = Gateway(config(PROVIDERS.values(), ROUTES, "heartbeat: 1s\n"),
                  {"ACCESS": ACCESS, "SECRET": SECRET}).start()
KEY = gateway.key()
calm = Gateway(config(PROVIDERS.values(), [route_of(*pair, how) for pair in PAIRS for how in ("begun", "begun-cut")], "heartbeat: 10m\n"),
               {"ACCESS": ACCESS, "SECRET": SECRET}).start()
CALM_KEY = calm.key()


def fake_of(provider):
    return aws if provider in ("converse", "invoke") else fake


def play(caller, provider, how, first, second=None):
    there = fake_of(provider)
    there.play_model(upstream(caller, provider, how, 1), first)
    there.play_model(upstream(caller, provider, how, 2), second or acts.say("GOOD"))
    there.forget()


def request_of(caller, provider, how, key=KEY):
    path, body = CALLS[caller](f"{caller}-{provider}-{how}")
    return path, {"Authorization": f"Bearer {key}", "content-type": "application/json"}, json.dumps(body).encode()


def ask(caller, provider, how):
    path, headers, body = request_of(caller, provider, how)
    return http.call(gateway.address, "POST", path, headers, body)


def plain(body):
    """All that a stream says, also in the chunks of InvokeModel."""
    return body + b"".join(base64.b64decode(chunk) for chunk in re.findall(rb'"bytes":\s*"([^"]*)"', body))


def early(*events, code=529):
    """These events before anything of an answer, then the vendor's error event."""
    async def act(x):
        await x.stream_head()
        for event in events:
            await x.chunk(event)
        await x.chunk(x.vendor.error_event(code, "Overloaded"))
        await x.end()
    return act


def asked(provider):
    return [request.path + str(request.json.get("model")) for request in fake_of(provider).requests]


def rows():
    return gateway.usage()["total"]["requests"]


def row_of(request_id):
    """The attempt of that request, once control has it."""
    found = lambda: [row for row in gateway.admin("GET", "/admin/v1/attempts?limit=100").json()["data"] if row["request_id"] == request_id]
    until(found, f"the attempt of {request_id} is recorded")
    return found()[0]


def is_error(caller, got, status):
    """The caller's own shape of an error, with a status and not in a stream."""
    eq((got.status, got.get("content-type").split(";")[0]), (status, "application/json"), repr(got))
    said = got.json()
    if caller in ("converse", "invoke"):
        check(said["message"] and got.get("x-amzn-errortype"), repr(got))
    else:
        check(said["error"]["message"], repr(got))
        eq(said.get("type"), "error" if caller == "messages" else None)
    check("Overloaded" in got.body.decode(), repr(got))


def cases(caller, provider):
    where = f"{caller} to {provider}"

    @test(f"{where}: an error where the stream should begin makes the next deployment take over; the first one rests")
    def _():
        for how, before in (("fails", ()), ("fails-pinging", (PING[provider],) * 2 if provider in PING else ())):
            play(caller, provider, how, early(*before))
            seen = rows()
            got = ask(caller, provider, how)
            eq(got.status, 200, repr(got))
            check(b"GOOD" in plain(got.body) and b"verloaded" not in plain(got.body), repr(got))
            check(got.get("content-type") != "application/json", repr(got))
            eq((rows() - seen, len(asked(provider))), (2, 2))
            fake_of(provider).forget()
            ask(caller, provider, how)
            eq(len(asked(provider)), 1, "only the second was asked")

    @test(f"{where}: when the last one fails so too, the caller gets its status in his own format")
    def _():
        play(caller, provider, "both-fail", early(), early())
        is_error(caller, ask(caller, provider, "both-fail"), STATUS[provider])
        eq(len(asked(provider)), 2)

    @test(f"{where}: a cut and garbage before the beginning are another deployment's turn, too")
    def _():
        for how, act in (("cut", acts.cut(0)), ("garbage", acts.garbage_event(0))):
            play(caller, provider, how, act)
            got = ask(caller, provider, how)
            check(got.status == 200 and b"GOOD" in plain(got.body), repr(got))
            eq(len(asked(provider)), 2)

    @test(f"{where}: without another deployment the head goes at once and the error arrives as an event")
    def _():
        play(caller, provider, "alone", early())
        got = ask(caller, provider, "alone")
        check(got.status == 200 and b"verloaded" in plain(got.body), repr(got))
        eq(len(asked(provider)), 1)
        row = row_of(got.get("x-aquifer-request-id"))
        eq((row["input_tokens"], row["output_tokens"], float(row["cost"])), (0, 0, 0), "as what is refused with a status")


def begun_cases(caller, provider):
    @test(f"{caller} to {provider}: what a vendor says before a model is at work is no beginning yet")
    def _():
        for how, act in (("begun", early(BEGUN[provider])), ("begun-cut", cut_behind(BEGUN[provider]))):
            play(caller, provider, how, act)
            path, headers, body = request_of(caller, provider, how, CALM_KEY)
            got = http.call(calm.address, "POST", path, headers, body)
            eq(got.status, 200, repr(got))
            check(b"GOOD" in plain(got.body) and b"verloaded" not in plain(got.body) and b"resp_early" not in plain(got.body), repr(got))
            eq(len(asked(provider)), 2)


def cut_behind(*events):
    async def act(x):
        await x.stream_head()
        for event in events:
            await x.chunk(event)
        x.close()
    return act


for pair in PAIRS:
    cases(*pair)
    if pair[1] in BEGUN:
        begun_cases(*pair)


@test("the caller knows that his answer has begun no later than by a heartbeat; from then on an error is an event")
def _():
    gate = threading.Event()

    async def act(x):
        await x.stream_head()
        await x.chunk(BEGUN["responses"])
        await x.wait_for(gate)
        await x.chunk(x.vendor.error_event(529, "Overloaded"))
        await x.end()
    play("responses", "responses", "stays", act)
    path, headers, body = request_of("responses", "responses", "stays")
    with http.Conn(gateway.address) as conn:
        conn.request("POST", path, headers, body)
        head = conn.head()
        eq(head.status, 200)
        gate.set()
        kinds = [name for _, name, _, _ in conn.events(head) if name]
        eq((kinds[:2], kinds[-1]), (["response.created", "response.in_progress"], "error"))
    eq(len(asked("responses")), 1)


@test("an error that is the request's own fault is not tried elsewhere, and has its status")
def _():
    for provider in ("chat", "messages", "gemini"):
        play(provider, provider, "wrong", early(code=400))
        is_error(provider, ask(provider, provider, "wrong"), 400)
        eq(len(asked(provider)), 1)


@test("what is no answer passes behind the head once there is one, byte for byte; no heartbeat stands before it")
def _():
    gate = threading.Event()

    async def act(x):
        await x.stream_head()
        await x.chunk(PING["messages"])
        await x.wait_for(gate)
        for event in x.vendor.events(x.json, acts.Reply("GOOD")):
            await x.chunk(event)
        await x.end()
    play("messages", "messages", "slow", act)
    got = []
    caller = threading.Thread(target=lambda: got.append(ask("messages", "messages", "slow")))
    caller.start()
    until(lambda: asked("messages"), "it is asked")
    threading.Event().wait(1.2)  # more than a heartbeat
    check(not got, "nothing was answered yet")
    gate.set()
    caller.join(60)
    eq(got[0].status, 200)
    check(b"GOOD" in got[0].body and got[0].body.startswith(PING["messages"]), got[0].body)
    eq(len(asked("messages")), 1)


@test("the head waits no longer than a first byte may: then pings and heartbeats are for the caller")
def _():
    gate = threading.Event()

    async def act(x):
        await x.stream_head()
        for _ in itertools.count():
            await x.chunk(PING["messages"])
            if gate.is_set():
                break
            await asyncio.sleep(0.2)
        await x.chunk(x.vendor.error_event(529, "Overloaded"))
        await x.end()
    play("messages", "hasty", "crawls", act)
    path, headers, body = request_of("messages", "hasty", "crawls")
    with http.Conn(gateway.address) as conn:
        conn.request("POST", path, headers, body)
        head = conn.head()
        eq(head.status, 200)
        gate.set()
        check("Overloaded" in [data for _, _, data, _ in conn.events(head)][-1], "the error is an event now")
    eq(len(asked("messages")), 1)


@test("a client that goes away while its head waits closes the upstream connection, and the attempt has its row")
def _():
    before = rows()
    play("chat", "chat", "pings", acts.hang_after(0))
    path, headers, body = request_of("chat", "chat", "pings")
    with http.Conn(gateway.address) as conn:
        conn.request("POST", path, headers, body)
        until(lambda: asked("chat"), "it is asked")
        there = fake.last()
    until(lambda: there.closed_at, "the upstream connection is closed", 30)
    until(lambda: rows() == before + 1, "the row is there")


def broken_off(*last):
    """Some events of an answer, then these, then the clean end of the transfer."""
    async def act(x):
        await x.stream_head()
        for event in x.vendor.events(x.json, acts.Reply("GOOD"))[:3]:
            await x.chunk(event)
        for event in last:
            await x.chunk(event)
        await x.end()
    return act


@test("an error in a compatible server's stream ends it as an error, however it is said")
def _():
    said = '{"code": 500, "message": "Compute error, verloaded.", "type": "server_error"}'
    for last in (f"error: {said}", f'data: {{"error": {said}}}', f"event: error\ndata: {said}", f'data: {{"object": "error", "message": "verloaded"}}',
                 f'data: {{"error": {said}, "choices": [{{"index": 0, "delta": {{}}, "finish_reason": "error"}}]}}'):
        for caller in ("chat", "messages"):
            play(caller, "chat", "alone", broken_off(f"{last}\n\n".encode()))
            got = ask(caller, "chat", "alone")
            name, data = got.events()[-1]
            check(got.status == 200 and "verloaded" in data and "provider sent" not in data, (last, got.body))
            check("[DONE]" not in got.body.decode() and "message_stop" not in got.body.decode(), "no normal end")
            eq(name == "error", caller == "messages" or last.startswith("event:"))
            if last.startswith("error:"):
                check(json.loads(data)["error"]["message"], "where clients look for it")


@test("a Responses stream that breaks off ends with the number that follows the last one's")
def _():
    play("responses", "responses", "alone", broken_off())
    events = [json.loads(data) for _, data in ask("responses", "responses", "alone").events()]
    eq(events[-1]["type"], "response.failed")
    eq(events[-1]["sequence_number"], events[-2]["sequence_number"] + 1)


def end():
    gateway.stop()
    calm.stop()
    fake.stop()
    aws.stop()


run(end)
