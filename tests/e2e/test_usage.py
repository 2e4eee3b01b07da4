# order: 35
# timeout: 200
"""What finance reads: how much of a sum is told, estimated, interrupted, or has no known cost."""
import os
import signal
import threading
from decimal import Decimal

from lib import acts, http
from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test, until

fake = Fake().start()
fake.models.add("in-no-catalogue")
TEXT = config([openai_provider(fake)],
              [route("fast", deployment("main", "gpt-4o-mini")),
               route("wild", deployment("main", "in-no-catalogue", price=None, extra="        allow_unpriced: true\n"))])
gateway = Gateway(TEXT).start()
key = gateway.key("finance")
FIXED = {"requests", "input_tokens", "output_tokens", "cost"}
ESTIMATED = {"estimated_requests", "interrupted_requests", "estimated_input_tokens", "estimated_output_tokens", "estimated_cost"}
UNKNOWN = {"unknown_cost_requests", "unknown_cost_input_tokens", "unknown_cost_output_tokens"}


def table():
    return gateway.cli("usage", json_out=False).stdout


@test("where providers told all, nothing is said of estimates")
def _():
    eq(gateway.chat(key).status, 200)
    total = gateway.usage()["total"]
    eq(set(total), FIXED)
    check("ESTIMATED" not in table() and "estimated" not in table() and "unknown" not in table(), table())


@test("a stream that was cut is estimated: the fixed members are as before, and further ones tell how much of them")
def _():
    before = gateway.usage()["total"]
    fake.play(acts.cut(4))
    gateway.chat(key, stream=True)
    total = gateway.usage()["total"]
    eq(set(total), FIXED | ESTIMATED)
    eq((total["requests"], total["estimated_requests"], total["interrupted_requests"]), (before["requests"] + 1, 1, 0))
    eq((total["estimated_input_tokens"], total["estimated_output_tokens"]),
       (total["input_tokens"] - before["input_tokens"], total["output_tokens"] - before["output_tokens"]))
    eq(Decimal(str(total["estimated_cost"])), Decimal(str(total["cost"])) - Decimal(str(before["cost"])))
    eq(set(gateway.usage()["data"][0]), FIXED | ESTIMATED | {"key", "model", "day"})
    check("ESTIMATED $" in table() and "estimated: 1 request of them" in table() and "interrupted" not in table(), table())


@test("a cost that nobody knows is unknown and never 0, and its tokens are told")
def _():
    before = gateway.usage()["total"]
    eq(gateway.chat(key, model="wild").status, 200)
    total = gateway.usage()["total"]
    eq(set(total), FIXED | ESTIMATED | UNKNOWN)
    eq((total["cost"], total["unknown_cost_requests"]), (before["cost"], 1))
    eq((total["unknown_cost_input_tokens"], total["unknown_cost_output_tokens"]),
       (total["input_tokens"] - before["input_tokens"], total["output_tokens"] - before["output_tokens"]))
    row = next(line for line in table().splitlines() if " wild " in line)
    eq(row.split()[6:], ["unknown"])
    check("+ unknown dollars" in table() and "unknown cost: 1 request with " in table(), table())


@test("what a dead gateway left open is interrupted, and part of what is estimated")
def _():
    fake.play(acts.hang())
    before = len(fake.requests)

    def lost():
        try:
            gateway.chat(key)
        except (OSError, http.Broken):
            pass  # its gateway is killed

    caller = threading.Thread(target=lost)
    caller.start()
    until(lambda: len(fake.requests) > before, "the call is under way")
    for pid in gateway.pids("gateway"):
        os.kill(pid, signal.SIGKILL)
    caller.join()
    total = until(lambda: next((t for t in [gateway.usage()["total"]] if t["interrupted_requests"]), None), "it is booked")
    eq((total["interrupted_requests"], total["estimated_requests"]), (1, 2))
    check("interrupted: 1 request of the estimated" in table(), table())


def end():
    gateway.stop()
    fake.stop()


run(end)
