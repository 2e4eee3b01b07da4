# order: 35
# timeout: 200
"""--json of every command, for who scripts them."""
import json
import os
import re
import subprocess

from lib.fake import Fake
from lib.gateway import PROGRAM, Gateway, config, deployment, openai_provider, route
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
    eq(os.path.dirname(os.path.realpath(own)), os.path.realpath(os.path.join(gateway.dir, "data", "backups")))
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


def end():
    gateway.stop()
    fake.stop()


run(end)
