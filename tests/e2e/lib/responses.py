"""OpenAI's side of the fake for Responses: what it refuses and how it answers, by the vendor's documents."""
import json

from . import limits, openai, rules, schema
from . import acts
from .openai import NAME, answer_headers, error  # the same vendor

__all__ = ["answer_headers", "echo", "error", "error_event", "events", "plain_answer", "refuse", "whole"]

COUNT = "/v1/responses/input_tokens"
COMPACT = "/v1/responses/compact"
COMPACT_FIELDS = {"model", "input", "instructions", "previous_response_id", "prompt_cache_key", "prompt_cache_retention"}
COUNT_FIELDS = {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text", "truncation",
                "conversation", "previous_response_id"}
FIELDS = {
    "model": str, "input": (str, list), "instructions": str, "stream": bool, "stream_options": dict, "temperature": (int, float),
    "top_p": (int, float), "max_output_tokens": int, "max_tool_calls": int, "tools": list, "tool_choice": (str, dict),
    "parallel_tool_calls": bool, "text": dict, "reasoning": dict, "include": list, "store": bool, "metadata": dict, "user": str,
    "truncation": str, "service_tier": str, "top_logprobs": int, "prompt_cache_key": str, "prompt_cache_retention": str,
    "safety_identifier": str, "previous_response_id": str, "conversation": (str, dict), "background": bool, "prompt": dict,
    "context_management": list, "client_metadata": dict,
}
TOOLS = ("function", "custom", "namespace", "web_search", "tool_search", "apply_patch", "shell", "local_shell", "code_interpreter")
ITEMS = {
    "message": ("role", "content"), "function_call": ("call_id", "name", "arguments"), "function_call_output": ("call_id", "output"),
    "custom_tool_call": ("call_id", "name", "input"), "custom_tool_call_output": ("call_id", "output"), "reasoning": ("summary",),
    "additional_tools": ("tools",), "compaction": ("encrypted_content",), "compaction_trigger": (),
}
PARTS = {"assistant": ("output_text", "refusal"), "": ("input_text", "input_image", "input_file")}
INCLUDE = ("reasoning.encrypted_content", "message.output_text.logprobs", "message.input_image.image_url")


# -- what it refuses

def _wrong(message, param=None, code=None):
    return 400, error(400, message, param, code)


