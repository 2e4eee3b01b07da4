"""OpenAI's side of the fake: what Chat Completions refuses and how it answers, by the vendor's documents."""
import json
import re

from . import acts, limits, rules, schema

FIELDS = {
    "model": str, "messages": list, "stream": bool, "stream_options": dict, "temperature": (int, float), "top_p": (int, float),
    "n": int, "stop": (str, list), "max_tokens": int, "max_completion_tokens": int, "presence_penalty": (int, float),
    "frequency_penalty": (int, float), "logit_bias": dict, "logprobs": bool, "top_logprobs": int, "user": str, "seed": int,
    "tools": list, "tool_choice": (str, dict), "parallel_tool_calls": bool, "response_format": dict, "reasoning_effort": str,
    "service_tier": str, "store": bool, "metadata": dict, "modalities": list, "audio": dict, "prediction": dict, "verbosity": str,
    "prompt_cache_key": str, "safety_identifier": str, "web_search_options": dict, "functions": list, "function_call": (str, dict),
}
NULLABLE = set(FIELDS) - {"model", "messages"}
ROLES = ("developer", "system", "user", "assistant", "tool", "function")
PARTS = {"user": ("text", "image_url", "input_audio", "file"), "assistant": ("text", "refusal")}
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 403: "invalid_request_error", 404: "invalid_request_error",
         429: "tokens", 500: "server_error", 502: "server_error", 503: "server_error", 529: "server_error"}


def error(status, message, param=None, code=None):
    if code is None and status == 429:
        code = "rate_limit_exceeded"
    return {"error": {"message": message, "type": TYPES.get(status, "invalid_request_error"), "param": param, "code": code}}


def error_event(status, message):
    return b"data: " + json.dumps(error(status, message)).encode() + b"\n\n"


def answer_headers():
    """Headers of the vendor: some for the caller's eyes, some (the cookie) for nobody behind us."""
    return {"x-request-id": "req_fake_openai", "openai-processing-ms": "42", "openai-version": "2020-10-01",
            "x-ratelimit-remaining-requests": "4999", "x-ratelimit-reset-requests": "12ms",
            "set-cookie": "__cf_bm=secret; path=/; HttpOnly"}


# -- what it refuses

def wrong_key(fake, request):
    given = request.get("authorization")
    if given is None:
        return 401, error(401, "You didn't provide an API key.")
    if given != f"Bearer {fake.key}":
        return 401, error(401, "Incorrect API key provided.", code="invalid_api_key")
    return None


def _wrong(message, param=None, code=None):
    return 400, error(400, message, param, code)


