# order: 22
# timeout: 300
# builds: plain asan tsan
# long: yes
"""Responses and conversations that Aquifer keeps: the official SDK with a provider of each format behind it; what goes up; who may see
them; control killed, restarts, backups, retention."""
import json
import os
import signal
import sqlite3
import threading

from lib import acts, http
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.tap import check, eq, run, test, until

fake = Fake().start()
MODELS = {"responses": "gpt-4o-mini", "main": "gpt-4o-mini", "claude": "claude-opus-5", "google": "gemini-2.5-flash"}
for model in MODELS.values():
    fake.models.add(model)
providers = [openai_provider(fake, "responses", "    formats: [openai_responses]\n"), openai_provider(fake), anthropic_provider(fake),
             gemini_provider(fake)]
routes = [route("in-" + name, deployment(name, model)) for name, model in MODELS.items()]
twins = [Fake(models=("gpt-4o-mini",), strict=False).start() for _ in range(2)]
providers += [openai_provider(twin, f"twin{n}", "    formats: [openai_responses]\n") for n, twin in enumerate(twins)]
routes.append(route("theirs", *(deployment(f"twin{n}", "gpt-4o-mini") for n in range(2)), extra="    state: upstream\n"))
TEXT = config(providers, routes)
gateway = Gateway(TEXT).start()
KEY = gateway.key()


def call(method, path, body=None, key=None, at=gateway):
    return http.call(at.address, method, path, {"Authorization": f"Bearer {key or KEY}"}, body if body is not None else b"")


def ask(given="hello", model="in-responses", key=None, **fields):
    return call("POST", "/v1/responses", {"model": model, "input": given, **fields}, key)


def made(*given, **fields):
    answer = ask(*given, **fields)
    eq(answer.status, 200, repr(answer))
    return answer.json()


@test("a conversation may be the first thing that is kept after a start")
def _():
    answer = call("POST", "/v1/conversations", {"items": [{"role": "user", "content": "hello"}], "metadata": {"a": "b"}})
    eq(answer.status, 200, repr(answer))
    eq(answer.json()["metadata"], {"a": "b"})


for provider in MODELS:
    @test(f"openai SDK, kept responses, provider {provider}")
    def _(provider=provider):
        run_client("state.mjs", {"AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": KEY, "AQUIFER_EXACT": "1",
                                 "AQUIFER_MODEL": "in-" + provider}, seconds=60)


@test("a provider of the same format is asked to keep nothing, and gets the whole conversation")
def _():
    first = made("one", instructions="Be brief.", metadata={"a": "b"})
    made("two", previous_response_id=first["id"])
    up = fake.requests[-1].json
    eq(up["store"], False)
    check("previous_response_id" not in up and "instructions" not in up, "neither the id nor earlier instructions go up")
    eq([item["role"] for item in up["input"]], ["user", "assistant", "user"])
    eq(up["input"][1]["content"][0]["text"], "You said: one")


@test("a request that names no state and keeps none goes up as it came")
def _():
    body = b'{"model":"gpt-4o-mini",  "store": false, "input":"as it is"}'
    raw = body.replace(b"gpt-4o-mini", b"in-responses")
    answer = http.call(gateway.address, "POST", "/v1/responses", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}, raw)
    eq(answer.status, 200)
    eq(fake.requests[-1].body, body)


@test("another project sees nothing of it, another key of the same project all")
def _():
    mine = made("mine")["id"]
    conv = call("POST", "/v1/conversations", {}).json()["id"]
    other, same = gateway.key("other", "--project", "blue"), gateway.key("same")
    for path in (f"/v1/responses/{mine}", f"/v1/responses/{mine}/input_items", f"/v1/conversations/{conv}", f"/v1/conversations/{conv}/items"):
        unknown = path.replace(mine, "resp_unknown").replace(conv, "conv_unknown")
        one, two = call("GET", path, key=other), call("GET", unknown, key=other)
        eq((one.status, one.json()["error"]["type"]), (404, "invalid_request_error"), path)
        eq(one.body.replace(mine.encode(), b"X").replace(conv.encode(), b"X"), two.body.replace(b"resp_unknown", b"X").replace(b"conv_unknown", b"X"))
        eq(call("GET", path, key=same).status, 200, path)
    eq(call("DELETE", f"/v1/responses/{mine}", key=other).status, 404)
    eq(ask(previous_response_id=mine, key=other).json()["error"]["code"], "previous_response_not_found")
    eq(ask(conversation=conv, key=other).status, 404)
    eq(ask(previous_response_id=mine, key=same).status, 200)


