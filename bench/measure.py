"""measure: one measurement of one target: load, latency, processor time, memory; and sums over many of them.

Used by rows.py. A measurement with any error, any answer that is not a good 200, or a process that ended is void.
"""
import json
import resource
import statistics
import subprocess

import procs
from targets import BenchError

LOAD_MARGIN_S = 60
TRIES = 3
DISTURBED = 0.05  # of a processor, by programs that are not part of the run
UNCOUNTED_SHARE, UNCOUNTED_NS = 0.02, 40_000_000


def load(bench, target, options, core=None):
    """Runs bench/load to its end and returns what it printed."""
    argv = [bench.tool("load"), "--to", f"127.0.0.1:{target.port}", "--head", str(target.head)]
    for name, value in options.items():
        argv += [f"--{name}", str(value)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=options["ms"] / 1e3 + LOAD_MARGIN_S,
                          preexec_fn=procs.pin(bench.load_core if core is None else core))
    if done.returncode:
        raise BenchError(f"load against {target.label}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def own_ns():
    """Processor time of this program and of the load generators that it has waited for."""
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return int(sum(used.ru_utime + used.ru_stime for used in both) * 1e9)


class Window:
    """What the target's processes, and others on both processors, did between two moments."""

    def __init__(self, bench, target):
        self.bench, self.target = bench, target
        self.threads, self.ticks, self.gateway_busy, self.load_busy, self.ours = self.read()

    def read(self):
        pids = self.target.pids()
        return (procs.cpu_by_thread(pids), procs.ticks_ns(pids), procs.core_busy_ns(self.bench.gateway_core),
                procs.core_busy_ns(self.bench.load_core), own_ns() + procs.cpu_ns(self.bench.mock_pids))

    def close(self):
        threads, ticks, gateway_busy, load_busy, ours = self.read()
        spent = sum(threads.values()) - sum(self.threads.values())
        return {
            "cpu_ns": spent,
            "uncounted_ns": ticks - self.ticks - spent,
            "foreign_ns": max(0, gateway_busy - self.gateway_busy - spent,
                              load_busy - self.load_busy - (ours - self.ours)),
            "same_processes": {pid for pid, _ in self.threads} == {pid for pid, _ in threads},
        }


def cpu_once(bench, target, options, warm_ms):
    """Processor time of all the target's threads, from rest to rest, with what the load saw in between."""
    load(bench, target, {**options, "ms": warm_ms})
    pids = target.pids()
    rested = procs.wait_for_rest(pids)
    window = Window(bench, target)
    seen = load(bench, target, options)
    at_end = procs.cpu_ns(pids)
    rested = procs.wait_for_rest(pids) and rested
    seen |= window.close()
    seen["cpu_after_ns"] = max(0, procs.cpu_ns(pids) - at_end)
    seen["rested"] = rested
    seen["core_share"] = seen["cpu_ns"] / (seen["seconds"] * 1e9)
    seen["foreign_share"] = seen["foreign_ns"] / (seen["seconds"] * 1e9)
    seen["void"] = why_void(seen)
    return seen


def cpu(bench, target, options, warm_ms):
    """As cpu_once, taken again (at most TRIES times) while programs of others were on the processors; the least
    disturbed one counts. What decides is only the others' time, never the figure."""
    tries = []
    while len(tries) < TRIES:
        tries.append(cpu_once(bench, target, options, warm_ms))
        if tries[-1]["void"] or tries[-1]["foreign_share"] <= DISTURBED:
            break
    seen = tries[-1] if tries[-1]["void"] else min(tries, key=lambda one: one["foreign_share"])
    return {**seen, "tries": len(tries)}


def why_void(seen):
    """Text, or None for a measurement that counts."""
    if seen["errors"] or seen["non200"]:
        return f"{seen['errors']} errors, {seen['non200']} answers that were not 200"
    if not seen["requests"]:
        return "no request was completed"
    if not seen.get("same_processes", True):
        return "a process of the target ended or was started"
    # A thread that ends takes its precise account with it; the coarse one tells whether that matters.
    if seen.get("uncounted_ns", 0) > UNCOUNTED_SHARE * seen.get("cpu_ns", 0) + UNCOUNTED_NS:
        return f"threads that ended took {seen['uncounted_ns'] / 1e6:.0f} ms that cannot be counted"
    return None


def per_unit_us(seen, unit):
    """Microseconds of processor per request, or per event of a stream."""
    return seen["cpu_ns"] / 1e3 / seen[unit]


class Held:
    """Streams that stand open as long as the `with` block lasts."""

    def __init__(self, bench, target, count):
        self.label = f"{count} streams through {target.label}"
        # Four source addresses: no tuple of addresses and ports is scarce, however often a run repeats this.
        argv = [bench.tool("load"), "--to", f"127.0.0.1:{target.port}", "--head", str(target.head), "--hold",
                "--body", str(bench.bodies["1k-stream"]), "--connections", str(count), "--sources", "4"]
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      preexec_fn=procs.pin(bench.load_core))
        self.count = count
        self.void = None

    def __enter__(self):
        opened = json.loads(self.child.stdout.readline() or "{}")
        if opened.get("open") != self.count:
            self.void = f"{self.label}: opened only {opened}"
        return self

    def __exit__(self, *exception):
        self.child.stdin.close()
        self.child.wait(timeout=LOAD_MARGIN_S)
        self.child.stdout.close()
        if self.child.returncode and not self.void:
            self.void = f"{self.label}: some ended before they should"


