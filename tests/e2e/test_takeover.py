# builds: plain asan
# timeout: 360
# order: 57
# long: yes
"""What can go wrong with a binary that shall take over, and with a start: the one that serves goes on, and nobody waits in vain."""
import concurrent.futures
import os
import shutil
import signal

from lib import http
from lib.fake import Fake
from lib.gateway import BUILD, PROGRAM, Gateway, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test, until

fake = Fake().start()
TEXT = config([openai_provider(fake)], [route("fast", deployment("main", "gpt-4o-mini"))])
gateway = Gateway(TEXT)
home = os.path.join(gateway.dir, "bin")
os.mkdir(home)
gateway.program, control = os.path.join(home, "aquifer"), os.path.join(home, "aquifer-control")


def install(path, text=None):
    """Puts a script in the program's place, or the built program back; in one step, as a package manager does."""
    if text is None:
        shutil.copy(os.path.join(BUILD, os.path.basename(path)), path + ".new")
    else:
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


install(gateway.program)
install(control)
gateway.start()
key = gateway.key("takeover")


def is_refused(reason):
    """The upgrade is refused for that reason, and the old one serves."""
    serving = gateway.pids("role-gateway")
    done = gateway.cli("upgrade", status=1, json_out=False)
    check("refused" in done.stderr and reason in done.stderr, done.stderr)
    told = gateway.cli("upgrade", "--json", status=1)
    eq((told["done"], reason in told["refused"]), (False, True), str(told))
    check("upgrade.refused" in gateway.log(), "the log tells, too")
    eq(gateway.pids("role-gateway"), serving)
    eq(gateway.chat(key).status, 200)


@test("a new binary that fails is refused with its reason, and the old one goes on")
def _():
    for text, reason in (("#!/bin/sh\nexit 3\n", "status 3"), ("#!/bin/sh\nexit 0\n", "status 0"),
                         ("#!/bin/sh\necho libnew.so.7: cannot open shared object file >&2\nexit 127\n", "libnew.so.7"),
                         ("not a program", "cannot be executed"), ("#!/bin/sh\nkill -SEGV $$\n", "signal 11")):
        install(gateway.program, text)
        is_refused(reason)
    os.unlink(gateway.program)
    is_refused("No such file")
    install(gateway.program)


@test("a control of another release, or none, is refused as well")
def _():
    install(control, "#!/bin/sh\necho aquifer-control is of version 9 >&2\nexit 1\n")
    is_refused("version 9")
    os.rename(control, control + ".away")
    is_refused("aquifer-control")
    install(control)
    wrong = [PROGRAM + "-control", "goes-with", "0.0.0"]
    eq(os.spawnve(os.P_WAIT, wrong[0], wrong, gateway.env), 1)


@test("a configuration that the new binary cannot read is refused before anything is given up")
def _():
    gateway.write(TEXT + "nonsense: 1\n")
    is_refused("nonsense")
    gateway.write(TEXT)


@test("a good binary takes over after all that")
def _():
    told = gateway.cli("upgrade", "--json")
    check(told["done"] and told["gateway"] in gateway.pids("role-gateway"), str(told))
    eq(gateway.chat(key).status, 200)


def put_to_sleep():
    asleep = gateway.pids("-control")
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    return asleep


@test("while control does not answer a command says so, instead of waiting")
def _():
    asleep = put_to_sleep()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        commands = (["status"], ["upgrade"], ["key", "create", "--name", "unmade"])
        for done in pool.map(lambda words: gateway.cli(*words, status=1, json_out=False), commands):
            check("control does not answer" in done.stderr and "log" in done.stderr, done.stderr)
    eq(gateway.chat(key).status, 200)
    for pid in asleep:
        os.kill(pid, signal.SIGCONT)
    check(gateway.cli("status", "--json")["ready"], "it answers again")


@test("a takeover goes through although control hangs, which is replaced; requests are served all the time")
def _():
    asleep, before = put_to_sleep(), gateway.pids("role-gateway")
    gateway.process.send_signal(signal.SIGUSR2)

    def is_replaced():
        eq(gateway.chat(key).status, 200)
        now = gateway.pids("role-gateway") + gateway.pids("-control")
        return len(now) == 2 and not set(now) & set(asleep + before)
    until(is_replaced, "gateway and control are new", 60)
    check("child.overstayed" in gateway.log(), "the log tells")
    check(gateway.cli("status", "--json")["ready"], "control answers")


@test("a control that hangs does not keep it from ending, and has less time after a second signal")
def _():
    put_to_sleep()
    eq(gateway.terminate(), 0)
    gateway.start()
    put_to_sleep()
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: not gateway.pids("role-gateway"), "the gateway has drained", 30)
    gateway.process.send_signal(signal.SIGTERM)
    eq(gateway.process.wait(60), 0)
    check("after_ms=2000\n" in gateway.log(), "not after the time that it has without a second signal")
    gateway.start()
    eq(gateway.chat(key).status, 200)


