# builds: plain
# timeout: 600
# order: 60
# torture: yes
"""kill -9 under load, of everything together and of each process alone: every answer that a client finished reading has exactly
one row, with the very tokens it was told; nothing counts twice; and it goes on by itself."""
import os
import random
import signal
import threading
import time

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.tap import TORTURE, check, eq, run, test, until

ROUNDS = 1000 if TORTURE else 50
CLIENTS = 4
SEED = int(os.environ.get("AQUIFER_SEED") or 20261123)

fake = Fake().start()
fake.play_always(acts.say("One two three four.", usage={"prompt": 7, "completion": 5}, gap=0.002))
gateway = Gateway(config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))])).start()
key = gateway.key("crash")
finished = []  # request ids of answers that were read to their end
lock = threading.Lock()


def one_request(number):
    """True when the answer was whole."""
    stream = number % 2 == 0
    got = gateway.chat(key, stream=stream)
    if got.status != 200:
        return False
    if stream and got.events()[-1][1] != "[DONE]":
        return False
    with lock:
        finished.append(got.get("x-aquifer-request-id"))
    return True


def client(stop, first):
    number = first
    while not stop.is_set():
        try:
            one_request(number)
        except (OSError, http.Broken, ValueError):
            time.sleep(0.005)  # what a kill looks like from outside; the answer was not finished
        number += 1


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def kill_everything():
    gateway.kill_all()
    gateway.start()


def kill_one(word):
    def act():
        kill(gateway.pids(word))
        until(gateway.is_ready, f"ready again after {word} was killed", 30)
    return act


TARGETS = [("everything", kill_everything), ("the gateway", kill_one("role-gateway")), ("control", kill_one("-control"))]


def kill_supervisor():
    """Its children end by themselves; the next one starts on the same data and ports."""
    gateway.process.kill()
    gateway.process.wait()
    gateway.start()


TARGETS.append(("the supervisor", kill_supervisor))


@test(f"{ROUNDS} kills under load")
def _():
    dice = random.Random(SEED)
    for number in range(ROUNDS):
        name, act = TARGETS[number % len(TARGETS)]
        stop = threading.Event()
        threads = [threading.Thread(target=client, args=(stop, first), name=f"client {first}") for first in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.02, 0.25))
        act()
        stop.set()
        for thread in threads:
            thread.join()
        if (number + 1) % 10 == 0:
            print(f"# {number + 1} rounds, {len(finished)} answers finished, the last kill was of {name}", flush=True)
    check(len(finished) > ROUNDS, "there was load")


def all_attempts():
    got = gateway.admin("GET", "/admin/v1/attempts?limit=10000")
    eq(got.status, 200, got.body.decode())
    return got.json()["data"]


@test("every finished answer has exactly one row, with what the client was told")
def _():
    rows = {}
    for row in all_attempts():
        rows.setdefault(row["request_id"], []).append(row)
    if TORTURE:
        return  # more rows than one page holds: the sums below tell
    for request in finished:
        got = rows.get(request, [])
        eq(len(got), 1, f"rows of {request}")
        eq((got[0]["end"], got[0]["input_tokens"], got[0]["output_tokens"]), ("ok", 7, 5), str(got[0]))
    attempts = [row["id"] for rows_of in rows.values() for row in rows_of]
    eq(len(attempts), len(set(attempts)), "attempt ids are unique")


@test("the sums hold: finished answers are all in, interrupted ones are marked and estimated")
def _():
    total = gateway.usage()["total"]
    check(total["requests"] >= len(finished), f"{total} against {len(finished)} finished answers")
    check(total["requests"] <= len(fake.requests), f"{total['requests']} rows for {len(fake.requests)} requests at the provider")
    check(total["output_tokens"] >= 5 * len(finished), str(total))
    for row in all_attempts():
        if row["end"] == "interrupted":
            check(row["input_tokens"] + row["output_tokens"] > 0, f"an interrupted attempt is estimated: {row}")


@test("another start changes nothing")
def _():
    before = gateway.usage()["total"]
    gateway.terminate()
    gateway.start()
    eq(gateway.usage()["total"], before)


def end():
    gateway.stop()
    fake.stop()


run(end)
