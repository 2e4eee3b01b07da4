# builds: plain
# order: 55
# timeout: 500
"""A disk that is full, broken, read-only or locked, at every write and sync in turn: a clear error, nothing corrupted, and it goes
on by itself. The disk is tests/disk_fault.c, preloaded; the full one is also a real one where a tmpfs can be mounted."""
import contextlib
import errno
import json
import mmap
import os
import shutil
import sqlite3
import struct
import subprocess
import threading

from lib import acts, http
from lib.fake import Fake
from lib.gateway import BUILD, PROGRAM, Gateway, config, deployment, openai_provider, route
from lib.tap import TORTURE, Skip, check, eq, run, test, until

FOR_EVER, SPACE, SYNCS = 1 << 30, 1, 2
fake = Fake().start()
fake.play_always(acts.say("One two three.", usage={"prompt": 7, "completion": 5}))
TEXT = config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))],
              "ledger: { segment: 64KiB, max_bytes: 16MiB }\n")


class Disk:
    """The orders to the preloaded disk."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(bytes(4096))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def fail(self, error, match, first=1, many=FOR_EVER, kinds=SPACE | SYNCS):
        self.map[0:4] = struct.pack("i", 0)
        self.map[4:20] = struct.pack("IIII", first, many, 0, kinds)
        self.map[20:128] = match.encode().ljust(108, b"\0")
        self.map[0:4] = struct.pack("i", error)

    def heal(self):
        """The number of steps since fail()."""
        self.map[0:4] = struct.pack("i", 0)
        return struct.unpack("I", self.map[12:16])[0]


class Patient(Gateway):
    """A gateway on such a disk; it counts the answers that its clients finished reading."""

    def __init__(self, text=TEXT):
        module = os.path.join(BUILD, "disk_fault.so")
        super().__init__(text, {"LD_PRELOAD": module})
        self.orders = os.path.join(self.dir, "orders")
        self.env["DISK_FAULT"] = self.orders
        self.disk = Disk(self.orders)
        self.good = 0

    def ask(self, key):
        got = self.chat(key)
        self.good += got.status == 200
        return got

    def database(self):
        return os.path.join(self.dir, "data", "aquifer.db")

    def check_whole(self):
        """Every answer has its row, sums equal rows, and the file is sound."""
        until(lambda: self.admin("GET", "/admin/v1/usage").status == 200, "the ledger can be read")
        eq(self.usage()["total"]["requests"], self.good, "rows")
        with contextlib.closing(sqlite3.connect(self.database())) as db:
            eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")
            eq(db.execute("SELECT count(*) FROM attempts").fetchone()[0], db.execute("SELECT sum(requests) FROM usage_days").fetchone()[0] or 0)


@contextlib.contextmanager
def patient(text=TEXT):
    gateway = Patient(text).start()
    try:
        yield gateway
    except BaseException:
        gateway.kill_all()  # what a failed test leaves may never end
        raise
    finally:
        gateway.disk.heal()
    gateway.stop()


def error_of(got, status, code):
    eq((got.status, got.json()["error"].get("code")), (status, code), got.body.decode())
    check(got.get("x-aquifer-request-id") or got.get("x-request-id"), "a request id")


@test("no space for the journal: 503 journal_full with retry-after, answers that run finish, and it goes on by itself")
def _():
    with patient() as gateway, gateway.conn() as conn:
        key, gate = gateway.key(), threading.Event()
        fake.play(acts.say("One two three four five.", gate=gate))
        conn.request("POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}"},
                     {"model": "fast", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        events = conn.events(conn.head())
        next(events)
        gateway.disk.fail(errno.ENOSPC, "/journal", kinds=SPACE)
        for _ in range(2000):
            got = gateway.ask(key)
            if got.status != 200:
                break
        error_of(got, 503, "journal_full")
        check(int(got.get("retry-after")) >= 1, "retry-after")
        until(lambda: gateway.ask(key).status and not gateway.is_ready(), "every loop has none left, and /readyz says so")
        check(b"journal_full" in http.call(gateway.address, "GET", "/readyz").body, "and says why")
        check("No space left on device" in gateway.log(), "the log says why")
        gate.set()
        eq([data for _, _, data, _ in events][-1], "[DONE]")
        gateway.good += 1
        gateway.disk.heal()
        until(lambda: gateway.ask(key).status == 200, "it goes on by itself")
        gateway.check_whole()


@test("the journal's sync fails: with hold the last byte waits for it, with release it goes and is counted")
def _():
    for word in ("hold", "release"):
        with patient(TEXT.replace("ledger: {", "ledger: { on_stall: %s," % word)) as gateway:
            key = gateway.key()
            eq(gateway.ask(key).status, 200)
            gateway.disk.fail(errno.EIO, "/journal")
            answers = []
            client = threading.Thread(target=lambda: answers.append(gateway.ask(key)))
            client.start()
            until(lambda: "journal.sync_failed" in gateway.log(), "it is told")
            client.join(0.5 if word == "hold" else 30)
            eq(len(answers), 0 if word == "hold" else 1, word)
            gateway.disk.heal()
            client.join(30)
            eq(answers[0].status, 200)
            gateway.check_whole()


@test("no space for the database: traffic goes on, keys and reports say why, and then all is booked")
def _():
    with patient() as gateway:
        key = gateway.key()
        eq(gateway.ask(key).status, 200)
        gateway.disk.fail(errno.ENOSPC, "aquifer.db")
        for _ in range(20):
            eq(gateway.ask(key).status, 200)
        made = gateway.cli("key", "create", "--name", "unlucky", status=1, json_out=False)
        check("disk is full" in made.stderr, made.stderr)
        told = gateway.cli("usage", status=1, json_out=False)
        check("disk is full" in told.stderr, told.stderr)
        check(gateway.admin("GET", "/admin/v1/usage").status >= 500, "never an old report")
        gateway.disk.heal()
        gateway.check_whole()
        eq(gateway.chat(gateway.key("lucky")).status, 200)
        gateway.good += 1
        gateway.check_whole()


@test("no space for a generation: a change of keys and a reload say so and hold once there is room")
def _():
    with patient() as gateway:
        key, other = gateway.key(), gateway.key("other")
        other_id = next(row["id"] for row in gateway.admin("GET", "/admin/v1/keys").json()["data"] if row["name"] == "other")
        gateway.disk.fail(errno.ENOSPC, "/run/")
        got = gateway.admin("DELETE", "/admin/v1/keys/" + other_id)
        check(got.status >= 500 and "No space left" in got.body.decode(), got.body.decode())
        gateway.write(TEXT.replace('"fast"', '"quick"'))
        done = gateway.cli("reload", status=1, json_out=False)
        check("No space left" in done.stderr, done.stderr)
        eq(gateway.ask(key).status, 200)  # the generation before it is whole
        gateway.disk.heal()
        until(lambda: gateway.ask(other).status == 401, "the revocation holds")
        gateway.cli("reload", json_out=False)
        until(lambda: gateway.chat(key, model="quick").status == 200, "the new configuration is in force")
        gateway.good += 1
        gateway.check_whole()


@test("a backup's target is full or broken: nothing of it stays there")
def _():
    with patient() as gateway:
        key, target = gateway.key(), os.path.join(gateway.dir, "target.db")
        eq(gateway.ask(key).status, 200)
        for error in (errno.ENOSPC, errno.EIO):
            gateway.disk.fail(error, "target.db")
            done = gateway.cli("backup", target, status=1, json_out=False)
            check(os.strerror(error) in done.stderr and not os.path.exists(target), done.stderr)
            gateway.disk.fail(error, "/backups")
            before = set(os.listdir(os.path.join(gateway.dir, "data", "backups")))
            done = gateway.cli("backup", target, status=1, json_out=False)
            check("disk" in done.stderr or os.strerror(error) in done.stderr, done.stderr)
            gateway.disk.heal()
            eq(set(os.listdir(os.path.join(gateway.dir, "data", "backups"))), before)
        gateway.cli("backup", target, json_out=False)
        with contextlib.closing(sqlite3.connect(target)) as db:
            eq(db.execute("SELECT count(*) FROM attempts").fetchone()[0], 1)
        gateway.disk.fail(errno.ENOSPC, "aquifer.db")
        done = gateway.cli("restore", target, "--config", gateway.file, status=1, json_out=False)
        gateway.disk.heal()
        check("full" in done.stderr or "No space" in done.stderr, done.stderr)
        gateway.check_whole()


@test("the database is locked: traffic goes on, reports say who is to blame, and then all is booked")
def _():
    with patient() as gateway:
        key = gateway.key()
        eq(gateway.ask(key).status, 200)
        with contextlib.closing(sqlite3.connect(gateway.database(), isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            for _ in range(5):
                eq(gateway.ask(key).status, 200)
            told = gateway.cli("usage", status=1, json_out=False)
            check("locked" in told.stderr, told.stderr)
            db.execute("ROLLBACK")
        gateway.check_whole()


@test("a read-only data directory: it does not start, says why, and starts once it may write")
def _():
    gateway = Patient()
    for match in ("/data", "/run", "/journal", "aquifer.db"):
        gateway.disk.fail(errno.EROFS, match)
        gateway.spawn()
        until(lambda: gateway.process.poll() is not None or "Read-only file system" in gateway.log() or "read-only" in gateway.log(), match)
        check(not gateway.is_ready(), "it does not serve")
        gateway.disk.heal()
        if gateway.process.poll() is None:
            gateway.terminate()
        check("Read-only file system" in gateway.log() or "read-only" in gateway.log(), gateway.log()[-1500:])
    gateway.start()
    key = gateway.key()
    eq(gateway.ask(key).status, 200)
    gateway.disk.fail(errno.EROFS, "/data", kinds=SPACE)  # it becomes so while it runs: as a full one
    for _ in range(2000):
        got = gateway.ask(key)
        if got.status != 200:
            break
    error_of(got, 503, "journal_full")
    gateway.disk.heal()
    until(lambda: gateway.ask(key).status == 200, "it goes on by itself")
    gateway.check_whole()
    gateway.stop()


def live_through(gateway, known):
    """A start with all that writes, whatever fails in it. What succeeded is remembered."""
    gateway.spawn()
    until(lambda: gateway.is_ready() or gateway.process.poll() is not None or " ERROR " in gateway.log(), "it serves, or says why not")
    if gateway.process.poll() is not None:
        return
    with contextlib.suppress(OSError, http.Broken):
        for key in known[-1:] * 3:
            gateway.ask(key)
    done = gateway.cli("key", "create", "--name", "k", "--json", status=None, json_out=False)
    if done.returncode == 0:
        known.append(json.loads(done.stdout)["key"])
    else:
        check("aquifer: " in done.stderr, done.stderr)
    gateway.cli("backup", status=None, json_out=False)


def fail_at(gateway, known, error, step):
    gateway.disk.fail(error, "/data/", step, 1)
    live_through(gateway, known)
    gateway.disk.heal()
    if gateway.process.poll() is not None:
        check(os.strerror(error) in gateway.log() or "full" in gateway.log() or "disk" in gateway.log(), f"step {step}: it says why it ended")
        gateway.start()
    until(gateway.is_ready, f"step {step}: it serves once the disk is well", 60)
    for key in known[-2:]:
        until(lambda key=key: gateway.ask(key).status == 200, f"step {step}: a key that was shown works")
    gateway.check_whole()
    gateway.terminate()
    os.truncate(gateway.log_path, 0)


@test("every write and sync fails in turn, once, while it starts, serves, makes keys and backs up")
def _():
    gateway, known = Patient(), []
    gateway.disk.fail(errno.EIO, "/data/", FOR_EVER)
    live_through(gateway, known)
    gateway.terminate()
    steps = gateway.disk.heal()
    print(f"# {steps} steps", flush=True)
    check(steps > 40, "the steps were seen")
    stride = 1 if TORTURE else max(1, steps // 16)
    for at, error in enumerate((errno.ENOSPC, errno.EIO)):
        for step in range(1 + at * stride // 2, steps + 1, stride):
            fail_at(gateway, known, error, step)
    gateway.start()
    gateway.check_whole()
    gateway.stop()


@test("a file system that is really full")
def _():
    gateway = Gateway(TEXT)
    data = os.path.join(gateway.dir, "data")
    os.mkdir(data)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", data], capture_output=True, check=False).returncode:
        gateway.stop()
        raise Skip("no tmpfs can be mounted here")
    try:
        gateway.start()
        key, good = gateway.key(), 0
        filler = os.path.join(data, "filler")
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for _ in range(2000):
            got = gateway.chat(key)
            good += got.status == 200
            if got.status != 200:
                break
        error_of(got, 503, "journal_full")
        check("full" in gateway.cli("usage", status=1, json_out=False).stderr, "the report says why")
        check(shutil.disk_usage(data).free < 65536, "it is full")
        os.unlink(filler)
        until(lambda: gateway.chat(key).status == 200, "it goes on by itself")
        eq(gateway.usage()["total"]["requests"], good + 1)
    finally:
        gateway.terminate()
        subprocess.run(["umount", data], check=False)
        gateway.stop()


@test("its log cannot be written: it serves all the same")
def _():
    gateway = Gateway(TEXT)
    with open("/dev/full", "wb") as full:
        gateway.process = subprocess.Popen([PROGRAM, "serve", "--config", gateway.file], env=gateway.env, cwd=gateway.dir,
                                           stdin=subprocess.DEVNULL, stdout=full, stderr=full)
    with open(gateway.log_path, "wb"):
        gateway.wait_ready()
    key = gateway.key()
    for _ in range(20):
        eq(gateway.chat(key).status, 200)
    eq(gateway.usage()["total"]["requests"], 20)
    gateway.stop()


def end():
    fake.stop()


run(end)
