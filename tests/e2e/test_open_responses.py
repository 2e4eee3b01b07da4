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
             gemini_provider(fake), bedrock("converse"), bedrock("invoke"),
             openai_provider(fake, "plain", "    formats: [openai_responses]\n    quirks: [no_compact]\n")]
gateway = Gateway(config(PROVIDERS, [route(name, deployment(name, model)) for name, model in MODELS.items()] + [
                      route("responses-plain", deployment("plain", "gpt-5.5"))]), {"ACCESS": ACCESS, "SECRET": SECRET}).start()
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


SHORT = {"input": [says("user", "We launch on Tuesday."), says("assistant", "Understood: Tuesday.")], "prompt_cache_key": "k"}


@test("compaction: one object with an item that stands for all, with every provider; a request without a model is refused")
def _():
    for model in [*MODELS, "responses-plain"]:
        got = ask(model, "/v1/responses/compact", **SHORT)
        eq(got.status, 200, (model, got.body))
        judge(open_responses.compacted(got.json()), (model, got.body))
        eq([item["type"] for item in got.json()["output"]].count("compaction"), 1, got.body)
        eq(got.json()["output"][-1]["type"], "compaction", got.body)
        again = ask(model, input=[*got.json()["output"], says("user", "When do we launch?")])
        eq(again.status, 200, (model, again.body))
    got = http.call(gateway.address, "POST", "/v1/responses/compact", {"Authorization": f"Bearer {KEY}"}, {"input": "x"})
    eq(got.status, 400, got.body)
    got = ask("main", "/v1/responses/compact")
    eq((got.status, "input" in got.json()["error"]["message"]), (400, True), got.body)


@test("compaction: passed on as it came where the provider has the call, else its model is asked, and the summary is sealed")
def _():
    got = ask("responses", "/v1/responses/compact", **SHORT)
    eq((fake.last().path, got.json()["output"][-1]["encrypted_content"]), ("/v1/responses/compact", "gAAAAcompacted"))
    for model in ("responses-plain", "main", "claude", "google"):
        fake.play(acts.say("The launch is on Tuesday."))
        got = ask(model, "/v1/responses/compact", instructions="Be exact.", **SHORT)
        check(fake.last().path != "/v1/responses/compact" and b"Write a summary" in fake.last().body, fake.last().body)
        check(b"Be exact." in fake.last().body and b"Understood: Tuesday." in fake.last().body, fake.last().body)
        item = got.json()["output"][0]
        check(item["encrypted_content"].startswith("aq1."), got.body)
        check(got.json()["usage"]["output_tokens"] > 0, got.body)
        for other in ("responses", "main", "claude"):
            eq(ask(other, input=[item, says("user", "When do we launch?")]).status, 200)
            check(b"The launch is on Tuesday." in fake.last().body and b"aq1." not in fake.last().body, fake.last().body)


def end():
    gateway.stop()
    fake.stop()
    aws.stop()


run(end)
