"""Amazon Bedrock's side of the fake: Converse and InvokeModel with Anthropic's bodies, what they refuse and how they answer, by the
vendor's documents. Streams are AWS's event stream, framed here by its description and not by our C."""
import base64
import json
import re
import struct
import zlib
from urllib.parse import unquote

from . import acts, anthropic, limits, rules

STREAM_TYPE = "application/vnd.amazon.eventstream"
PATH = re.compile(r"^/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$")
ROOT = {"messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields", "promptVariables",
        "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier", "outputConfig"}
INFERENCE = {"maxTokens": int, "temperature": (int, float), "topP": (int, float), "stopSequences": list}
BLOCKS = {"user": {"text", "image", "document", "video", "audio", "toolResult", "cachePoint", "guardContent", "searchResult"},
          "assistant": {"text", "toolUse", "reasoningContent", "cachePoint", "citationsContent", "image"}}
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
DOCUMENT = re.compile(r"^[a-zA-Z0-9\-()\[\]]+( [a-zA-Z0-9\-()\[\]]+)*$")
TYPES = {400: "ValidationException", 403: "AccessDeniedException", 404: "ResourceNotFoundException", 408: "ModelTimeoutException",
         424: "ModelErrorException", 429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException"}
REQUEST_ID = "11111111-2222-3333-4444-555555555555"


# -- framing

def frame(kind, name, payload, message_type="event"):
    headers = b""
    for key, value in ((f":{kind}-type", name), (":content-type", "application/json"), (":message-type", message_type)):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    data = json.dumps(payload).encode()
    start = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    whole = start + struct.pack(">I", zlib.crc32(start)) + headers + data
    return whole + struct.pack(">I", zlib.crc32(whole))


def parse(body, load=json.loads):
    """The frames of a whole stream: (message type, event or exception type, what `load` makes of the payload); every length and CRC
    is checked."""
    at = 0
    while at < len(body):
        total, headers_n, crc = struct.unpack(">III", body[at:at + 12])
        assert crc == zlib.crc32(body[at:at + 8]), "the CRC of the lengths"
        assert at + total <= len(body), "a frame is cut"
        assert struct.unpack(">I", body[at + total - 4:at + total])[0] == zlib.crc32(body[at:at + total - 4]), "the frame's CRC"
        headers, here, end = {}, at + 12, at + 12 + headers_n
        while here < end:
            name_n = body[here]
            name = body[here + 1:here + 1 + name_n].decode()
            assert body[here + 1 + name_n] == 7, "only strings are sent"
            size = struct.unpack(">H", body[here + 2 + name_n:here + 4 + name_n])[0]
            headers[name] = body[here + 4 + name_n:here + 4 + name_n + size].decode()
            here += 4 + name_n + size
        kind = headers[":message-type"]
        yield kind, headers[f":{kind}-type"], load(body[end:at + total - 4])
        at += total


# -- what it refuses

def error(status, message):
    return {"message": message}


def _wrong(message):
    return 400, error(400, message), {"x-amzn-ErrorType": "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"}


def operation(request):
    """(model, call) of the path."""
    match = PATH.match(request.path)
    return (unquote(match.group(1)), match.group(2)) if match else (None, None)


def wants_stream(request):
    return (operation(request)[1] or "").endswith("-stream")


def _union(where, value, names):
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in names:
        return _wrong(f"{where} is a union: exactly one of {sorted(names)} must be set, got {value!r:.200}")
    return None


def _block(where, role, block):
    wrong = _union(where, block, BLOCKS[role])
    if wrong:
        return wrong
    kind, value = next(iter(block.items()))
    if kind == "text" and (not isinstance(value, str) or not value.strip()):
        return _wrong("The text field in the ContentBlock object is blank.")
    if kind == "toolUse" and (set(value) != {"toolUseId", "name", "input"} or not isinstance(value["input"], dict)
                              or not NAME.match(value["name"])):
        return _wrong(f"{where}.toolUse: {value!r:.200}")
    if kind == "toolResult" and (not {"toolUseId", "content"} <= set(value) <= {"toolUseId", "content", "status"}):
        return _wrong(f"{where}.toolResult: {value!r:.200}")
    if kind == "image":
        return _union(where + ".image.source", value.get("source"), {"bytes", "s3Location"})
    if kind == "document" and not DOCUMENT.match(value.get("name", "")):
        return _wrong(f"{where}.document.name: {value.get('name')!r}")
    return None


def _messages(body):
    open_ids, last = [], "assistant"
    if not body.get("messages"):
        return _wrong("The messages field is required")
    for at, message in enumerate(body["messages"]):
        role = message.get("role")
        if set(message) != {"role", "content"} or role not in BLOCKS or role == last or not message["content"]:
            return _wrong(f"messages.{at}: roles must alternate, beginning with user, and content must not be empty")
        for index, block in enumerate(message["content"]):
            wrong = _block(f"messages.{at}.content.{index}", role, block)
            if wrong:
                return wrong
        given = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if sorted(given) != sorted(open_ids):
            return _wrong(f"messages.{at}: toolUse ids {open_ids} need exactly their toolResults, got {given}")
        open_ids = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        last = role
    return None


def _tools(body):
    config = body.get("toolConfig")
    used = any("toolUse" in block or "toolResult" in block for message in body["messages"] for block in message["content"])
    if used and not config:
        return _wrong("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    for tool in (config or {"tools": [{"cachePoint": 1}]}).get("tools") or [None]:
        wrong = _union("toolConfig.tools", tool, {"toolSpec", "cachePoint", "systemTool"})
        if wrong:
            return wrong
        spec = tool.get("toolSpec")
        if spec and (not NAME.match(spec.get("name", "")) or not isinstance(spec.get("inputSchema", {}).get("json"), dict)):
            return _wrong(f"toolConfig.tools: {spec!r:.200}")
        why = spec and limits.claude_tool(0, spec["inputSchema"]["json"])
        if why:
            return _wrong(f"The value at toolConfig.tools.0.toolSpec.inputSchema.json is invalid: {why}")
    return _union("toolChoice", config["toolChoice"], {"auto", "any", "tool"}) if config and "toolChoice" in config else None


def _converse(body):
    unknown = set(body) - ROOT
    if unknown:
        return _wrong(f"extraneous key {sorted(unknown)} is not permitted")
    for name, value in (body.get("inferenceConfig") or {}).items():
        if name not in INFERENCE or not isinstance(value, INFERENCE[name]) or (name in ("temperature", "topP") and not 0 <= value <= 1):
            return _wrong(f"inferenceConfig.{name}: {value!r}")
    asked = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure", {}).get("jsonSchema", {}).get("schema")
    why = asked and limits.claude_output(json.loads(asked))
    wrong = _wrong(why) if why else _messages(body) or _tools(body)
    why = not wrong and rules.converse(body)
    return _wrong(why) if why else wrong


def _invoke(body):
    if body.get("anthropic_version") != "bedrock-2023-05-31":
        return _wrong("anthropic_version: Field required")
    inner = {name: value for name, value in body.items() if name not in ("anthropic_version", "anthropic_beta")}
    if "model" in inner or "stream" in inner:
        return _wrong("model, stream: Extra inputs are not permitted")
    inner["model"] = "inside"
    wrong = anthropic._fields(inner, False) or anthropic._ranges(inner) or anthropic._tools(inner) or anthropic._messages(inner["messages"], True)
    why = wrong[1]["error"]["message"] if wrong else rules.claude(inner)
    return _wrong(why) if why else None


def refuse(fake, request):
    model, call = operation(request)
    if not call:
        return 404, error(404, f"no such path: {request.path}"), {"x-amzn-ErrorType": "UnknownOperationException"}
    if model not in fake.models:
        return 404, error(404, f"Could not resolve the foundation model from {model!r}"), {"x-amzn-ErrorType": TYPES[404]}
    if not isinstance(request.json, dict):
        return _wrong("the body is not JSON")
    if call == "count-tokens":
        asked = request.json.get("input")
        wrong = set(request.json) != {"input"} and _wrong("input: one member only") or _union("input", asked, {"converse", "invokeModel"})
        if wrong or "invokeModel" in asked:
            return wrong
        unknown = set(asked["converse"]) - {"messages", "system", "toolConfig", "additionalModelRequestFields"}
        return _wrong(f"extraneous key {sorted(unknown)} is not permitted") if unknown else _converse(asked["converse"])
    return _invoke(request.json) if call.startswith("invoke") else _converse(request.json)


def plain_answer(fake, request):
    return acts.raw_json({"inputTokens": 42}) if operation(request)[1] == "count-tokens" else None


# -- how it answers

def answer_headers():
    return {"x-amzn-RequestId": REQUEST_ID, "set-cookie": "session=secret"}


def _is_invoke(body):
    return "anthropic_version" in body


def echo(body):
    if _is_invoke(body):
        return anthropic.echo(body)
    blocks = body["messages"][-1]["content"]
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    if results:
        return {"text": "Results: " + "; ".join("".join(part.get("text", json.dumps(part.get("json"))) for part in one["content"])
                                                for one in results)}
    said = "".join(block.get("text", "") for block in blocks)
    tools = [tool["toolSpec"] for tool in (body.get("toolConfig") or {}).get("tools", []) if "toolSpec" in tool]
    if tools and "weather" in said:
        return {"text": "", "tools": [(tools[0]["name"], {"city": "Paris"}), (tools[0]["name"], {"city": "Oslo"})]}
    return {"text": "You said: " + said}


def usage_of(reply):
    given = {"input": 13, "cache_read": 0, "cache_5m": 0, "cache_1h": 0, "output": 5, **reply.usage}
    written = given["cache_5m"] + given["cache_1h"]
    return {"inputTokens": given["input"], "outputTokens": given["output"], "cacheReadInputTokens": given["cache_read"],
            "cacheWriteInputTokens": written, "totalTokens": given["input"] + given["output"] + given["cache_read"] + written}


def _content(reply):
    blocks = []
    if reply.thinking:
        blocks.append({"reasoningContent": {"reasoningText": {"text": reply.thinking, "signature": "c2lnbmF0dXJl"}}})
    if reply.text:
        blocks.append({"text": reply.text})
    return blocks + [{"toolUse": {"toolUseId": f"tooluse_{at}", "name": name, "input": arguments}}
                     for at, (name, arguments) in enumerate(reply.tools)]


def _stop(reply):
    return reply.finish or ("tool_use" if reply.tools else "end_turn")


def whole(body, reply):
    if _is_invoke(body):
        return anthropic.whole({"model": "claude"}, reply)
    return {"output": {"message": {"role": "assistant", "content": _content(reply)}}, "stopReason": _stop(reply),
            "usage": usage_of(reply), "metrics": {"latencyMs": 123}}


def _deltas(block, reply):
    kind, value = next(iter(block.items()))
    if kind == "text":
        return None, [{"text": piece} for piece in reply.pieces]
    if kind == "reasoningContent":
        inside = value["reasoningText"]
        return None, [{"reasoningContent": {"text": inside["text"]}}, {"reasoningContent": {"signature": inside["signature"]}}]
    text = json.dumps(value["input"])
    start = {"toolUse": {"toolUseId": value["toolUseId"], "name": value["name"]}}
    return start, [{"toolUse": {"input": text[at:at + 5]}} for at in range(0, len(text), 5)]


def _event(name, payload, padding="abcdefghij"):
    return frame("event", name, {**payload, "p": padding[:len(json.dumps(payload)) % 10]})


def _chunks(body, reply):
    for event in anthropic.events({"model": "claude"}, reply):
        data = event.split(b"data: ", 1)[1].strip()
        yield _event("chunk", {"bytes": base64.b64encode(data).decode()})


def events(body, reply):
    """The stream as a list of frames. Texts and thoughts have no contentBlockStart; the usage comes behind messageStop."""
    if _is_invoke(body):
        return list(_chunks(body, reply))
    out = [_event("messageStart", {"role": "assistant"})]
    for index, block in enumerate(_content(reply)):
        start, deltas = _deltas(block, reply)
        if start:
            out.append(_event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        out += [_event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        out.append(_event("contentBlockStop", {"contentBlockIndex": index}))
    out.append(_event("messageStop", {"stopReason": _stop(reply)}))
    return out + [_event("metadata", {"usage": usage_of(reply), "metrics": {"latencyMs": 123}})]


def error_event(status, message):
    names = {429: "throttlingException", 503: "serviceUnavailableException", 529: "serviceUnavailableException"}
    return frame("exception", names.get(status, "modelStreamErrorException"), {"message": message}, "exception")
