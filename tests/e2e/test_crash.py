# builds: plain
# timeout: 600
# order: 60
# torture: yes
# alone: yes
"""kill -9 under load, of everything together and of each process alone: every answer that a client finished reading has exactly
one row, with the very tokens it was told; nothing counts twice; and it goes on by itself."""
import os
import random
import signal
import sqlite3
import threading
import time
from decimal import Decimal

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


OK, NOT_SENT, INTERRUPTED = 1, 3, 7  # outcomes, by number, as the database keeps them


def all_attempts():
    """Every row, from the database itself: the API's pages end. The report before it puts the whole journal in."""
    total = gateway.usage()["total"]
    names = ("id", "request_id", "outcome", "input_tokens", "output_tokens", "cost_micro", "cost_rest")
    base = sqlite3.connect(f"file:{gateway.dir}/data/aquifer.db?mode=ro", uri=True)
    rows = [dict(zip(names, row)) for row in base.execute(f"SELECT {', '.join(names)} FROM attempts")]
    base.close()
    return total, rows


@test("every finished answer has exactly one row, with what the client was told")
def _():
    rows, by_request = all_attempts()[1], {}
    for row in rows:
        by_request.setdefault(row["request_id"], []).append(row)
    eq(len(finished), len(set(finished)), "request ids are unique")
    for request in finished:
        got = by_request.get(request, [])
        eq(len(got), 1, f"rows of {request}")
        eq((got[0]["outcome"], got[0]["input_tokens"], got[0]["output_tokens"]), (OK, 7, 5), str(got[0]))
    eq(len(rows), len({row["id"] for row in rows}), "attempt ids are unique")
    print(f"# {len(finished)} answers finished, {len(rows)} rows, {len(fake.requests)} requests at the provider", flush=True)


@test("the sums hold: what is reported is what the rows say, interrupted ones are marked and estimated")
def _():
    total, rows = all_attempts()
    sent = [row for row in rows if row["outcome"] != NOT_SENT]
    for name in ("input_tokens", "output_tokens"):
        eq(total[name], sum(row[name] for row in sent), name)
    eq(total["requests"], len(sent), "requests")
    eq(Decimal(str(total["cost"])), sum(row["cost_micro"] * 10**6 + row["cost_rest"] for row in sent) / Decimal(10**12), "cost")
    check(len(sent) <= len(fake.requests), f"{len(sent)} rows for {len(fake.requests)} requests at the provider")
    for row in rows:
        if row["outcome"] == INTERRUPTED:
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
