# order: 23
# timeout: 300
# builds: plain asan tsan
"""Responses in the background under strain: what they hold in memory, their keys' limits, keys that are revoked while a response is
followed, how often what keeps them is asked, answers of it that are lost, and a gateway that is ended by force."""
import json
import os
import signal
import sqlite3
import threading
import time

from lib import acts, http
from lib.fake import Fake
from lib.gateway import BUILD, Gateway, config, deployment, openai_provider, route
from lib.keeper import Keeper
from lib.tap import check, eq, run, test, until

# Its allocator holds more than the program does, and keeps what was freed.
SANITIZED = "asan" in BUILD or "tsan" in BUILD
fake = Fake(models=("gpt-4o-mini", "gpt-5.5")).start()
TEXT = config([openai_provider(fake, "main", "    formats: [openai_responses]\n")], [route("fast", deployment("main", "gpt-4o-mini")), route("thinks", deployment("main", "gpt-5.5"))])
gateway = Gateway(TEXT).start()
keeper = Keeper(gateway)
KEY = gateway.key()


def call(method, path, body=None, key=None, at=gateway):
    return http.call(at.address, method, path, {"Authorization": f"Bearer {key or KEY}"}, body if body is not None else b"")


def ask(key=None, at=gateway, **fields):
    return call("POST", "/v1/responses", {"model": "fast", "input": "x", "background": True, **fields}, key, at)


def response(made_id, key=None, at=gateway):
    return call("GET", f"/v1/responses/{made_id}", key=key, at=at).json()


def ask_streamed():
    """The data of its events; whoever goes on follows it."""
    conn = gateway.conn()
    conn.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
                                 json.dumps({"model": "fast", "input": "x", "background": True, "stream": True}).encode()))
    for piece in conn.pieces(conn.head()):
        for line in piece.decode().splitlines():
            if line.startswith("data: "):
                yield line[6:]


def ended(made_id, key=None, at=gateway):
    return until(lambda: (got := response(made_id, key, at)).get("status") in ("completed", "failed") and got, "it ends", 60)


def rows(sql, at=gateway):
    with sqlite3.connect(os.path.join(at.dir, "data", "aquifer.db")) as db:
        return db.execute(sql).fetchall()


# -- memory


def most_resident(at):
    """MiB that its gateway has ever been resident with."""
    with open(f"/proc/{at.pids('role-gateway')[0]}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) >> 10


@test("what runs in the background keeps to the memory ceiling: what is too much is refused, or fails with a word")
def _():
    if SANITIZED:
        return
    small = Gateway(TEXT + "memory: { max: 120MiB }\n").start()
    try:
        key, gate, long = small.key(), threading.Event(), "w" * 3_500_000
        fake.play(*[acts.say(long, pieces=[long], gate=gate)] * 24)
        answers = [ask(key, small) for _ in range(24)]
        eq({answer.status for answer in answers} - {200, 503}, set())
        taken = [answer.json()["id"] for answer in answers if answer.status == 200]
        until(lambda: len(fake.requests) >= len(taken), "they are under way", 60)
        gate.set()
        states = [ended(made_id, key, small) for made_id in taken]
        failed = [state["error"]["message"] for state in states if state["status"] == "failed"]
        print(f"# {len(taken)} of 24 taken, {len(failed)} failed, at most {most_resident(small)} MiB resident", flush=True)
        check(len(failed) + 24 - len(taken) > 0, "it was too much")
        check(all("memory.max" in text for text in failed), repr(failed))
        check(most_resident(small) < 300, "it kept to its ceiling")
        until(lambda: (got := ask(key, small)).status == 200 and ended(got.json()["id"], key, small)["status"] == "completed", "it serves again")
    finally:
        fake.forget()
        small.stop()


# -- the key's limits, and the key itself


@test("what is taken into the background never fails of its key's limits: from there to its work no other comes between")
def _():
    single = Gateway("loops: 1\n" + TEXT).start()  # so that what is said at the same time is heard in one turn
    try:
        key, taken, refused = single.key("one", "--concurrency", "1"), [], set()
        body = json.dumps({"model": "fast", "input": "x", "background": True}).encode()
        raw = http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, body)
        conns = [single.conn() for _ in range(300)]
        for _ in range(10):
            for conn in conns:
                conn.send(raw)
            for got in [conn.read() for conn in conns]:
                if got.status == 200:
                    taken.append(got.json()["id"])
                else:
                    refused.add(got.json()["error"]["code"])
        for conn in conns:
            conn.close()
        eq(refused, {"concurrency"})
        states = [ended(one, key, single) for one in taken]
        print(f"# {len(taken)} taken", flush=True)
        eq([state["error"] for state in states if state["status"] != "completed"], [])
    finally:
        single.stop()


def follow(made_id, key):
    conn = gateway.conn()
    conn.send(http.request_bytes("GET", f"/v1/responses/{made_id}?stream=true", {"Authorization": f"Bearer {key}"}, b""))
    return conn, conn.pieces(conn.head())


