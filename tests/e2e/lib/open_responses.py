"""A judge of Responses by the Open Responses specification: what a response object, a compacted one and each event of a stream must
have. Our own reading of its published schemas; each function says what is wrong, in words, or nothing."""
from . import schema

NULL = type(None)
NUMBER = (int, float)


def _is(value, wanted):
    return any(value is None if one is NULL else schema.is_a(value, one) for one in wanted)


def _members(where, thing, table):
    """Every member of the table is there and of one of its types."""
    if not isinstance(thing, dict):
        return [f"{where} is {schema.kind(thing)}, not an object"]
    wrong = []
    for name, wanted in table.items():
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        if name not in thing:
            wrong.append(f"{where}.{name} is missing")
        elif not _is(thing[name], wanted):
            wrong.append(f"{where}.{name} is {schema.kind(thing[name])}")
    return wrong


USAGE = {"input_tokens": int, "output_tokens": int, "total_tokens": int, "input_tokens_details": dict, "output_tokens_details": dict}
RESPONSE = {
    "id": str, "object": str, "created_at": int, "completed_at": (int, NULL), "status": str, "incomplete_details": (dict, NULL), "model": str,
    "previous_response_id": (str, NULL), "instructions": (str, NULL), "output": list, "error": (dict, NULL), "tools": list,
    "tool_choice": (str, dict), "truncation": str, "parallel_tool_calls": bool, "text": dict, "top_p": NUMBER, "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER, "top_logprobs": int, "temperature": NUMBER, "reasoning": (dict, NULL), "usage": (dict, NULL),
    "max_output_tokens": (int, NULL), "max_tool_calls": (int, NULL), "store": bool, "background": bool, "service_tier": str,
    "metadata": dict, "safety_identifier": (str, NULL), "prompt_cache_key": (str, NULL),
}
ITEMS = {
    "message": {"id": str, "status": str, "role": str, "content": list},
    "function_call": {"id": str, "call_id": str, "name": str, "arguments": str, "status": str},
    "custom_tool_call": {"id": str, "call_id": str, "name": str, "input": str},
    "reasoning": {"id": str, "summary": list},
    "compaction": {"id": str, "encrypted_content": str},
}
PARTS = {"output_text": {"text": str, "annotations": list}, "refusal": {"refusal": str}, "summary_text": {"text": str},
         "reasoning_text": {"text": str}, "input_text": {"text": str}}
STATUSES = ("queued", "in_progress", "completed", "incomplete", "failed", "cancelled")


def _usage(where, usage):
    wrong = _members(where, usage, USAGE)
    if wrong:
        return wrong
    wrong = _members(where, usage["input_tokens_details"], {"cached_tokens": int})
    wrong += _members(where, usage["output_tokens_details"], {"reasoning_tokens": int})
    if usage["total_tokens"] != usage["input_tokens"] + usage["output_tokens"]:
        wrong.append(f"{where}.total_tokens is not the sum")
    return wrong


def part(where, one):
    kind = one.get("type") if isinstance(one, dict) else None
    return _members(where, one, PARTS[kind]) if kind in PARTS else [f"{where} is a part of type {kind}"]


def item(where, one):
    kind = one.get("type") if isinstance(one, dict) else None
    if kind not in ITEMS:
        return [f"{where} is an item of type {kind}"]
    wrong = _members(where, one, ITEMS[kind])
    for list_name in ("content", "summary"):
        for at, each in enumerate(one.get(list_name) or []):
            wrong += part(f"{where}.{list_name}[{at}]", each)
    return wrong


def _output(where, output):
    return [text for at, one in enumerate(output) for text in item(f"{where}.output[{at}]", one)]


def response(one, where="response"):
    wrong = _members(where, one, RESPONSE)
    if wrong:
        return wrong
    if one["object"] != "response" or one["status"] not in STATUSES or one["truncation"] not in ("auto", "disabled"):
        wrong.append(f"{where} has an object, a status or a truncation of no known word")
    for at, tool in enumerate(one["tools"]):
        if tool.get("type") == "function":
            wrong += _members(f"{where}.tools[{at}]", tool, {"name": str, "description": (str, NULL), "parameters": (dict, NULL),
                                                               "strict": (bool, NULL)})
    wrong += _members(where + ".text", one["text"], {"format": dict})
    wrong += _members(where + ".reasoning", one["reasoning"], {"effort": (str, NULL), "summary": (str, NULL)}) if one["reasoning"] else []
    wrong += _usage(where + ".usage", one["usage"]) if one["usage"] is not None else []
    return wrong + _output(where, one["output"])


