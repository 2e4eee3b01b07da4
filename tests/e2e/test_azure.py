# order: 46
# timeout: 200
# builds: plain asan
"""Azure OpenAI: both kinds of paths, its key, what its content filter adds and costs; quotas that are spent, of any vendor."""
import json
import time

from lib import acts, azure, http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.tap import check, eq, run, test

VERSION = "2024-10-21"
new, old, fake = azure.Azure().start(), azure.Azure(VERSION).start(), Fake().start()


def azure_provider(name, fake_azure, base, extra=""):
    return f"  - name: {name}\n    kind: azure\n    url: {fake_azure.url}{base}\n    key: env:UPSTREAM_KEY\n{extra}"


gateway = Gateway(config(
    [azure_provider("new", new, "/openai/v1"), azure_provider("old", old, "/openai", f"    api_version: {VERSION}\n"), openai_provider(fake),
     anthropic_provider(fake)],
    [route("fast", deployment("new", "gpt-4o-mini")), route("plain", deployment("main", "gpt-4o-mini")),
     route("claude", deployment("claude", "claude-opus-5")), route("older", deployment("old", "gpt-4o-mini")), route("filter", deployment("new", "filtering")),
     route("poor", deployment("new", "no-quota")), route("saved", deployment("main", "spent"), deployment("new", "gpt-4o-mini")),
     route("nearly", deployment("main", "nearly"), deployment("new", "gpt-4o-mini"))])).start()
KEY = gateway.key()


@test("both kinds of paths, whole and streamed")
def _():
    for model, one in (("fast", new), ("older", old)):
        got = gateway.chat(KEY, model=model)
        eq((got.status, got.json()["choices"][0]["message"]["content"]), (200, "You said: hello"))
        check("[DONE]" in gateway.chat(KEY, model=model, stream=True).body.decode(), "a whole stream")
        eq((one.last().get("api-key") is not None, one.last().get("authorization")), (True, None))
    eq(old.last().target, f"/openai/deployments/gpt-4o-mini/chat/completions?api-version={VERSION}")
    eq(new.last().target, "/openai/v1/chat/completions")


def post(path, body, headers):
    return http.call(gateway.address, "POST", path, headers, body)


@test("a client of Azure's older paths: the deployment is the route, whatever provider answers")
def _():
    body = {"messages": [{"role": "user", "content": "hello"}]}
    for model, one in (("fast", new), ("older", old), ("plain", fake)):
        for extra in ({}, {"model": "what-the-sdk-was-given"}, {"stream": True}):
            got = post(f"/openai/deployments/{model}/chat/completions?api-version={VERSION}", {**body, **extra}, {"api-key": KEY})
            check(got.status == 200 and "You said: hello" in got.body.decode() or "stream" in extra, f"{model}, {extra}: {got}")
            eq(one.last().json["model"], "gpt-4o-mini")
    got = post(f"/openai/deployments/claude/chat/completions?api-version={VERSION}", body, {"api-key": KEY})
    check("You said: hello" in got.json()["choices"][0]["message"]["content"], got)
    got = post("/openai/deployments/no-such/chat/completions", body, {"api-key": KEY})
    eq((got.status, got.json()["error"]["code"]), (404, "model_unknown"))
    eq(post("/v1/chat/completions", body, {"api-key": KEY}).json()["error"]["message"][:14], "model: missing")


def form(boundary="----az", **fields):
    out = b""
    for name, value in fields.items():
        file = f'; filename="{value[0]}"' if isinstance(value, tuple) else ""
        data = value[1] if isinstance(value, tuple) else str(value).encode()
        out += f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}


@test("forms below a deployment, with and without a model of their own: its upstream's name stands in them once")
def _():
    for extra in ({}, {"model": "what-the-sdk-was-given"}):
        for path, file in (("audio/transcriptions", ("a.wav", b"RIFF" + b"x" * 500)), ("images/edits", ("a.png", b"\x89PNG" + b"x" * 500))):
            for route_name, one in (("plain", fake), ("older", old)):
                fields = {"file": file} if path.startswith("audio") else {"image": file, "prompt": "a hat"}
                body, headers = form(**extra, **fields)
                got = post(f"/openai/deployments/{route_name}/{path}?api-version={VERSION}", body, {"api-key": KEY, **headers})
                eq(got.status, 200, f"{path} {extra} {got}")
                sent = one.last().body
                eq((sent.count(b'name="model"'), sent.count(b"gpt-4o-mini"), file[1] in sent, b"what-the-sdk" in sent), (1, 1, True, False))
    body, headers = form(file=("a.wav", b"RIFF"))
    got = post("/v1/audio/transcriptions", body, {"api-key": KEY, **headers})
    check(got.status == 400 and "model: missing" in got.json()["error"]["message"], got)