@test("a chain with a hole is not continued")
def _():
    one = made("one")["id"]
    two = made("two", previous_response_id=one)["id"]
    eq(call("DELETE", f"/v1/responses/{one}").json(), {"id": one, "object": "response", "deleted": True})
    eq(ask("three", previous_response_id=two).json()["error"]["code"], "previous_response_not_found")


@test("control killed: what needs nothing kept goes on, the rest is told to come again, and then works")
def _():
    kept = made("before")["id"]
    control = gateway.pids("aquifer-control")[0]
    os.kill(control, signal.SIGSTOP)
    away = ask("after", previous_response_id=kept)
    eq((away.status, away.json()["error"]["code"], away.get("x-should-retry")), (503, "state_unavailable", "true"))
    check(away.get("retry-after"), "it says when")
    eq(call("GET", f"/v1/responses/{kept}").status, 503)
    eq(ask("not kept", store=False).status, 200)
    eq(made("kept if it can be")["store"], False)
    eq(ask("relied on", store=True).status, 503)
    os.kill(control, signal.SIGKILL)
    until(lambda: ask("after", previous_response_id=kept).status == 200, "what was kept is there again", 60)
    eq(call("GET", f"/v1/responses/{kept}").status, 200)


@test("a stream that cannot be kept though it was asked for ends as a failure")
def _():
    control = gateway.pids("aquifer-control")[0]
    os.kill(control, signal.SIGSTOP)
    try:
        events = [json.loads(data) for _, data in ask("x", stream=True, store=True).events()]
        eq((events[-1]["type"], events[-1]["response"]["error"]["code"]), ("response.failed", "server_is_overloaded"))
        events = [json.loads(data) for _, data in ask("x", stream=True).events()]
        eq((events[-1]["type"], events[-1]["response"]["store"]), ("response.completed", False))
    finally:
        os.kill(control, signal.SIGCONT)
    until(lambda: made("x")["store"], "it keeps again", 30)


@test("kept across a restart, in a backup, and restored from it")
def _():
    kept = made("for ever")["id"]
    backup = gateway.admin("POST", "/admin/v1/backup").json()["path"]
    eq(call("DELETE", f"/v1/responses/{kept}").status, 200)
    eq(call("GET", f"/v1/responses/{kept}").status, 404)
    path = os.path.join(gateway.dir, backup) if not os.path.isabs(backup) else backup
    eq(gateway.admin("POST", "/admin/v1/restore", {"path": path}).status, 200)
    eq(call("GET", f"/v1/responses/{kept}").status, 200)
    eq(gateway.terminate(), 0)
    gateway.start()
    eq(made("go on", previous_response_id=kept)["previous_response_id"], kept)


def response(made_id):
    return call("GET", f"/v1/responses/{made_id}").json()


def works(made_id):
    return response(made_id)["status"] in ("queued", "in_progress")


def parsed(answer):
    return [json.loads(data) for _, data in answer.events()]


