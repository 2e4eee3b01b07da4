# builds: plain
# timeout: 300
# order: 55
# torture: yes
"""Reloads under load, drain, takeover by a new binary: nobody's request fails, open streams go on, memory stays flat."""
import os
import signal
import threading
import time

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.tap import TORTURE, check, eq, run, test, until

RELOADS = 1000 if TORTURE else 200

fake = Fake().start()
fake.play_always(acts.say("One two three.", usage={"prompt": 7, "completion": 5}))
gate = threading.Event()
fake.play_model("gpt-5.5", acts.say("A long story, told slowly.", gate=gate))


def text(number):
    """A configuration that differs by the name of one route."""
    return config([openai_provider(fake)],
                  [route("fast", deployment("main", "gpt-4o-mini")), route("slow", deployment("main", "gpt-5.5")),
                   route(f"generation-{number}", deployment("main", "gpt-4o-mini"))], extra="drain: 60s\nlog: { access: false }\n")


gateway = Gateway(text(0)).start()
key = gateway.key("lifecycle")


def clients(count, stop, bad):
    def work():
        while not stop.is_set():
            try:
                got = gateway.chat(key)
                if got.status != 200:
                    bad.append(repr(got))
            except (OSError, http.Broken) as problem:
                bad.append(repr(problem))
    threads = [threading.Thread(target=work, name=f"client {number}") for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def has_route(name):
    got = http.call(gateway.address, "GET", "/v1/models", {"Authorization": f"Bearer {key}"})
    return name in [model["id"] for model in got.json()["data"]]


def memory(word):
    """Private memory of the processes with the word, in KB."""
    total = 0
    for pid in gateway.pids(word):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    return total


def reload_to(first, last):
    for number in range(first, last):
        gateway.write(text(number))
        gateway.process.send_signal(signal.SIGHUP)
        if number % 20 == 0:
            until(lambda: has_route(f"generation-{number}"), f"generation {number} is in force", 20)


@test(f"{RELOADS} reloads under load: no request fails, memory stays flat")
def _():
    stop, bad = threading.Event(), []
    threads = clients(2, stop, bad)
    reload_to(1, RELOADS // 4 + 1)
    before = memory("role-gateway"), memory("-control")
    reload_to(RELOADS // 4 + 1, RELOADS + 1)
    after = memory("role-gateway"), memory("-control")
    stop.set()
    for thread in threads:
        thread.join()
    eq(bad[:3], [])
    print(f"# gateway {before[0]} to {after[0]} KB, control {before[1]} to {after[1]} KB", flush=True)
    check(after[0] - before[0] < 4096 and after[1] - before[1] < 4096, f"memory grew: {before} KB to {after} KB")


@test("a broken file changes nothing, and the next good one is taken")
def _():
    gateway.write(text("good").replace("providers:", "providres:"))
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "providres" in gateway.log(), "the complaint names the key")
    check(has_route(f"generation-{RELOADS}") and not has_route("generation-good"), "the old one is in force")
    gateway.write(text("good"))
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: has_route("generation-good"), "the good one is in force")


def open_stream():
    """A stream that has begun and is held by the gate."""
    conn = gateway.conn()
    body = {"model": "slow", "messages": [{"role": "user", "content": "x"}], "stream": True}
    conn.request("POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}"}, body)
    response = conn.head()
    eq(response.status, 200)
    pieces = conn.pieces(response)
    return conn, pieces, next(pieces)


def finish_stream(pieces, begun):
    gate.set()
    events = list(http.parse_events(begun + b"".join(pieces)))
    eq(events[-1][1], "[DONE]")


@test("a new binary takes over under load: no request fails, an open stream goes on in the old process")
def _():
    gate.clear()
    old = gateway.pids("role-gateway")
    conn, pieces, begun = open_stream()
    stop, bad = threading.Event(), []
    threads = clients(2, stop, bad)
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: [pid for pid in gateway.pids("role-gateway") if pid not in old], "a new gateway", 30)
    until(lambda: "gateway.draining" in gateway.log(), "the old one drains", 30)
    time.sleep(0.3)
    check(gateway.pids("role-gateway") != old and old[0] in gateway.pids("role-gateway"), "both are there")
    stop.set()
    for thread in threads:
        thread.join()
    eq(bad[:3], [])
    finish_stream(pieces, begun)
    conn.close()
    until(lambda: old[0] not in gateway.pids("role-gateway"), "the old one ends with its last stream", 30)
    eq(gateway.chat(key).status, 200)
    eq(gateway.cli("key", "list", "--json")["data"][0]["name"], "lifecycle")


@test("SIGTERM: an open stream ends well before the process does, and new connections are refused")
def _():
    gate.clear()
    conn, pieces, begun = open_stream()
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: gateway.log().count("gateway.draining") >= 2, "it drains")
    finish_stream(pieces, begun)
    conn.close()
    eq(gateway.process.wait(30), 0)
    gateway.start()
    total = gateway.usage()["total"]
    check(total["requests"] == len(fake.requests), f"{total['requests']} rows for {len(fake.requests)} requests")


def end():
    gateway.stop()
    fake.stop()


run(end)