@test("Azure's paths without a version in them: responses, one of them, models")
def _():
    made = post(f"/openai/responses?api-version={VERSION}", {"model": "fast", "input": "hello"}, {"api-key": KEY}).json()
    eq(made["output"][-1]["content"][0]["text"], "You said: hello")
    for top in ("/openai/responses/", "/openai/v1/responses/", "/v1/responses/"):
        got = http.call(gateway.address, "GET", f"{top}{made['id']}?api-version={VERSION}", {"api-key": KEY})
        eq((got.status, got.json().get("id")), (200, made["id"]), repr(got))
    for top in ("/openai/models", "/openai/v1/models", "/v1/models"):
        got = http.call(gateway.address, "GET", f"{top}?api-version={VERSION}", {"api-key": KEY}).json()
        check("fast" in [one["id"] for one in got["data"]], got)
        one = http.call(gateway.address, "GET", f"{top}/fast?api-version={VERSION}", {"api-key": KEY})
        eq((one.status, one.json()["id"]), (200, "fast"))
        eq(http.call(gateway.address, "GET", f"{top}/none", {"api-key": KEY}).status, 404)
    got = http.call(gateway.address, "GET", "/openai/files", {"api-key": KEY})
    check(got.status == 404 and "files:" in got.json()["error"]["message"], got)


@test("one model by its name, in the shape of the caller's vendor")
def _():
    def one(path, headers):
        return http.call(gateway.address, "GET", path, headers)
    openai = one("/v1/models/fast", {"authorization": f"Bearer {KEY}"}).json()
    eq((openai["id"], openai["object"]), ("fast", "model"))
    anthropic = one("/v1/models/fast", {"x-api-key": KEY, "anthropic-version": "2023-06-01"}).json()
    check("id" in anthropic, anthropic)
    eq((anthropic["id"], anthropic["type"]), ("fast", "model"))
    eq(one("/v1beta/models/fast", {"x-goog-api-key": KEY}).json()["name"], "models/fast")
    got = one("/v1/models/fats", {"authorization": f"Bearer {KEY}"})
    check(got.status == 404 and "fast" in got.json()["error"]["message"], got)


@test("embeddings as well, by the same road")
def _():
    new.models.add("emb")
    got = http.call(gateway.address, "POST", "/v1/embeddings", {"api-key": KEY}, {"model": "fast", "input": "x"})
    eq((got.status, new.last().target), (200, "/openai/v1/embeddings"))


@test("chunks of the filter without a choice break nothing; translated they are no text")
def _():
    new.play(azure.filtered_stream())
    got = gateway.chat(KEY, stream=True).body.decode()
    check("prompt_filter_results" in got and got.rstrip().endswith("[DONE]"), got[-200:])
    new.play(azure.filtered_stream())
    got = gateway.messages(KEY, model="fast", stream=True)
    check("message_stop" in got.body.decode(), got.body)


@test("a prompt that the filter refuses was read, and costs that")
def _():
    new.play_model("filtering", acts.status(400, body=json.dumps(azure.FILTERED).encode()))
    before = gateway.usage()["total"]
    got = gateway.chat(KEY, model="filter", text="x" * 4000)
    eq((got.status, got.json()["error"]["code"]), (400, "content_filter"))
    now = gateway.usage()["total"]
    check(now["input_tokens"] - before["input_tokens"] >= 1000 and now["cost"] != before["cost"], f"{before} {now}")


@test("429 with retry-after-ms passes it on")
def _():
    new.play(acts.status(429, {"retry-after-ms": "120"}))
    got = gateway.chat(KEY)
    eq((got.status, got.get("retry-after-ms"), got.get("x-should-retry")), (429, "120", None))


@test("a spent quota: the next deployment takes over; without one the client is told not to try again")
def _():
    gone = acts.status(429, body=b'{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}')
    time.sleep(0.2)  # the rest of 120 ms that the test before asked for
    fake.play_model("spent", gone)
    for _ in range(3):
        eq(gateway.chat(KEY, model="saved").status, 200)
    eq(len([one for one in fake.requests if one.json and one.json["model"] == "spent"]), 1)
    new.play_model("no-quota", gone)
    got = gateway.chat(KEY, model="poor")
    eq((got.status, got.get("x-should-retry")), (429, "false"))


@test("a limit that is used up: the deployment rests until it is back; metrics tell what is left")
def _():
    async def last_one(x):
        await x.answer_json(200, x.vendor.whole(x.json, acts.Reply("Hello.")), {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "5m0s"})
    fake.play_model("nearly", last_one)
    for _ in range(3):
        eq(gateway.chat(KEY, model="nearly").status, 200)
    eq(len([one for one in fake.requests if one.json and one.json["model"] == "nearly"]), 1)
    lines = [line for line in gateway.admin("GET", "/metrics").body.decode().splitlines() if line.startswith("aquifer_provider_requests_left{")]
    check(any('"nearly"' in line and line.endswith(" 0") for line in lines), lines)


def end():
    gateway.stop()
    for one in (new, old, fake):
        one.stop()


run(end)
