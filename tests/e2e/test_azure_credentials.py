# builds: plain asan
# order: 38
# timeout: 240
# long: yes
"""Access tokens of Microsoft Entra's that Aquifer finds for itself: an application with its secret, a federated token, the managed identity of
a machine and of App Service; renewal before the end without a restart, a source that is away, a restart; sealed wherever they lie, and in no
log; errors that say which source and what to do."""
import os

from lib.azure import Azure
from lib.entra_tokens import CLIENT, TENANT, Entra, claims_of, jwt
from lib.gateway import Gateway, config, deployment, route
from lib.tap import check, eq, run, test, until

entra = Entra().start()
azure = Azure(tokens=entra.given).start()
APP = f"    tenant: {TENANT}\n    client_id: {CLIENT}\n"
SOURCES = {"own": f"{APP}    client_secret: env:OUR_SECRET\n", "file": f"{APP}    client_secret: file:secret.txt\n",
           "environment": "    credentials: environment\n", "federated": "    credentials: web_identity\n",
           "default": "    credentials: default\n", "machine": "    credentials: instance\n"}
NOTHING = {name: "" for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT",
                                 "IDENTITY_HEADER")}
WHERE = {**NOTHING, "AZURE_AUTHORITY_HOST": entra.url + "/", "AZURE_POD_IDENTITY_AUTHORITY_HOST": entra.url}


def provider(name, text):
    return f"  - name: {name}\n    kind: azure\n    url: {azure.url}/openai/v1\n{text}"


def configured(names):
    return config([provider(name, SOURCES[name]) for name in names], [route(name, deployment(name, "gpt-4o-mini")) for name in names])


gateway = Gateway(configured(SOURCES))
FEDERATED = os.path.join(gateway.dir, "federated")


def put(path, text):
    with open(path + ".new", "w", encoding="ascii") as out:
        out.write(text)
    os.replace(path + ".new", path)


put(FEDERATED, next(iter(entra.federated)) + "\n")
put(os.path.join(gateway.dir, "secret.txt"), entra.secret + "\n")
gateway.env.update({**WHERE, "OUR_SECRET": entra.secret, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": entra.secret,
                    "AZURE_FEDERATED_TOKEN_FILE": FEDERATED})
gateway.start()
KEY = gateway.key()


def works(model, one=gateway, key=None):
    return one.chat(key or KEY, model).status == 200


def used():
    return claims_of(azure.last().get("authorization").removeprefix("Bearer "))


@test("every source is found and its token sent, never as a key")
def _():
    for name, whose in (("own", "secret"), ("file", "secret"), ("environment", "secret"), ("federated", "federated-1"), ("default", "secret"),
                        ("machine", "machine-named")):
        until(lambda name=name: works(name), f"calls through {name} carry a token", 30)
        eq((used()["whose"], azure.last().get("api-key")), (whose, None), name)


@test("tokens are renewed before they end, without a restart; a federated token is read anew")
def _():
    entra.life = 4
    gateway.write(configured(["own", "federated", "machine"]).replace("env:OUR_SECRET", "file:secret.txt"))
    gateway.cli("reload", json_out=False)
    gateway.terminate()
    gateway.start()  # asks all of them, for tokens that live 4 seconds
    pids, first = gateway.pids("gateway"), entra.count
    until(lambda: entra.count > first + 8, "the sources are asked again and again", 60)
    second = jwt({"sub": "pod", "n": 2})
    entra.federated = {second}  # the first one holds no longer
    put(FEDERATED, second)
    until(lambda: works("federated") and used()["whose"] == "federated-2", "the new federated token is used", 60)
    for name in ("own", "machine", "federated"):
        until(lambda name=name: works(name), "it works", 30)
        seen = used()["n"]
        until(lambda name=name, seen=seen: works(name) and used()["n"] > seen, f"a newer token is sent through {name}", 60)
    entra.life = 3600
    eq(gateway.pids("gateway"), pids, "the gateway is still the same")


@test("after a restart the last ones are there before any source has answered")
def _():
    entra.down = True
    gateway.terminate()
    gateway.start()
    check(works("own") and works("machine") and works("federated"), "tokens come from the store")
    until(lambda: "credentials.failed" in gateway.log() and "status 503" in gateway.log(), "the log tells that the source is away", 30)
    entra.down = False


@test("secrets and tokens are sealed in the data directory and in no log")
def _():
    secrets = [*entra.given, *entra.federated, entra.secret]
    data = [gateway.log().encode()]
    for folder, _, names in os.walk(os.path.join(gateway.dir, "data")):
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path):  # no sockets
                with open(path, "rb") as file:
                    data.append(file.read())
    for secret in secrets:
        check(not any(secret.encode() in piece for piece in data), f"{secret} lies nowhere")


def other(text, env):
    """A gateway with one provider of that text, in that environment and no other."""
    SOURCES["other"] = text
    return Gateway(configured(["other"]), {**WHERE, **env}).start()


