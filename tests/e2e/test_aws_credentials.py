# builds: plain asan
# order: 38
# timeout: 240
"""AWS credentials that Aquifer finds for itself: every source, renewal before the end without a restart, a source that is away, a
restart of control; sealed wherever they lie, and in no log."""
import os
import signal
import sqlite3

from lib.fake import Fake
from lib.gateway import Gateway, config, deployment, route
from lib.metadata import Metadata
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test, until

verifier = Verifier({}, "bedrock-mantle", tokens=[])
bedrock = Fake(verifier=verifier).start()
metadata = Metadata(verifier).start()
SOURCES = ("instance", "container", "web_identity", "file", "environment", "default")


def provider(name):
    return (f"  - name: {name}\n    kind: bedrock_mantle\n    url: {bedrock.url}\n    region: us-east-1\n"
            f"    credentials: {name}\n" + ("    profile: team\n" if name == "file" else ""))


gateway = Gateway(config([provider(name) for name in SOURCES], [route(name, deployment(name, "gpt-5.5")) for name in SOURCES]))
TOKEN_FILE, PROFILES = os.path.join(gateway.dir, "web-token"), os.path.join(gateway.dir, "credentials")
verifier.secrets["AKIAENVIRONMENT00000"] = "environment-secret"
verifier.tokens += ["", None, "team-token"]
gateway.env.update({
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url, "AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.url + "/container?a=1",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-token", "AWS_ENDPOINT_URL_STS": metadata.url + "/sts",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE, "AWS_SHARED_CREDENTIALS_FILE": PROFILES,
    "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000", "AWS_SECRET_ACCESS_KEY": "environment-secret"})
gateway.env.pop("AWS_SESSION_TOKEN", None)
gateway.env.pop("AWS_ROLE_SESSION_NAME", None)
with open(TOKEN_FILE, "w", encoding="ascii") as out:
    out.write("web.identity+token=\n")


verifier.secrets["AKIAFILE000000000001"] = "secret-in-the-file"
with open(PROFILES, "w", encoding="ascii") as out:
    out.write("[default]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = x\n[team]\naws_access_key_id = AKIAFILE000000000001\n"
              "aws_secret_access_key = secret-in-the-file\naws_session_token = team-token\n")
gateway.start()
KEY = gateway.key()


def works(model):
    return gateway.chat(KEY, model).status == 200


def used():
    return bedrock.last().get("authorization").split("Credential=")[1].split("/")[0]


@test("every source is found and signed with")
def _():
    for model in SOURCES:
        until(lambda model=model: works(model), f"calls through {model} are signed", 30)
        print(f"# {model}: {used()}")
    eq(used(), "AKIAENVIRONMENT00000", "default takes the environment first")


@test("instance metadata is asked as version 2")
def _():
    check(("PUT", "/latest/api/token") in metadata.asked, metadata.asked)


@test("credentials are renewed before they end, without a restart")
def _():
    metadata.life = 4
    pids = gateway.pids("gateway")
    os.kill(gateway.pids("control")[0], signal.SIGKILL)
    until(lambda: works("instance") and gateway.cli("status", "--json", status=None, json_out=False).returncode == 0, "control is back", 30)
    first = metadata.given
    until(lambda: metadata.given > first + 4, "sources are asked again and again", 60)
    metadata.life = 3600
    until(lambda: any(works(model) and used() == f"ASIA{metadata.given:016d}" for model in ("instance", "container", "web_identity")),
          "the newest credentials are signed with", 60)
    eq(gateway.pids("gateway"), pids, "the gateway is still the same")


@test("after a restart the last ones are there before any source has answered")
def _():
    metadata.down = True
    gateway.terminate()
    gateway.start()
    check(works("instance") and works("container"), "credentials come from the store")
    until(lambda: "credentials.failed" in gateway.log(), "the log tells that the source is away", 30)
    metadata.down = False


@test("secrets are sealed in the data directory and in no log")
def _():
    secrets = [secret for secret in verifier.secrets.values() if secret != "x"]
    secrets += [token for token in verifier.tokens if token] + ["container-token", "web.identity+token=", "session-of-the-test"]
    data = [gateway.log().encode(), *gateway.at_rest().values()]
    for secret in secrets:
        check(not any(secret.encode() in piece for piece in data), f"{secret} lies nowhere")


@test("nothing is kept for a provider that is gone")
def _():
    def kept():
        base = sqlite3.connect(f"file:{gateway.dir}/data/aquifer.db?mode=ro", uri=True)
        rows = base.execute("SELECT name FROM settings WHERE name LIKE 'aws credentials %'").fetchall()
        base.close()
        return {name.removeprefix("aws credentials ") for name, in rows}
    eq(kept(), set(SOURCES))
    gateway.write(config([provider("container")], [route("container", deployment("container", "gpt-5.5"))]))
    gateway.cli("reload", json_out=False)
    eq(kept(), {"container"})
    check(works("container"), "what is left goes on")


@test("no credentials, no call: the error names the provider and the log tells why")
def _():
    other = Gateway(config([provider("container")], [route("container", deployment("container", "gpt-5.5"))]),
                    {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/credentials"}).start()
    got = other.chat(other.key(), "container")
    eq(got.status, 502, repr(got))
    check("no credentials for the provider container" in got.body.decode(), got)
    until(lambda: "is not asked for credentials" in other.log(), "the log tells why", 30)
    other.stop()


def end():
    gateway.stop()
    metadata.stop()
    bedrock.stop()


run(end)
