# order: 5
"""The fakes' own rules (lib/rules.py): each refuses what the vendor refuses, in its words, and takes what stands beside it."""
import copy

from lib import rules
from lib.tap import check, eq, run, test

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
LOOSE = {"type": "object", "properties": {"city": {"type": "string"}}}


def changed(body, path, value):
    """The body with one place set; None takes it away."""
    body = copy.deepcopy(body)
    at = body
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    elif isinstance(at, list) and path[-1] == len(at):
        at.append(value)
    else:
        at[path[-1]] = value
    return body


def judged(judge, good, rows):
    eq(judge(good), None, "the good request")
    for path, value, word in rows:
        why = judge(changed(good, path, value))
        check(why and word in why, f"{path} = {value!r}: {why!r}, wanted {word!r}")


CLAUDE = {
    "model": "m", "max_tokens": 9000, "system": [{"type": "text", "text": "Be short."}], "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 2000}, "tool_choice": {"type": "auto"},
    "tools": [{"name": "look", "input_schema": LOOSE}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                     {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                                          {"type": "tool_use", "id": "t1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [{"type": "text", "text": "no"}]}]},
    ],
}


@test("Anthropic: blocks, tools and their choice, thinking and what it excludes")
def _():
    judged(rules.claude, CLAUDE, [
        (("messages", 0, "content", 0, "text"), " \n", "non-whitespace"),
        (("messages", 0, "content", 0, "id"), "x", "Extra inputs"),
        (("messages", 0, "content", 1, "source", "media_type"), "image/bmp", "media_type"),
        (("messages", 0, "content", 1), {"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": "YSxi"}}, "application/pdf"),
        (("messages", 0, "content", 1), {"type": "document", "source": {"type": "text", "media_type": "text/markdown", "data": "x"}}, "text/plain"),
        (("messages", 0, "content"), " ", "non-whitespace"),
        (("messages", 0, "content"), [], "non-empty content"),
        (("messages", 1, "content", 2), {"type": "tool_use", "id": "t1", "name": "look", "input": {}}, "must be unique"),
        (("messages", 1, "content", 0, "text"), "x", "Extra inputs"),
        (("messages", 2, "content", 0, "content", 0), {"type": "image", "source": {"type": "url", "url": "https://x"}}, "is_error"),
        (("messages", 2, "content", 0, "content", 0), {"type": "thinking", "thinking": "x"}, "expected tags"),
        (("messages", 3), {"role": "assistant", "content": "So "}, "trailing whitespace"),
        (("system", 0, "text"), "", "system"),
        (("metadata", "other"), "x", "Extra inputs"),
        (("tools", 0, "parameters"), {}, "Extra inputs"),
        (("tools", 1), {"name": "look", "input_schema": LOOSE}, "unique"),
        (("tools",), None, "while providing `tools`"),
        (("tool_choice",), {"type": "tool", "name": "see"}, "not found"),
        (("tool_choice",), {"type": "any"}, "forces tool use"),
        (("tool_choice", "name"), "look", "Extra inputs"),
        (("temperature",), 0.5, "temperature"),
        (("top_p",), 0.5, "top_p"),
        (("top_k",), 5, "top_k"),
    ])


CHAT = {
    "model": "gpt-5.4", "max_completion_tokens": 900, "parallel_tool_calls": False, "tool_choice": {"type": "function", "function": {"name": "look"}},
    "tools": [{"type": "function", "function": {"name": "look", "parameters": CITY, "strict": True}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY, "strict": True}},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "no"},
    ],
}


@test("OpenAI's Chat Completions: messages, tools and their choice, formats, names of the bound")
def _():
    judged(rules.chat, CHAT, [
        (("messages", 0, "cache_control"), {}, "Unknown parameter: 'messages[0].cache_control'"),
        (("messages", 1, "reasoning_content"), "Hm.", "reasoning_content"),
        (("messages", 0, "content", 0, "cache_control"), {}, "Unknown parameter"),
        (("messages", 0, "content", 1, "image_url", "url"), "data:image/bmp;base64,iVBO", "MIME"),
        (("messages", 1, "tool_calls", 1), CHAT["messages"][1]["tool_calls"][0], "Duplicate"),
        (("messages", 1, "tool_calls"), [], "empty array"),
        (("tools",), None, "parallel_tool_calls"),
        (("tools",), [], "empty array"),
        (("tools", 0, "function", "parameters"), LOOSE, "additionalProperties"),
        (("tool_choice", "function", "name"), "see", "not found"),
        (("tool_choice",), "any", "Supported values"),
        (("tool_choice",), {"type": "tool", "name": "look"}, "Invalid value"),
        (("response_format", "json_schema", "schema"), LOOSE, "additionalProperties"),
        (("response_format", "json_schema", "name"), "a place", "pattern"),
        (("response_format",), {"type": "json_object"}, "the word 'json'"),
        (("response_format",), {"type": "json"}, "Invalid value"),
        (("max_tokens",), 900, "max_completion_tokens"),
        (("top_logprobs",), 3, "logprobs"),
    ])


RESPONSES = {
    "model": "gpt-5.5", "store": False, "tool_choice": {"type": "function", "name": "look"},
    "tools": [{"type": "function", "name": "look", "parameters": CITY, "strict": True}],
    "text": {"format": {"type": "json_schema", "name": "place", "schema": CITY, "strict": True}},
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What?"}, {"type": "input_file", "filename": "a.pdf", "file_data": "data:,"},
                                                        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "no"},
    ],
}