@test("App Service's endpoint, also where it is called localhost; the identity of the system and one by its id")
def _():
    for host, text, whose in (("127.0.0.1", "    credentials: instance\n", "service"), ("localhost", "    credentials: default\n", "service"),
                              ("127.0.0.1", f"    credentials: instance\n    client_id: {CLIENT}\n", "service-named")):
        mine = other(text, {"IDENTITY_ENDPOINT": f"http://{host}:{entra.port}/msi/token", "IDENTITY_HEADER": entra.header})
        key = mine.key()
        until(lambda mine=mine, key=key: works("other", mine, key), "the service's token is sent", 30)
        eq(used()["whose"], whose)
        check(entra.header not in mine.log(), "the header is in no log")
        mine.stop()


@test("default: the federated token before the machine, and the machine where there is nothing else")
def _():
    for env, whose in (({"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": FEDERATED}, "federated-2"), ({}, "machine")):
        mine = other("    credentials: default\n", env)
        key = mine.key()
        until(lambda mine=mine, key=key: works("other", mine, key), "a token is sent", 30)
        eq(used()["whose"], whose)
        mine.stop()


def refused(text, env, *words):
    """A source that fails: calls are refused, the log says which source and why, and nothing secret."""
    bad = other(text, env)
    got = bad.chat(bad.key(), "other")
    eq(got.status, 502, repr(got))
    check("no credentials for the provider other" in got.body.decode(), got)
    for word in words:
        until(lambda word=word: word in bad.log(), f"the log says {word}", 30)
    check("wrong-secret" not in bad.log(), "the secret is in no log")
    bad.stop()


@test("no token, no call: the log names the source and says what to do")
def _():
    app = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
    refused(SOURCES["own"], {"OUR_SECRET": "wrong-secret"}, "client_secret", "AADSTS7000215", "not its id")
    refused("    credentials: environment\n", app, "AZURE_CLIENT_SECRET", "not set")
    refused("    credentials: web_identity\n", {**app, "AZURE_FEDERATED_TOKEN_FILE": "/nonexistent/token"}, "/nonexistent/token")
    refused("    credentials: web_identity\n", {"AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": FEDERATED}, "tenant or AZURE_TENANT_ID")
    refused("    credentials: instance\n    client_id: another\n", {}, "managed identity", "Identity not found", "check client_id")


@test("only these are asked: https, this machine, the cloud's own addresses")
def _():
    app = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": "wrong-secret"}
    refused("    credentials: environment\n", {**app, "AZURE_AUTHORITY_HOST": "http://login.example"}, "is not asked for credentials")
    refused("    credentials: instance\n", {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://192.0.2.1"}, "is not asked for credentials")
    refused("    credentials: instance\n", {"IDENTITY_ENDPOINT": "http://192.0.2.1/msi/token", "IDENTITY_HEADER": "wrong-secret"},
            "is not asked for credentials")
    refused("    credentials: instance\n", {"IDENTITY_ENDPOINT": entra.url}, "IDENTITY_HEADER is not")


@test("config check and doctor know them")
def _():
    def checked(text, *words):
        gateway.write(config([provider("a", text)]))
        got = gateway.cli("config", "check", status=None, json_out=False)
        said = got.stdout + got.stderr
        for word in words:
            check(word in said, said)
        return got.returncode

    def doctor():
        return gateway.cli("doctor", status=None, json_out=False).stdout
    eq(checked(SOURCES["own"]), 0, "an application")
    check("Entra, client_secret, from " in doctor(), doctor())
    eq(checked(f"{APP}    client_secret: file:absent.txt\n"), 0, "where the secret is, is known where Aquifer runs")
    check("absent.txt" in doctor(), doctor())
    for text in ("    credentials: instance\n", f"    credentials: instance\n    client_id: {CLIENT}\n", f"{APP}    credentials: web_identity\n"):
        eq(checked(text), 0, text)
    for text, word in (("    client_secret: env:S\n", "goes with tenant and client_id"), (APP, "go with client_secret or credentials"),
                       (f"{APP}    client_secret: env:S\n    key: env:K\n", "exclude each other"),
                       ("    credentials: default\n    key: env:K\n", "exclude each other"), ("    credentials: file\n", "web_identity and instance"),
                       (f"    credentials: instance\n    tenant: {TENANT}\n", "remove it"), ("    credentials: default\n    tenant: a/b\n", "neither a GUID"),
                       (f"{APP}    client_secret: plainly\n", "env:NAME")):
        check(checked(text, word) != 0, text)
    gateway.write(config([provider("a", SOURCES["own"]).replace("kind: azure", "kind: openai")]))
    got = gateway.cli("config", "check", status=None, json_out=False)
    check(got.returncode != 0 and "are for azure" in got.stderr, got.stderr)


def end():
    gateway.stop()
    entra.stop()
    azure.stop()


run(end)
