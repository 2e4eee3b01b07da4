"""Runs the official SDKs' tests (tests/clients), installed into build/clients by tools/setup, and passes their TAP on as comments."""
import glob
import os
import shutil
import subprocess

from .gateway import ROOT
from .tap import SLOW, check, eq

CLIENTS = os.path.join(ROOT, "build", "clients")
NODE = next(iter(glob.glob(os.path.join(CLIENTS, "node_modules", "node-linux-*", "bin", "node"))), "")


def place_client(*names):
    """Puts our scripts beside the packages that they import. In one step each: a test beside this one may be starting the same."""
    check(NODE, "the test clients are not installed (tools/setup clients)")
    for name in names:
        made = os.path.join(CLIENTS, f".{os.getpid()}-{name}")
        shutil.copy(os.path.join(ROOT, "tests", "clients", name), made)
        os.replace(made, os.path.join(CLIENTS, name))


def run_client(name, env, seconds=250, least=10):
    place_client(name, "tap.mjs")
    done = subprocess.run([NODE, name], cwd=CLIENTS, env={**os.environ, **env}, capture_output=True, text=True, check=False,
                          timeout=seconds * SLOW)
    for line in (done.stdout + done.stderr).splitlines():
        print("#   " + line, flush=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
    eq((done.returncode, failed), (0, []), name)
    check(f"\nok {least} -" in done.stdout, "the client's tests ran")
