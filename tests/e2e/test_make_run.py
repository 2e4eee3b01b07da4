# builds: plain
# order: 80
# timeout: 2400
# alone: yes
"""tools/run: what it promises, and where something cannot be had: it says so as soon as it is known, and leaves nothing behind that
goes on working."""
import json
import os
import shutil
import subprocess
import tempfile

from lib.gateway import BUILD, ROOT
from lib.local import engine_and_model
from lib.ports import free_ports
from lib.tap import SLOW, Skip, check, eq, run, test, until

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


class Daemon:
    """The daemon of `make run` in a tree of the test's own: only what installs and builds is a stand-in, as the suite has built it all."""
    at = env = None

    @classmethod
    def make(cls, tool):
        done = subprocess.run([f"{cls.at}/tools/{tool}"], env=cls.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300 * SLOW, check=False)
        eq(done.returncode, 0, done.stderr)
        return done.stdout

    @classmethod
    def aquifer(cls, *words, status=0, text=None, **env):
        done = subprocess.run([f"{cls.at}/build/aquifer", *words], env={**cls.env, **env}, cwd=HOME, input=text or "", capture_output=True, text=True,
                              timeout=300 * SLOW, check=False)
        eq(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    @classmethod
    def told(cls):
        with open(cls.at + "/build/run.env", encoding="utf-8") as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)

    @classmethod
    def pid(cls):
        with open(cls.at + "/build/run/pid", encoding="ascii") as file:
            return file.read()


@test("make run serves a model, tells where, and the line that it prints works as pasted")
def _():
    command, name, path = engine_and_model("--or-smaller")
    at = tree("real", "", f"echo '{command}'")
    shutil.copy(ROOT + "/tools/stop", at + "/tools/stop")
    os.symlink(ROOT + "/share", at + "/share")
    for program in ("aquifer", "aquifer-control", "aquifer-pull"):
        shutil.copy(os.path.join(BUILD, program), f"{at}/build/{program}")
    ports = sorted(free_ports(2))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AQUIFER_")}
    Daemon.at, Daemon.env = at, {**clean, "HOME": at, "AQUIFER_MODELS": os.path.dirname(path), "AQUIFER_PORT": str(ports[0])}
    out = Daemon.make("run")
    told = Daemon.told()
    eq(sorted(told), ["AQUIFER_ADMIN_KEY", "AQUIFER_ADMIN_URL", "AQUIFER_API_KEY", "AQUIFER_MODEL", "AQUIFER_URL"])
    eq(told["AQUIFER_MODEL"], name)
    check(told["AQUIFER_URL"] in out and told["AQUIFER_API_KEY"] in out, out)
    eq(oct(os.stat(at + "/build/run.env").st_mode & 0o777), "0o600", "run.env holds keys")
    line = next(line for line in out.splitlines() if line.startswith("try:"))
    with subprocess.Popen(["sh", "-c", "exec " + line.removeprefix("try:").strip()], env=clean,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as pasted:
        said = [event for event, _ in zip(spoken(pasted.stdout), range(3))]  # the whole answer is the engine's own test's
        pasted.kill()
    eq(len(said), 3, "pieces of the answer")


def spoken(lines):
    """The pieces of text in a stream of Chat, as they come."""
    for line in lines:
        data = line.removeprefix("data:").strip()
        for choice in json.loads(data).get("choices", []) if data.startswith("{") else []:
            if choice["delta"].get("content"):
                yield choice["delta"]["content"]


def daemon():
    if not Daemon.at or not os.path.exists(Daemon.at + "/build/run.env"):
        raise Skip("there is no daemon (see the test before)")
    return Daemon.told()


@test("a second make run finds the same daemon and the same key")
def _():
    before, pid = daemon(), Daemon.pid()
    Daemon.make("run")
    eq((Daemon.told(), Daemon.pid()), (before, pid))


@test("the program beside run.env finds its daemon by itself; the environment and a named configuration count more")
def _():
    told = daemon()
    eq([key["name"] for key in json.loads(Daemon.aquifer("key", "list", "--json"))["data"]], ["make-run"])
    check(json.loads(Daemon.aquifer("usage", "--json"))["total"]["requests"] > 0, "the pasted line is in the ledger")
    check("not the admin key" in Daemon.aquifer("key", "list", status=1, AQUIFER_ADMIN_KEY="another"), "the environment's own key stays")
    check("nobody-has-this" in Daemon.aquifer("chat", status=1, text="hi\n", AQUIFER_MODEL="nobody-has-this"), "the environment's own model stays")
    Daemon.aquifer("chat", status=1, text="hi\n", AQUIFER_API_KEY="aq_wrong")
    other = HOME + "/other.yaml"
    with open(other, "w", encoding="utf-8") as file:
        file.write(f"data: {HOME}/other\nlisten: 127.0.0.1:1\nadmin:\n  listen: {told['AQUIFER_ADMIN_URL'].removeprefix('http://')}\n"
                   "  key: env:AQUIFER_ADMIN_KEY\nproviders: []\nroutes: []\n")
    Daemon.aquifer("key", "list", "--config", other, AQUIFER_ADMIN_KEY=told["AQUIFER_ADMIN_KEY"])
    check("AQUIFER_ADMIN_KEY" in Daemon.aquifer("key", "list", f"--config={other}", status=1), "run.env must not lend its key")


@test("make stop ends it; the next make run opens the same door with the same key")
def _():
    told = daemon()
    check("stopped" in Daemon.make("stop"), "it says that it stopped")
    check("nothing runs" in Daemon.make("stop"), "and that nothing runs")
    Daemon.make("run")
    eq(Daemon.told()["AQUIFER_API_KEY"], told["AQUIFER_API_KEY"])
    Daemon.make("stop")


def end():
    if Daemon.at:
        Daemon.make("stop")
    shutil.rmtree(HOME)


run(end)
