# long: yes
"""The commands of who runs one: status, reload, upgrade, backup and restore, configuration."""
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading

from lib import http
from lib.fake import Fake
from lib.gateway import PROGRAM, Gateway, config, deployment, openai_provider, route
from lib.tap import SLOW, check, eq, run, test, until

fake = Fake().start()
TEXT = config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))])
gateway = Gateway(TEXT).start()
key = gateway.key("operate")


@test("status tells that it is ready, for people and for programs")
def _():
    check(gateway.cli("status", "--json")["ready"], "ready")
    text = gateway.cli("status", json_out=False).stdout
    check(", ready" in text and "serving" in text and gateway.file in text, text)


@test("a command whose output cannot be written has failed and says so")
def _():
    for words in (["version"], ["key", "create", "--name", "unseen", "--json"], ["usage"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, *words], env=gateway.env, stdout=full, stderr=subprocess.PIPE, timeout=SLOW, text=True)
        eq(done.returncode, 1)
        check("No space left" in done.stderr, done.stderr)


@test("reload takes a new configuration, and tells why it does not take a wrong one")
def _():
    gateway.write(TEXT.replace('name: "fast"', 'name: "quick"'))
    text = gateway.cli("reload", json_out=False).stdout
    check("is in force" in text, text)
    until(lambda: gateway.chat(key, model="quick").status == 200, "the new route answers")
    gateway.write(TEXT + "nonsense: 1\n")
    done = gateway.cli("reload", status=1, json_out=False)
    check("nonsense" in done.stderr, done.stderr)
    eq(gateway.chat(key, model="quick").status, 200)
    gateway.write(TEXT)
    gateway.cli("reload", json_out=False)
    until(lambda: gateway.chat(key).status == 200, "the first route answers again")


@test("reload names what takes a restart")
def _():
    gateway.write(TEXT + "loops: 1\n")
    text = gateway.cli("reload", json_out=False).stdout
    check("restart: loops" in text, text)
    eq(gateway.cli("reload", "--json")["restart_needed"], "loops")
    gateway.write(TEXT)
    check("restart" not in gateway.cli("reload", json_out=False).stdout, "nothing is different any more")


@test("config check and doctor look into the files that a configuration names")
def _():
    other = gateway.dir + "/other.yaml"
    price = "catalog: 1\nvendor: openai\nsource: https://example.com\nchecked: 2026-11-01\nmodels:\n  - id: mine\n    prices: [{ input: 0.00015, output: 0.0006 }]\n"
    cases = {"tls: { cert: no-cert.pem, key: no-key.pem }": ("listen[0].tls", "no-cert.pem"),
             "catalog: [no-such.yaml]": ("catalog", "no-such.yaml"), "catalog: [own.yaml]": ("own.yaml:7", "per token?"),
             "providers: [{ name: p, kind: openai, url: 'https://127.0.0.1:1/v1', ca_file: no-ca.pem }]": ("providers[0].ca_file", "no-ca.pem")}
    with open(gateway.dir + "/own.yaml", "w", encoding="utf-8") as file:
        file.write(price)
    for line, wanted in cases.items():
        listen = f"listen: [{{ address: '127.0.0.1:1', {line} }}]\n" if line.startswith("tls") else "listen: 127.0.0.1:1\n" + line + "\n"
        with open(other, "w", encoding="utf-8") as file:
            file.write("data: ./other\n" + listen)
        for command in (("config", "check", other, "--json"), ("doctor", "--config", other, "--json")):
            told = json.dumps(gateway.cli(*command, status=1))
            check(all(word in told for word in wanted), f"{command[0]}, {line}: {told}")


@test("reload, version and config show know the words that scripts use")
def _():
    check(gateway.cli("reload", "--json")["generation"] > 0, "reload --json")
    gateway.write(TEXT + "nonsense: 1\n")
    told = gateway.cli("reload", "--json", status=1)
    eq((told["done"], "nonsense" in told["refused"]), (False, True))
    gateway.write(TEXT)
    gateway.cli("reload", json_out=False)
    text = gateway.cli("version", json_out=False).stdout
    eq("aquifer " + gateway.cli("version", "--json")["version"], text.strip())
    eq(gateway.cli("--version", json_out=False).stdout, text)
    check("aquifer.yaml:" in gateway.cli("config", "show", "--source", "--config", gateway.file, json_out=False).stdout, "--source")
    done = gateway.cli("model", "pull", "nosuch", "--dir", os.path.join(gateway.dir, "none"), status=None, json_out=False)
    check(done.returncode and "from nosuch" not in done.stderr and "nosuch is neither" in done.stderr, done.stderr)