@test("in the background: its caller may go, and others follow from where they were")
def _():
    gate = threading.Event()
    fake.play(acts.say("one two three four five six", gate=gate))
    with gateway.conn() as conn:
        conn.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
                                     json.dumps({"model": "in-responses", "input": "x", "background": True, "stream": True}).encode()))
        first = next(conn.pieces(conn.head()))
    made_id = json.loads(first.decode().split("data: ")[1].split("\n")[0])["response"]["id"]
    until(lambda: response(made_id)["status"] == "in_progress", "it works", 30)
    eq(ask("too early", previous_response_id=made_id).status, 400)
    gate.set()
    until(lambda: response(made_id)["status"] == "completed", "it is completed", 30)
    everything = parsed(call("GET", f"/v1/responses/{made_id}?stream=true"))
    eq([event["sequence_number"] for event in everything], list(range(len(everything))))
    eq(everything[-1]["response"]["output"], response(made_id)["output"])
    for after in (0, 2, len(everything) - 2):
        eq(parsed(call("GET", f"/v1/responses/{made_id}?stream=true&starting_after={after}")), everything[after + 1:])
    eq(call("GET", f"/v1/responses/{made_id}?stream=true&starting_after=x").status, 400)
    eq(call("GET", "/v1/responses/resp_unknown?stream=true").status, 404)
    eq(call("GET", f"/v1/responses/{made('x')['id']}?stream=true").status, 400)


@test("cancelled in the background: the provider's call ends, and it stays cancelled")
def _():
    fake.play(acts.hang_after(3))
    made_id = made("x", background=True)["id"]
    until(lambda: response(made_id)["status"] == "in_progress", "it works", 30)
    got = call("POST", f"/v1/responses/{made_id}/cancel").json()
    eq((got["id"], got["status"]), (made_id, "cancelled"))
    until(lambda: fake.requests[-1].closed_at is not None, "the provider's call is closed", 30)
    eq(call("POST", f"/v1/responses/{made_id}/cancel").json()["status"], "cancelled")
    eq(response(made_id)["status"], "cancelled")


@test("failed in the background, before and after it began")
def _():
    for act in (acts.status(400), acts.cut(4)):
        fake.play(act)
        made_id = made("x", background=True)["id"]
        until(lambda made_id=made_id: not works(made_id), "it ends", 30)
        got = response(made_id)
        eq((got["status"], bool(got["error"]["message"])), ("failed", True), repr(got))


@test("in the background, streamed to a caller that stays to the end")
def _():
    for _ in range(3):
        events = parsed(ask("x", background=True, stream=True))
        eq([event["sequence_number"] for event in events], list(range(len(events))))
        eq((events[0]["type"], events[-1]["type"]), ("response.created", "response.completed"))


def running(act=None, **fields):
    """One that works in the background until the event is set."""
    gate = threading.Event()
    fake.play(act or acts.say("one two three four five six", gate=gate))
    made_id = made("a secret", background=True, **fields)["id"]
    until(lambda: response(made_id)["status"] == "in_progress", "it works", 30)
    return made_id, gate


def count_items():
    with sqlite3.connect(os.path.join(gateway.dir, "data", "aquifer.db")) as db:
        return db.execute("SELECT count(*) FROM state_items").fetchone()[0]


@test("deleted while it runs in the background: it stays deleted, and its provider's call ends")
def _():
    before = count_items()
    made_id, gate = running(acts.hang_after(3))
    up = fake.requests[-1]
    eq(call("DELETE", f"/v1/responses/{made_id}").status, 200)
    until(lambda: up.closed_at is not None, "the provider's call is closed", 30)
    eq(call("GET", f"/v1/responses/{made_id}").status, 404)
    made_id, gate = running()
    eq(call("DELETE", f"/v1/responses/{made_id}").status, 200)
    gate.set()
    made("another")
    eq(call("GET", f"/v1/responses/{made_id}").status, 404)
    eq(count_items(), before + 2)


@test("a conversation deleted while a response to it runs: what comes is the response's alone, and goes with it")
def _():
    before = count_items()
    talk = call("POST", "/v1/conversations", {}).json()["id"]
    made_id, gate = running(conversation=talk)
    eq(call("DELETE", f"/v1/conversations/{talk}").status, 200)
    gate.set()
    until(lambda: response(made_id)["status"] == "completed", "it is completed", 30)
    eq(call("DELETE", f"/v1/responses/{made_id}").status, 200)
    eq(count_items(), before)