def _fields(body):
    for name in ("model", "messages"):
        if name not in body:
            if name == "model":
                return _wrong("you must provide a model parameter")
            return _wrong(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name, value in body.items():
        if name not in FIELDS:
            return _wrong(f"Unrecognized request argument supplied: {name}")
        if value is None and name in NULLABLE:
            continue
        if not schema.is_a(value, FIELDS[name]):
            return _wrong(f"Invalid type for '{name}': expected {schema.say(FIELDS[name])}, but got {schema.kind(value)} instead.",
                          name, "invalid_type")
    return None


def _ranges(body):
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("n", 1, 128), ("max_tokens", 1, 1 << 20),
                            ("max_completion_tokens", 1, 1 << 20), ("presence_penalty", -2, 2), ("frequency_penalty", -2, 2)):
        value = body.get(name)
        if value is not None and not low <= value <= high:
            which = "below minimum" if value < low else "above maximum"
            return _wrong(f"Invalid '{name}': {which} value.", name, f"{schema.kind(value)}_{which.replace(' ', '_')}_value")
    if body.get("stream_options") is not None and not body.get("stream"):
        return _wrong("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    options = body.get("stream_options") or {}
    for name, value in options.items():
        if name not in ("include_usage", "include_obfuscation") or not isinstance(value, bool):
            return _wrong(f"Unknown parameter: 'stream_options.{name}'.", f"stream_options.{name}", "unknown_parameter")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        return _wrong("Invalid 'stop': array too long.", "stop", "array_above_max_length")
    return None


def _tools(body):
    for at, tool in enumerate(body.get("tools") or []):
        where = f"tools[{at}]"
        if not isinstance(tool, dict) or tool.get("type") not in ("function", "custom"):
            return _wrong(f"Invalid value for '{where}.type'. Supported values are: 'function' and 'custom'.", f"{where}.type", "invalid_value")
        inner = tool.get(tool["type"])
        if not isinstance(inner, dict) or "name" not in inner:
            return _wrong(f"Missing required parameter: '{where}.{tool['type']}.name'.", where, "missing_required_parameter")
        if not isinstance(inner["name"], str) or not NAME.match(inner["name"]):
            return _wrong(f"Invalid '{where}.function.name': string does not match pattern.", where, "invalid_value")
        if not isinstance(inner.get("parameters", {}), dict):
            return _wrong(f"Invalid type for '{where}.function.parameters': expected an object.", where, "invalid_type")
        why = tool["type"] == "function" and "parameters" in inner and limits.openai_tool(inner["name"], inner["parameters"])
        if why:
            return _wrong(why, f"{where}.function.parameters", "invalid_function_parameters")
    if len(body.get("tools") or []) > limits.OPENAI_TOOLS_MAX:
        return _wrong("Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length "
                      f"{len(body['tools'])} instead.", "tools", "array_above_max_length")
    if body.get("tool_choice") not in (None, "none") and not body.get("tools"):
        return _wrong("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    return None


def _content(where, role, message):
    content = message.get("content")
    if content is None:
        if role == "assistant" and (message.get("tool_calls") or message.get("refusal") or message.get("function_call")):
            return None
        return _wrong(f"Invalid value for 'content': expected a string, got null.", f"{where}.content")
    if isinstance(content, str):
        return None
    if not isinstance(content, list) or not content:
        return _wrong(f"Invalid type for '{where}.content': expected one of a string or array of objects.", f"{where}.content", "invalid_type")
    allowed = PARTS.get(role, ("text",))
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in allowed:
            return _wrong(f"Invalid value: '{kind}'. Supported values are: {', '.join(repr(one) for one in allowed)}.",
                          f"{where}.content[{at}].type", "invalid_value")
        if not isinstance(part.get(kind), str if kind in ("text", "refusal") else dict):
            return _wrong(f"Missing required parameter: '{where}.content[{at}].{kind}'.", f"{where}.content[{at}].{kind}", "missing_required_parameter")
    return None


def _calls(where, message):
    for at, call in enumerate(message.get("tool_calls") or []):
        if not isinstance(call, dict) or not isinstance(call.get("id"), str):
            return _wrong(f"Missing required parameter: '{where}.tool_calls[{at}].id'.", where, "missing_required_parameter")
        if len(call["id"]) > 40:
            return _wrong(f"Invalid '{where}.tool_calls[{at}].id': string too long. Expected a string with maximum length 40.", where, "string_above_max_length")
        inner = call.get("function") if call.get("type") == "function" else call.get("custom")
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            return _wrong(f"Missing required parameter: '{where}.tool_calls[{at}].function'.", where, "missing_required_parameter")
        if call.get("type") == "function" and not isinstance(inner.get("arguments"), str):
            return _wrong(f"Invalid type for '{where}.tool_calls[{at}].function.arguments': expected a string.", where, "invalid_type")
    return None


def _messages(messages):
    if not messages:
        return _wrong("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
                      "messages", "empty_array")
    open_ids = []
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ROLES:
            return _wrong(f"Invalid value: '{role}'. Supported values are: {', '.join(repr(one) for one in ROLES)}.", f"{where}.role", "invalid_value")
        wrong = _content(where, role, message) or _calls(where, message)
        if wrong:
            return wrong
        if role == "tool":
            if message.get("tool_call_id") not in open_ids:
                return _wrong("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                              f"messages.[{at}].role")
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            return _unanswered(at, open_ids)
        open_ids = [call["id"] for call in message.get("tool_calls") or []]
    return _unanswered(len(messages), open_ids) if open_ids else None


def _unanswered(at, ids):
    return _wrong("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
                  f"The following tool_call_ids did not have response messages: {', '.join(ids)}", f"messages.[{at}].role")


def refuse(fake, request):
    """(status, body) when the vendor would refuse, else None."""
    wrong = wrong_key(fake, request)
    if wrong:
        return wrong
    if (request.method, request.path) == ("GET", "/v1/models"):
        return None
    if request.path != "/v1/chat/completions":
        return 404, error(404, f"Invalid URL ({request.method} {request.path})")
    if request.method != "POST":
        return 405, error(405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported")
    kind = (request.get("content-type") or "").split(";")[0].strip()
    if kind != "application/json" or not isinstance(request.json, dict):
        return _wrong("We could not parse the JSON body of your request.")
    body = request.json
    wrong = _fields(body) or _ranges(body) or _tools(body) or _messages(body["messages"])
    if wrong:
        return wrong
    why = rules.chat(body)
    if why:
        return _wrong(why)
    why = limits.openai_effort(body["model"], body.get("reasoning_effort"), body.get("tools"), True)
    if why:
        return _wrong(why, "reasoning_effort", "unsupported_value")
    refused = limits.openai_settings(body["model"], body)
    if refused:
        return _wrong(*refused)
    if body["model"] not in fake.models:
        return 404, error(404, f"The model `{body['model']}` does not exist or you do not have access to it.", code="model_not_found")
    return None


def plain_answer(fake, request):
    if request.path != "/v1/models":
        return None
    data = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "fake"} for name in sorted(fake.models)]
    return acts.raw_json({"object": "list", "data": data})


# -- how it answers

def _text_of(message):
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def echo(body):
    """The default answer: repeats the user's words; where tools are offered and weather is asked, calls the first one twice."""
    messages = body["messages"]
    results = [_text_of(message) for message in messages if message["role"] == "tool"]
    if results:
        return {"text": "Results: " + "; ".join(results)}
    said = _text_of(messages[-1])
    if body.get("tools") and "weather" in said:
        name = body["tools"][0]["function"]["name"]
        return {"text": "", "tools": [(name, {"city": "Paris"}), (name, {"city": "Oslo"})]}
    return {"text": "You said: " + said}


def usage_of(reply):
    """The usage object; the defaults are small and odd, so that no sum fits by accident."""
    given = {"prompt": 11, "cached": 0, "completion": 7, "reasoning": 0, **reply.usage}
    return {"prompt_tokens": given["prompt"], "completion_tokens": given["completion"],
            "total_tokens": given["prompt"] + given["completion"],
            "prompt_tokens_details": {"cached_tokens": given["cached"], "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": given["reasoning"], "audio_tokens": 0,
                                          "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}


# Servers that are compatible with OpenAI: every call whole in one fragment, and all of them index 0; arguments as an object; no ids;
# an id anew in every fragment.
DIALECTS = ("index 0", "objects", "no ids", "new ids")


def _tool_calls(reply):
    calls = [{"id": f"call_{at}", "type": "function",
              "function": {"name": name, "arguments": arguments if reply.dialect == "objects" else json.dumps(arguments)}}
             for at, (name, arguments) in enumerate(reply.tools)]
    return [{name: value for name, value in call.items() if name != "id" or reply.dialect != "no ids"} for call in calls]


def _call_fragments(at, call, dialect):
    """The call as the `tool_calls` of a stream's deltas."""
    text = call["function"]["arguments"]
    if dialect in ("index 0", "objects"):
        return [{"index": 0 if dialect == "index 0" else at, **call}]
    begin = {"index": at, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
    return [begin] + [{"index": at, "function": {"arguments": text[cut:cut + 5]}, **({"id": f"call_{at}_{cut}"} if dialect == "new ids" else {})}
                      for cut in range(0, len(text), 5)]


def _finish(reply):
    return reply.finish or ("tool_calls" if reply.tools else "stop")


def whole(body, reply):
    message = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal, "annotations": []}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking  # as servers of open models say it; OpenAI's own say nothing
    if reply.tools:
        message["tool_calls"] = _tool_calls(reply)
    return {"id": "chatcmpl-fake", "object": "chat.completion", "created": 1700000000, "model": body["model"] + "-2026-11-01",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}],
            "usage": usage_of(reply), "service_tier": "default", "system_fingerprint": "fp_fake"}


def events(body, reply):
    """The stream as a list of SSE events, [DONE] included."""
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))

    def chunk(choices, usage=None):
        data = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1700000000,
                "model": body["model"] + "-2026-11-01", "service_tier": "default", "system_fingerprint": "fp_fake", "choices": choices}
        if with_usage:
            data["usage"] = usage
        return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"

    def delta(what, finish=None):
        return chunk([{"index": 0, "delta": what, "logprobs": None, "finish_reason": finish}])

    out = [delta({"role": "assistant", "content": "" if reply.text else None, "refusal": None})]
    if reply.thinking:
        out.append(delta({"reasoning_content": reply.thinking}))
    if reply.refusal:
        out.append(delta({"refusal": reply.refusal}))
    out += [delta({"content": piece}) for piece in reply.pieces]
    for at, call in enumerate(_tool_calls(reply)):
        out += [delta({"tool_calls": [fragment]}) for fragment in _call_fragments(at, call, reply.dialect)]
    out.append(delta({}, _finish(reply)))
    if with_usage:
        out.append(chunk([], usage_of(reply)))
    return out + [b"data: [DONE]\n\n"]
