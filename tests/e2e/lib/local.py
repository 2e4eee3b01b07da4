"""Engine and models for tests with a real model: fetched into the user's cache where they are missing, as `make run` does it."""
import os
import subprocess

from .gateway import BUILD, ROOT
from .tap import SLOW, Skip, check

OUT_OF_REACH = 3  # exit status of tools/get-engine and aquifer-pull
FETCH_SECONDS = 1200
# One thread: several of them wait for each other by spinning, which on a busy machine takes a minute where one takes seconds.
ENGINE = """\
engine:
  command: {command}
  models_dir: {models}
  threads: 1
"""


def fetch(what, argv):
    """Runs it beside others; finish() gives the last line that it printed."""
    return what, subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(job):
    what, process = job
    try:
        out = process.communicate(timeout=FETCH_SECONDS * SLOW)[0]
    finally:
        process.kill()
    for line in out.splitlines():
        print("#   " + line, flush=True)
    if process.returncode == OUT_OF_REACH:
        raise Skip(f"the {what} is not here and no source of it can be reached")
    check(process.returncode == 0, f"the {what} could not be had (status {process.returncode})")
    return out.splitlines()[-1]


def engine_and_model(*words):
    """(llama-server, the model's name, its file) of what `aquifer-pull WORDS` fetches."""
    model_job = fetch("model", [os.path.join(BUILD, "aquifer-pull"), *words])
    engine_job = fetch("engine", [os.path.join(ROOT, "tools", "get-engine")])
    try:
        return finish(engine_job), *finish(model_job).split(" ", 1)
    finally:
        model_job[1].kill()
