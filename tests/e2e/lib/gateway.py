"""Aquifer itself, in a temporary directory on free ports: started as a user would, asked through its own command line."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import http
from .ports import free_ports
from .tap import SLOW, check, explain, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("AQUIFER_BUILD") or os.path.join(ROOT, "build")
PROGRAM = os.path.join(BUILD, "aquifer")
ADMIN_KEY = "admin-key-of-the-tests"
UPSTREAM_KEY = "upstream-key-of-the-tests"

CONFIG = """\
data: ./data
listen: 127.0.0.1:{port}
admin:
  listen: 127.0.0.1:{admin_port}
  key: env:AQUIFER_ADMIN_KEY
"""


def openai_provider(fake, name="main", extra=""):
    return f"  - name: {name}\n    kind: openai\n    url: {fake.url}/v1\n    key: env:UPSTREAM_KEY\n{extra}"


def anthropic_provider(fake, name="claude", extra=""):
    return f"  - name: {name}\n    kind: anthropic\n    url: {fake.url}\n    key: env:UPSTREAM_KEY\n{extra}"


def gemini_provider(fake, name="google", extra=""):
    return f"  - name: {name}\n    kind: gemini\n    url: {fake.url}/v1beta\n    key: env:UPSTREAM_KEY\n{extra}"


def vertex_provider(fake, name="vertex", extra=""):
    return f"  - name: {name}\n    kind: vertex\n    url: {fake.url}/v1/projects/p/locations/europe-west1\n{extra}"


def deployment(provider, model, price="{ input: 0.15, output: 0.60 }", extra=""):
    price_line = f"        price: {price}\n" if price else ""
    return f"      - provider: {provider}\n        model: {model}\n{price_line}{extra}"


def route(name, *deployments, extra=""):
    return f"  - name: {json.dumps(name)}\n{extra}    deployments:\n" + "".join(deployments)


def config(providers=(), routes=(), extra=""):
    """The whole file but for the ports, which the gateway fills in."""
    text = CONFIG + extra
    text += "providers:\n" + "".join(providers) if providers else "providers: []\n"
    return text + ("routes:\n" + "".join(routes) if routes else "routes: []\n")


class Gateway:
    def __init__(self, text, env=None):
        self.dir = tempfile.mkdtemp(prefix="aquifer-e2e-")
        self.port, self.admin_port = free_ports(2)
        self.address, self.admin_address = ("127.0.0.1", self.port), ("127.0.0.1", self.admin_port)
        self.file = os.path.join(self.dir, "aquifer.yaml")
        self.log_path = os.path.join(self.dir, "log")
        self.process = None
        self.program = PROGRAM
        self.write(text)
        self.env = self._environment(env or {})
        explain.append(self.last_words)

    def _environment(self, extra):
        env = {**os.environ, "AQUIFER_ADMIN_KEY": ADMIN_KEY, "UPSTREAM_KEY": UPSTREAM_KEY,
               "AQUIFER_ADMIN_URL": f"http://127.0.0.1:{self.admin_port}", **extra}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            env[name] = (env.get(name, "") + ":log_path=" + os.path.join(self.dir, "sanitizer")).lstrip(":")
        return env

    def write(self, text):
        """(Re)writes the configuration file; {port} and {admin_port} are filled in. In one step, as an editor does."""
        for name in ("port", "admin_port"):
            text = text.replace("{" + name + "}", str(getattr(self, name)))
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.file + ".new", self.file)

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, "serve", "--config", self.file], env=self.env, cwd=self.dir,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def is_ready(self):
        try:
            return http.call(self.address, "GET", "/readyz").status == 200
        except (OSError, http.Broken):
            return False

    def wait_ready(self):
        def probe():
            check(self.process.poll() is None, f"aquifer ended with {self.process.returncode} at start:\n{self.log()[-3000:]}")
            return self.is_ready()
        until(probe, "the gateway is ready", 30)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def last_words(self):
        """The end of its log, for a test that failed; nothing once it is gone."""
        return f"the log of {self.dir} ends:\n{self.log()[-6000:]}" if os.path.exists(self.log_path) else ""

    def cli(self, *words, status=0, json_out=True):
        """Runs `aquifer WORDS…`; the parsed JSON it printed (json_out) or the finished process."""
        done = subprocess.run([PROGRAM, *words], env=self.env, cwd=self.dir, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=60 * SLOW)
        if status is not None:
            check(done.returncode == status, f"aquifer {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if json_out else done

    def key(self, name="test", *words):
        """A new key's secret."""
        return self.cli("key", "create", "--name", name, "--json", *words)["key"]

    def usage(self):
        return self.cli("usage", "--json")

    def admin(self, method, path, body=None, key=ADMIN_KEY):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return http.call(self.admin_address, method, path, headers, body if body is not None else b"")

    def conn(self, **options):
        return http.Conn(self.address, **options)

    def chat(self, key, model="fast", text="hello", **fields):
        """One Chat request on a connection of its own; the whole answer."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return http.call(self.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {key}"}, body)

    def messages(self, key, model="claude", text="hello", **fields):
        body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}], **fields}
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        return http.call(self.address, "POST", "/v1/messages", headers, body)

    def at_rest(self):
        """path → bytes of every file in the data directory; a socket is none."""
        found = {}
        for folder, _, names in os.walk(os.path.join(self.dir, "data")):
            for path in (os.path.join(folder, name) for name in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[path] = file.read()
        return found

    def processes(self):
        """pid → command line of the supervisor and all below it."""
        found, queue = {}, [self.process.pid]
        while queue:
            pid = queue.pop()
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    found[pid] = file.read().replace(b"\0", b" ").decode().strip()
                for path in glob.glob(f"/proc/{pid}/task/*/children"):
                    with open(path, encoding="ascii") as file:
                        queue += [int(word) for word in file.read().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def peak_kb(self):
        """Most that a gateway process ever had in memory, in KB."""
        most = 0
        for pid in self.pids("gateway"):
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                most = max([most] + [int(line.split()[1]) for line in file if line.startswith("VmHWM")])
        return most

    def pids(self, word):
        """The processes whose command line has the word (a role: gateway, control)."""
        return [pid for pid, line in self.processes().items() if word in line and pid != self.process.pid]

    def kill_all(self):
        """kill -9 of everything at once."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def terminate(self, seconds=60.0):
        """SIGTERM and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"still there {seconds * SLOW:.0f} s after SIGTERM:\n{self.log()[-3000:]}") from None

    def complaints(self):
        """What sanitizers wrote."""
        texts = []
        for path in glob.glob(os.path.join(self.dir, "sanitizer*")):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read()[:6000])
        return "\n".join(texts)

    def stop(self):
        """Ends it, and fails when it did not end well or a sanitizer complained; the directory goes away."""
        status = self.terminate() if self.process else 0
        time.sleep(0.05)
        complaints = self.complaints()
        tail = self.log()[-4000:] if self.process else ""
        shutil.rmtree(self.dir, ignore_errors=True)
        check(not complaints, "a sanitizer complained:\n" + complaints)
        check(status == 0, f"aquifer ended with {status}:\n{tail}")
