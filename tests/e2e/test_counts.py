# builds: plain asan
# order: 39
# timeout: 120
"""Counting tokens: each of the four calls that vendors have, at providers of each of the four, and at those that have none."""
import base64
import json
from urllib.parse import quote

from lib import http
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
fake = Fake().start()
aws = Fake(models=(SONNET,), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
BEDROCK = (f"  - name: aws\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n"
           "    access_key: env:ACCESS\n    secret_key: env:SECRET\n")
AZURE = f"  - name: azure\n    kind: azure\n    url: {fake.url}/openai/v1\n    key: env:UPSTREAM_KEY\n    formats: [openai_responses]\n"
PROVIDERS = [openai_provider(fake, "responses", "    formats: [openai_chat, openai_responses]\n"), anthropic_provider(fake),
             gemini_provider(fake), BEDROCK, openai_provider(fake, "chat"), AZURE]
ROUTES = [route("responses", deployment("responses", "gpt-5.5")), route("claude", deployment("claude", "claude-opus-5")),
          route("google", deployment("google", "gemini-3-pro")), route("aws", deployment("aws", json.dumps(SONNET))),
          route("chat", deployment("chat", "gpt-5.5")), route("azure", deployment("azure", "gpt-5.5")),
          route("either", deployment("chat", "gpt-5.5"), deployment("claude", "claude-opus-5"))]
gateway = Gateway(config(PROVIDERS, ROUTES), {"ACCESS": ACCESS, "SECRET": SECRET}).start()
KEY = gateway.key("counter", "--spend-day", "1")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def call(path, body, **headers):
    return http.call(gateway.address, "POST", path, {"Authorization": f"Bearer {KEY}", **headers}, body)


def by_messages(name):
    body = {"model": name, "system": "Be brief.", "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Yes?"},
                                                               {"role": "user", "content": "The weather?"}],
            "tools": [{"name": "get_weather", "input_schema": SCHEMA}], "tool_choice": {"type": "auto"}}
    return call("/v1/messages/count_tokens", body, **{"anthropic-version": "2023-06-01"}), "input_tokens"


def by_responses(name):
    body = {"model": name, "instructions": "Be brief.", "input": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Yes?"},
                                                                  {"role": "user", "content": "The weather?"}],
            "tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]}
    return call("/v1/responses/input_tokens", body), "input_tokens"


CONVERSE = {"system": [{"text": "Be brief."}], "toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]},
            "messages": [{"role": "user", "content": [{"text": "hello"}]}, {"role": "assistant", "content": [{"text": "Yes?"}]},
                         {"role": "user", "content": [{"text": "The weather?"}]}]}


def by_converse(name):
    return call(f"/model/{quote(name, safe='')}/count-tokens", {"input": {"converse": CONVERSE}}), "inputTokens"


def by_invoke(name):
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 10, "system": "Be brief.",
            "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go on"}]}
    inner = base64.b64encode(json.dumps(body).encode()).decode()
    return call(f"/model/{quote(name, safe='')}/count-tokens", {"input": {"invokeModel": {"body": inner}}}), "inputTokens"


def by_gemini(name):
    asked = {"model": f"models/{name}", "systemInstruction": {"parts": [{"text": "Be brief."}]},
             "contents": [{"role": "user", "parts": [{"text": "hello"}]}, {"role": "model", "parts": [{"text": "Yes?"}]},
                          {"role": "user", "parts": [{"text": "The weather?"}]}],
             "tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": SCHEMA}]}],
             "generationConfig": {"temperature": 0.5}}
    return call(f"/v1beta/models/{name}:countTokens", {"generateContentRequest": asked}), "totalTokens"


def by_gemini_bare(name):
    return call(f"/v1beta/models/{name}:countTokens", {"contents": [{"parts": [{"text": text}]} for text in "abc"]}), "totalTokens"


CALLERS = (by_messages, by_responses, by_converse, by_invoke, by_gemini, by_gemini_bare)
WANT = {"claude": (11, 13), "responses": (11, 14), "aws": (42, 42), "google": (11, 13)}
PATHS = {"claude": "/v1/messages/count_tokens", "responses": "/v1/responses/input_tokens", "google": "/v1beta/models/gemini-3-pro:countTokens",
         "aws": f"/model/{quote(SONNET, safe='')}/count-tokens"}


@test("every call at every provider that counts: the number is the provider's, the shape the caller's")
def _():
    for ask in CALLERS:
        for name, (low, high) in WANT.items():
            fake.forget()
            got, member = ask(name)
            eq(got.status, 200, f"{ask.__name__} at {name}: {got.body}")
            check(low <= got.json()[member] <= high, f"{ask.__name__} at {name}: {got.body}")
            eq((aws if name == "aws" else fake).last().path, PATHS[name])
            check(set(got.json()) - {member} <= ({"object"} if ask is by_responses else set()), got.body)


@test("what is asked about is counted: system, tools and all turns go up")
def _():
    by_converse("claude")
    asked = fake.last().json
    eq((asked["system"], len(asked["messages"]), asked["tools"][0]["name"]), ([{"type": "text", "text": "Be brief."}], 3, "get_weather"))
    by_messages("google")
    asked = fake.last().json["generateContentRequest"]
    eq((asked["model"], len(asked["contents"]), "generationConfig" in asked), ("models/gemini-3-pro", 3, False))
    eq(asked["systemInstruction"]["parts"], [{"text": "Be brief."}])
    by_gemini("responses")
    asked = fake.last().json
    eq((len(asked["input"]) in (3, 4), asked["tools"][0]["name"], "temperature" in asked), (True, "get_weather", False))


@test("where no provider counts it is refused, not guessed; the next deployment that counts does it")
def _():
    for name in ("chat", "azure"):
        for ask in CALLERS:
            fake.forget()
            got, _ = ask(name)
            eq((got.status, len(fake.requests)), (400, 0), f"{ask.__name__} at {name}: {got.body}")
    eq(by_messages("either")[0].json(), {"input_tokens": 13})


@test("counting costs nothing, and the provider's refusals arrive in the caller's shape")
def _():
    row = [row for row in gateway.usage()["data"]]
    check(row and all(float(each["cost"]) == 0 and "unknown_cost_requests" not in each for each in row), row)
    fake.models.discard("claude-opus-5")
    got, _ = by_gemini("claude")
    eq((got.status, got.json()["error"]["status"]), (404, "NOT_FOUND"), got.body)
    got = call("/model/claude/count-tokens", {"input": {}})
    eq(got.status, 400, got.body)


def end():
    gateway.stop()
    fake.stop()
    aws.stop()


run(end)
