# builds: plain
# order: 5
"""tools/run where something cannot be had: it says so as soon as it is known, and leaves nothing behind that goes on working."""
import os
import shutil
import subprocess
import tempfile

from lib.gateway import ROOT
from lib.tap import check, eq, run, test, until

HOME = tempfile.mkdtemp(prefix="aquifer-run-")


def tree(name, pull, engine):
    """A tree with the real tools/run, in which all that it calls is a stand-in."""
    at = f"{HOME}/{name}"
    os.makedirs(at + "/tools")
    os.makedirs(at + "/build")
    shutil.copy(ROOT + "/tools/run", at + "/tools/run")
    for path, text in (("tools/setup", "exit 0"), ("tools/build", "exit 0"), ("build/aquifer-pull", pull), ("tools/get-engine", engine)):
        with open(f"{at}/{path}", "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text + "\n")
        os.chmod(f"{at}/{path}", 0o755)
    return at


def make_run(at):
    env = {**os.environ, "XDG_CACHE_HOME": at + "/cache", "HOME": at}
    done = subprocess.run([at + "/tools/run"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stderr


@test("a model that cannot be had ends it while the engine is still being built, and the building too")
def _():
    at = tree("no-model", "echo 'pull: nobody has it' >&2; exit 1", 'echo $$ >built-by; [ "$1" = --find ] && exit 1; exec sleep 1000')
    code, err = make_run(at)
    eq(code, 1)
    check("nobody has it" in err and "no model" in err, err)
    with open(at + "/built-by", encoding="ascii") as file:
        pid = file.read().strip()
    until(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat", encoding="ascii").read().split()[2], "the build is over")


@test("an engine that cannot be had is told as such")
def _():
    code, err = make_run(tree("no-engine", "echo tiny >&2; echo tiny", 'echo "engine: no network" >&2; exit 3'))
    eq(code, 1)
    check("no network" in err and "no engine" in err, err)


def end():
    shutil.rmtree(HOME)


run(end)
