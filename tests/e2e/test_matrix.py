# order: 15
# timeout: 300
# builds: plain asan
"""The pair matrix (tests/matrix): every scenario from every format to every other, against golden bytes and what the caller's own
SDK makes of them; a stream folds to the answer that is not streamed; docs/compatibility.md says what is so."""
import collections
import difflib
import glob
import importlib.util
import json
import os

from lib import anthropic, bedrock, gemini, openai, responses
from lib.fake import Request
from lib.gateway import ROOT
from lib.tap import check, eq, run, test

spec = importlib.util.spec_from_file_location("matrix", os.path.join(ROOT, "tests", "matrix", "matrix.py"))
matrix = importlib.util.module_from_spec(spec)
spec.loader.exec_module(matrix)
texts, made, views = matrix.everything()
HINT = "if that is meant: tests/matrix/matrix.py --write, and look at the difference"


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def difference(old, new):
    return "\n".join(list(difflib.unified_diff(old.splitlines(), new.splitlines(), "golden", "now", lineterm="", n=1))[:40])


@test("every cell is as its golden file says")
def _():
    kept = {os.path.relpath(path, matrix.GOLDEN) for path in glob.glob(os.path.join(matrix.GOLDEN, "*", "*.txt"))}
    eq(sorted(kept - set(texts)), [], "golden files of no cell")
    for path, text in texts.items():
        golden = read(os.path.join(matrix.GOLDEN, path))
        check(golden == text, f"{path}\n{difference(golden, text)}\n{HINT}")


@test("every pair of formats that can be translated is there, and more than a few cells")
def _():
    pairs = {(cell["client"], cell["provider"]) for cell in made}
    check({("openai_chat", "anthropic_messages"), ("anthropic_messages", "openai_chat")} <= pairs, pairs)
    eq(len(made), len(pairs) * len(matrix.scenarios()))


class Door:
    """What a strict fake's judge must know."""
    key, models, verifier = "k", {"upstream-model"}, None


# format → its fake, where a request goes, where one for a stream goes, and the head it needs
OPENAI, KEY = [("authorization", "Bearer k")], [("x-goog-api-key", "k")]
MODEL, GOOGLE = "/model/upstream-model/", "/v1beta/models/upstream-model:"
JUDGES = {
    "openai_chat": (openai, "/v1/chat/completions", "/v1/chat/completions", OPENAI),
    "openai_responses": (responses, "/v1/responses", "/v1/responses", OPENAI),
    "anthropic_messages": (anthropic, "/v1/messages", "/v1/messages", [("x-api-key", "k"), ("anthropic-version", "2023-06-01")]),
    "bedrock_converse": (bedrock, MODEL + "converse", MODEL + "converse-stream", []),
    "bedrock_invoke": (bedrock, MODEL + "invoke", MODEL + "invoke-with-response-stream", []),
    "gemini_generate": (gemini, GOOGLE + "generateContent", GOOGLE + "streamGenerateContent?alt=sse", KEY),
}


@test("the strict fakes take every request that we write, streamed and not")
def _():
    judged = collections.Counter()
    for cell in made:
        vendor, whole, stream, head = JUDGES[cell["provider"]]
        for part, path in (("request", whole), ("request_stream", stream)):
            if "bytes" not in cell[part]:
                continue
            request = Request("POST", path, [*head, ("content-type", "application/json")], bytes.fromhex(cell[part]["bytes"]))
            eq(vendor.refuse(Door, request), None, f"{matrix.path_of(cell)}, {part}")
            judged[cell["provider"]] += 1
    check(min(judged[name] for name in JUDGES) > 50, f"too few requests were judged: {judged}")


UNLIKE = {"parsed", "parsed_output", "parsed_arguments", "output_parsed", "annotations", "service_tier", "logprobs", "completed_at",
          "cache_creation"}  # which the SDK takes from message_start only, where Bedrock has not told its usage yet


def same(value):
    """Without what an SDK adds to a stream's fold, ids that are drawn for each answer, and how arguments are spelled, which vendors
    stream with other spaces than they answer."""
    if isinstance(value, dict):
        return {key: json.loads(inner) if key == "arguments" else same(inner) for key, inner in value.items() if key not in UNLIKE}
    if isinstance(value, list):
        return [same(inner) for inner in value]
    return matrix.masked(value) if isinstance(value, str) else value


@test("what the SDK folds from the stream is what it reads from the answer")
def _():
    compared = 0
    for cell, view in zip(made, views):
        if view["answer"] and view["stream"] and "error" not in view["answer"]:
            eq(same(view["stream"]), same(view["answer"]), matrix.path_of(cell))
            compared += 1
    check(compared > 20, f"only {compared} cells have both")


LIMITED = {"bedrock_converse": "ThrottlingException", "bedrock_invoke": "ThrottlingException", "gemini_generate": "ApiError"}  # the others: RateLimitError


@test("each vendor's own SDK reads the answers that the matrix gives as the vendor's, streamed as whole")
def _():
    told = matrix.scenarios()
    for (scenario, vendor), view in matrix.own_views(told).items():
        where, fails = f"{vendor} to {scenario}", bool({"status", "ending"} & set(told[scenario]))
        for kind in ("answer", "stream"):
            check(not view[kind] or bool(view[kind].get("error")) == fails, f"{where}, {kind}: {view[kind]}")
        check(view["answer"] or view["stream"], where)
        if not fails:
            eq(same(view["stream"]), same(view["answer"]), where)
            reply = told[scenario]["reply"]
            for said in [reply.get("text", ""), reply.get("thinking", ""), *(name for name, _ in reply.get("tools", []))]:
                check(said in json.dumps(view["answer"], ensure_ascii=False).replace('\\"', '"'), f"{where}: no {said!r}")


@test("nothing counts as lost that a vendor says of itself in every answer")
def _():
    for cell in made:
        for kind in ("answer", "stream"):
            if cell["scenario"] in ("text", "image", "length", "split_text"):
                eq(cell[kind].get("losses"), "", f"{matrix.path_of(cell)}, {kind}")


@test("failures are errors of the SDK's own, never an answer")
def _():
    told = matrix.scenarios()
    for cell, view in zip(made, views):
        scenario = told[cell["scenario"]]
        for kind in ("answer", "stream"):
            failed = "status" in scenario or "ending" in scenario
            if not view[kind]:
                continue
            error = view[kind].get("error")
            eq(bool(error), failed, f"{matrix.path_of(cell)}, {kind}: {view[kind]}")
            if "status" in scenario:
                eq((error, view[kind]["status"]), (LIMITED.get(cell["client"], "RateLimitError"), 429), matrix.path_of(cell))


@test("docs/compatibility.md is what the matrix wrote")
def _():
    new = matrix.page(matrix.scenarios(), made)
    check(read(matrix.PAGE) == new, difference(read(matrix.PAGE), new) + "\n" + HINT)


run()
