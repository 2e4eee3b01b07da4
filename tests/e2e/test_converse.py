# builds: plain asan
# order: 38
# timeout: 180
"""Bedrock's own endpoints: Converse and InvokeModel, streamed and not, towards Bedrock (signed), OpenAI and Anthropic, and from the
callers of those to Bedrock. The framing and the strict fake are the tests' own (lib/bedrock.py)."""
import base64
import json
from urllib.parse import quote

from lib import acts, bedrock, http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test, until

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/claude"
NOVA = "amazon.nova-pro-v1:0"
LONG = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:application-inference-profile/" + "a" * 176  # 256 bytes
PROFILE = "arn:aws:bedrock:ap-southeast-2:123456789012:inference-profile/apac.anthropic.claude-sonnet-4-5-20250929-v1:0"
aws = Fake(models=(SONNET, ARN, NOVA, LONG, PROFILE), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
plain = Fake().start()


def bedrock_provider(name, extra=""):
    return (f"  - name: {name}\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n"
            f"    access_key: env:ACCESS\n    secret_key: env:SECRET\n{extra}")


PROVIDERS = [bedrock_provider("aws"), bedrock_provider("aws-converse", "    formats: [bedrock_converse]\n"),
             bedrock_provider("aws-invoke", "    formats: [bedrock_invoke]\n    betas: [c-2025-03-03]\n"),
             openai_provider(plain), anthropic_provider(plain)]


def model(provider, name):
    return deployment(provider, json.dumps(name))


ROUTES = [route(SONNET, model("aws", SONNET)), route(ARN, model("aws", ARN)), route("nova", model("aws", NOVA)),
          route("converse", model("aws-converse", SONNET)), route("invoke", model("aws-invoke", SONNET)),
          route("fast", deployment("main", "gpt-4o-mini")), route("claude", deployment("claude", "claude-opus-5")),
          route("arn:aws-us-gov:*", model("aws-converse", LONG)),
          route("profile", model("aws", PROFILE), extra=f"    aliases: [{json.dumps(PROFILE)}]\n")]
gateway = Gateway(config(PROVIDERS, ROUTES), {"ACCESS": ACCESS, "SECRET": SECRET}).start()
KEY = gateway.key()
HELLO = {"messages": [{"role": "user", "content": [{"text": "h\u00e4llo"}]}], "inferenceConfig": {"maxTokens": 50}}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "h\u00e4llo"}]}
WEATHER = {"tools": [{"toolSpec": {"name": "get_weather", "description": "The weather.", "inputSchema": {
    "json": {"type": "object", "properties": {"city": {"type": "string"}}}}}}]}


