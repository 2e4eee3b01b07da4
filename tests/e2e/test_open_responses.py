# order: 22
# timeout: 180
# builds: plain asan
"""The points of the Open Responses specification's compliance suite, of Aquifer's own answers in front of a provider of every other format
and of what passes through from one of the same: response objects, events, history with phases, tools, pictures."""
import json

from lib import acts, http, open_responses
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, gemini_provider, openai_provider, route
from lib.sigv4 import Verifier
from lib.tap import check, eq, run, test

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
aws = Fake(models=(SONNET,), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
fake = Fake().start()


def bedrock(format_name):
    return (f"  - name: {format_name}\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n    access_key: env:ACCESS\n"
            f"    secret_key: env:SECRET\n    formats: [bedrock_{format_name}]\n")


MODELS = {"responses": "gpt-5.5", "main": "gpt-4o-mini", "claude": "claude-opus-5", "google": "gemini-3-pro", "converse": json.dumps(SONNET),
          "invoke": json.dumps(SONNET)}
PROVIDERS = [openai_provider(fake, "responses", "    formats: [openai_responses]\n"), openai_provider(fake), anthropic_provider(fake),
             gemini_provider(fake), bedrock("converse"), bedrock("invoke")]
gateway = Gateway(config(PROVIDERS, [route(name, deployment(name, model)) for name, model in MODELS.items()]),
                  {"ACCESS": ACCESS, "SECRET": SECRET}).start()
KEY = gateway.key()
WEATHER = {"type": "function", "name": "get_weather", "description": "The weather in a place.",
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
DOT = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def says(role, content, **more):
    return {"type": "message", "role": role, "content": content, **more}


CASES = {
    "a simple message": {"input": [says("user", "Say hello.")]},
    "text alone": {"input": "Say hello."},
    "a system prompt among the input": {"input": [says("system", "You are a pirate."), says("user", "Say hello.")]},
    "a conversation of several turns": {"input": [says("user", "I am Alice."), says("assistant", "Hello Alice!"), says("user", "Who am I?")]},
    "a history that the assistant begins, with phases": {"input": [
        says("assistant", "I look it up.", phase="commentary"), says("assistant", "It is four.", phase="final_answer"), says("user", "Again.")]},
    "a picture": {"input": [says("user", [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": DOT}])]},
    "a tool": {"input": [says("user", "What is the weather like in Paris?")], "tools": [WEATHER]},
}


def ask(model, path="/v1/responses", **fields):
    return http.call(gateway.address, "POST", path, {"Authorization": f"Bearer {KEY}"}, {"model": model, **fields})


def events_of(answer):
    eq(answer.status, 200, answer.body)
    return [(name, json.loads(data)) for name, data in answer.events()]


def judge(wrong, of):
    check(not wrong, "; ".join(wrong) + f"\nof {of}")


def check_output(case, output):
    if "tools" in case:
        eq({item["type"] for item in output} - {"reasoning"}, {"function_call"}, output)
    else:
        check(any(item["type"] == "message" for item in output), output)


def for_all(title, case):
    @test(f"{title}: the response is whole, with every provider")
    def _():
        for model in MODELS:
            got = ask(model, **case)
            eq(got.status, 200, (model, got.body))
            judge(open_responses.response(got.json()), (model, got.body))
            eq(got.json()["status"], "completed")
            check_output(case, got.json()["output"])

    @test(f"{title}: the stream's events are whole, with every provider")
    def _():
        for model in MODELS:
            events = events_of(ask(model, stream=True, **case))
            judge(open_responses.stream(events), (model, events))
            eq(events[-1][0], "response.completed")
            check_output(case, events[-1][1]["response"]["output"])
            if "tools" in case:
                names = [name for name, _ in events]
                for name in ("response.function_call_arguments.delta", "response.function_call_arguments.done"):
                    check(name in names, (model, names))


for name, fields in CASES.items():
    for_all(name, fields)


@test("what was thought comes as a reasoning item, cut answers are incomplete: object and events")
def _():
    for model in MODELS:
        for act in (acts.say("Yes.", thinking="Let me see."), acts.say("Once upon a", finish="max_tokens" if model in ("claude", "invoke") else "length")):
            (aws if model in ("converse", "invoke") else fake).play(act, act)
            events = events_of(ask(model, input="Well?", stream=True))
            judge(open_responses.stream(events), (model, events))
            got = ask(model, input="Well?")
            judge(open_responses.response(got.json()), (model, got.body))


def end():
    gateway.stop()
    fake.stop()
    aws.stop()


run(end)
