# order: 35
# timeout: 200
"""--json of every command, for who scripts them."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess

from lib.fake import Fake
from lib.gateway import PROGRAM, Gateway, free_ports, config, deployment, openai_provider, route
from lib.tap import SLOW, check, eq, run, test

fake = Fake().start()
gateway = Gateway(config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))])).start()
NOT_FOR_PROGRAMS = {"serve", "chat", "help"}  # a daemon, a conversation, a text


def commands():
    """Every command as words, as the help lists them."""
    def listed(*words):
        text = gateway.cli("help", *words, json_out=False).stdout
        return re.findall(r"^  ([a-z]+)\b", text, re.MULTILINE)

    for name in listed():
        yield from ([name, under] for under in listed(name)) if name in ("config", "key", "model") else [[name]]


@test("every command takes --json, and no word that it does not know")
def _():
    seen = list(commands())
    check(len(seen) > 20, f"{len(seen)} commands")
    for words in seen:
        options = gateway.cli("help", *words, json_out=False).stdout
        eq("  --json " in options, words[0] not in NOT_FOR_PROGRAMS, " ".join(words))
        if words[0] not in ("serve", "help"):
            gateway.cli(*words, "one", "word", "too", "many", status=2, json_out=False)


@test("config explain and config export")
def _():
    eq([one["key"] for one in gateway.cli("config", "explain", "heartbeat", "--json")["data"]], ["heartbeat"])
    done = gateway.cli("config", "explain", "heartbaet", "--json", status=1, json_out=False)
    check(not done.stdout and "heartbeat" in done.stderr, done)
    made = gateway.cli("key", "create", "--name", "quo\"ted", "--metadata", '{"team":"red"}', "--json")
    exported = gateway.cli("config", "export", "--json")
    listed = gateway.cli("key", "list", "--json")
    eq(exported, {"keys": listed["data"]})
    check(made["key"] not in json.dumps(exported), "no secret")


@test("backup and restore, while it runs and while it does not")
def _():
    own = gateway.cli("backup", "--json")["path"]
    eq(os.path.dirname(own), os.path.join(gateway.dir, "data", "backups"))
    path = os.path.join(gateway.dir, "copy.db")
    eq(gateway.cli("backup", path, "--json"), {"path": path})
    wanted = {"restored": path, "kept": "aquifer.db.before-restore"}
    eq(gateway.cli("restore", path, "--config", gateway.file, "--json"), wanted)
    done = gateway.cli("restore", path + ".none", "--config", gateway.file, "--json", status=1, json_out=False)
    check(not done.stdout and "copy.db.none" in done.stderr, done)
    eq(gateway.terminate(), 0)
    eq(gateway.cli("restore", path, "--config", gateway.file, "--json"), wanted)
    gateway.start()


@test("model add, list and remove")
def _():
    weights = os.path.join(gateway.dir, "Own.gguf")
    with open(weights, "wb") as file:
        file.write(b"GGUF\x03\0\0\0 and so on")
    place = os.path.join(gateway.dir, "models")

    def model(*words):
        done = subprocess.run([PROGRAM, "model", *words, "--dir", place, "--json"], env=gateway.env, capture_output=True, text=True,
                              check=True, timeout=60 * SLOW)
        return json.loads(done.stdout)

    added = model("add", "own", weights)
    eq((added["name"], added["path"], added["bytes"]), ("own", weights, os.path.getsize(weights)))
    eq(model("list"), {"data": [added]})
    eq(model("remove", "own"), {"name": "own", "path": weights, "file_removed": False})
    eq(model("add", "own", weights, "--copy")["path"], os.path.join(place, "own.gguf"))
    eq(model("remove", "own"), {"name": "own", "path": os.path.join(place, "own.gguf"), "file_removed": True})


@test("what went wrong is told with what to do")
def _():
    def told(words, env=(), **how):
        done = subprocess.run([PROGRAM, *words], env={**gateway.env, **dict(env)}, cwd=gateway.dir, capture_output=True, text=True,
                              check=False, timeout=60 * SLOW, **how)
        eq(done.returncode, 1, " ".join(words))
        return done.stdout + done.stderr

    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    check(f"no Aquifer runs at {nowhere}" in told(["status"], {"AQUIFER_ADMIN_URL": nowhere}), "nobody listens")
    check("admin.key" in told(["status"], {"AQUIFER_ADMIN_KEY": "another"}), "another key")

    def no_space():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    text = told(["doctor", "--config", gateway.file], preexec_fn=no_space)
    check("nothing can be written" in text and "File too large" in text, text)
    data = os.path.join(gateway.dir, "taken")
    with open(data, "w", encoding="ascii") as file:
        file.write("a file")
    wrong = os.path.join(gateway.dir, "wrong.yaml")
    with open(wrong, "w", encoding="utf-8") as file:
        file.write(open(gateway.file, encoding="utf-8").read().replace("data: ./data", "data: ./taken"))
    text = told(["serve", "--config", wrong])
    check(f"{data}/run: Not a directory" in text and "'data' must be a directory" in text, text)


@test("after make run doctor and config mean what it made, wherever they are called from")
def _():
    home = os.path.join(gateway.dir, "tree", "build")
    os.makedirs(home + "/run")
    shutil.copy(PROGRAM, home)
    shutil.copy(gateway.file, home + "/run/aquifer.yaml")
    with open(home + "/run.env", "w", encoding="ascii") as file:
        file.write("".join(f"{name}={gateway.env[name]}\n" for name in ("AQUIFER_ADMIN_URL", "AQUIFER_ADMIN_KEY")))
    env = {name: value for name, value in gateway.env.items() if not name.startswith("AQUIFER_")}

    def said(*words):
        done = subprocess.run([home + "/aquifer", *words], env=env, cwd=home, capture_output=True, text=True, check=False, timeout=60 * SLOW)
        return done.stdout + done.stderr
    check(said("doctor").startswith(f"ok    config     {home}/run/aquifer.yaml: 1 provider"), said("doctor"))
    check(said("config", "check").startswith(f"{home}/run/aquifer.yaml is right"), said("config", "check"))
    check("ready" in said("status"), said("status"))
    os.unlink(home + "/run.env")
    check("which configuration?" in said("config", "check"), said("config", "check"))


@test("config check says which secrets are not there, and is content with the file")
def _():
    eq(gateway.cli("config", "check", gateway.file, json_out=False).stderr, "")
    env = {name: value for name, value in gateway.env.items() if name != "UPSTREAM_KEY"}
    done = subprocess.run([PROGRAM, "config", "check", gateway.file], env=env, capture_output=True, text=True, check=True, timeout=60 * SLOW)
    check("1 provider, 1 route\n" in done.stdout and "providers[0].key: the environment variable UPSTREAM_KEY" in done.stderr, done)


def end():
    gateway.stop()
    fake.stop()


run(end)
