"""What vendors refuse of a request's parts, rule by rule: members that they do not know, choices of tools that are not there, media that
they do not take, settings that exclude each other. By their documents, SDK types and the words of their refusals (November 2026); the
numbers are docs/wire.md's. Each judge gives the vendor's words, or None."""
import json
import re

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MARK = {"type", "cache_control"}


def extra(value, allowed):
    """The first member that is not allowed, or None."""
    return next((name for name in value if name not in allowed), None)


def twice(names):
    """The first name that stands twice, or None."""
    seen = set()
    return next((name for name in names if name in seen or seen.add(name)), None)


def first(judgements):
    return next((why for why in judgements if why), None)


# -- Anthropic

CLAUDE_BLOCKS = {
    "text": MARK | {"text", "citations"}, "image": MARK | {"source"}, "document": MARK | {"source", "title", "context", "citations"},
    "tool_use": MARK | {"id", "name", "input", "caller"}, "tool_result": MARK | {"tool_use_id", "content", "is_error"},
    "thinking": {"type", "thinking", "signature"}, "redacted_thinking": {"type", "data"},
    "search_result": MARK | {"source", "title", "content", "citations"},
}
CLAUDE_TOOL = MARK | {"name", "description", "input_schema", "strict", "defer_loading", "input_examples", "eager_input_streaming", "allowed_callers"}
CLAUDE_CHOICES = {"auto": {"type", "disable_parallel_tool_use"}, "any": {"type", "disable_parallel_tool_use"},
                  "tool": {"type", "name", "disable_parallel_tool_use"}, "none": {"type"}}
CLAUDE_RESULTS = ("text", "image", "document", "search_result", "tool_reference")


def _claude_source(where, source):
    kind = source.get("type")
    if kind not in ("base64", "url", "text", "content", "file"):
        return f"{where}.source: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    if kind == "base64" and ".image" in where and source.get("media_type") not in IMAGES:
        return f"{where}.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
    wanted = {"base64": "application/pdf", "text": "text/plain"}.get(kind)
    if wanted and ".document" in where and source.get("media_type") != wanted:
        return f"{where}.source.{kind}.media_type: Input should be '{wanted}'"
    return None


def _claude_result(where, block):
    content = block.get("content") or []
    if isinstance(content, str):
        return None
    for index, part in enumerate(content):
        if part.get("type") not in CLAUDE_RESULTS:
            return f"{where}.content.{index}: Input tag '{part.get('type')}' found using 'type' does not match any of the expected tags"
        if block.get("is_error") and part["type"] != "text":
            return f"{where}: all content must be type `text` if `is_error` is true"
    return first(claude_block(f"{where}.content.{index}", part) for index, part in enumerate(content))


def claude_block(where, block):
    kind = block["type"]
    wrong = extra(block, CLAUDE_BLOCKS[kind]) if kind in CLAUDE_BLOCKS else None
    if wrong:
        return f"{where}.{kind}.{wrong}: Extra inputs are not permitted"
    if kind == "text" and not block["text"].strip():
        return "messages: text content blocks must contain non-whitespace text" if block["text"] else "messages: text content blocks must be non-empty"
    if kind in ("image", "document"):
        return _claude_source(f"{where}.{kind}", block.get("source") or {})
    return _claude_result(f"{where}.{kind}", block) if kind == "tool_result" else None


def _claude_choice(body):
    choice, tools = body.get("tool_choice"), body.get("tools") or []
    if choice is None:
        return None
    if not tools and choice["type"] != "none":
        return "tool_choice: `tool_choice` may only be specified while providing `tools`"
    wrong = extra(choice, CLAUDE_CHOICES[choice["type"]])
    if wrong:
        return f"tool_choice.{choice['type']}.{wrong}: Extra inputs are not permitted"
    if choice["type"] == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        return f"Tool '{choice.get('name')}' not found in provided tools"
    return None


def _claude_thinking(body):
    """A11."""
    if (body.get("thinking") or {}).get("type") not in ("enabled", "adaptive"):
        return None
    if body.get("temperature", 1) != 1:
        return "`temperature` may only be set to 1 when thinking is enabled."
    if "top_k" in body:
        return "`top_k` must be unset when thinking is enabled."
    if body.get("top_p", 1) < 0.95:
        return "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        return "Thinking may not be enabled when tool_choice forces tool use."
    return None


def _claude_tools(body):
    tools = body.get("tools") or []
    for at, tool in enumerate(tools):
        wrong = tool.get("type", "custom") == "custom" and extra(tool, CLAUDE_TOOL)
        if wrong:
            return f"tools.{at}.custom.{wrong}: Extra inputs are not permitted"
    name = twice(tool["name"] for tool in tools)
    return name and "tools: Tool names must be unique."


