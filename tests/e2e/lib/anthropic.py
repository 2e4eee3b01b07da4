"""Anthropic's side of the fake: what the Messages API refuses and how it answers, by the vendor's documents."""
import json
import re

from . import acts, limits, rules, schema

FIELDS = {
    "model": str, "messages": list, "max_tokens": int, "system": (str, list), "stream": bool, "temperature": (int, float),
    "top_p": (int, float), "top_k": int, "stop_sequences": list, "tools": list, "tool_choice": dict, "metadata": dict,
    "thinking": dict, "service_tier": str, "container": str, "mcp_servers": list, "context_management": dict, "output_config": dict,
    "cache_control": dict, "diagnostics": dict, "inference_geo": str, "speed": str, "user_profile_id": str, "workspace_id": str,
}
NULLABLE = ("cache_control", "container", "diagnostics", "inference_geo", "speed")
VERSIONS = ("2023-06-01", "2026-10-21")  # the second since SDK 1.0; it takes role "system" within a conversation
COUNT_FIELDS = {"model", "messages", "system", "tools", "tool_choice", "thinking", "context_management", "output_config", "mcp_servers"}
BLOCKS = {
    "user": ("text", "image", "document", "tool_result", "search_result"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"),
    "system": ("text",),
}
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
ID = re.compile(r"^[a-zA-Z0-9_-]+$")
TYPES = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
         404: "not_found_error", 405: "invalid_request_error", 409: "conflict_error", 413: "request_too_large",
         429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
REQUEST_ID = "req_fake_anthropic"


def error(status, message):
    return {"type": "error", "error": {"type": TYPES.get(status, "api_error"), "message": message}, "request_id": REQUEST_ID}


def _event(name, data):
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def error_event(status, message):
    return _event("error", {"error": error(status, message)["error"]})


def answer_headers():
    return {"request-id": REQUEST_ID, "anthropic-organization-id": "org_fake", "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:00Z", "set-cookie": "__cf_bm=secret; path=/; HttpOnly"}


# -- what it refuses

def _wrong(message):
    return 400, error(400, message)


def _head(fake, request):
    given, bearer = request.get("x-api-key"), request.get("authorization")  # the SDK sends its key as a bearer token since 1.0
    if given is None and bearer is None:
        return 401, error(401, "x-api-key header is required")
    if given not in (None, fake.key):
        return 401, error(401, "invalid x-api-key")
    if bearer not in (None, f"Bearer {fake.key}"):
        return 401, error(401, "invalid bearer token")
    if request.get("anthropic-version") is None:
        return _wrong("anthropic-version: header is required")
    if request.get("anthropic-version") not in VERSIONS:
        return _wrong("anthropic-version: unsupported version")
    return None


def _fields(body, counting):
    required = ("model", "messages") if counting else ("model", "max_tokens", "messages")
    for name in required:
        if name not in body:
            return _wrong(f"{name}: Field required")
    for name, value in body.items():
        if name not in FIELDS or (counting and name not in COUNT_FIELDS):
            return _wrong(f"{name}: Extra inputs are not permitted")
        if value is None and name in NULLABLE:
            continue
        if not schema.is_a(value, FIELDS[name]):
            return _wrong(f"{name}: Input should be a valid value: {schema.say(FIELDS[name])}")
    return None


def _ranges(body):
    if body.get("max_tokens", 1) < 1:
        return _wrong("max_tokens: Input should be greater than or equal to 1")
    for name in ("temperature", "top_p"):
        if not 0 <= body.get(name, 0) <= 1:
            return _wrong(f"{name}: range: 0..1")
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        if not schema.is_a(budget, int) or budget < 1024:
            return _wrong("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= body.get("max_tokens", 1 << 30):
            return _wrong("`max_tokens` must be greater than `thinking.budget_tokens`.")
    elif thinking and thinking.get("type") not in ("disabled", "adaptive"):
        return _wrong("thinking: Input tag does not match any of the expected tags: 'enabled', 'disabled', 'adaptive'")
    return None


def _tools(body):
    for at, tool in enumerate(body.get("tools") or []):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or not NAME.match(tool["name"]):
            return _wrong(f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        why = tool.get("type", "custom") == "custom" and limits.claude_tool(at, tool.get("input_schema"))
        if why:
            return _wrong(why)
    schema_of_answer = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    why = schema_of_answer and limits.claude_output(schema_of_answer)
    if why:
        return _wrong(why)
    choice = body.get("tool_choice")
    if choice is not None and choice.get("type") not in ("auto", "any", "tool", "none"):
        return _wrong("tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'")
    return None


def _cache_marks(value):
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(_cache_marks(inner) for inner in value.values())
    return sum(_cache_marks(inner) for inner in value) if isinstance(value, list) else 0


def _block(where, role, block):
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in BLOCKS[role]:
        return _wrong(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
                      + ", ".join(repr(one) for one in BLOCKS[role]))
    if kind == "text":
        if not isinstance(block.get("text"), str):
            return _wrong(f"{where}.text.text: Field required")
        if not block["text"]:
            return _wrong("messages: text content blocks must be non-empty")
    if kind == "tool_use" and not (isinstance(block.get("id"), str) and isinstance(block.get("name"), str) and isinstance(block.get("input"), dict)):
        return _wrong(f"{where}.tool_use.input: Input should be a valid dictionary")
    if kind == "tool_use" and not ID.match(block["id"]):
        return _wrong(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if kind == "tool_result" and not isinstance(block.get("tool_use_id"), str):
        return _wrong(f"{where}.tool_result.tool_use_id: Field required")
    if kind == "thinking" and not isinstance(block.get("signature"), str):
        return _wrong(f"{where}.thinking.signature: Field required")
    return None


def _blocks(at, message):
    """The message's content as a list of blocks, or a refusal: (blocks, refusal)."""
    role, content = message.get("role"), message.get("content")
    if isinstance(content, str):
        if not content:
            return None, _wrong(f"messages.{at}: {role} messages must have non-empty content")
        return [{"type": "text", "text": content}], None
    if not isinstance(content, list):
        return None, _wrong(f"messages.{at}.content: Input should be a valid list")
    for index, block in enumerate(content):
        wrong = _block(f"messages.{at}.content.{index}", role, block)
        if wrong:
            return None, wrong
    return content, None


def _results(at, blocks, open_ids):
    """Every tool_use is answered in the very next user message, results first."""
    given = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for index, block in enumerate(blocks):
        if block["type"] == "tool_result" and block["tool_use_id"] not in open_ids:
            return _wrong(f"messages.{at}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}. "
                          "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.")
    missing = [one for one in open_ids if one not in given]
    late = open_ids and any(block["type"] != "tool_result" for block in blocks[:len(given)])
    if missing or late:
        return _wrong(f"messages.{at - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                      f"{', '.join(missing or open_ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.")
    return None


def _takes_system(fake, request):
    """A system message within a conversation: by the version, by a beta, and at Bedrock's mantle unasked (so Claude Code sends it)."""
    return (fake.verifier is not None or request.get("anthropic-version") >= "2026-10-21"
            or "mid-conversation-system" in (request.get("anthropic-beta") or ""))


def _messages(messages, takes_system):
    if not messages:
        return _wrong("messages: at least one message is required")
    open_ids = []
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in BLOCKS or (role == "system" and not takes_system):
            return _wrong(f"messages.{at}.role: Input should be 'user' or 'assistant'")
        if at == 0 and role != "user":
            return _wrong('messages: first message must use the "user" role')
        blocks, wrong = _blocks(at, message)
        wrong = wrong or (_results(at, blocks, open_ids) if role == "user" or open_ids else None)
        if wrong:
            return wrong
        open_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    return _results(len(messages), [], open_ids) if open_ids else None


def _thought_first(body):
    """With thinking on, the message that the results at the end answer begins with a thought."""
    messages = body["messages"]
    if (body.get("thinking") or {}).get("type") != "enabled" or len(messages) < 2 or not isinstance(messages[-1]["content"], list):
        return None
    answers = any(block["type"] == "tool_result" for block in messages[-1]["content"])
    first = messages[-2]["content"][0]["type"] if answers else "thinking"
    if first in ("thinking", "redacted_thinking"):
        return None
    return _wrong(f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When "
                  "`thinking` is enabled, a final `assistant` message must start with a thinking block.")


def refuse(fake, request):
    """(status, body) when the vendor would refuse, else None."""
    wrong = _head(fake, request)
    if wrong:
        return wrong
    counting = request.path == "/v1/messages/count_tokens"
    if not counting and request.path != "/v1/messages":
        return 404, error(404, "Not found")
    if request.method != "POST":
        return 405, error(405, "Method Not Allowed")
    if len(request.body) > 32 << 20:
        return 413, error(413, "Request exceeds the maximum size")
    kind = (request.get("content-type") or "").split(";")[0].strip()
    if kind != "application/json" or not isinstance(request.json, dict):
        return _wrong("The request body is not valid JSON.")
    body = request.json
    wrong = _fields(body, counting) or _ranges(body) or _tools(body) or _messages(body["messages"], _takes_system(fake, request)) \
        or _thought_first(body)
    if wrong:
        return wrong
    why = rules.claude(body) or limits.claude_thinking(body["model"], body) or limits.claude_settings(body["model"], body)
    if why:
        return _wrong(why)
    marks = _cache_marks(body)
    if marks > 4:
        return _wrong(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")
    if body["model"] not in fake.models:
        return 404, error(404, f"model: {body['model']}")
    return None


def plain_answer(fake, request):
    if request.path == "/v1/messages/count_tokens":
        return acts.raw_json({"input_tokens": 10 + len(request.json["messages"])})
    return None


# -- how it answers

def _text_of(message):
    content = message["content"]
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def _result_texts(body):
    content = body["messages"][-1]["content"]
    blocks = content if isinstance(content, list) else []
    found = [block.get("content", "") for block in blocks if block["type"] == "tool_result"]
    return [text if isinstance(text, str) else "".join(part.get("text", "") for part in text) for text in found]


def echo(body):
    """The default answer: repeats the user's words; where tools are offered and weather is asked, calls the first one twice."""
    results = _result_texts(body)
    if results:
        return {"text": "Results: " + "; ".join(results)}
    said = _text_of(body["messages"][-1])
    if body.get("tools") and "weather" in said:
        name = body["tools"][0]["name"]
        return {"text": "", "tools": [(name, {"city": "Paris"}), (name, {"city": "Oslo"})]}
    return {"text": "You said: " + said}


def usage_of(reply):
    """Here input excludes what the cache gave and took (other than at OpenAI)."""
    given = {"input": 13, "cache_read": 0, "cache_5m": 0, "cache_1h": 0, "output": 5, **reply.usage}
    return {"input_tokens": given["input"], "cache_creation_input_tokens": given["cache_5m"] + given["cache_1h"],
            "cache_read_input_tokens": given["cache_read"],
            "cache_creation": {"ephemeral_5m_input_tokens": given["cache_5m"], "ephemeral_1h_input_tokens": given["cache_1h"]},
            "output_tokens": given["output"], "service_tier": "standard"}


def _content(reply):
    blocks = []
    if reply.thinking:
        blocks.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2lnbmF0dXJl"})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    return blocks + [{"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": arguments}
                     for at, (name, arguments) in enumerate(reply.tools)]


def _finish(reply):
    return reply.finish or ("tool_use" if reply.tools else "end_turn")


def whole(body, reply):
    return {"id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"] + "-20261101", "content": _content(reply),
            "stop_reason": _finish(reply), "stop_sequence": reply.sequence, "usage": usage_of(reply)}


def _deltas(block, reply):
    """(the block as it starts, its deltas)"""
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in reply.pieces]
    if block["type"] == "thinking":
        return ({"type": "thinking", "thinking": "", "signature": ""},
                [{"type": "thinking_delta", "thinking": block["thinking"]}, {"type": "signature_delta", "signature": block["signature"]}])
    text = json.dumps(block["input"])
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part}
                                   for part in [""] + [text[at:at + 5] for at in range(0, len(text), 5)]]


def events(body, reply):
    """The stream as a list of SSE events, message_stop included. The first usage's output is a cursor, not a count."""
    usage = usage_of(reply)
    start = {**whole(body, reply), "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    out = [_event("message_start", {"message": start})]
    for index, block in enumerate(_content(reply)):
        opened, deltas = _deltas(block, reply)
        out.append(_event("content_block_start", {"index": index, "content_block": opened}))
        if index == 0:
            out.append(_event("ping", {}))
        out += [_event("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        out.append(_event("content_block_stop", {"index": index}))
    out.append(_event("message_delta", {"delta": {"stop_reason": _finish(reply), "stop_sequence": reply.sequence},
                                        "usage": {"output_tokens": usage["output_tokens"]}}))
    return out + [_event("message_stop", {})]