def memory_kb(bench, target, streams):
    """PSS of all the target's processes with so many streams open: (KB, why it is void or None)."""
    with Held(bench, target, streams) as held:
        procs.wait_for_rest(target.pids())
        kb = procs.pss_kb(target.pids())
    procs.wait_for_rest(target.pids())
    return kb, held.void


def first_answer(bench, target):
    """Starts the target anew: (milliseconds from fork to its first good answer, PSS in KB at rest after it)."""
    argv = [bench.tool("first"), "--to", f"127.0.0.1:{target.port}", "--head", str(target.head),
            "--body", str(bench.bodies["1k"]), "--core", str(bench.gateway_core), "--", *target.command()]
    with open(bench.work / "first.log", "ab") as log:
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                 env=bench.environment(), preexec_fn=procs.pin(bench.load_core))
    line = child.stdout.readline()
    if not line:
        raise BenchError(f"{target.label} did not answer after a start; see {log.name}")
    told = json.loads(line)
    pids = procs.tree(told["pid"])
    procs.wait_for_rest(pids)
    kb = procs.pss_kb(pids)
    child.stdin.close()
    child.wait(timeout=LOAD_MARGIN_S)
    child.stdout.close()
    return told["ms"], kb


def sync_probe(bench, directory):
    """What one 512-byte pwrite and fdatasync takes where the ledger lies, in microseconds."""
    done = subprocess.run([bench.tool("syncprobe"), "--file", str(directory / "syncprobe")], check=True,
                          capture_output=True, text=True, preexec_fn=procs.pin(bench.gateway_core))
    return json.loads(done.stdout)["p50_us"]


class Series:
    """The rounds of one target in one row: values that count, and what was void."""

    def __init__(self):
        self.values = []
        self.seen = []
        self.voids = []

    def add(self, value, seen=None, void=None):
        if void:
            self.voids.append(void)
            return
        self.values.append(value)
        self.seen.append(seen or {})

    def median(self):
        return statistics.median(self.values) if self.values else None

    def of(self, name):
        found = [seen[name] for seen in self.seen if name in seen]
        return statistics.median(found) if found else None

    def text(self, digits=2):
        if not self.values:
            return "void" if self.voids else "-"
        return f"{self.median():.{digits}f} ({min(self.values):.{digits}f}-{max(self.values):.{digits}f})"