def _claude_system(body):
    system = body.get("system")
    for at, block in enumerate(system if isinstance(system, list) else []):
        if block.get("type") != "text" or extra(block, CLAUDE_BLOCKS["text"]):
            return f"system.{at}: Extra inputs are not permitted"
        if not block["text"].strip():
            return "system: text content blocks must be non-empty"
    return None


def claude(body):
    """Of a whole request whose shape is right."""
    messages = body["messages"]
    blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    if any(not message["content"] for message in messages[:-1]):
        return "messages: all messages must have non-empty content except for the optional final assistant message"
    if any(isinstance(message["content"], str) and not message["content"].strip() for message in messages):
        return "messages: text content blocks must contain non-whitespace text"
    if twice(block["id"] for block in blocks if block["type"] == "tool_use"):
        return "messages: `tool_use` ids must be unique"
    if extra(body.get("metadata") or {}, {"user_id"}):
        return f"metadata.{extra(body['metadata'], {'user_id'})}: Extra inputs are not permitted"
    last = messages[-1]
    if last["role"] == "assistant" and isinstance(last["content"], str) and last["content"] != last["content"].rstrip():
        return "messages: final assistant content cannot end with trailing whitespace"
    judged = first(claude_block(f"messages.content.{at}", block) for at, block in enumerate(blocks))
    return judged or _claude_system(body) or _claude_tools(body) or _claude_choice(body) or _claude_thinking(body)


# -- OpenAI

CHAT_MESSAGES = {
    "system": {"role", "content", "name"}, "developer": {"role", "content", "name"}, "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "annotations"},
    "tool": {"role", "content", "tool_call_id"}, "function": {"role", "content", "name"},
}
SCHEMA_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
OPENAIS = re.compile(r"gpt-\d|o\d|chatgpt-")  # what else speaks this format, as vLLM does, takes reasoning back
DATA_IMAGE = re.compile(r"^data:image/(png|jpeg|jpg|gif|webp);base64,[A-Za-z0-9+/]+=*$")
ID_STARTS = {"message": "msg", "function_call": "fc", "reasoning": "rs", "custom_tool_call": "ctc", "compaction": "cmp"}
ITEM = {"type", "id", "status"}
ITEMS = {
    "message": ITEM | {"role", "content", "phase"}, "function_call": ITEM | {"call_id", "name", "arguments", "namespace", "caller"},
    "function_call_output": ITEM | {"call_id", "output", "caller"}, "reasoning": ITEM | {"summary", "content", "encrypted_content"},
    "custom_tool_call": ITEM | {"call_id", "name", "input", "namespace", "caller"},
    "custom_tool_call_output": ITEM | {"call_id", "output", "caller"},
}
ITEM_PARTS = {
    "input_text": {"type", "text", "prompt_cache_breakpoint"}, "output_text": {"type", "text", "annotations", "logprobs"}, "refusal": {"type", "refusal"},
    "input_image": {"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"},
    "input_file": {"type", "file_id", "file_url", "file_data", "filename", "detail", "prompt_cache_breakpoint"},
}
FUNCTION = {"type", "name", "description", "parameters", "strict", "defer_loading", "output_schema", "allowed_callers"}


def _strict_schema(where, schema):
    """Every object of a strict schema is closed and all of its members are required."""
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return f"{where} In context=(), 'additionalProperties' is required to be supplied and to be false."
        if set(schema.get("required") or []) != set(schema.get("properties") or {}):
            return f"{where} In context=(), 'required' is required to be supplied and to be an array including every key in properties."
    inner = [*(schema.get("properties") or {}).values(), *(schema.get("$defs") or {}).values(), *schema.get("anyOf", []), schema.get("items")]
    return first(_strict_schema(where, one) for one in inner)


def _openai_format(where, told):
    """Of response_format.json_schema and of text.format."""
    if not SCHEMA_NAME.match(told.get("name") or ""):
        return f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    return _strict_schema(f"Invalid schema for response_format '{told['name']}':", told.get("schema")) if told.get("strict") else None


def _openai_choice(choice, names, chat):
    """`names`: (type, name) of what is offered."""
    if choice is None or isinstance(choice, str):
        return None if choice in (None, "none", "auto", "required") else f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
    kind = choice.get("type")
    if kind not in ("function", "custom"):
        return None if kind == "allowed_tools" or not chat else f"Invalid value: '{kind}'."
    named = (choice.get(kind) or {}).get("name") if chat else choice.get("name")
    wrong = extra(choice, {"type", kind} if chat else {"type", "name", "namespace"})
    if wrong:
        return f"Unknown parameter: 'tool_choice.{wrong}'."
    return None if (kind, named) in names else f"Tool choice '{named}' not found in 'tools' parameter."