@test("behind a balancer that speaks PROXY, doctor and chat say why they cannot ask directly")
def _():
    gateway.write(TEXT + "proxy_protocol: true\ntrusted_proxies: [127.0.0.0/8]\n")
    gateway.cli("reload", json_out=False)
    rows = gateway.cli("doctor", "--config", gateway.file, "--json")["data"]
    said = [row["what"] for row in rows if row["state"] == "warn" and row["check"] == "daemon"]
    check(said and all("PROXY header" in what and "trusted_proxies" in what for what in said), str(said))
    env = {**gateway.env, "AQUIFER_API_KEY": key}
    done = subprocess.run([PROGRAM, "chat", "--config", gateway.file, "--model", "fast"], env=env, cwd=gateway.dir, input="hello\n",
                          capture_output=True, text=True, timeout=60 * SLOW, check=False)
    check(done.returncode and "PROXY header" in done.stderr, done.stderr)
    gateway.write(TEXT)
    gateway.cli("reload", json_out=False)
    until(lambda: gateway.chat(key).status == 200, "it answers without one again")


@test("upgrade ends when a new gateway serves")
def _():
    before = gateway.cli("status", "--json")["gateways"][0]["pid"]
    gateway.cli("upgrade", json_out=False)
    now = [g["pid"] for g in gateway.cli("status", "--json")["gateways"] if g["state"] == "serving"]
    check(now and before not in now, f"{before} → {now}")
    eq(gateway.chat(key).status, 200)


@test("model add, list and remove mean the models of the configuration that is near")
def _():
    weights = os.path.join(gateway.dir, "Own.gguf")
    with open(weights, "wb") as file:
        file.write(b"GGUF\x03\0\0\0 and so on")
    env = {name: value for name, value in gateway.env.items() if name != "AQUIFER_MODELS"}

    def model(*words):
        done = subprocess.run([PROGRAM, "model", *words], env=env, cwd=gateway.dir, capture_output=True, text=True, check=True, timeout=60 * SLOW)
        return done.stdout

    check("own is added" in model("add", "own", weights), "added")
    check(os.path.exists(os.path.join(gateway.dir, "data", "models", "own.json")), "below the configuration's data")
    eq([one["name"] for one in json.loads(model("list", "--json"))["data"]], ["own"])
    said = model("remove", "own")
    check("stays" in said and weights in said and os.path.exists(weights), said)
    check("no models in" in model("list"), "the list is empty again")


@test("serve --help tells how to serve, and usage has the very fields that others script against")
def _():
    for words in (("serve", "--help"), ("serve", "-h"), ("help", "serve")):
        check("--config FILE" in gateway.cli(*words, json_out=False).stdout, " ".join(words))
    got = gateway.usage()
    eq(set(got), {"data", "total"})
    eq(set(got["total"]), {"requests", "input_tokens", "output_tokens", "cost"})
    eq({name for row in got["data"] for name in row}, {"key", "model", "day", "requests", "input_tokens", "output_tokens", "cost"})


@test("metrics count by the caller's format")
def _():
    text = gateway.admin("GET", "/metrics").body.decode()
    check('aquifer_format="openai_chat"' in text and 'gen_ai_provider_name="openai"' in text, text[:3000])


@test("the caller's own request id stands in the log beside ours")
def _():
    got = http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}", "x-request-id": "mine-" + 100 * "7"},
                    {"model": "fast", "messages": [{"role": "user", "content": "x"}]})
    eq(got.status, 200)
    lines = until(lambda: [line for line in gateway.log().splitlines() if got.get("x-aquifer-request-id") in line and "exchange.done" in line], "the line")
    check("caller_request_id=mine-" + 59 * "7" + " " in lines[0], lines[0])