def post(route_name, call, body, key=KEY, headers=None):
    fields = {"Authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {})}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.call(gateway.address, "POST", f"/model/{quote(route_name, safe='')}/{call}", fields, data)


def frames(got):
    eq((got.status, got.get("content-type")), (200, bedrock.STREAM_TYPE), repr(got))
    return list(bedrock.parse(got.body))


def text_of(all_frames):
    return "".join(data["delta"].get("text", "") for _, name, data in all_frames if name == "contentBlockDelta")


def names_of(all_frames):
    names = [name for _, name, _ in all_frames]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def said(got):
    eq(got.status, 200, repr(got))
    return got.json()["output"]["message"]["content"]


@test("Converse to Converse: the body passes unchanged, signed, the model encoded once; the answer too")
def _():
    body = json.dumps(HELLO, indent=1).encode()
    got = post(SONNET, "converse", body)
    eq(said(got), [{"text": "You said: h\u00e4llo"}])
    eq(got.json()["metrics"], {"latencyMs": 123})
    eq((aws.last().target, aws.last().body), ("/model/" + quote(SONNET, safe="") + "/converse", body))
    eq(got.get("x-amzn-requestid"), bedrock.REQUEST_ID)
    check(got.get("set-cookie") is None, "no cookies")


@test("ConverseStream to ConverseStream: frames pass unchanged, and the ledger has their usage")
def _():
    aws.play(acts.say("Hello there.", usage={"input": 7, "output": 4, "cache_read": 3}))
    got = post(SONNET, "converse-stream", HELLO)
    wanted = bedrock.events(HELLO, acts.Reply("Hello there.", usage={"input": 7, "output": 4, "cache_read": 3}))
    eq(got.body, b"".join(wanted))
    eq(names_of(frames(got))[-2:], ["messageStop", "metadata"])


@test("an ARN with colons and a slash, encoded or not; a model with a colon in the path")
def _():
    for path in (quote(ARN, safe=""), ARN):
        got = http.call(gateway.address, "POST", f"/model/{path}/converse", {"Authorization": f"Bearer {KEY}"}, json.dumps(HELLO).encode())
        eq(said(got), [{"text": "You said: h\u00e4llo"}])
        eq(aws.last().path, "/model/" + quote(ARN, safe="") + "/converse")


@test("an inference profile's long ARN as alias, as upstream model, by a pattern, in reports; a longer one is refused")
def _():
    for name in (PROFILE, LONG):
        eq(said(post(name, "converse", HELLO)), [{"text": "You said: h\u00e4llo"}])
        eq(aws.last().path, "/model/" + quote(name, safe="") + "/converse")
        eq(http.call(gateway.address, "POST", "/v1/chat/completions", {"Authorization": f"Bearer {KEY}"},
                     {"model": name, "messages": [{"role": "user", "content": "hello"}]}).status, 200)
    reports = lambda: {row["upstream_model"] for row in gateway.admin("GET", "/admin/v1/attempts").json()["data"]}
    until(lambda: {PROFILE, LONG} <= reports(), "both stand in the ledger whole")
    got = post(LONG + "a", "converse", HELLO)
    eq(got.status, 400, got.body)
    check("longer than 256 bytes" in got.json()["message"], got.body)


@test("Converse to OpenAI and Anthropic, whole and streamed")
def _():
    for name, output in (("fast", 7), ("claude", 5)):
        eq(said(post(name, "converse", HELLO)), [{"text": "You said: h\u00e4llo"}])
        got = frames(post(name, "converse-stream", HELLO))
        eq(text_of(got), "You said: h\u00e4llo")
        eq(names_of(got), ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"])
        eq(got[-2][2], {"stopReason": "end_turn"})
        eq(got[-1][2]["usage"]["outputTokens"], output)


def tool_loop(ask):
    """Two steps: the calls, then their results. ask(body) gives the blocks."""
    messages = [{"role": "user", "content": [{"text": "What is the weather in Paris and Oslo?"}]}]
    blocks = ask({"messages": messages, "toolConfig": WEATHER})
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    eq([use["input"] for use in uses], [{"city": "Paris"}, {"city": "Oslo"}])
    results = [{"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"sun": at}} if at else {"text": "sun 0"}],
                               "status": "success"}} for at, use in enumerate(uses)]
    messages += [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
    return ask({"messages": messages, "toolConfig": WEATHER})


@test("tools, two steps, towards every format")
def _():
    for name in (SONNET, "invoke", "fast", "claude"):
        last = tool_loop(lambda body, to=name: said(post(to, "converse", body)))
        check(last[0]["text"].startswith("Results: sun 0; ") and '"sun"' in last[0]["text"], last)


@test("Chat and Messages callers to Converse and to Invoke, whole and streamed")
def _():
    for name, call in (("converse", "/converse"), ("invoke", "/invoke")):
        got = gateway.chat(KEY, name, "h\u00e4llo")
        eq(got.status, 200, repr(got))
        eq(got.json()["choices"][0]["message"]["content"], "You said: h\u00e4llo")
        check(aws.last().path.endswith(call), aws.last().path)
        eq(gateway.messages(KEY, name).json()["content"], [{"type": "text", "text": "You said: hello"}])
        events = gateway.chat(KEY, name, "hi", stream=True).events()
        eq(events[-1], (None, "[DONE]"))
        eq("".join(json.loads(data)["choices"][0]["delta"].get("content") or "" for _, data in events[:-1]), "You said: hi")
        events = [json.loads(data) for _, data in gateway.messages(KEY, name, "hi", stream=True).events()]
        eq(events[-1]["type"], "message_stop")
        eq("".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"), "You said: hi")


@test("tools of a Chat caller through Converse: names that Bedrock does not take come back as they were")
def _():
    tool = {"type": "function", "function": {"name": "files.read " + "x" * 70, "parameters": {"type": "object", "properties": {}}}}
    asked = [{"role": "user", "content": "What is the weather?"}]
    got = gateway.chat(KEY, "converse", messages=asked, tools=[tool])
    calls = got.json()["choices"][0]["message"]["tool_calls"]
    eq([call["function"]["name"] for call in calls], [tool["function"]["name"]] * 2)
    check(bedrock.NAME.match(aws.last().json["toolConfig"]["tools"][0]["toolSpec"]["name"]), "respelled")
    replay = [*asked, {"role": "assistant", "tool_calls": calls}, *({"role": "tool", "tool_call_id": call["id"], "content": "sun"} for call in calls)]
    eq(gateway.chat(KEY, "converse", messages=replay).json()["choices"][0]["message"]["content"], "Results: sun; sun")
    check(aws.last().json["toolConfig"]["tools"], "toolConfig is there though no tool is offered")


@test("thinking comes through Converse with its signature, and goes back with it")
def _():
    aws.play(acts.say("Done.", thinking="Let me see."))
    events = [json.loads(data) for _, data in gateway.messages(KEY, "converse", stream=True).events()]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    eq([delta["type"] for delta in deltas][:2], ["thinking_delta", "signature_delta"])
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": deltas[1]["signature"]}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thought, {"type": "text", "text": "Done."}]},
                {"role": "user", "content": "b"}]
    eq(gateway.messages(KEY, "converse", messages=messages).status, 200)
    eq(aws.last().json["messages"][1]["content"][0], {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "c2lnbmF0dXJl"}}})


