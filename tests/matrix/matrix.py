"""The pair matrix: every scenario (scenarios/*.json) for every ordered pair of formats, as bytes and as the caller's own SDK puts
them together. `tests/matrix/matrix.py --write` writes golden/ and docs/compatibility.md anew; tests/e2e/test_matrix.py compares.

A scenario spells its request in some formats and what the model replies in neutral words. The fakes of Chat Completions and Messages
say that in their formats; the other vendors' own answers are written out in answers/FORMAT/SCENARIO, from their documents and SDKs, as
.json (not streamed), .sse or .events (streamed). None comes from our writers: they would share our readers' mistakes."""
import base64
import collections
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from lib import acts, anthropic, bedrock, openai  # noqa: E402
from lib.clients import CLIENTS, NODE, place_client  # noqa: E402
from lib.gateway import BUILD  # noqa: E402

ANSWERS = os.path.join(HERE, "answers")
GOLDEN = os.path.join(HERE, "golden")
PAGE = os.path.join(ROOT, "docs", "compatibility.md")

# The neutral words of a scenario in the words of each fake.
FINISH = {
    "openai_chat": {"length": "length", "filter": "content_filter"},
    "anthropic_messages": {"length": "max_tokens", "sequence": "stop_sequence", "refusal": "refusal", "filter": "refusal"},
}


def _chat_usage(u):
    return {"prompt": u["fresh"] + u["cache_read"] + u["cache_write"], "cached": u["cache_read"], "completion": u["visible"] + u["reasoning"],
            "reasoning": u["reasoning"]}


def _messages_usage(u):
    return {"input": u["fresh"], "cache_read": u["cache_read"], "cache_5m": u["cache_write"], "output": u["visible"] + u["reasoning"]}


VENDORS = {"openai_chat": (openai, _chat_usage), "anthropic_messages": (anthropic, _messages_usage)}
# Of the heads of failed answers. Google says in the body how long to wait, Amazon says it nowhere.
THROTTLED = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"}
FIELDS = {"bedrock_converse": THROTTLED, "bedrock_invoke": THROTTLED, "gemini_generate": {}}
NO_USAGE = {"fresh": 11, "cache_read": 0, "cache_write": 0, "visible": 7, "reasoning": 0}


def _reply(name, said):
    _, usage = VENDORS[name]
    said = dict(said)
    finish, refusal = said.pop("finish", None), said.get("refusal")
    if refusal and name == "anthropic_messages":  # has no part of its own for it
        said["text"] = said.pop("refusal")
    said["usage"] = usage({**NO_USAGE, **said.get("usage", {})})
    return acts.Reply(finish=FINISH[name].get(finish), **said)


def _until_second_piece(events, reply):
    """The events up to the second piece of text."""
    second = json.dumps(reply.pieces[1])[1:-1].encode()
    return events[:1 + next(at for at, event in enumerate(events) if second in event)]


def _said(name, scenario):
    """What the fake of this vendor says: its body and its stream, None where it has none."""
    vendor, _ = VENDORS[name]
    body = {"model": "upstream-model", "stream_options": {"include_usage": True}}
    if "status" in scenario:
        return vendor.error(scenario["status"], scenario["message"]), None
    reply = _reply(name, scenario["reply"])
    events = vendor.events(body, reply)
    ending = scenario.get("ending")
    if ending:
        events = _until_second_piece(events, reply)
    if ending == "error":
        events.append(vendor.error_event(529, scenario["message"]))
    return None if ending else vendor.whole(body, reply), b"".join(events)


def _frames(name, text):
    """AWS's event stream of lines: an event's name and its payload; a chunk's is what it carries; "!" is an exception."""
    out = b""
    for line in text.splitlines():
        kind, _, payload = line.partition(" ")
        inside = base64.b64encode(payload.encode()).decode()
        data = {"bytes": inside, "p": "abcdefghijkl"[:len(payload) % 12]} if kind == "chunk" else json.loads(payload)
        exception = kind.startswith("!")
        out += bedrock.frame("exception" if exception else "event", kind.lstrip("!"), data, "exception" if exception else "event")
    return out


def _written(name, scenario):
    """The same of the vendor's own answer below answers/, as text and bytes."""
    found = {}
    for path in glob.glob(os.path.join(ANSWERS, name, scenario + ".*")):
        with open(path, encoding="utf-8", newline="") as file:
            found[path.rpartition(".")[2]] = file.read()
    stream = _frames(name, found["events"]) if "events" in found else found["sse"].encode() if "sse" in found else None
    return found.get("json"), stream


