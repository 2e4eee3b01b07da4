# order: 30
# timeout: 240
# builds: plain asan
"""The HTTP/2 server against h2spec, in plain text by prior knowledge and over TLS by ALPN; what may fail stands in docs/h2spec.md.
The server room's demo stands in for the gateway: it answers whole requests only, and most cases end in mid-request, where an
early answer (the gateway's 401, or /healthz) races with the error that the case waits for."""
import os
import subprocess
import sys

from lib.gateway import BUILD, ROOT, free_ports
from lib.http import call
from lib.tap import SLOW, check, eq, run, test, until
from lib.tls import Authority

authority = Authority()
plain_port, tls_port = free_ports(2)


def serve(port, *certificate):
    process = subprocess.Popen([os.path.join(BUILD, "src", "http", "server_demo"), str(port), *certificate],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    tls = authority.client() if certificate else None

    def is_up():
        check(process.poll() is None, "the server ended at start")
        try:
            return call(("127.0.0.1", port), "GET", "/ok", tls=tls).status == 200
        except OSError:
            return False
    until(is_up, "the server answers")
    return process, is_up


def h2spec(port, certificate, *more):
    process, is_up = serve(port, *certificate)
    try:
        command = [sys.executable, os.path.join(ROOT, "tools", "run-h2spec"), "127.0.0.1", str(port), "/ok", *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100 * SLOW, check=False)
        bad = [line for line in done.stdout.splitlines() if not line.startswith(("ok ", "1.."))]
        eq((bad, done.returncode), ([], 0))
        check(is_up(), "the server is well afterwards")
    finally:
        process.kill()
        process.wait()


@test("h2spec in plain text")
def _():
    h2spec(plain_port, ())


@test("h2spec over TLS")
def _():
    h2spec(tls_port, authority.certificate(), "tls")


run()