@test("a key that is revoked follows no more, and what it began goes on for others")
def _():
    key = gateway.key("going")
    fake.play(acts.hang_after(3))
    conn, pieces = gateway.conn(), None
    with conn:
        conn.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
                                     json.dumps({"model": "fast", "input": "x", "background": True, "stream": True}).encode()))
        pieces = conn.pieces(conn.head())
        made_id = json.loads(next(pieces).decode().split("data: ")[1].split("\n")[0])["response"]["id"]
        other, others = follow(made_id, KEY)
        with other:
            next(others)
            gateway.cli("key", "revoke", key.split("_")[1][:12], json_out=False)
            rest = b"".join(pieces).decode()
            last = json.loads(rest.rsplit("data: ", 1)[1])
            check("revoked" in json.dumps(last), repr(last))
            eq(response(made_id)["status"], "in_progress")
            eq(call("POST", f"/v1/responses/{made_id}/cancel").json()["status"], "cancelled")
            check("response.incomplete" in b"".join(others).decode(), "the other one sees its end")


# -- conversations


@test("one response at a time for a conversation: another is told that it is locked, and to come again")
def _():
    talk = call("POST", "/v1/conversations", {}).json()["id"]
    fake.play(acts.hang_after(3))
    made_id = ask(conversation=talk).json()["id"]
    for fields in ({}, {"background": False}, {"background": False, "stream": True}):
        got = ask(conversation=talk, **fields)
        eq((got.status, got.json()["error"]["code"], got.get("x-should-retry")), (409, "conversation_locked", None), repr(fields))
        check(got.get("retry-after"), "it says when")
    eq(ask(background=False, conversation=call("POST", "/v1/conversations", {}).json()["id"]).status, 200)
    call("POST", f"/v1/responses/{made_id}/cancel")
    until(lambda: ask(background=False, conversation=talk).status == 200, "it is free again", 30)
    for at in range(10):  # whoever has read the last byte can go on
        eq(ask(background=False, conversation=talk, stream=bool(at % 2)).status, 200)
    fake.play(acts.status(400))
    eq((ask(background=False, conversation=talk).status, ask(background=False, conversation=talk).status), (400, 200))


@test("thoughts are asked for sealed where the model thinks, and never where it does not")
def _():
    for model, asked in (("thinks", ["reasoning.encrypted_content"]), ("fast", None)):
        eq(ask(model=model, background=False).status, 200)
        eq(fake.last().json.get("include"), asked, model)


# -- asking


@test("many followers of a response that says nothing ask seldom, and see at once what comes")
def _():
    gate = threading.Event()
    fake.play(acts.say("one two three four five six", gate=gate))
    made_id = json.loads(next(iter(ask_streamed())))["response"]["id"]
    followers = [follow(made_id, KEY) for _ in range(12)]
    for _, pieces in followers:
        next(pieces)
    time.sleep(2)  # for what is slow to become so
    before = keeper.count(f"GET /follow/{made_id}")
    time.sleep(2)
    asked = keeper.count(f"GET /follow/{made_id}") - before
    print(f"# {asked} questions of 12 followers in 2 s", flush=True)
    check(asked <= 20, f"{asked} questions")
    gate.set()
    for conn, pieces in followers:
        check("response.completed" in b"".join(pieces).decode(), "it is followed to its end")
        conn.close()


# -- answers that are lost


@test("the answer to its beginning is lost: the caller is told to come again, and nothing stays queued")
def _():
    keeper.lose.add("/keep")
    got = ask()
    eq((got.status, got.json()["error"]["code"]), (503, "state_unavailable"))
    check(rows("SELECT 1 FROM responses WHERE runs IS NOT NULL"), "it was stored")
    keeper.lose.discard("/keep")
    until(lambda: not rows("SELECT 1 FROM responses WHERE runs IS NOT NULL"), "it is removed", 30)


# -- the end by force


@test("a gateway whose time to drain is over ends well, whatever runs in the background")
def _():
    brief = Gateway(TEXT + "drain: 500ms\nstate: { wait: 60s }\n").start()
    key = brief.key()
    for stream in (False, True):
        fake.play(acts.hang_after(3))
        conn = brief.conn()
        body = json.dumps({"model": "fast", "input": "x", "background": True, "stream": stream}).encode()
        conn.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, body))
        conn.head()
    until(lambda: len(rows("SELECT 1 FROM responses WHERE CAST(body AS TEXT) LIKE '%in_progress%'", brief)) == 2, "they work", 30)
    control = brief.pids("aquifer-control")[0]
    os.kill(control, signal.SIGSTOP)
    waiting = brief.conn()
    waiting.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, body))
    gone = brief.pids("role-gateway")[0]
    os.kill(gone, signal.SIGTERM)
    until(lambda: gone not in brief.processes(), "the gateway is gone", 30)
    os.kill(control, signal.SIGCONT)
    until(lambda: not rows("SELECT 1 FROM responses WHERE runs IS NOT NULL", brief), "what it worked on is given up", 30)
    until(brief.is_ready, "another gateway serves", 30)
    control = brief.pids("aquifer-control")[0]
    os.kill(control, signal.SIGSTOP)
    for _ in range(8):  # control hears of them and of its end at once
        waiting = brief.conn()
        waiting.send(http.request_bytes("POST", "/v1/responses", {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, body))
    brief.process.send_signal(signal.SIGTERM)
    until(lambda: not brief.pids("role-gateway"), "the gateway is gone", 30)
    os.kill(control, signal.SIGCONT)
    brief.stop()


def end():
    gateway.stop()
    keeper.stop()
    fake.stop()


run(end)