def _chat_part(where, part):
    url = (part.get("image_url") or {}).get("url") if part["type"] == "image_url" else None
    if url is not None and url.startswith("data:") and not DATA_IMAGE.match(url):
        return f"Invalid image data at {where}: unsupported MIME type. Only image types are supported."
    wrong = extra(part, {"type", part["type"], "prompt_cache_breakpoint"})
    return wrong and f"Unknown parameter: '{where}.{wrong}'."


def _chat_message(at, message, model):
    known = CHAT_MESSAGES[message["role"]] | (set() if OPENAIS.match(model) else {"reasoning_content"})
    wrong = extra(message, known)
    if wrong:
        return f"Unknown parameter: 'messages[{at}].{wrong}'."
    if message.get("tool_calls") == []:
        return f"Invalid 'messages[{at}].tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead."
    if twice(call["id"] for call in message.get("tool_calls") or []):
        return f"Duplicate value for 'tool_call_id' of '{twice(call['id'] for call in message['tool_calls'])}' in message[{at}]"
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return first(_chat_part(f"messages[{at}].content[{index}]", part) for index, part in enumerate(parts))


def _chat_format(body):
    told = body.get("response_format") or {"type": "text"}
    if told.get("type") not in ("text", "json_object", "json_schema"):
        return f"Invalid value: '{told.get('type')}'. Supported values are: 'json_object', 'json_schema', and 'text'."
    if told["type"] == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        return "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
    return _openai_format("response_format.json_schema", told.get("json_schema") or {}) if told["type"] == "json_schema" else None


def _offered(tools):
    return [(tool["type"], tool.get(tool["type"], tool).get("name")) for tool in tools if tool["type"] in ("function", "custom")]


def chat(body):
    """Of a whole request of Chat Completions whose shape is right."""
    tools = body.get("tools") or []
    if body.get("tools") == []:
        return "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
    if body.get("parallel_tool_calls") is not None and not tools:
        return "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."
    if body.get("top_logprobs") and not body.get("logprobs"):
        return "Invalid value for 'top_logprobs': 'top_logprobs' is only allowed when 'logprobs' is enabled."
    if body.get("max_tokens") is not None and re.match(r"o\d|gpt-[56]", body["model"]):  # C14
        return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        return "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    strict = first(_strict_schema(f"Invalid schema for function '{one['function']['name']}':", one["function"].get("parameters"))
                   for one in tools if one["type"] == "function" and one["function"].get("strict"))
    judged = first(_chat_message(at, message, body["model"]) for at, message in enumerate(body["messages"]))
    return judged or strict or _chat_format(body) or _openai_choice(body.get("tool_choice"), _offered(tools), True)


def _item_part(where, part):
    wrong = extra(part, ITEM_PARTS[part["type"]]) if part["type"] in ITEM_PARTS else None
    if wrong:
        return f"Unknown parameter: '{where}.{wrong}'."
    url = part.get("image_url")
    if url and url.startswith("data:") and not DATA_IMAGE.match(url):
        return f"Invalid '{where}.image_url'. Expected a base64-encoded data URL with an image MIME type."
    if part["type"] == "input_file" and part.get("file_data") and not part.get("filename"):
        return f"Missing required parameter: '{where}.filename'."
    return None


def _item(at, item):
    kind, where = item.get("type") or "message", f"input[{at}]"
    wrong = extra(item, ITEMS[kind]) if kind in ITEMS else None
    if wrong:
        return f"Unknown parameter: '{where}.{wrong}'."
    start = ID_STARTS.get(kind)
    if start and item.get("id") is not None and not item["id"].startswith(start):
        return f"Invalid '{where}.id': '{item['id']}'. Expected an ID that begins with '{start}'."
    content = item.get("output") if kind.endswith("_output") else item.get("content")
    parts = content if isinstance(content, list) and kind != "reasoning" else []
    return first(_item_part(f"{where}.content[{index}]", part) for index, part in enumerate(parts))


def _results_kind(items):
    """The result of a call is of its call's kind."""
    made = {}
    for item in items:
        kind = item.get("type") or "message"
        if kind.endswith("_call"):
            made[item.get("call_id")] = kind
        elif kind.endswith("_call_output") and made.get(item["call_id"], kind[:-7]) != kind[:-7]:
            return f"No tool output found for {made[item['call_id']].replace('_', ' ')} {item['call_id']}."
    return None