@test("SIGUSR2 while it stops changes nothing: it ends")
def _():
    os.kill(gateway.process.pid, signal.SIGSTOP)  # so that both signals are there at once
    gateway.process.send_signal(signal.SIGTERM)
    gateway.process.send_signal(signal.SIGUSR2)
    os.kill(gateway.process.pid, signal.SIGCONT)
    eq(gateway.process.wait(60), 0)
    gateway.start()


def is_told_to_wait():
    """Every request is answered at once: 503 not_ready, and the probes tell why."""
    def probe():
        try:
            got = gateway.chat(key)
        except (OSError, http.Broken):
            return None
        return got if got.status == 503 else None
    got = until(probe, "an answer though control does not start", 30)
    eq((got.json()["error"]["code"], got.get("retry-after")), ("not_ready", "1"), repr(got))
    got = http.call(gateway.address, "GET", "/readyz")
    check(got.status == 503 and b"control" in got.body, repr(got))
    eq(http.call(gateway.address, "GET", "/healthz").status, 200)
    got = http.call(gateway.address, "POST", "/v1/messages", {"x-api-key": key}, {"model": "fast"})
    eq((got.status, got.json()["type"]), (503, "error"), repr(got))
    eq(http.call(gateway.address, "GET", "/no/such/path").status, 404)


@test("a start with a damaged database: nobody waits in vain, and it serves as soon as the database is whole")
def _():
    eq(gateway.terminate(), 0)
    base = os.path.join(gateway.dir, "data", "aquifer.db")
    for tail in ("-wal", "-shm"):
        if os.path.exists(base + tail):
            os.unlink(base + tail)
    shutil.copy(base, base + ".whole")
    with open(base, "r+b") as file:
        file.write(b"no database " * 700)
    gateway.spawn()
    is_told_to_wait()
    with gateway.conn() as conn:  # it came in while nothing was served, and stays
        conn.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        os.rename(base + ".whole", base)
        until(gateway.is_ready, "ready", 60)
    eq(gateway.chat(key).status, 200)
    check("gateway.waiting" in gateway.log(), "the log tells")


@test("a start without control: the same, and it ends when it is told to")
def _():
    eq(gateway.terminate(), 0)
    os.unlink(control)
    gateway.spawn()
    is_told_to_wait()
    eq(gateway.terminate(), 0)
    install(control)
    gateway.start()
    eq(gateway.chat(key).status, 200)


PROXY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 127, 0, 0, 1]) + b"\x30\x39\x20\xd0"  # PROXY v2, TCP over IPv4


def behind_proxy(method, path, headers=(), body=b""):
    """The answer, or None while nobody listens or the balancer is not understood."""
    try:
        with gateway.conn() as conn:
            return conn.send(PROXY).request(method, path, headers, body).read()
    except (OSError, http.Broken):
        return None


@test("behind a balancer and below a prefix the listeners' rules hold without control, too")
def _():
    eq(gateway.terminate(), 0)
    os.unlink(control)
    gateway.write(TEXT + "proxy_protocol: true\ntrusted_proxies: [192.0.2.0/24, 127.0.0.0/8]\npath_prefix: /llm\n")
    gateway.spawn()
    until(lambda: behind_proxy("GET", "/llm/healthz"), "it answers", 30)
    eq([behind_proxy("GET", path).status for path in ("/llm/healthz", "/llm/readyz", "/healthz", "/llm/no/such")], [200, 503, 404, 404])
    body = {"model": "fast"}
    got = behind_proxy("POST", "/llm/v1/chat/completions", {"Authorization": f"Bearer {key}"}, body)
    eq((got.status, got.json()["error"]["code"]), (503, "not_ready"))
    got = behind_proxy("POST", "/llm/v1/messages", {"x-api-key": key}, body)
    eq((got.status, got.json()["type"]), (503, "error"))
    got = behind_proxy("POST", "/v1/messages", {"x-api-key": key}, body)
    eq((got.status, got.json()["type"], "/llm" in got.body.decode()), (404, "error", True))
    try:
        got = http.call(gateway.address, "GET", "/llm/healthz")  # a trusted peer without the header
        check(got.status == 400 and b"PROXY" in got.body, repr(got))
    except (OSError, http.Broken):
        pass  # it is cut off before it gets one
    eq(gateway.terminate(), 0)
    install(control)
    gateway.spawn()
    until(lambda: (behind_proxy("GET", "/llm/readyz") or got).status == 200, "ready", 30)
    eq(behind_proxy("GET", "/healthz").status, 404)
    eq(gateway.terminate(), 0)
    gateway.write(TEXT)
    gateway.start()


def end():
    gateway.stop()
    fake.stop()


run(end)
