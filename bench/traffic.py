"""traffic: the requests that the load generator sends, as files: heads like the OpenAI SDK's, bodies like real ones.

Used by bench/run once at its start. Everything is made from fixed text, so every run sends the same bytes.
"""
import json

HEAD = """POST /v1/chat/completions HTTP/1.1\r
host: 127.0.0.1:{port}\r
connection: keep-alive\r
accept: application/json\r
content-type: application/json\r
user-agent: OpenAI/JS 6.9.0\r
x-stainless-arch: x64\r
x-stainless-lang: js\r
x-stainless-os: Linux\r
x-stainless-package-version: 6.9.0\r
x-stainless-retry-count: 0\r
x-stainless-runtime: node\r
x-stainless-runtime-version: v22.11.0\r
authorization: Bearer {key}\r
accept-language: *\r
accept-encoding: gzip, deflate\r
"""

SYSTEM = "You are the hydrologist on duty. Answer in plain words, give figures with their units, and say when you guess."
TURNS = [
    "The gauge at \"Mühlbach\" fell from 3.42 m to 2.97 m overnight.\nIs that the pump, or did the inflow stop? "
    "Readings:\n\t06:00\t3.42\n\t09:00\t3.31\n\t12:00\t2.97\nI'd rather not wake the crew for nothing.",
    "Two things speak for the pump:\n\n1. the fall is **even** (about 0.04 m/h), where a dry inflow shows a step;\n"
    "2. `flow_in` in your file stays at 12.6 l/s.\n\n```python\nfor row in csv.reader(open(\"gauge.csv\")):\n"
    "    if float(row[2]) < 3.0:\n        print(f\"low: {row[0]}\\t{row[2]}\")\n```\nRun it and send me what it prints.",
    "It prints \"low: 12:00\\t2.97\" — nothing else. 水位は下がり続けています。 Что делать? El pozo número 4 también. 🌧️ "
    "The path was C:\\data\\gauge.csv, if that matters.",
    "Then close valve B by a quarter, wait ten minutes, and read again. If it holds within ±0.01 m, leave it so until "
    "the morning; if it doesn't, call the crew: a café visit costs less than a dry well — naïve as that sounds.",
]


def body(size, stream=False):
    """A valid Chat Completions body of exactly `size` bytes of UTF-8, written as JSON.stringify writes it."""
    messages = [{"role": "system", "content": SYSTEM}]
    whole = {"model": "fast", **({"stream": True} if stream else {}), "temperature": 0.2, "messages": messages}

    def text():
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()

    while len(text()) + 700 < size:
        turn = len(messages) - 1
        messages.append({"role": "assistant" if turn % 2 else "user", "content": TURNS[turn % len(TURNS)]})
    messages.append({"role": "user", "content": ""})
    missing = size - len(text())
    question = "And what do I write into the report? "
    messages[-1]["content"] = (question * (missing // len(question) + 1))[:missing]
    assert len(text()) == size, "the last message must fill the body exactly"
    return text()


BODIES = {
    "1k": lambda: body(1004),
    "1k-stream": lambda: body(1004, stream=True),
    "100k": lambda: body(102400),
}


def write_bodies(directory):
    """Writes all bodies; returns their paths by name."""
    paths = {}
    for name, make in BODIES.items():
        paths[name] = directory / f"body-{name}.json"
        paths[name].write_bytes(make())
    return paths


def write_head(directory, name, port, key):
    path = directory / f"head-{name}"
    path.write_bytes(HEAD.format(port=port, key=key).encode())
    return path