def responses(body):
    """Of a whole request of Responses whose shape is right."""
    tools, items = body.get("tools") or [], body["input"] if isinstance(body["input"], list) else []
    functions = [(at, tool) for at, tool in enumerate(tools) if tool["type"] == "function"]
    wrong = first(extra(tool, FUNCTION) and f"Unknown parameter: 'tools[{at}].{extra(tool, FUNCTION)}'." for at, tool in functions)
    strict = first(_strict_schema(f"Invalid schema for function '{tool['name']}':", tool.get("parameters"))
                   for _, tool in functions if tool.get("strict"))
    told = (body.get("text") or {}).get("format") or {}
    shape = _openai_format("text.format", told) if told.get("type") == "json_schema" else None
    if extra(body.get("stream_options") or {}, {"include_obfuscation"}):
        return f"Unknown parameter: 'stream_options.{extra(body['stream_options'], {'include_obfuscation'})}'."
    for at, item in enumerate(items):
        if item.get("type") == "reasoning" and item.get("content") and OPENAIS.match(body["model"]):
            return (f"Invalid 'input[{at}].content': array too long. Expected an array with maximum length 0, but got an array with length "
                    f"{len(item['content'])} instead.")
        kept = item.get("encrypted_content") or item.get("content")  # the latter by servers that do not encrypt
        if item.get("type") == "reasoning" and item.get("id") and body.get("store") is False and not kept:
            return f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
    judged = first(_item(at, item) for at, item in enumerate(items))
    return wrong or strict or shape or judged or _results_kind(items) or _openai_choice(body.get("tool_choice"), _offered(tools), False)


# -- Google

