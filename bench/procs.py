"""procs: what the kernel tells of the processes under test: processor time, memory, and when they are at rest.

Used by measure.py and rows.py. Nothing here changes a process.
"""
import ctypes
import os
import resource
import signal
import time
from pathlib import Path

REST_WINDOW_S = 0.2
REST_SHARE = 0.01
REST_WINDOWS = 2
REST_MAX_S = 30.0
FILES = 65536
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None)
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
ENGINES = ("llama-server",)


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def tree(pid):
    """The process and all it started, local inference engines left out."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return []
    if name in ENGINES:
        return []
    return [pid] + [p for child in children(pid) for p in tree(child)]


def cpu_by_thread(pids):
    """Nanoseconds on a processor of every thread, by (process, thread)."""
    times = {}
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                times[pid, int(task.name)] = int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue
    return times


def cpu_ns(pids):
    return sum(cpu_by_thread(pids).values())


def ticks_ns(pids):
    """The same by the kernel's coarser account, which also holds what ended threads took. Steps of one tick."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime: fields 14 and 15 of proc(5)
    return total * TICK_NS


def core_busy_ns(core):
    """Time that one processor did anything for anybody (user to steal, without idle and iowait)."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in fields[:8])
            return (user + nice + system + irq + softirq + steal) * TICK_NS
    return 0


def pss_kb(pids):
    """Proportional set size: shared pages are counted once over all who share them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def wait_for_rest(pids):
    """Waits until the processes take less than 1 % of a processor; True if they came to rest in time.

    Work that a request leaves behind (ledger ingest, log lines) is part of its price, so a measurement runs from rest
    to rest and not from the first request to the last.
    """
    end = time.monotonic() + REST_MAX_S
    quiet = 0
    last, at = cpu_ns(pids), time.monotonic()
    while quiet < REST_WINDOWS and time.monotonic() < end:
        time.sleep(REST_WINDOW_S)
        now, then = cpu_ns(pids), time.monotonic()
        quiet = quiet + 1 if now - last < REST_SHARE * (then - at) * 1e9 else 0
        last, at = now, then
    return quiet >= REST_WINDOWS


def files_raise():
    """The limit of open files for this process and its children: 65,536, or as many as the system allows."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    except (OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def pin(core):
    """For subprocess' preexec_fn: the child runs on one processor, and ends when we do, however that happens."""
    def prepare():
        os.sched_setaffinity(0, {core})
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return prepare