def streamed(act, last, **fields):
    fake.play(act)
    events = parsed(ask("x", background=True, stream=True, **fields))
    numbers = [event["sequence_number"] for event in events]
    eq(numbers, sorted(set(numbers)))
    eq((events[0]["type"], events[-1]["type"]), ("response.created", last))
    eq(response(events[0]["response"]["id"])["status"], events[-1]["response"]["status"])
    return events[-1]["response"]


@test("failed in the background before and after it began, followed: the stream says so")
def _():
    for act in (acts.status(400), acts.cut(4)):
        got = streamed(act, "response.failed")
        eq((got["status"], bool(got["error"]["message"])), ("failed", True), repr(got))


@test("cancelled while it is followed: the stream ends with an event")
def _():
    got = []
    fake.play(acts.hang_after(3))
    with gateway.conn() as conn:
        conn.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
                                     json.dumps({"model": "in-responses", "input": "x", "background": True, "stream": True}).encode()))
        pieces = conn.pieces(conn.head())
        got.append(next(pieces))
        made_id = json.loads(got[0].decode().split("data: ")[1].split("\n")[0])["response"]["id"]
        eq(call("POST", f"/v1/responses/{made_id}/cancel").json()["status"], "cancelled")
        got += list(pieces)
    last = json.loads(b"".join(got).decode().rsplit("data: ", 1)[1])
    eq((last["type"], last["response"]["status"]), ("response.incomplete", "cancelled"))


def bare(text, end):
    """A provider whose last response object has no output."""
    async def act(exchange):
        await exchange.stream_head()
        has = '"id":"resp_u","object":"response","created_at":1,"model":"gpt-4o-mini"'
        item = {"id": "m1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}]}
        events = [("response.created", '"response":{%s,"status":"in_progress","output":[]}' % has),
                  *[("response.output_item.done", '"output_index":0,"item":' + json.dumps(item))] * bool(text),
                  ("response.completed", '"response":{%s,"status":"completed"%s}' % (has, end))]
        for number, (name, rest) in enumerate(events):
            await exchange.chunk(f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{rest}}}\n\n'.encode())
        await exchange.end()
    return act


@test("longer in the background than what is kept of one: failed, with a word")
def _():
    gateway.write(TEXT + "state: { max_response: 64KiB }\n")
    until(lambda: made("x" * 70000)["store"] is False, "the bound is in force", 30)
    for fields in ({"stream": True}, {}):
        fake.play(bare("w" * 100000, ',"output":[]'))
        answer = ask("x", background=True, **fields)
        made_id = parsed(answer)[0]["response"]["id"] if fields else answer.json()["id"]
        until(lambda made_id=made_id: not works(made_id), "it ends", 30)
        got = response(made_id)
        eq((got["status"], got["output"], "max_response" in got["error"]["message"]), ("failed", [], True))
        if fields:
            eq(parsed(answer)[-1]["response"]["status"], "failed")
    gateway.write(TEXT)
    until(lambda: made("x" * 70000)["store"], "the bound is away", 30)


@test("an end that the store does not take: failed, and never for ever in progress")
def _():
    for end, word in ((',"output":7', "stored"), (',"output":[],"status":"failed"', "twice")):
        fake.play(bare("", end))
        made_id = made("x", background=True)["id"]
        until(lambda made_id=made_id: not works(made_id), "it ends", 30)
        got = response(made_id)
        eq((got["status"], got["output"], word in got["error"]["message"]), ("failed", [], True), repr(got))


@test("control killed while it runs in the background: nothing of it is lost")
def _():
    gate = threading.Event()
    fake.play(acts.say("one two three four five six", gate=gate))
    made_id = made("x", background=True, stream=False)["id"]
    until(lambda: response(made_id)["status"] == "in_progress", "it works", 30)
    os.kill(gateway.pids("aquifer-control")[0], signal.SIGKILL)
    gate.set()
    until(lambda: call("GET", f"/v1/responses/{made_id}").status == 200 and response(made_id)["status"] == "completed", "it is whole", 60)