@test("doctor finds a healthy Aquifer healthy")
def _():
    found = gateway.cli("doctor", "--config", gateway.file, "--json")
    eq([row for row in found["data"] if row["state"] == "fail"], [])
    told = {(row["check"], row["state"]) for row in found["data"]}
    for name in ("config", "data", "port", "secret", "provider", "daemon", "ledger"):
        check((name, "ok") in told, f"{name} is ok: {found['data']}")
    check(any("in use by a running Aquifer" in row["what"] for row in found["data"]), "knows that it runs")


@test("doctor finds what is wrong, says what to do, and ends with 1")
def _():
    sick = os.path.join(gateway.dir, "sick.yaml")
    text = TEXT.replace("data: ./data", "data: ./elsewhere").replace(fake.url, "http://127.0.0.1:1").replace("env:UPSTREAM_KEY", "env:NOT_SET_HERE")
    with open(sick, "w", encoding="utf-8") as file:
        file.write(text.replace("{port}", str(gateway.port)).replace("{admin_port}", str(gateway.admin_port)))
    wrong = [row for row in gateway.cli("doctor", "--config", sick, "--json", status=1)["data"] if row["state"] == "fail"]
    eq({row["check"] for row in wrong}, {"port", "secret", "provider"})  # the ports are the other one's
    check(any("NOT_SET_HERE" in row["what"] for row in wrong), str(wrong))
    text = gateway.cli("doctor", "--config", sick, json_out=False, status=1).stdout
    check("fail  provider" in text and "to mend" in text, text)


@test("config show, check, explain and export")
def _():
    shown = gateway.cli("config", "show", "--config", gateway.file, "--json")
    check(any(row["key"] == "routes[0].name" and row["value"] == "fast" for row in shown), str(shown)[:500])
    gateway.cli("config", "check", gateway.file, json_out=False)
    wrong = os.path.join(gateway.dir, "wrong.yaml")
    with open(wrong, "w", encoding="utf-8") as file:
        file.write("data: ./data\nlisten: nowhere\nheartbaet: 3s\n")
    done = gateway.cli("config", "check", wrong, status=1, json_out=False)
    check("wrong.yaml:2" in done.stderr and "wrong.yaml:3" in done.stderr and "heartbeat" in done.stderr, done.stderr)
    told = gateway.cli("config", "check", wrong, "--json", status=1)
    eq((told["ok"], [error["line"] for error in told["errors"]][:2]), (False, [2, 3]))
    check("default" in gateway.cli("config", "explain", "heartbeat", json_out=False).stdout, "explains")
    gateway.cli("config", "explain", "heartbaet", status=1, json_out=False)
    exported = gateway.cli("config", "export", json_out=False).stdout
    check('"operate"' in exported and key not in exported, exported)