def _answer(name, scenario_name, scenario):
    """What this vendor answers: {"body": text, "stream": hexadecimal, "fields": of its head}."""
    if name in VENDORS:
        body, stream = _said(name, scenario)
        body = None if body is None else json.dumps(body)
    else:
        body, stream = _written(name, scenario_name)
    assert body or stream, f"{name} has no answer of its own to {scenario_name}: write it to {ANSWERS}"
    told = {"fields": FIELDS.get(name, {"retry-after": "7"}) if "status" in scenario else {}}
    return {**told, **({"body": body} if body else {}), **({"stream": stream.hex()} if stream else {})}


def answers(told):
    """What every vendor answers to every scenario: {(scenario, format): answer}."""
    names = [*VENDORS, *sorted(os.listdir(ANSWERS))]
    return {(scenario, name): _answer(name, scenario, told[scenario]) for scenario in told for name in names}


def scenarios():
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "scenarios", "*.json"))):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path)[:-5]] = json.load(file)
    return found


def cells(told):
    """Every cell, as our translators make it: a list of dicts, bytes in hexadecimal."""
    lines, said = [], answers(told)
    for name, scenario in told.items():
        theirs = {vendor: answer for (of, vendor), answer in said.items() if of == name}
        lines.append(json.dumps({"name": name, "status": scenario.get("status", 0), "requests": scenario["requests"], "answers": theirs}))
    done = subprocess.run([os.path.join(BUILD, "src", "wire", "wire_matrix")], input="\n".join(lines) + "\n", capture_output=True,
                          text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _assemble(wanted):
    """What the SDKs make of answers, whole and streamed; None where there is nothing to read."""
    place_client("assemble.mjs")
    done = subprocess.run([NODE, "assemble.mjs"], cwd=CLIENTS, input=json.dumps(wanted), capture_output=True, text=True, check=False,
                          timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout)


def assembled(made, told):
    """Of each cell's answer."""
    return _assemble([{"client": cell["client"], "status": told[cell["scenario"]].get("status", 200),
                       "answer": cell.get("answer", {}).get("bytes"), "stream": cell.get("stream", {}).get("bytes")} for cell in made])


def own_views(told):
    """Of each vendor's own answer, by its own SDK: {(scenario, format): view}."""
    said = answers(told)
    views = _assemble([{"client": vendor, "status": told[scenario].get("status", 200), "stream": answer.get("stream"),
                        "answer": answer.get("body", "").encode().hex() or None} for (scenario, vendor), answer in said.items()])
    return dict(zip(said, views))


# -- golden files

def masked(text):
    """Sealed state has a random part."""
    return re.sub(r"aq1([./])[A-Za-z0-9_+/=-]+", r"aq1\1SEALED", text)


def _lines(raw):
    """AWS's frames as lines (their CRCs, which parse() checks, follow what is random); a chunk as what it carries."""
    for kind, name, payload in bedrock.parse(raw, bytes.decode):
        yield f"{kind} {name} " + (base64.b64decode(json.loads(payload)["bytes"]).decode() if name == "chunk" else payload)


def _bytes(part):
    """Text as it stands, frames as lines."""
    raw = bytes.fromhex(part["bytes"])
    return masked("\n".join(_lines(raw)) if b":event-type\x07" in raw or b":exception-type\x07" in raw else raw.decode())


def _section(title, part):
    lines = [f"== {title}"] + ([f"lost: {part['losses']}"] if part.get("losses") else [])
    for word in ("unasked", "refused"):
        if word in part:
            return lines + [f"{word}: {part[word]}"]
    return lines + [_bytes(part).rstrip("\n")]


def golden(cell, sdk):
    lines = []
    for part, title in (("request", "request"), ("request_stream", "request for a stream"), ("answer", "answer"), ("stream", "stream")):
        if part in cell:
            lines += _section(title, cell[part])
    if "unanswered" in cell:
        lines += ["== answer", "unanswered: " + cell["unanswered"]]
    for part in ("answer", "stream"):
        if sdk and sdk.get(part) is not None:
            text = json.dumps(sdk[part], indent=1, ensure_ascii=False, sort_keys=True)
            lines += [f"== the SDK's view of the {part}", masked(text)]
    return "\n".join(lines) + "\n"


def path_of(cell):
    return os.path.join(cell["scenario"], f"{cell['client']}-to-{cell['provider']}.txt")


def everything():
    """(path below golden/ → text, cells, the SDKs' views)"""
    told = scenarios()
    made = cells(told)
    views = assembled(made, told)
    return {path_of(cell): golden(cell, sdk) for cell, sdk in zip(made, views)}, made, views


# -- docs/compatibility.md

def _table(path, macro):
    """The rows of one X-macro of src/chat/tables.h: lists of their words, strings without quotes."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    block = re.search(r"#define " + macro + r"\(X\)(?:[^\n]*\\\n)*[^\n]*", text).group(0).replace("\\\n", " ")
    rows = re.findall(r"X\((\w+), ((?:[^()\"]|\"[^\"]*\"|\([^()]*\))*)\)", block)
    return [[code] + [word.strip('"') for word in re.findall(r'"[^"]*"|\w+', rest)] for code, rest in rows]


def _settings_files(folder):
    return [path for name in ("settings.c", "request_tables.c") if os.path.exists(path := os.path.join(ROOT, "src", "wire", folder, name))]


def _settings(folder, losses):
    """setting → what becomes of it in this format, from its settings table; what stands in none is refused."""
    text = ""
    for path in _settings_files(folder):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    found = {}
    for code, how, comment in re.findall(r"\[(SET_\w+)\] = ((?:WIRE_SET|CONFIG)\w*\([^)]*\)|\{[^}]*\}),? *(?:/\* (.*?) \*/)?", text):
        name, loss = re.search(r'"(\w+)"', how), re.search(r"LOSS_\w+", how)
        own = how.startswith("CONFIG_OWN")
        found[code] = "in its own format only" if own else f"`{name.group(1)}`" if name else f"lost: {losses[loss.group(0)]}" if loss else re.sub(r"^[A-Z]\d+: |: [A-Z]\d+$", "", comment) or "where it means the same"
    return found


def _verdict(cell):
    part = cell["request"]
    if "unasked" in part:
        return "–"
    if "refused" in part or "refused" in cell.get("answer", {}):
        return "refused"
    lost = [word for part in ("request", "answer", "stream") for word in cell.get(part, {}).get("losses", "").split(", ") if word]
    words = sorted({word.split("=")[0] for word in lost})
    return ", ".join(words) or "whole"


def page(told, made):
    formats = list(dict.fromkeys(cell["client"] for cell in made))
    out = ["# What crosses between formats", "",
           "Written by `tests/matrix/matrix.py --write` from the tables in the source and the pair matrix; the test fails when it is not up to date.", "",
           "A caller's format and a provider's are each one of: " + ", ".join(f"`{name}`" for name in formats) + ".",
           "In its own format a request passes as it came. Otherwise it is read whole and written anew, and each member of it is expressed, refused",
           "(400, code `format_unsupported`, which names it), or lost in one of the ways of the first table. Losses of a request, and of an answer that",
           "is not streamed, are told in the header `x-aquifer-losses`; all of them are counted in the metric `aquifer_losses_total`.", "",
           "## Ways to lose something", "", "| word | what | what becomes of it |", "|---|---|---|"]
    losses = _table("src/chat/tables.h", "CHAT_LOSSES")
    out += [f"| `{row[1]}` | {row[2]} | {row[3]} |" for row in losses]
    words = {row[0]: row[1] for row in losses}
    tables = {name: _settings(name, words) for name in formats if _settings_files(name)}
    out += ["", "## Settings, by format", "", "What becomes of a setting for a provider of that format: its name there, lost, or refused (`–`).", "",
            "| setting | " + " | ".join(f"`{name}`" for name in tables) + " |", "|---|" + "---|" * len(tables)]
    out += [f"| {row[1]} | " + " | ".join(table.get(row[0], "–") for table in tables.values()) + " |" for row in _table("src/chat/tables.h", "CHAT_SETTINGS")]
    out += ["", "## The pair matrix", "", "Rows are scenarios, columns are caller → provider. `whole`: nothing was lost; other words are of the first table; `–`: the caller's",
            "format cannot ask this. The bytes and what the vendor's SDK makes of them: `tests/matrix/golden/`.", ""]
    by = collections.defaultdict(dict)
    for cell in made:
        by[cell["client"]][cell["scenario"], cell["provider"]] = _verdict(cell)
    for client in formats:
        others = [name for name in formats if name != client]
        out += [f"### `{client}` callers", "", "| scenario | " + " | ".join(f"→ `{name}`" for name in others) + " |", "|---|" + "---|" * len(others)]
        out += [f"| {scenario['what']} | " + " | ".join(by[client][name, other] for other in others) + " |" for name, scenario in told.items()]
        out.append("")
    return "\n".join(out)


def main():
    texts, made, _ = everything()
    for old in glob.glob(os.path.join(GOLDEN, "*", "*.txt")):
        if os.path.relpath(old, GOLDEN) not in texts:
            os.remove(old)
    for path, text in texts.items():
        os.makedirs(os.path.dirname(os.path.join(GOLDEN, path)), exist_ok=True)
        with open(os.path.join(GOLDEN, path), "w", encoding="utf-8") as file:
            file.write(text)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(page(scenarios(), made))
    print(f"{len(texts)} cells written; look at the difference before you commit it")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("matrix.py --write: writes the golden files and docs/compatibility.md anew")
    main()