@test("a gateway killed while it runs in the background: failed, with a word, and never for ever in progress")
def _():
    fake.play(acts.hang_after(3))
    made_id = made("x", background=True)["id"]
    until(lambda: response(made_id)["status"] == "in_progress", "it works", 30)
    os.kill(gateway.pids("role-gateway")[0], signal.SIGKILL)
    until(gateway.is_ready, "there is another gateway", 60)
    until(lambda: not works(made_id), "it is given up", 30)
    got = response(made_id)
    eq((got["status"], got["error"]["code"]), ("failed", "server_error"))


@test("what is too old goes, and with retention 0 nothing is kept")
def _():
    kept = made("old")["id"]
    gateway.write(TEXT + "state: { retention: 0 }\n")
    until(lambda: call("GET", f"/v1/responses/{kept}").status == 404, "it is not shown any more", 30)
    eq(made("unkept")["store"], False)
    eq(fake.requests[-1].json["store"], False)
    eq(ask(previous_response_id=kept).json()["error"]["code"], "previous_response_not_found")
    eq(ask(background=True).status, 400)
    eq(call("POST", "/v1/conversations", {}).status, 400)
    with sqlite3.connect(os.path.join(gateway.dir, "data", "aquifer.db")) as db:
        until(lambda: db.execute("SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM state_items)"
                                 " + (SELECT count(*) FROM conversations)").fetchone()[0] == 0, "the tables are empty", 30)
        eq(db.execute("SELECT bytes FROM state_size").fetchone()[0], 0)
    gateway.write(TEXT)
    until(lambda: made("again")["store"], "it keeps again", 30)


@test("no more than max_bytes is kept, the newest of it")
def _():
    gateway.write(TEXT + "state: { max_bytes: 1MiB }\n")
    first = made("x" * 100000)["id"]
    for _ in range(20):
        last = made("y" * 100000)["id"]
    until(lambda: call("GET", f"/v1/responses/{first}").status == 404, "the oldest went", 30)
    eq(call("GET", f"/v1/responses/{last}").status, 200)
    gateway.write(TEXT)
    gateway.cli("reload", json_out=False)  # else what the next test keeps may meet this bound


@test("state: upstream: what follows goes to the account that has it, and to no other project's")
def _():
    one = made("one", "theirs")
    eq((one["id"], "store" in twins[0].requests[-1].json), ("resp_fake", False))
    two = made("two", "theirs", previous_response_id=one["id"])
    eq(twins[0].requests[-1].json["previous_response_id"], one["id"])
    twins[0].play(acts.status(500))
    eq(ask("three", "theirs", previous_response_id=two["id"]).status, 500)
    eq(len(twins[1].requests), 0)
    other = gateway.key("stranger", "--project", "green")
    eq(ask("four", "theirs", previous_response_id=one["id"], key=other).json()["error"]["code"], "previous_response_not_found")
    eq(ask("five", previous_response_id=one["id"]).json()["error"]["code"], "previous_response_not_found")
    eq(ask("six", "theirs", conversation="conv_theirs").status, 404)
    for method, path in (("GET", ""), ("GET", "/input_items?limit=3"), ("POST", "/cancel"), ("DELETE", "")):
        twins[0].play(acts.status(200, body={"id": one["id"], "asked": method + path}))
        got = call(method, f"/v1/responses/{one['id']}{path}")
        eq((got.status, got.json().get("asked")), (200, method + path), repr(got))
        up = twins[0].requests[-1]
        eq((up.method, up.target, up.body), (method, f"/v1/responses/{one['id']}{path}", b""))
        eq(call(method, f"/v1/responses/{one['id']}{path}", key=other).status, 404)
    until(lambda: ask("alive", "theirs", store=False).status == 200, "it works again", 30)
    streamed = parsed(ask("seven", "theirs", stream=True))
    eq(made("eight", "theirs", previous_response_id=streamed[-1]["response"]["id"])["status"], "completed")


