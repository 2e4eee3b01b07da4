# order: 30
# timeout: 240
# builds: plain asan
# long: yes
"""The HTTP/2 server against h2spec, in plain text by prior knowledge and over TLS by ALPN; what may fail stands in docs/h2spec.md.
Twice: the gateway itself, whose /healthz is answered before the request has ended, and the server room's demo, which answers
whole requests only, so that every case also meets a stream that is still open."""
import os
import subprocess
import sys

from lib.gateway import BUILD, CONFIG, ROOT, Gateway
from lib.http import call
from lib.ports import free_ports
from lib.tap import SLOW, check, eq, run, test, until
from lib.tls import Authority

authority = Authority()
CERTIFICATE = authority.certificate()
plain_port, tls_port, gateway_tls_port = free_ports(3)
LISTEN = (f"listen:\n  - 127.0.0.1:{{port}}\n  - address: 127.0.0.1:{gateway_tls_port}\n"
          f"    tls: {{ cert: {CERTIFICATE[0]}, key: {CERTIFICATE[1]} }}\n")
gateway = Gateway(CONFIG.replace("listen: 127.0.0.1:{port}\n", LISTEN, 1) + "providers: []\nroutes: []\n").start()


def h2spec(port, path, *more):
    command = [sys.executable, os.path.join(ROOT, "tools", "run-h2spec"), "127.0.0.1", str(port), path, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100 * SLOW, check=False)
    bad = [line for line in done.stdout.splitlines() if not line.startswith(("ok ", "1.."))]
    eq((bad, done.returncode), ([], 0))


@test("the gateway in plain text")
def _():
    h2spec(gateway.port, "/healthz")
    check(gateway.is_ready(), "the gateway is well afterwards")


@test("the gateway over TLS")
def _():
    h2spec(gateway_tls_port, "/healthz", "tls")
    check(gateway.is_ready(), "the gateway is well afterwards")


def demo(port, *certificate):
    process = subprocess.Popen([os.path.join(BUILD, "src", "http", "server_demo"), str(port), *certificate],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    tls = authority.client() if certificate else None

    def is_up():
        check(process.poll() is None, "the server ended at start")
        try:
            return call(("127.0.0.1", port), "GET", "/ok", tls=tls).status == 200
        except OSError:
            return False
    try:
        until(is_up, "the server answers")
        h2spec(port, "/ok", *(["tls"] if certificate else []))
        check(is_up(), "the server is well afterwards")
    finally:
        process.kill()
        process.wait()


@test("the server alone, in plain text")
def _():
    demo(plain_port)


@test("the server alone, over TLS")
def _():
    demo(tls_port, *CERTIFICATE)


run(gateway.stop)
