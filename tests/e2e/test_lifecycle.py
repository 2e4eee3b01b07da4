# builds: plain
# timeout: 300
# order: 55
# torture: yes
# alone: yes
"""Reloads under load, drain, takeover by a new binary: nobody's request fails, open streams go on, memory stays flat."""
import json
import os
import signal
import threading
import time

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.tap import SLOW, TORTURE, check, eq, run, test, until

RELOADS = 1000
KEYS = 500 if TORTURE else 50

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


def new_key(number):
    """Made over the API itself: the command line would give the gateways time."""
    got = gateway.admin("POST", "/admin/v1/keys", json.dumps({"name": f"at once {number}"}).encode())
    eq(got.status, 201, repr(got))
    return got.json()


@test("under load a key works from the moment it is shown, and no more from the moment it is revoked")
def _():
    stop, bad = threading.Event(), []
    threads = clients(2, stop, bad)
    try:
        for number in range(KEYS):
            made = new_key(number)
            eq(gateway.chat(made["key"]).status, 200, f"key {number}, at once")
            eq(gateway.admin("DELETE", "/admin/v1/keys/" + made["id"]).status, 200)
            eq(gateway.chat(made["key"]).status, 401, f"key {number}, revoked")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    eq(bad[:3], [])


def memory(word):
    """Memory of their own of the processes with the word, in KB: mapped journal segments come and go with the load."""
    total = 0
    for pid in gateway.pids(word):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
    return total


def reload_to(first, last):
    """Each is in force before the next one comes: a signal that arrives while one is read would only be the same again."""
    for number in range(first, last):
        gateway.write(text(number))
        gateway.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20 * SLOW
        while not has_route(f"generation-{number}"):
            check(time.monotonic() < end, f"generation {number} is not in force")
            time.sleep(0.002)


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
    check(after[0] - before[0] < 1024 and after[1] - before[1] < 1024, f"memory grew: {before} KB to {after} KB")


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


@test("a new gateway that dies during the takeover is started again; the old one serves until then")
def _():
    old = gateway.pids("role-gateway")
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: [pid for pid in gateway.pids("role-gateway") if pid not in old], "a new gateway", 30)
    for pid in gateway.pids("role-gateway"):
        if pid not in old:
            os.kill(pid, signal.SIGKILL)
    until(lambda: gateway.pids("role-gateway") and not set(old) & set(gateway.pids("role-gateway")), "the takeover is over", 60)
    until(gateway.is_ready, "ready", 30)
    eq(gateway.chat(key).status, 200)


@test("takeovers while keys are made: no admin connection is lost, and every key works")
def _():
    made, bad, stop = [], [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                made.append(new_key(len(made))["key"])
            except (OSError, http.Broken, AssertionError) as problem:
                bad.append(repr(problem))
    thread = threading.Thread(target=work, name="key maker")
    thread.start()
    for number in range(3):
        old = gateway.pids("role-gateway") + gateway.pids("-control")
        gateway.process.send_signal(signal.SIGUSR2)
        until(lambda: not set(old) & set(gateway.pids("role-gateway") + gateway.pids("-control")), f"takeover {number} is over", 60)
        until(gateway.is_ready, "ready", 30)
    stop.set()
    thread.join()
    eq(bad[:3], [])
    print(f"# {len(made)} keys made", flush=True)
    eq([number for number, secret in enumerate(made) if gateway.chat(secret).status != 200], [], "keys that do not work")


def is_refused():
    try:
        gateway.conn().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the queue of a socket that closed
    return False


@test("SIGTERM: an open stream ends well before the process does, and new connections are refused")
def _():
    gate.clear()
    conn, pieces, begun = open_stream()
    gateway.process.send_signal(signal.SIGTERM)
    until(is_refused, "new connections are refused while the stream is open")
    eq(gateway.process.poll(), None)
    finish_stream(pieces, begun)
    conn.close()
    eq(gateway.process.wait(30 * SLOW), 0)
    gateway.start()
    total = gateway.usage()["total"]
    check(total["requests"] == len(fake.requests), f"{total['requests']} rows for {len(fake.requests)} requests")


def end():
    gate.set()  # a stream that a failed test left open would be waited for until the drain is over
    gateway.stop()
    fake.stop()


run(end)
