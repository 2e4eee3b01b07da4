"""targets: the programs that are measured and the mock upstream behind them: how each is configured, started, stopped.

Used by bench/run and rows.py. Each target answers Chat Completions on its own port; `head` is the file with the
request head that it accepts.
"""
import getpass
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import procs
import traffic

HERE = Path(__file__).resolve().parent
READY_S = 20
# High enough that no limit is ever reached, low enough that every counter is kept and compared.
KEY_LIMITS = {"requests-per-minute": 1_000_000_000, "tokens-per-minute": 1_000_000_000, "concurrency": 1_000_000,
              "spend-day": 1_000_000, "spend-month": 1_000_000}


class BenchError(Exception):
    """Something that ends the run, in words for the person who started it."""


class Bench:
    """What all rows share: directories, processors, ports, TLS files, request bodies."""

    def __init__(self, build, work, cores, port):
        self.tools = build / "bench"
        self.binary = build / "aquifer"
        self.work = work
        self.gateway_core, self.load_core = cores
        self.port = port
        self.mock_pids = []
        self.bodies = traffic.write_bodies(work)
        self.admin_key = secrets.token_hex(24)
        make_certificates(work)

    def tool(self, name):
        path = self.tools / name
        if not path.exists():
            raise BenchError(f"{path} is missing: run `make build` first")
        return str(path)

    def environment(self):
        return {**os.environ, "AQUIFER_ADMIN_KEY": self.admin_key, "UPSTREAM_KEY": "sk-mock-upstream"}