@test("OpenAI's Responses: items and their ids, parts, tools and their choice, formats")
def _():
    judged(rules.responses, RESPONSES, [
        (("input", 0, "id"), "cmp_1", "begins with 'msg'"),
        (("input", 0, "annotations"), [], "Unknown parameter: 'input[0].annotations'"),
        (("input", 0, "content", 0, "cache_control"), {}, "Unknown parameter"),
        (("input", 0, "content", 1, "filename"), None, "filename"),
        (("input", 0, "content", 2, "image_url"), "data:image/bmp;base64,iVBO", "MIME"),
        (("input", 1, "encrypted_content"), None, "not persisted"),
        (("input", 1, "content"), [{"type": "reasoning_text", "text": "Hm."}], "array too long"),
        (("input", 2, "parsed_arguments"), {}, "parsed_arguments"),
        (("input", 2, "id"), "call_1", "begins with 'fc'"),
        (("input", 3, "is_error"), True, "is_error"),
        (("input", 3, "type"), "custom_tool_call_output", "No tool output found for function call c1"),
        (("input", 2), {"type": "custom_tool_call", "call_id": "c1", "name": "look", "input": "x"}, "No tool output found for custom tool call c1"),
        (("tools", 0, "parameters"), LOOSE, "additionalProperties"),
        (("tools", 0, "function"), {}, "tools[0].function"),
        (("tool_choice", "name"), "see", "not found"),
        (("tool_choice",), {"type": "function", "function": {"name": "look"}}, "Unknown parameter"),
        (("tool_choice",), "any", "Supported values"),
        (("text", "format", "name"), "", "pattern"),
        (("stream_options",), {"include_usage": True}, "include_usage"),
    ])


GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be short."}]},
    "tools": [{"functionDeclarations": [{"name": "look", "parameters": LOOSE}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
    "generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}, "responseMimeType": "application/json", "responseSchema": LOOSE, "temperature": 2},
    "contents": [{"role": "user", "parts": [{"text": "What?"}]}, {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]}],
}


@test("Google: functions and which may be called, its subset of schemas, thinking, order of turns")
def _():
    config = ("generationConfig",)
    judged(rules.gemini, GEMINI, [
        (("tools", 0, "functionDeclarations", 1), {"name": "look"}, "Duplicate"),
        (("tools", 0, "functionDeclarations", 0, "strict"), True, "Unknown name"),
        (("tools", 0, "functionDeclarations", 0, "parameters"), CITY, "additionalProperties"),
        (("tools", 0, "functions"), [], "Unknown name"),
        (("tools",), None, "without function_declarations"),
        (("toolConfig", "functionCallingConfig", "mode"), "AUTO", "only be set when mode"),
        (("toolConfig", "functionCallingConfig", "allowedFunctionNames"), ["see"], "not in function_declarations"),
        (config + ("thinkingConfig", "thinkingBudget"), 100, "only one of"),
        (config + ("thinkingConfig", "effort"), "low", "Unknown name"),
        (config + ("responseJsonSchema",), LOOSE, "Only one of"),
        (config + ("responseMimeType",), "text/plain", "application/json"),
        (config + ("responseSchema", "properties", "city", "const"), "Paris", "const"),
        (config + ("temperature",), 2.5, "out of range"),
        (config + ("maxOutputTokens",), 0, "out of range"),
        (("systemInstruction", "parts", 0), {"inlineData": {}}, "only text"),
        (("contents", 0), GEMINI["contents"][1], "immediately after"),
    ])


CONVERSE = {
    "system": [{"text": "Be short."}], "inferenceConfig": {"maxTokens": 9000, "temperature": 1},
    "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    "toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": LOOSE}}}], "toolChoice": {"auto": {}}},
    "messages": [
        {"role": "user", "content": [{"text": "What?"}, {"image": {"format": "png", "source": {"bytes": "iVBORw0K"}}},
                                     {"document": {"format": "pdf", "name": "a", "source": {"bytes": "JVBE"}}}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                                          {"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "status": "error", "content": [{"text": "no"}]}}]},
    ],
}


@test("Amazon: media, results, thoughts, tools and their choice, what Claude excludes")
def _():
    said = ("messages", 0, "content")
    judged(rules.converse, CONVERSE, [
        (("system", 0, "text"), " ", "blank"),
        (("system", 0, "type"), "text", "union"),
        (said + (1, "image", "format"), "bmp", "enum"),
        (said + (2, "document", "format"), "rtf", "enum"),
        (said + (0,), CONVERSE["messages"][0]["content"][1], "text block is required"),
        (said + (3,), CONVERSE["messages"][0]["content"][2], "named 'a'"),
        (("messages", 1, "content", 0, "reasoningContent", "reasoningText", "signature"), None, "signature"),
        (("messages", 2, "content", 0, "toolResult", "status"), "failed", "enum"),
        (("messages", 2, "content", 0, "toolResult", "content", 0, "type"), "text", "union"),
        (("messages", 2, "content", 0, "toolResult", "content", 0), {"json": [1]}, "union"),
        (("toolConfig", "tools", 1), CONVERSE["toolConfig"]["tools"][0], "already defined"),
        (("toolConfig", "tools", 0, "toolSpec", "description"), "", "toolConfig.tools"),
        (("toolConfig", "toolChoice"), {"tool": {"name": "see"}}, "not in toolConfig.tools"),
        (("toolConfig", "toolChoice"), {"any": {}}, "forces tool use"),
        (("inferenceConfig", "temperature"), 0.5, "temperature"),
        (("inferenceConfig", "topP"), 0.5, "top_p"),
        (("inferenceConfig", "maxTokens"), 0, "maxTokens"),
        (("inferenceConfig", "stopSequences"), [""], "stop sequences"),
    ])


run()
