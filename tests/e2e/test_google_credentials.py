# builds: plain asan
# order: 38
# timeout: 240
# long: yes
"""Access tokens of Google's that Aquifer finds for itself: a service account's key file, gcloud's own file, the metadata server; renewal before
the end without a restart, a source that is away, a restart; sealed wherever they lie, and in no log; errors that say which source and
which file."""
import json
import os

from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, route, vertex_provider
from lib.google_tokens import Tokens
from lib.tap import check, eq, run, test, until

tokens = Tokens().start()
vertex = Fake(google_tokens=tokens.given).start()
SOURCES = {"account": "    service_account: file:robot.json\n", "default": "    credentials: default\n",
           "file": "    credentials: file\n", "instance": "    credentials: instance\n"}


def configured(names, extra=()):
    providers = [vertex_provider(vertex, name, SOURCES[name]) for name in names]
    return config([*providers, *extra], [route(name, deployment(name, "gemini-3-pro")) for name in names])


gateway = Gateway(configured(SOURCES))
robot, other = tokens.account(gateway.dir, "robot"), tokens.account(gateway.dir, "other")
USER_FILE = os.path.join(gateway.dir, "application_default_credentials.json")
with open(USER_FILE, "w", encoding="ascii") as out:
    json.dump({"type": "authorized_user", "client_id": tokens.user[0], "client_secret": tokens.user[1], "refresh_token": tokens.user[2],
               "token_uri": tokens.url}, out)
gateway.env.update({"GOOGLE_APPLICATION_CREDENTIALS": other.file, "GCE_METADATA_HOST": tokens.host, "CLOUDSDK_CONFIG": gateway.dir})
gateway.start()
KEY = gateway.key()


def works(model):
    return gateway.chat(KEY, model).status == 200


def used():
    return vertex.last().get("authorization").removeprefix("Bearer ya29.").rpartition("-")[0]


@test("every source is found and its token sent")
def _():
    for name, whose in (("account", "robot"), ("default", "other"), ("file", "other"), ("instance", "instance")):
        until(lambda name=name: works(name), f"calls through {name} carry a token", 30)
        eq(used(), whose, name)


@test("tokens are renewed before they end, without a restart")
def _():
    tokens.life = 4
    gateway.cli("reload", json_out=False)
    gateway.write(configured(["account", "instance"]).replace("robot.json", "other.json"))  # another file: asked at once
    gateway.cli("reload", json_out=False)
    until(lambda: works("account") and used() == "other", "the other account is asked", 30)
    pids, first = gateway.pids("gateway"), tokens.count
    until(lambda: tokens.count > first + 3, "the source is asked again and again", 60)
    tokens.life = 3600
    until(lambda: any(works(name) and vertex.last().get("authorization").endswith(f"-{tokens.count}") for name in ("account", "instance")),
          "the newest token is sent", 60)
    eq(gateway.pids("gateway"), pids, "the gateway is still the same")


@test("after a restart the last ones are there before any source has answered")
def _():
    tokens.down = True
    gateway.terminate()
    gateway.start()
    check(works("account") and works("instance"), "tokens come from the store")
    until(lambda: "credentials.failed" in gateway.log(), "the log tells that the source is away", 30)
    tokens.down = False


@test("gcloud's own file, where nothing else is named")
def _():
    mine = Gateway(configured(["default"]), {"CLOUDSDK_CONFIG": gateway.dir, "GOOGLE_APPLICATION_CREDENTIALS": ""}).start()
    key = mine.key()
    until(lambda: mine.chat(key, "default").status == 200, "the user's token is sent", 30)
    eq(used(), "user")
    mine.stop()


@test("keys and tokens are sealed in the data directory and in no log")
def _():
    secrets = [*tokens.given, robot.pem.splitlines()[3], other.pem.splitlines()[3], tokens.user[1], tokens.user[2]]
    data = [gateway.log().encode(), *gateway.at_rest().values()]
    for secret in secrets:
        check(not any(secret.encode() in piece for piece in data), f"{secret} lies nowhere")


def refused(extra, env, *words):
    """A provider whose source fails: calls are refused, the log says which source and why."""
    SOURCES["bad"] = extra
    bad = Gateway(configured(["bad"]), {"GOOGLE_APPLICATION_CREDENTIALS": "", "CLOUDSDK_CONFIG": "", "HOME": gateway.dir, **env}).start()
    got = bad.chat(bad.key(), "bad")
    eq(got.status, 502, repr(got))
    check("no credentials for the provider bad" in got.body.decode(), got)
    for word in words:
        until(lambda word=word: word in bad.log(), f"the log says {word}", 30)
    bad.stop()


@test("no token, no call: the log names source and file and says why")
def _():
    tokens.disabled.add(robot.email)
    refused(f"    service_account: file:{robot.file}\n", {}, robot.file, "account not found", "is the key deleted")
    tokens.disabled.clear()
    refused("    credentials: file\n", {"GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent/key.json"}, "/nonexistent/key.json")
    refused("    credentials: instance\n", {"GCE_METADATA_HOST": "192.0.2.1"}, "is not asked for credentials", "metadata server")
    refused("    credentials: instance\n", {"GCE_METADATA_HOST": f"127.0.0.1:{vertex.port}"}, "no metadata server of Google's")


@test("config check and doctor know key files")
def _():
    def checked(text, *words):
        gateway.write(config([vertex_provider(vertex, "v", text)]))
        got = gateway.cli("config", "check", status=None, json_out=False)
        said = got.stdout + got.stderr
        for word in words:
            check(word in said, said)
        return got.returncode
    eq(checked("    service_account: file:robot.json\n"), 0, "a whole key file")
    doctor = gateway.cli("doctor", status=None, json_out=False).stdout
    check("robot.json" in doctor and "robot.json: " not in doctor, doctor)
    with open(os.path.join(gateway.dir, "half.json"), "w", encoding="ascii") as half:
        json.dump({"type": "service_account", "client_email": "a@b", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}, half)
    check(checked("    service_account: file:half.json\n", "half.json", "no private key in PEM") != 0, "a broken key")
    check("half.json" in gateway.cli("doctor", status=None, json_out=False).stdout, "doctor names it")
    one_go = ("half.json", "api_version is for azure", "aquifer.yaml:")
    check(checked("    service_account: file:half.json\n    api_version: x\n", *one_go) != 0, "beside what is wrong in the file itself")
    check(checked("    service_account: file:absent.json\n", "absent.json") != 0, "a file that is not there")
    check(checked("    service_account: file:robot.json\n    key: env:UPSTREAM_KEY\n", "exclude each other") != 0, "two at once")
    check(checked("    credentials: web_identity\n", "default, file and instance") != 0, "a source of another cloud")


def end():
    gateway.stop()
    tokens.stop()
    vertex.stop()


run(end)
