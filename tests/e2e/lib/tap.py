"""Tests of one file: functions marked @test, run in order by run(), told in TAP. A failed one never stops the next."""
import os
import sys
import threading
import time
import traceback

SLOW = float(os.environ.get("AQUIFER_SLOW") or 1)  # sanitizer builds are this much slower
TORTURE = bool(os.environ.get("AQUIFER_TORTURE"))
_tests = []
explain = []  # functions that tell what their processes said lately; asked when a test fails


class Skip(Exception):
    """Raised by a test that cannot run here; the reason is shown in the summary."""


def test(title):
    def mark(function):
        _tests.append((title, function))
        return function
    return mark


def eq(seen, wanted, what=""):
    if seen != wanted:
        raise AssertionError((f"{what}: " if what else "") + f"got {seen!r}, wanted {wanted!r}")


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def until(probe, what, seconds=20.0):
    """Polls until probe() is true and returns what it gave; fails after a generous time."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * SLOW:.0f} s: {what}")
        time.sleep(0.02)


def _tell(verdict, number, title, detail=""):
    print(f"{verdict} {number} - {title}", flush=True)
    for line in detail.splitlines():
        print("# " + line, flush=True)


def _run_one(number, title, function):
    try:
        function()
    except Skip as reason:
        _tell("ok", number, f"{title} # SKIP {reason}")
        return True
    except BaseException:  # also KeyboardInterrupt: the plan is kept
        _tell("not ok", number, title, "\n".join([traceback.format_exc()] + [tell() for tell in explain]))
        return False
    _tell("ok", number, title)
    return True


def run(at_end=None):
    """Runs this file's tests; at_end stops what they share, and its complaint (a sanitizer's, say) is a failure too."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [(title, function) for title, function in _tests if wanted in title]
    if at_end:
        chosen.append(("everything ends cleanly", at_end))
    print(f"1..{len(chosen)}", flush=True)
    good = [_run_one(number, title, function) for number, (title, function) in enumerate(chosen, 1)]
    stuck = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if stuck:
        print(f"# threads still there: {stuck}", flush=True)
    sys.stdout.flush()
    os._exit(0 if all(good) else 1)