GEMINI_FUNCTION = {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"}
GEMINI_SCHEMA = {"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required", "minProperties",
                 "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default", "items", "minimum", "maximum"}
GEMINI_TOOLS = {"functionDeclarations", "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "computerUse", "fileSearch", "googleMaps"}
THINKING = {"includeThoughts", "thinkingBudget", "thinkingLevel"}


def _subset(where, schema):
    """G10, where a schema is Google's own."""
    wrong = extra(schema, GEMINI_SCHEMA)
    if wrong:
        return f'Invalid JSON payload received. Unknown name "{wrong}" at \'{where}\': Cannot find field.'
    if any(not isinstance(one, str) for one in schema.get("enum") or []):
        return f"Invalid value at '{where}.enum' (TYPE_STRING)"
    inner = [*(schema.get("properties") or {}).values(), *schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return first(_subset(where, one) for one in inner)


def _gemini_tools(body):
    functions = [one for tool in body.get("tools") or [] for one in tool.get("functionDeclarations") or []]
    wrong = first(extra(tool, GEMINI_TOOLS) for tool in body.get("tools") or []) or first(extra(one, GEMINI_FUNCTION) for one in functions)
    if wrong:
        return f'Invalid JSON payload received. Unknown name "{wrong}" at \'tools[0]\': Cannot find field.'
    if twice(one["name"] for one in functions):
        return f"Duplicate function declaration found: {twice(one['name'] for one in functions)}"
    config = (body.get("toolConfig") or {}).get("functionCallingConfig")
    allowed = (config or {}).get("allowedFunctionNames") or []
    if config is not None and not functions:
        return "Function calling config is set without function_declarations."
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        return "allowed_function_names should only be set when mode is ANY or VALIDATED."
    if any(name not in [one["name"] for one in functions] for name in allowed):
        return "allowed_function_names contains a name that is not in function_declarations."
    return first(_subset("tools[0].function_declarations[0].parameters", one["parameters"]) for one in functions if "parameters" in one)


def _gemini_config(config):
    thinking = config.get("thinkingConfig") or {}
    if extra(thinking, THINKING):
        return f'Invalid JSON payload received. Unknown name "{extra(thinking, THINKING)}" at \'generation_config.thinking_config\': Cannot find field.'
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        return "You can only set only one of thinking budget and thinking level."
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) > 1:
        return "Only one of response_schema and response_json_schema can be set."
    if schemas and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        return "Response schema is only supported with response mime type application/json."
    for name, low, high in (("temperature", 0, 2), ("topP", 0, 1), ("candidateCount", 1, 8), ("maxOutputTokens", 1, 1 << 31)):
        if not low <= config.get(name, low) <= high:
            return f"Unable to submit request because {name} is out of range: it must be from {low} to {high}."
    return _subset("generation_config.response_schema", config["responseSchema"]) if "responseSchema" in config else None


def gemini(body):
    """Of a whole request of generateContent whose shape is right."""
    last, system = None, body.get("systemInstruction") or {}
    if any(set(part) != {"text"} for part in system.get("parts", [])):
        return "systemInstruction: only text is supported"
    for content in body["contents"]:
        calls = content.get("role") == "model" and any("functionCall" in part for part in content["parts"])
        if calls and last is None:
            return "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
        last = content.get("role", "user")
    return _gemini_tools(body) or _gemini_config(body.get("generationConfig") or {})


# -- Amazon

SYSTEM = {"text", "cachePoint", "guardContent"}
RESULTS = {"json", "text", "image", "document", "video", "searchResult"}
IMAGE_FORMATS = ("png", "jpeg", "gif", "webp")
DOCUMENT_FORMATS = ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")


def _media(where, block):
    if "image" in block and (block["image"].get("format") not in IMAGE_FORMATS or extra(block["image"], {"format", "source"})):
        return f"{where}.image.format: Member must satisfy enum value set: [gif, jpeg, png, webp]"
    document = block.get("document")
    if document and (document.get("format", "txt") not in DOCUMENT_FORMATS or extra(document, {"format", "name", "source", "context", "citations"})):
        return f"{where}.document.format: Member must satisfy enum value set: {list(DOCUMENT_FORMATS)}"
    return None


def _converse_result(where, result):
    if result.get("status", "success") not in ("success", "error"):
        return f"{where}.status: Member must satisfy enum value set: [success, error]"
    for block in result["content"]:
        if len(block) != 1 or next(iter(block)) not in RESULTS or not isinstance(block.get("json", {}), dict):
            return f"{where}.content is a union: exactly one of {sorted(RESULTS)} must be set, got {block!r:.200}"
    return first(_media(f"{where}.content", block) for block in result["content"])


def _converse_reasoning(where, block):
    inner = block["reasoningContent"]
    if set(inner) == {"redactedContent"}:
        return None
    told = inner.get("reasoningText")
    if set(inner) != {"reasoningText"} or "text" not in told or extra(told, {"text", "signature"}):
        return f"{where}.reasoningContent: {inner!r:.200}"
    return None if told.get("signature") else f"{where}.reasoningContent.reasoningText.signature: Field required"


def _converse_message(at, message):
    where, content = f"messages.{at}.content", message["content"]
    documents = [block["document"].get("name") for block in content if "document" in block]
    if len(documents) > 5:
        return "A request may have at most 5 documents."
    if twice(documents):
        return f"messages.{at}: two documents are named {twice(documents)!r}"
    if documents and not any("text" in block for block in content):
        return "A text block is required when a message has a document."
    return first(_media(where, block) for block in content) or first(
        _converse_result(where, block["toolResult"]) for block in content if "toolResult" in block) or first(
            _converse_reasoning(where, block) for block in content if "reasoningContent" in block)


def _converse_tools(body):
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    for spec in specs:
        if extra(spec, {"name", "description", "inputSchema", "strict"}) or spec.get("description") == "":
            return f"toolConfig.tools: {spec!r:.200}"
    if twice(spec["name"] for spec in specs):
        return f"The tool {twice(spec['name'] for spec in specs)} is already defined"
    named = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    if named and named not in [spec["name"] for spec in specs]:
        return f"toolChoice.tool.name: {named} is not in toolConfig.tools"
    return None


def converse(body):
    """Of a whole request of Converse whose shape is right. What is meant for Claude goes to it as it is."""
    for block in body.get("system") or []:
        if len(block) != 1 or next(iter(block)) not in SYSTEM:
            return f"system is a union: exactly one of {sorted(SYSTEM)} must be set, got {block!r:.200}"
        if not block.get("text", "x").strip():
            return "The text field in the SystemContentBlock object is blank."
    config, more = body.get("inferenceConfig") or {}, body.get("additionalModelRequestFields") or {}
    if config.get("maxTokens", 1) < 1 or any(not stop for stop in config.get("stopSequences") or []):
        return "inferenceConfig: maxTokens must be 1 or more, and stop sequences must not be empty"
    names = {"temperature": "temperature", "topP": "top_p"}
    claude_sees = {**{names[name]: value for name, value in config.items() if name in names}, **more}
    choice = next(iter((body.get("toolConfig") or {}).get("toolChoice") or {"auto": {}}))
    judged = first(_converse_message(at, message) for at, message in enumerate(body["messages"]))
    return judged or _converse_tools(body) or _claude_thinking({**claude_sees, "tool_choice": {"type": choice}})