def compacted(one):
    wrong = _members("compacted", one, {"id": str, "object": str, "created_at": int, "output": list, "usage": dict})
    if wrong:
        return wrong
    if one["object"] != "response.compaction":
        wrong.append("compacted.object is " + one["object"])
    return wrong + _output("compacted", one["output"]) + _usage("compacted.usage", one["usage"])


# -- streams

AT_ITEM = {"item_id": str, "output_index": int}
AT_PART = {**AT_ITEM, "content_index": int}
EVENTS = {
    "response.created": {"response": dict}, "response.queued": {"response": dict}, "response.in_progress": {"response": dict},
    "response.completed": {"response": dict}, "response.incomplete": {"response": dict}, "response.failed": {"response": dict},
    "response.output_item.added": {"output_index": int, "item": dict}, "response.output_item.done": {"output_index": int, "item": dict},
    "response.content_part.added": {**AT_PART, "part": dict}, "response.content_part.done": {**AT_PART, "part": dict},
    "response.output_text.delta": {**AT_PART, "delta": str}, "response.output_text.done": {**AT_PART, "text": str},
    "response.output_text.annotation.added": {**AT_PART, "annotation_index": int, "annotation": dict},
    "response.refusal.delta": {**AT_PART, "delta": str}, "response.refusal.done": {**AT_PART, "refusal": str},
    "response.reasoning_text.delta": {**AT_PART, "delta": str}, "response.reasoning_text.done": {**AT_PART, "text": str},
    "response.reasoning_summary_part.added": {**AT_ITEM, "summary_index": int, "part": dict},
    "response.reasoning_summary_part.done": {**AT_ITEM, "summary_index": int, "part": dict},
    "response.reasoning_summary_text.delta": {**AT_ITEM, "summary_index": int, "delta": str},
    "response.reasoning_summary_text.done": {**AT_ITEM, "summary_index": int, "text": str},
    "response.function_call_arguments.delta": {**AT_ITEM, "delta": str},
    "response.function_call_arguments.done": {**AT_ITEM, "arguments": str},
    "response.custom_tool_call_input.delta": {**AT_ITEM, "delta": str}, "response.custom_tool_call_input.done": {**AT_ITEM, "input": str},
}
LAST = ("response.completed", "response.incomplete", "response.failed")


def _event(at, name, data):
    where = f"event {at} ({name})"
    if data.get("type") != name or name not in EVENTS:
        return [f"{where} has the type {data.get('type')}"]
    wrong = _members(where, data, {"sequence_number": int, **EVENTS[name]})
    if not wrong and data["sequence_number"] != at:
        wrong.append(f"{where} has the number {data['sequence_number']}")
    if not wrong and "response" in data:
        wrong += response(data["response"], where)
    if not wrong and "item" in data:
        wrong += item(where, data["item"])
    return wrong


def _folded(events):
    """What was said piece by piece is what is told whole at its end."""
    pieces, wrong = {}, []
    for _, data in events:
        key = (data.get("item_id"), data.get("content_index", data.get("summary_index")))
        kind = data["type"].rpartition(".")
        if kind[2] == "delta":
            pieces.setdefault((kind[0], key), []).append(data["delta"])
        whole = next((data[name] for name in ("text", "refusal", "arguments", "input") if name in data), None)
        if kind[2] == "done" and whole is not None and "".join(pieces.get((kind[0], key), [])) != whole:
            wrong.append(f"the pieces before {data['type']} are not {whole!r}")
    return wrong


def stream(events):
    """[(name, data)] of a whole stream."""
    wrong = [text for at, (name, data) in enumerate(events) for text in _event(at, name, data)]
    if wrong:
        return wrong
    if events[0][0] != "response.created" or [name for name, _ in events if name in LAST] != [events[-1][0]]:
        wrong.append("it does not go from response.created to one last event")
    added = [(data["output_index"], data["item"]["id"]) for name, data in events if name == "response.output_item.added"]
    done = [(data["output_index"], data["item"]["id"]) for name, data in events if name == "response.output_item.done"]
    if sorted(added) != sorted(done) or [index for index, _ in sorted(added)] != list(range(len(added))):
        wrong.append(f"items were added as {added} and ended as {done}")
    told = [each["id"] for each in events[-1][1]["response"]["output"]]
    if told != [each for _, each in sorted(done)]:
        wrong.append(f"the last response has {told}")
    return wrong + _folded(events)