def requests_in(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT count(*) FROM attempts").fetchone()[0]


@test("a backup holds every request that was finished before it")
def _():
    for number in range(20):
        eq(gateway.chat(key).status, 200)
        path = gateway.cli("backup", os.path.join(gateway.dir, f"at-{number}.db"), json_out=False).stdout.strip()
        eq(requests_in(path), gateway.usage()["total"]["requests"])
        os.unlink(path)


@test("a backup is restored while it runs: ledger, keys and caps follow, and no request fails")
def _():
    capped, lost = gateway.key("capped", "--spend-day", "0.0001"), gateway.key("lost")
    eq(gateway.chat(capped, max_tokens=10).status, 200)
    before = gateway.usage()
    path = gateway.cli("backup", os.path.join(gateway.dir, "first.db"), json_out=False).stdout.strip()
    while gateway.chat(capped, max_tokens=10).status == 200:
        pass  # until its cap
    gateway.admin("DELETE", "/admin/v1/keys/" + next(row["id"] for row in gateway.admin("GET", "/admin/v1/keys").json()["data"] if row["name"] == "lost"))
    later = gateway.key("later")
    eq(gateway.chat(later).status, 200)
    stop, bad = threading.Event(), []
    traffic = threading.Thread(target=lambda: [bad.append(got) for got in iter(lambda: None if stop.is_set() else gateway.chat(key), None) if got.status != 200])
    traffic.start()
    text = gateway.cli("restore", path, "--config", gateway.file, json_out=False).stdout
    stop.set()
    traffic.join()
    check("is restored" in text and "before-restore" in text, text)
    eq([got.status for got in bad], [])
    rows = {row["key"]: row for row in gateway.usage()["data"]}
    was = {row["key"]: row for row in before["data"]}
    names = {row["name"]: row for row in gateway.admin("GET", "/admin/v1/keys").json()["data"]}
    eq(rows[names["capped"]["id"]], was[names["capped"]["id"]])
    check(names["later"]["id"] not in rows, "what was booked since belongs to the former database")
    eq((names["later"]["state"], names["lost"]["state"], names["capped"]["state"]), ("revoked", "revoked", "active"))
    until(lambda: gateway.chat(later).status == 401 and gateway.chat(lost).status == 401, "revoked keys are refused")
    eq(gateway.chat(capped, max_tokens=10).status, 200)  # its cap has room again
    eq({row["key"]: row["requests"] for row in gateway.usage()["data"]}[names["capped"]["id"]], was[names["capped"]["id"]]["requests"] + 1)
    wrong = os.path.join(gateway.dir, "wrong.db")
    with open(wrong, "w", encoding="ascii") as file:
        file.write("no database " * 1000)
    total = gateway.usage()["total"]
    for name in (wrong, "/dev/null", gateway.dir):
        check("aquifer:" in gateway.cli("restore", name, "--config", gateway.file, status=1, json_out=False).stderr, name)
        eq(gateway.admin("POST", "/admin/v1/restore", {"path": name}).status, 400)
    eq(gateway.admin("POST", "/admin/v1/restore", {"path": "relative.db"}).status, 400)
    eq(gateway.usage()["total"], total)


@test("control is killed in the middle of a restore: the ledger is the one or the other, whole, and all goes on")
def _():
    dice = random.Random(20261123)
    old = gateway.cli("backup", os.path.join(gateway.dir, "old.db"), json_out=False).stdout.strip()
    for _ in range(7):
        eq(gateway.chat(key).status, 200)
    new = gateway.cli("backup", os.path.join(gateway.dir, "new.db"), json_out=False).stdout.strip()
    counts = {requests_in(old), requests_in(new)}
    for number in range(6):
        caller = threading.Thread(target=lambda path=(old, new)[number % 2]: gateway.cli("restore", path, "--config", gateway.file, status=None, json_out=False))
        caller.start()
        threading.Event().wait(dice.uniform(0.0, 0.12))
        for pid in gateway.pids("-control"):
            os.kill(pid, signal.SIGKILL)
        caller.join()
        until(gateway.is_ready, "ready again", 30)
        total = until(lambda: gateway.admin("GET", "/admin/v1/usage").status == 200 and gateway.usage()["total"]["requests"], "control is there again")
        check(total in counts, f"{total} requests, not one of {counts}")
    eq(gateway.chat(key).status, 200)
    check(gateway.usage()["total"]["requests"] - 1 in counts, "and counts on")
    with contextlib.closing(sqlite3.connect(os.path.join(gateway.dir, "data", "aquifer.db"))) as db:
        eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        eq(db.execute("SELECT count(*) FROM spend_corrections").fetchone()[0], 0)
    left = [name for name in os.listdir(os.path.join(gateway.dir, "data")) if "restoring" in name or name.endswith(".new")]
    eq(left, [])


@test("a backup while it runs, restored while it does not, brings the ledger back")
def _():
    gateway.chat(key)
    before = gateway.usage()
    path = gateway.cli("backup", os.path.join(gateway.dir, "kept.db"), json_out=False).stdout.strip()
    eq(os.stat(path).st_mode & 0o777, 0o600)
    done = gateway.cli("backup", path, status=1, json_out=False)
    check("exists" in done.stderr.lower(), done.stderr)
    eq(gateway.terminate(), 0)
    os.unlink(os.path.join(gateway.dir, "data", "aquifer.db"))
    gateway.cli("restore", path, "--config", gateway.file, json_out=False)
    gateway.start()
    eq(json.dumps(gateway.usage()["total"]), json.dumps(before["total"]))
    eq(gateway.chat(key).status, 200)


def finish():
    gateway.stop()
    fake.stop()


run(finish)