@test("a few names of one long item are no way to fill the memory of others")
def _():
    conv = call("POST", "/v1/conversations", {"items": [{"role": "user", "content": "z" * 4000000}]}).json()["id"]
    item = call("GET", f"/v1/conversations/{conv}/items").json()["data"][0]["id"]
    got = ask([{"type": "item_reference", "id": item}] * 60)
    eq((got.status, got.json()["error"]["type"]), (413, "invalid_request_error"), repr(got))
    eq(call("GET", f"/v1/conversations/{conv}").status, 200)
    eq(made([{"type": "item_reference", "id": item}] * 2)["status"], "completed")


@test("a kept item is named without its type too, and by requests that are not kept themselves")
def _():
    for store in (True, False):
        for reference in ({"type": "item_reference"}, {"type": None}, {}):
            conv = call("POST", "/v1/conversations", {"items": [{"role": "user", "content": "who is Ada?"}]}).json()["id"]
            item = call("GET", f"/v1/conversations/{conv}/items").json()["data"][0]["id"]
            fake.forget()
            given = [{"id": item, **reference}, {"role": "user", "content": "short, please"}]
            eq(made(given, store=store)["status"], "completed")
            check("who is Ada?" in json.dumps(fake.last().json), fake.last().body)
            eq(ask([{"id": "msg_no", **reference}], store=store).status, 404)


def in_the_background(key):
    """A response whose work is over: it is then that the key's request is counted for good."""
    got = ask("x", key=key, background=True)
    if got.status == 200:
        until(lambda: call("GET", f"/v1/responses/{got.json()['id']}", key=key).json()["status"] not in ("queued", "in_progress"), "an end")
    return got


@test("what is kept is asked only within the limits of the key")
def _():
    kept, conv = made("x")["id"], call("POST", "/v1/conversations", {}).json()["id"]
    for again in (lambda key: ask("x", key=key, previous_response_id=kept), lambda key: ask("x", key=key, previous_response_id="resp_no"),
                  in_the_background, lambda key: ask([{"type": "item_reference", "id": "msg_no"}], key=key),
                  lambda key: call("POST", f"/v1/conversations/{conv}", {"metadata": {}}, key=key)):
        key = gateway.key("slow", "--requests-per-minute", "2")
        statuses = [again(key).status for _ in range(3)]
        eq((429 in statuses[:2], statuses[2]), (False, 429), repr(statuses))
        refused = ask("x", key=key, previous_response_id=kept).json()["error"]
        eq(refused["code"], "rate_requests")
        eq(call("GET", f"/v1/responses/{kept}", key=key).status, 200)
    for words, status in ((("--routes", "in-claude"), 403), (("--spend-day", "0.000001"), 402)):
        key = gateway.key("narrow", *words)
        for fields in ({}, {"background": True}, {"previous_response_id": kept}, {"previous_response_id": "resp_no"}):
            eq(ask("x", key=key, **fields).status, status, repr((words, fields)))


@test("pages, and what is wrong with them")
def _():
    conv = call("POST", "/v1/conversations", {"items": [{"role": "user", "content": f"n{n}"} for n in range(20)]}).json()["id"]
    path = f"/v1/conversations/{conv}/items"
    page = call("GET", path + "?limit=7&order=asc").json()
    eq((len(page["data"]), page["has_more"], page["first_id"], page["last_id"]), (7, True, page["data"][0]["id"], page["data"][6]["id"]))
    rest = call("GET", path + "?limit=100&order=asc&after=" + page["last_id"]).json()
    eq((len(rest["data"]), rest["has_more"]), (13, False))
    for wrong in ("?limit=0", "?limit=101", "?limit=x", "?order=up", "?after=msg_unknown"):
        eq(call("GET", path + wrong).status, 400, wrong)
    for body in ({"metadata": []}, {"metadata": {"a": 1}}, {"items": {}}, {"items": [7]}, {"metadata": {str(n): "" for n in range(17)}}):
        eq(call("POST", "/v1/conversations", body).status, 400, repr(body))
    eq(call("PUT", f"/v1/conversations/{conv}").status, 405)


def end():
    gateway.stop()
    for one in (fake, *twins):
        one.stop()


run(end)