def _fields(body, path):
    known = {COUNT: COUNT_FIELDS, COMPACT: COMPACT_FIELDS}.get(path, FIELDS)
    for name, value in body.items():
        if name not in known:
            return _wrong(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        if value is not None and not schema.is_a(value, FIELDS[name]):
            return _wrong(f"Invalid type for '{name}': expected {schema.say(FIELDS[name])}, but got {schema.kind(value)} instead.",
                          name, "invalid_type")
    for name in ("model", "input"):
        if body.get(name) is None:
            return _wrong(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if body.get("max_output_tokens") is not None and body["max_output_tokens"] < 16:
        return _wrong("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.", "max_output_tokens")
    for name in body.get("include") or []:
        if name not in INCLUDE:
            return _wrong(f"Invalid value: '{name}'.", "include", "invalid_value")
    return None


def _tools(tools, where="tools"):
    for at, tool in enumerate(tools or []):
        kind, here = tool.get("type"), f"{where}[{at}]"
        if kind not in TOOLS:
            return _wrong(f"Invalid value: '{kind}'. Supported values are: {', '.join(TOOLS)}.", f"{here}.type", "invalid_value")
        if kind in ("function", "custom", "namespace") and not NAME.match(tool.get("name") or ""):
            return _wrong(f"Invalid '{here}.name': string does not match pattern.", f"{here}.name", "invalid_value")
        if kind == "function" and "parameters" not in tool:
            return _wrong(f"Missing required parameter: '{here}.parameters'.", f"{here}.parameters", "missing_required_parameter")
        why = kind == "function" and limits.openai_tool(tool["name"], tool["parameters"] or {})
        if why:
            return _wrong(why, f"{here}.parameters", "invalid_function_parameters")
        wrong = kind == "namespace" and _tools(tool.get("tools"), f"{here}.tools")
        if wrong:
            return wrong
    return None


def _content(where, role, content):
    allowed = PARTS.get(role, PARTS[""])
    if isinstance(content, str):
        return None
    if not isinstance(content, list):
        return _wrong(f"Invalid type for '{where}': expected one of an array of objects or string.", where, "invalid_type")
    for at, part in enumerate(content):
        if part.get("type") not in allowed:
            return _wrong(f"Invalid value: '{part.get('type')}'. Supported values are: {', '.join(allowed)}.", f"{where}[{at}]", "invalid_value")
    return None


def _item(where, item, open_calls):
    kind = item.get("type") or "message"
    if kind not in ITEMS:
        return _wrong(f"Invalid value: '{kind}'. Supported values are: {', '.join(ITEMS)}.", where, "invalid_value")
    for name in ITEMS[kind]:
        if item.get(name) is None:
            return _wrong(f"Missing required parameter: '{where}.{name}'.", f"{where}.{name}", "missing_required_parameter")
    if len(item.get("call_id") or "") > 64:
        return _wrong(f"Invalid '{where}.call_id': string too long. Expected a string with maximum length 64.", where, "string_above_max_length")
    if kind == "message":
        if item["role"] not in ("user", "assistant", "system", "developer"):
            return _wrong(f"Invalid value: '{item['role']}'.", f"{where}.role", "invalid_value")
        return _content(f"{where}.content", item["role"], item["content"])
    if kind.endswith("_output"):
        if item["call_id"] not in open_calls:
            return _wrong(f"No tool call found for function call output with call_id {item['call_id']}.", "input")
        open_calls.discard(item["call_id"])
        return _content(f"{where}.output", "", item["output"])
    if "call_id" in item:
        open_calls.add(item["call_id"])
    return kind == "additional_tools" and _tools(item["tools"], f"{where}.tools") or None


def _input(items):
    open_calls = set()
    for at, item in enumerate(items if isinstance(items, list) else []):
        wrong = _item(f"input[{at}]", item, open_calls)
        if wrong:
            return wrong
    if open_calls:
        return _wrong(f"No tool output found for function call {', '.join(sorted(open_calls))}.", "input")
    return None


def refuse(fake, request):
    """(status, body) when the vendor would refuse, else None."""
    wrong = openai.wrong_key(fake, request)
    if wrong:
        return wrong
    if request.method != "POST" or not isinstance(request.json, dict):
        return _wrong("We could not parse the JSON body of your request.")
    body = request.json
    wrong = _fields(body, request.path) or _tools(body.get("tools")) or _input(body["input"])
    if wrong:
        return wrong
    why = rules.responses(body)
    if why:
        return _wrong(why)
    why = limits.openai_effort(body["model"], (body.get("reasoning") or {}).get("effort"), body.get("tools"), False)
    if why:
        return _wrong(why, "reasoning.effort", "unsupported_value")
    refused = limits.openai_settings(body["model"], body)
    if refused:
        return _wrong(*refused)
    if body["model"] not in fake.models:
        return 404, error(404, f"The requested model '{body['model']}' does not exist.", "model", "model_not_found")
    return None


def plain_answer(fake, request):
    if request.path == COUNT:
        items = request.json["input"]
        return acts.raw_json({"object": "response.input_tokens", "input_tokens": 10 + (len(items) if isinstance(items, list) else 1)})
    if request.path == COMPACT:
        given = request.json["input"]
        said = [{"id": f"msg_{at}", "type": "message", "status": "completed", "role": "user",
                 "content": [{"type": "input_text", "text": _text_of(item["content"])}]}
                for at, item in enumerate(given if isinstance(given, list) else []) if item.get("role") == "user"]
        return acts.raw_json({"id": "resp_fake", "object": "response.compaction", "created_at": 1700000000, "usage": _usage(acts.Reply()),
                              "output": said + [{"id": "cmp_fake", "type": "compaction", "encrypted_content": "gAAAAcompacted"}]})
    return openai.plain_answer(fake, request)


# -- how it answers

def _text_of(content):
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def echo(body):
    """The default answer: repeats the user's words; where tools are offered and weather is asked, calls the first one twice."""
    items = body["input"]
    if isinstance(items, str):
        return {"text": "You said: " + items}
    results = [_text_of(item["output"]) for item in items if (item.get("type") or "").endswith("_output")]
    if results:
        return {"text": "Results: " + "; ".join(results)}
    said = _text_of(items[-1].get("content") or "")
    if body.get("tools") and "weather" in said:
        name = body["tools"][0]["name"]
        return {"text": "", "tools": [(name, {"city": "Paris"}), (name, {"city": "Oslo"})]}
    return {"text": "You said: " + said}


def _usage(reply):
    given = {"prompt": 11, "cached": 0, "completion": 7, "reasoning": 0, **reply.usage}
    return {"input_tokens": given["prompt"], "input_tokens_details": {"cached_tokens": given["cached"]},
            "output_tokens": given["completion"], "output_tokens_details": {"reasoning_tokens": given["reasoning"]},
            "total_tokens": given["prompt"] + given["completion"]}


def _call(at, name, given):
    """Arguments that are text are a free-text tool's; "space.name" is a tool in a namespace."""
    space, _, plain = name.rpartition(".")
    common = {"status": "completed", "call_id": f"call_{at}", "name": plain, **({"namespace": space} if space else {})}
    if isinstance(given, str):
        return {"id": f"ctc_{at}", "type": "custom_tool_call", **common, "input": given}
    return {"id": f"fc_{at}", "type": "function_call", **common, "arguments": json.dumps(given)}


def _items(body, reply):
    items = []
    if reply.thinking:
        hidden = "reasoning.encrypted_content" in (body.get("include") or [])
        items.append({"id": "rs_fake", "type": "reasoning", "summary": [{"type": "summary_text", "text": reply.thinking}],
                      **({"encrypted_content": "gAAAAfake"} if hidden else {})})
    if reply.text:
        items.append({"id": "msg_fake", "type": "message", "status": "completed", "role": "assistant",
                      "content": [{"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}]})
    return items + [_call(at, *tool) for at, tool in enumerate(reply.tools)]


def _response(body, reply, status, items):
    done = status != "in_progress"
    return {"id": "resp_fake", "object": "response", "created_at": 1700000000, "status": status, "background": False, "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None, "instructions": None,
            "max_output_tokens": None, "model": body["model"] + "-2026-11-01", "output": items, "parallel_tool_calls": True,
            "previous_response_id": None, "reasoning": {"effort": "medium", "summary": None}, "service_tier": "default",
            "store": body.get("store", True), "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
            "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": _usage(reply) if done else None, "metadata": {},
            "completed_at": 1700000001 if done else None, "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0,
            "max_tool_calls": None, "safety_identifier": None, "prompt_cache_key": None, "user": None}


def _status(reply):
    return "incomplete" if reply.finish == "length" else "completed"


def whole(body, reply):
    return _response(body, reply, _status(reply), _items(body, reply))


def _sse(number, kind, data):
    text = json.dumps({"type": kind, "sequence_number": number, **data}, separators=(",", ":"))
    return f"event: {kind}\ndata: {text}\n\n".encode()


def error_event(status, message):
    code = "rate_limit_exceeded" if status == 429 else "server_is_overloaded"
    return _sse(99, "error", {"error": {"type": "server_error", "code": code, "message": message, "param": None}})


def _text_events(where, text, pieces, kind, part):
    delta, added = f"response.{kind}", "response.reasoning_summary_part" if "summary" in kind else "response.content_part"
    yield f"{added}.added", {**where, "part": {**part, "text": ""}}
    for piece in pieces:
        yield f"{delta}.delta", {**where, "delta": piece}
    yield f"{delta}.done", {**where, "text": text}
    yield f"{added}.done", {**where, "part": part}


def _item_events(at, item, reply):
    where = {"item_id": item["id"], "output_index": at}
    if item["type"] == "message":
        yield from _text_events({**where, "content_index": 0}, reply.text, reply.pieces, "output_text", item["content"][0])
    elif item["type"] == "reasoning":
        yield from _text_events({**where, "summary_index": 0}, reply.thinking, [reply.thinking], "reasoning_summary_text", item["summary"][0])
    else:
        member, kind = ("input", "custom_tool_call_input") if "input" in item else ("arguments", "function_call_arguments")
        for cut in range(0, len(item[member]), 5):
            yield f"response.{kind}.delta", {**where, "delta": item[member][cut:cut + 5]}
        yield f"response.{kind}.done", {**where, member: item[member]}


def _empty(item):
    blank = {"content": [], "summary": [], "arguments": "", "input": ""}
    return {**item, **{name: value for name, value in blank.items() if name in item}, **({"status": "in_progress"} if "status" in item else {})}


def _all(body, reply):
    items = _items(body, reply)
    yield "response.created", {"response": _response(body, reply, "in_progress", [])}
    yield "response.in_progress", {"response": _response(body, reply, "in_progress", [])}
    for at, item in enumerate(items):
        yield "response.output_item.added", {"output_index": at, "item": _empty(item)}
        yield from _item_events(at, item, reply)
        yield "response.output_item.done", {"output_index": at, "item": item}
    yield "response." + _status(reply), {"response": _response(body, reply, _status(reply), items)}


def events(body, reply):
    """The stream as a list of SSE events."""
    return [_sse(number, kind, data) for number, (kind, data) in enumerate(_all(body, reply))]