def chunks(got):
    return [json.loads(base64.b64decode(data["bytes"])) for kind, name, data in frames(got) if (kind, name) == ("event", "chunk")]


@test("Invoke to Invoke unchanged; to OpenAI and Anthropic, whole and streamed")
def _():
    body = json.dumps(INVOKE, indent=1).encode()
    eq(post(SONNET, "invoke", body).json()["content"], [{"type": "text", "text": "You said: h\u00e4llo"}])
    eq((aws.last().path, aws.last().body), ("/model/" + quote(SONNET, safe="") + "/invoke", body))
    aws.play(acts.say("Hello."))
    eq(post(SONNET, "invoke-with-response-stream", INVOKE).body, b"".join(bedrock.events(INVOKE, acts.Reply("Hello."))))
    for name in ("fast", "claude", "nova"):
        eq(post(name, "invoke", INVOKE).json()["content"], [{"type": "text", "text": "You said: h\u00e4llo"}])
        events = chunks(post(name, "invoke-with-response-stream", INVOKE))
        eq((events[0]["type"], events[-1]["type"]), ("message_start", "message_stop"))
        eq("".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"), "You said: h\u00e4llo")


@test("betas: from the body to Anthropic's field, and from the field to the body")
def _():
    post("claude", "invoke", {**INVOKE, "anthropic_beta": ["a-2025-01-01", "b-2025-02-02"]})
    eq(plain.last().get("anthropic-beta"), "a-2025-01-01,b-2025-02-02")
    post("claude", "invoke", {**INVOKE, "anthropic_beta": ["a-2025-01-01"]}, headers={"anthropic-beta": "b-2025-02-02, a-2025-01-01"})
    eq(plain.last().get("anthropic-beta"), "a-2025-01-01,b-2025-02-02")
    many = post("claude", "invoke", {**INVOKE, "anthropic_beta": [f"b{at}" for at in range(129)]}, headers={"anthropic-beta": "c"})
    check(many.status == 400 and b"more than 128" in many.body, many)
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "anthropic-beta": "c-2025-03-03, d-2025-04-04,context-1m-2025-08-07"}
    body = {"model": "invoke", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    got = http.call(gateway.address, "POST", "/v1/messages", headers, body)
    eq((got.status, got.get("x-aquifer-losses")), (200, "hint=1"), got.body)
    eq(aws.last().json["anthropic_beta"], ["c-2025-03-03", "context-1m-2025-08-07"], "what Bedrock knows, and what the configuration says")
    headers["anthropic-beta"] = "claude-code-20250219"
    eq(http.call(gateway.address, "POST", "/v1/messages", headers, body).status, 200)
    check("anthropic_beta" not in aws.last().json, "nothing is left of it")


@test("mantle's callers at Anthropic: the beta that their system messages need is said for them, and ?beta=true goes up")
def _():
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    talk = [{"role": "user", "content": "hello"}, {"role": "system", "content": "Be brief."}]
    body = json.dumps({"model": "claude", "max_tokens": 10, "messages": talk}).encode()
    ask = lambda path, **more: http.call(gateway.address, "POST", path, {**headers, "content-type": "application/json", **more}, body)
    eq(ask("/anthropic/v1/messages?beta=true&key=secret").status, 200)
    eq((plain.last().target, plain.last().get("anthropic-beta")), ("/v1/messages?beta=true", "mid-conversation-system-2026-04-07"))
    eq(ask("/anthropic/v1/messages", **{"anthropic-beta": "mid-conversation-system-2026-04-07"}).status, 200)
    eq([value for name, value in plain.last().headers if name.lower() == "anthropic-beta"], ["mid-conversation-system-2026-04-07"])
    eq(ask("/v1/messages").status, 400, "Anthropic's own callers say it themselves")


@test("counting tokens at Bedrock")
def _():
    eq(post(SONNET, "count-tokens", {"input": {"converse": {"messages": HELLO["messages"]}}}).json(), {"inputTokens": 42})


@test("our errors and those of any provider are Bedrock's: {message} and x-amzn-errortype")
def _():
    for name, key, status, kind in ((SONNET, "aq_wrong", 401, "UnrecognizedClientException"), ("nobody", KEY, 404, "ResourceNotFoundException")):
        got = post(name, "converse", HELLO, key)
        eq((got.status, got.get("x-amzn-errortype")), (status, kind), repr(got))
        check(got.json()["message"] and got.get("x-amzn-requestid"), got)
    got = post(SONNET, "converse", {"messages": "hello"})
    eq((got.status, got.get("x-amzn-errortype")), (400, "ValidationException"))
    check("messages" in got.json()["message"], got)
    for fake, name in ((plain, "fast"), (plain, "claude")):
        fake.play(acts.status(429, {"retry-after": "7"}, message="Slow down."))
        got = post(name, "converse", HELLO)
        eq((got.status, got.get("x-amzn-errortype"), got.json()["message"]), (429, "ThrottlingException", "Slow down."), repr(got))


@test("Bedrock's refusal in the words of Chat and Messages callers")
def _():
    for ask, kind in ((gateway.chat, "rate_limit_error"), (gateway.messages, "rate_limit_error")):
        aws.play(acts.status(429, {"x-amzn-ErrorType": "ThrottlingException:http://x/"}, message="Too many requests."))
        got = ask(KEY, "converse")
        eq((got.status, got.json()["error"]["message"]), (429, "Too many requests."), repr(got))
        check(got.get("x-amzn-errortype") is None, "the field is Bedrock's own")


@test("a tool call that Bedrock itself cannot read is the provider's failure, not an answer")
def _():
    for word in ("malformed_tool_use", "malformed_model_output"):
        for ask in (gateway.chat, gateway.messages):
            aws.play(acts.say("", finish=word))
            got = ask(KEY, "converse")
            eq(got.status, 502, repr(got))
            check(word in got.json()["error"]["message"], got.json())
        aws.play(acts.say("Let me look.", finish=word))
        got = gateway.messages(KEY, "converse", stream=True)
        check(b"event: error" in got.body and b"message_stop" not in got.body and b"end_turn" not in got.body, got.body)


@test("a stream that fails ends in an exception frame: Bedrock's own, another vendor's, a cut")
def _():
    aws.play(acts.error_event(3, 429, "Slow down."))
    eq(frames(post(SONNET, "converse-stream", HELLO))[-1], ("exception", "throttlingException", {"message": "Slow down."}))
    plain.play(acts.error_event(4))
    eq(frames(post("claude", "converse-stream", HELLO))[-1][:2], ("exception", "serviceUnavailableException"))
    for name, fake, call, body in ((SONNET, aws, "converse-stream", HELLO), ("fast", plain, "converse-stream", HELLO),
                                   (SONNET, aws, "invoke-with-response-stream", INVOKE), ("claude", plain, "invoke-with-response-stream", INVOKE)):
        fake.play(acts.cut(4))
        last = frames(post(name, call, body))[-1]
        eq((last[0], last[1]), ("exception", "modelStreamErrorException"), name)
    aws.play(acts.error_event(3, 503, "Busy."))
    got = gateway.chat(KEY, "converse", stream=True)
    check("Busy." in got.events()[-1][1] or "Busy." in got.events()[-2][1], got)


@test("a damaged frame is garbage, and what came before it was passed on")
def _():
    good = bedrock.events(HELLO, acts.Reply("Hello there."))
    broken = good[2][:-1] + bytes([good[2][-1] ^ 1])

    async def act(x):
        await x.stream_head()
        for piece in (good[0], good[1], broken):
            await x.chunk(piece)
        await x.end()
    aws.play(act)
    got = frames(post(SONNET, "converse-stream", HELLO))
    eq([name for _, name, _ in got], ["messageStart", "contentBlockDelta", "modelStreamErrorException"])
    check("CRC" in got[-1][2]["message"], got)


@test("the lists of models, and the paths of both hosts")
def _():
    headers = {"Authorization": f"Bearer {KEY}"}
    profiles = http.call(gateway.address, "GET", "/inference-profiles?type=SYSTEM_DEFINED", headers).json()["inferenceProfileSummaries"]
    check(SONNET in [one["inferenceProfileId"] for one in profiles], profiles)
    models = http.call(gateway.address, "GET", "/foundation-models", headers).json()["modelSummaries"]
    check("fast" in [one["modelId"] for one in models], models)
    body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}
    eq(http.call(gateway.address, "POST", "/openai/v1/chat/completions", headers, body).json()["choices"][0]["message"]["content"], "You said: hi")
    got = http.call(gateway.address, "POST", "/anthropic/v1/messages", {**headers, "anthropic-version": "2023-06-01"},
                    {**body, "model": "claude", "max_tokens": 9})
    eq(got.json()["content"], [{"type": "text", "text": "You said: hi"}])


def end():
    gateway.stop()
    for fake in (aws, plain):
        fake.stop()


run(end)
