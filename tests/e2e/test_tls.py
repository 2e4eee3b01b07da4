# order: 32
# timeout: 120
"""TLS on both sides: providers are verified (authority, name, time) and never talked to otherwise, sessions are resumed, a CONNECT
proxy is passed through; the listener offers TLS 1.2 and 1.3 with HTTP/1.1 and HTTP/2 by ALPN."""
import socket
import ssl
import warnings

from lib.fake import Fake
from lib.gateway import CONFIG, Gateway, deployment, route
from lib.http import Conn
from lib.ports import free_ports
from lib.proxy import Proxy
from lib.tap import check, eq, run, test
from lib.tls import Authority
from lib.websocket import WebSocket, text_of

good, stranger = Authority(), Authority("a stranger")
fakes = {"good": Fake(tls=good.server()), "strange": Fake(tls=stranger.server()),
         "othername": Fake(tls=good.server(*good.certificate("other", "DNS:other.example"))),
         "expired": Fake(tls=good.server(*good.certificate("expired", days=0)))}
proxy, closed_proxy = Proxy().start(), Proxy(refuse=True).start()
tls_port = free_ports(1)[0]


def provider(name, fake, extra="", host="127.0.0.1"):
    return (f"  - name: {name}\n    kind: openai\n    url: https://{host}:{fake.port}/v1\n    key: env:UPSTREAM_KEY\n"
            f"    ca_file: {good.file}\n{extra}")


for one in fakes.values():
    one.start()
CERT, KEY_FILE = good.certificate()
PROVIDERS = [provider(name, fake) for name, fake in fakes.items()]
PROVIDERS += [provider("byname", fakes["good"], host="localhost"), provider("proxied", fakes["good"], f"    proxy: {proxy.url}\n"),
              provider("refused", fakes["good"], f"    proxy: {closed_proxy.url}\n"),
              provider("systemca", fakes["good"]).replace(f"    ca_file: {good.file}\n", "")]
NAMES = [*fakes, "byname", "proxied", "refused", "systemca"]
LISTEN = f"listen:\n  - 127.0.0.1:{{port}}\n  - address: 127.0.0.1:{tls_port}\n    tls: {{ cert: {CERT}, key: {KEY_FILE} }}\n"
gateway = Gateway(CONFIG.replace("listen: 127.0.0.1:{port}\n", LISTEN, 1) + "providers:\n" + "".join(PROVIDERS)
                  + "routes:\n" + "".join(route(name, deployment(name, "gpt-4o-mini")) for name in NAMES)).start()
KEY = gateway.key()


@test("a provider with a good certificate is served, by address and by name")
def _():
    eq(gateway.chat(KEY, model="good").status, 200)
    eq(gateway.chat(KEY, model="byname").status, 200)


@test("a wrong authority, a wrong name, an expired certificate and the system's authorities are refused, and nothing is sent")
def _():
    for name in ("strange", "othername", "expired", "systemca"):
        seen = len(fakes["good"].requests)
        got = gateway.chat(KEY, model=name)
        eq((name, got.status, got.json()["error"]["code"]), (name, 502, "upstream_tls"))
        eq(len(fakes["good"].requests), seen)
    eq([len(fakes[name].requests) for name in ("strange", "othername", "expired")], [0, 0, 0])


@test("a CONNECT proxy is passed through; one that refuses is a clear error")
def _():
    eq(gateway.chat(KEY, model="proxied").status, 200)
    eq(proxy.asked, [f"127.0.0.1:{fakes['good'].port}"])
    eq(gateway.chat(KEY, model="refused").status, 502)


@test("streams come through TLS whole")
def _():
    eq(gateway.chat(KEY, model="good", stream=True).events()[-1][1], "[DONE]")


def listener(context):
    return Conn(("127.0.0.1", tls_port), tls=context)


@test("a WebSocket over TLS")
def _():
    with WebSocket(("127.0.0.1", tls_port), headers={"Authorization": f"Bearer {KEY}"}, tls=good.client()) as ws:
        eq(text_of(ws.ask("good")), "You said: hello")
        eq(text_of(ws.ask("good", "x" * 200_000)), "You said: " + "x" * 200_000)


@test("the listener speaks TLS 1.3 and 1.2, HTTP/1.1 by ALPN, and answers over it")
def _():
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = good.client()
        context.minimum_version = context.maximum_version = version
        with listener(context) as conn:
            eq(conn.sock.selected_alpn_protocol(), "http/1.1")
            got = conn.request("GET", "/v1/models", {"Authorization": f"Bearer {KEY}"}).read("GET")
            eq((got.status, len(got.json()["data"])), (200, len(NAMES)))


@test("h2 is chosen where the client offers it")
def _():
    with listener(good.client(("h2", "http/1.1"))) as conn:
        eq(conn.sock.selected_alpn_protocol(), "h2")


@test("TLS 1.1 and plain text on the TLS port are refused, and the port lives on")
def _():
    with Conn(("127.0.0.1", tls_port)) as conn:
        conn.request("GET", "/healthz")
        try:
            check(conn.is_closed(), "closed")
        except ConnectionError:
            pass
    context = good.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python, too, thinks that 1.1 is too old
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        listener(context).close()
        check(False, "TLS 1.1 was taken")
    except (ssl.SSLError, ConnectionError):
        pass
    with listener(good.client()) as conn:
        eq(conn.request("GET", "/healthz").read("GET").status, 200)


@test("a client that never finishes its handshake is given up, one that breaks off is forgotten")
def _():
    for half in (b"\x16\x03\x01\x02\x00\x01", b""):
        with socket.create_connection(("127.0.0.1", tls_port)) as sock:
            sock.sendall(half)
    check(gateway.is_ready(), "well")


def end():
    gateway.stop()
    for fake in fakes.values():
        fake.stop()
    proxy.stop()


run(end)
