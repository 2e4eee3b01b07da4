# order: 44
# builds: plain asan
"""What a local model is not for is known before anything is tried: another deployment takes the call, or it is refused in our words;
no engine is asked, no row is written, and the model does not rest. The engine is a fake."""
import os
import struct

from lib.fake import Fake
from lib.gateway import ROOT, Gateway, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test

FREE = "{ input: 0, output: 0 }"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ENGINE = "engine:\n  command: {command}\n  models_dir: {models}\n  threads: 1\n"


def metadata(architecture):
    """A GGUF file without weights."""
    name, value = b"general.architecture", architecture.encode()
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, len(value)) + value


cloud = Fake().start()
gateway = Gateway("")
models = os.path.join(gateway.dir, "models")
for kind, architecture in (("talker", "llama"), ("reader", "bert")):
    with open(os.path.join(gateway.dir, f"{kind}.gguf"), "wb") as file:
        file.write(metadata(architecture))
gateway.write(config(
    ["  - name: local\n    kind: local\n", openai_provider(cloud)],
    [*(route(one, deployment("local", one, FREE)) for one in ("talker", "reader")),
     *(route(f"{one}-or-cloud", deployment("local", one, FREE), deployment("main", "gpt-4o-mini")) for one in ("talker", "reader"))],
    ENGINE.format(command=os.path.join(ROOT, "src", "engine", "fake_llama_server.py"), models=models)))
for kind in ("talker", "reader"):  # nobody says what it is for: the file does
    gateway.cli("model", "add", "--dir", models, kind, os.path.join(gateway.dir, f"{kind}.gguf"), json_out=False)
gateway.start()
KEY = gateway.key()


def post(path, body):
    with gateway.conn(timeout=60) as conn:
        return conn.request("POST", path, {"Authorization": f"Bearer {KEY}"}, body).read()


def picture(kind):
    data = f"data:image/png;base64,{PIXEL}"
    return {"chat": {"type": "image_url", "image_url": {"url": data}}, "responses": {"type": "input_image", "image_url": data},
            "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}}[kind]


def talk(model, content="hi"):
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": content}]}


TEXTS = {"input": "a word"}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
LACKING = {  # what is asked, and what the model is not for
    "embeddings of a model that talks": ("/v1/embeddings", {"model": "talker", **TEXTS}, "embeddings"),
    "a talk with a model for embeddings": ("/v1/chat/completions", talk("reader"), "conversations"),
    "Messages with a model for embeddings": ("/v1/messages", talk("reader"), "conversations"),
    "Gemini with a model for embeddings": ("/v1beta/models/reader:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}, "conversations"),
    "a picture in Chat": ("/v1/chat/completions", talk("talker", [picture("chat")]), "pictures"),
    "a picture in Messages": ("/v1/messages", talk("talker", [picture("messages")]), "pictures"),
    "a picture in Responses": ("/v1/responses", {"model": "talker", "input": [{"role": "user", "content": [picture("responses")]}]}, "pictures"),
    "sound": ("/v1/chat/completions", talk("talker", [SOUND]), "sound"),
    "vectors of a length of one's own": ("/v1/embeddings", {"model": "reader", "dimensions": 1, **TEXTS}, "dimensions"),
}


def rows():
    return gateway.usage()["total"]["requests"]


@test("the models are described as their files say, and answer what they are for")
def _():
    listed = {one["name"]: one["embeddings"] for one in gateway.cli("model", "list", "--dir", models, "--json")["data"]}
    eq(listed, {"talker": False, "reader": True})
    got = post("/v1/chat/completions", talk("talker"))
    eq((got.status, got.json()["choices"][0]["message"]["content"]), (200, "hi"), repr(got))
    got = post("/v1/embeddings", {"model": "reader", **TEXTS})
    eq((got.status, got.json()["data"][0]["embedding"]), (200, [0.6, 0.8]), repr(got))


for name, (path, body, word) in LACKING.items():
    @test(f"{name}: refused in our words, nothing was tried")
    def _(path=path, body=body, word=word):
        before = rows()
        got = post(path, body)
        eq(got.status, 400, repr(got))
        check(word in got.json()["error"]["message"] and "not for this" not in got.body.decode(), repr(got))
        eq(rows(), before, "no row was written")


@test("another deployment takes what the local model is not for, and the local one goes on with the rest")
def _():
    for path, body in (("/v1/embeddings", {"model": "talker-or-cloud", **TEXTS}), ("/v1/chat/completions", talk("reader-or-cloud")),
                       ("/v1/chat/completions", talk("talker-or-cloud", [picture("chat")]))):
        cloud.forget()
        before = rows()
        eq((post(path, body).status, len(cloud.requests), rows() - before), (200, 1, 1))
    cloud.forget()
    eq((post("/v1/chat/completions", talk("talker-or-cloud")).status, post("/v1/embeddings", {"model": "reader-or-cloud", **TEXTS}).status), (200, 200))
    eq(len(cloud.requests), 0, "the local models do not rest")


def end():
    gateway.stop()
    cloud.stop()


run(end)
