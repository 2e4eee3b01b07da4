# timeout: 180
# order: 56
"""The end of the drain: whatever a client or a provider still holds open then, it is closed, recorded, and the process ends well."""
import re
import signal
import sqlite3
import time

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.tap import SLOW, check, eq, run, test, until

fake = Fake().start()
fake.play_model("hangs", acts.hang())
fake.play_model("stops", acts.hang_after(2))
fake.play_model("floods", acts.flood(100_000_000))
fake.play_model("lingers", acts.hang_after(1000))
MODELS = ("hangs", "stops", "floods")
routes = [route(name, deployment("main", name)) for name in (*MODELS, "lingers", "gpt-4o-mini")]
gateway = Gateway(config([openai_provider(fake)], routes, extra="drain: 1s\n")).start()
key = gateway.key()
open_now = []


def ask(model, **options):
    conn = gateway.conn(**options)
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "stream": True}
    open_now.append(conn.request("POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}"}, body))
    return conn


def say(data):
    """A client that says so much and no more."""
    open_now.append(gateway.conn().send(data))


def ends():
    """Outcomes by model, when all is in the database."""
    gateway.usage()
    base = sqlite3.connect(f"file:{gateway.dir}/data/aquifer.db?mode=ro", uri=True)
    rows = base.execute("SELECT model, outcome FROM attempts ORDER BY model").fetchall()
    base.close()
    return rows


@test("held streams, half requests, silent and deaf clients: all are closed when the drain is over, and have their rows")
def _():
    half = http.request_bytes("POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}", "Content-Length": "100"}, b"{")
    say(b"")
    say(half[:30])
    say(half)
    say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    for model in MODELS:
        ask(model, **({"receive_buffer": 4096} if model == "floods" else {}))
    eq(gateway.chat(key, "gpt-4o-mini").status, 200)
    until(lambda: len(fake.requests) == len(MODELS) + 1, "all calls are under way")
    time.sleep(0.2)
    begun = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    eq(gateway.process.wait(40 * SLOW), 0)
    print(f"# ended {time.monotonic() - begun:.1f} s after the signal", flush=True)
    check("gateway.drain_over" in gateway.log(), "the drain was over")
    for conn in open_now:
        conn.close()
    gateway.start()
    ABORTED, OK = 5, 1
    eq(ends(), [("floods", ABORTED), ("gpt-4o-mini", OK), ("hangs", ABORTED), ("stops", ABORTED)])


@test("a stream that is whole, whose transfer the provider never ends, holds nothing up")
def _():
    got = gateway.chat(key, "lingers", stream=True)
    eq(got.events()[-1][1], "[DONE]")
    gateway.process.send_signal(signal.SIGTERM)
    eq(gateway.process.wait(40 * SLOW), 0)
    check(not re.search(r"child.ended .*role=gateway .*status=-", gateway.log()), "the gateway ended by itself")
    gateway.start()


@test("a second signal ends it at once")
def _():
    conn = ask("hangs")
    until(lambda: len(fake.requests) == len(MODELS) + 3, "the call is under way")
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: gateway.log().count("gateway.draining") >= 3, "it drains")
    gateway.process.send_signal(signal.SIGTERM)
    eq(gateway.process.wait(20 * SLOW), 0)
    conn.close()
    gateway.start()


def end():
    gateway.stop()
    fake.stop()


run(end)