def make_certificates(work):
    """A certificate authority and a server certificate, made for this run only. P-256, because a handshake's price
    on the mock's side is not what is measured."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=work, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    (work / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-x509", *curve, "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "30", "-subj", "/CN=bench CA")
    openssl("req", *curve, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-out", "cert.pem", "-days", "30", "-extfile", "names")


class Program:
    """A child process pinned to one processor, its output in a file."""

    def __init__(self, bench, name, argv, core):
        self.log = bench.work / f"{name}.log"
        self.name = name
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                          env=bench.environment(), preexec_fn=procs.pin(core))

    def pids(self):
        return procs.tree(self.child.pid)

    def check_alive(self):
        if self.child.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.name} ended with status {self.child.returncode}:\n{tail}")

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self.child.wait()


class Mock(Program):
    """The upstream. `options` are those of bench/mock, e.g. {"chunks": 64} or {"hold": True}."""

    def __init__(self, bench, tls, core, options):
        self.port = bench.port
        self.tls = tls
        argv = [bench.tool("mock"), "--listen", f"127.0.0.1:{self.port}", "--also", f"[::1]:{self.port}"]
        if tls:
            argv += ["--cert", str(bench.work / "cert.pem"), "--key", str(bench.work / "key.pem")]
        for name, value in options.items():
            argv += [f"--{name}"] + ([] if value is True else [str(value)])
        super().__init__(bench, "mock", argv, core)
        bench.mock_pids = [self.child.pid]
        wait_for_port(self, self.port)


def wait_for_port(program, port):
    import socket
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        program.check_alive()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"{program.name} does not listen on port {port} after {READY_S} s; see {program.log}")


def fill(source, target, values):
    """Copies a configuration file with its @WORDS@ filled in."""
    text = (HERE / source).read_text()
    for word, value in values.items():
        text = text.replace(f"@{word}@", str(value))
    target.write_text(text)
    return str(target)


class Target:
    """A gateway under test. Subclasses say which command it is and when it is ready."""

    label = ""
    offset = 0        # of its port from the bench's first
    speaks_tls = True  # toward the upstream

    def __init__(self, bench, tls=False):
        self.bench = bench
        self.tls = tls
        self.port = bench.port + self.offset
        self.key = "aq_0123456789ab_" + "0" * 58
        self.program = None
        self.head = traffic.write_head(bench.work, self.label, self.port, self.key)

    def values(self):
        return {"DIR": self.bench.work, "PORT": self.port, "UPSTREAM": f"127.0.0.1:{self.bench.port}",
                "SCHEME": "https" if self.tls else "http", "USER": getpass.getuser()}

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """What has to be there before the command runs for the first time."""

    def start(self, core):
        self.prepare()
        self.program = Program(self.bench, self.label, self.command(), core)
        self.wait()
        return self

    def wait(self):
        wait_for_port(self.program, self.port)

    def pids(self):
        self.program.check_alive()
        return self.program.pids()

    def stop(self):
        if self.program:
            self.program.stop()
        self.program = None


class Direct(Target):
    """No gateway: the load generator talks to the mock itself."""

    label = "direct"
    speaks_tls = False

    def start(self, core):
        return self

    def pids(self):
        return []


class Forwarder(Target):
    label = "l4"
    offset = 1
    speaks_tls = False  # it would forward the client's plain bytes

    def command(self):
        return [self.bench.tool("l4"), "--listen", f"127.0.0.1:{self.port}", "--to", f"127.0.0.1:{self.bench.port}"]


class Nginx(Target):
    label = "nginx"
    offset = 2

    def command(self):
        config = fill("nginx.conf", self.bench.work / "nginx.conf", self.values())
        return ["nginx", "-e", str(self.bench.work / "nginx.log"), "-c", config]


class Haproxy(Target):
    label = "haproxy"
    offset = 3

    def command(self):
        tls = f"ssl verify required verifyhost localhost ca-file {self.bench.work}/ca.pem sni str(localhost)"
        values = {**self.values(), "TLS": tls if self.tls else ""}
        return ["haproxy", "-db", "-f", fill("haproxy.cfg", self.bench.work / "haproxy.cfg", values)]


class Aquifer(Target):
    """`aquifer serve` with the ledger's safety as named; its key is made through the command line, as a user would."""

    safety = ""
    upstream = {"KIND": "openai", "BASE": "/v1", "MODEL": "gpt-4o-mini"}

    def directory(self):
        return self.bench.work / self.label

    def config(self):
        where = self.directory()
        host = "localhost" if self.tls else "127.0.0.1"
        values = {**self.values(), **self.upstream, "DIR": where, "ADMIN_PORT": self.port + 10, "SAFETY": self.safety,
                  "UPSTREAM": f"{host}:{self.bench.port}",
                  "CA_FILE": f"    ca_file: {self.bench.work}/ca.pem" if self.tls else ""}
        where.mkdir(exist_ok=True)
        return fill("aquifer.yaml", where / "aquifer.yaml", values)

    def command(self):
        return [str(self.bench.binary), "serve", "--config", self.config()]

    def prepare(self):
        shutil.rmtree(self.directory(), ignore_errors=True)

    def wait(self):
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            self.program.check_alive()
            if self.is_ready():
                break
            time.sleep(0.02)
        else:
            raise BenchError(f"aquifer is not ready after {READY_S} s; see {self.program.log}")
        self.make_key()

    def is_ready(self):
        try:
            link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            link.request("GET", "/readyz")
            return link.getresponse().status == 200
        except OSError:
            return False

    def make_key(self):
        limits = [word for name, value in KEY_LIMITS.items() for word in (f"--{name}", str(value))]
        env = {**self.bench.environment(), "AQUIFER_ADMIN_URL": f"http://127.0.0.1:{self.port + 10}"}
        done = subprocess.run([str(self.bench.binary), "key", "create", "--name", "bench", *limits, "--json"],
                              env=env, capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"aquifer key create failed: {done.stderr.strip() or done.stdout.strip()}")
        self.key = json.loads(done.stdout)["key"]
        self.head = traffic.write_head(self.bench.work, self.label, self.port, self.key)


class AquiferProcess(Aquifer):
    label = "ours-process"
    offset = 4
    safety = "process"


class AquiferDisk(Aquifer):
    label = "ours-disk"
    offset = 5
    safety = "disk"


class AquiferTranslated(AquiferProcess):
    """The same, with a provider that speaks another format than the caller."""

    label = "ours-translated"
    offset = 6
    upstream = {"KIND": "anthropic", "BASE": "", "MODEL": "claude-opus-5"}


ALL = {target.label: target for target in (Direct, Forwarder, AquiferProcess, AquiferDisk, AquiferTranslated, Nginx, Haproxy)}
