"""What vendors refuse in schemas of tools and answers, by their documents and the words of their refusals (November 2026)."""
import re

ALTERNATIVES = ("oneOf", "anyOf", "allOf")
SUBSET = {"type", "title", "description", "enum", "const", "default", "required", "$ref", "properties", "$defs", "definitions", "items",
          "anyOf", "allOf", "format", "minItems", "additionalProperties"}
OPENAI_TOOLS_MAX = 128
OPENAI_USER_MAX = 64
OPENAI_NOT_BESIDE_REASONING = ("stop", "presence_penalty", "frequency_penalty", "logit_bias")
# model, reasoning efforts; None: it does not reason
OPENAI_EFFORTS = ((r"gpt-4", None), (r"gpt-5(-mini|-nano)?$", "minimal low medium high"), (r"gpt-5\.1$", "none low medium high"),
                  (r"gpt-5\.[245]$", "none low medium high xhigh"), (r"gpt-5\.6|gpt-6-sol", "none low medium high xhigh max"))
GEMINI_LEVELS = ((r"gemini-2", ()), (r"gemini-3-pro", ("low", "high")), (r"gemini-3", ("minimal", "low", "medium", "high")))


def openai_effort(model, effort, tools, chat):
    """Why OpenAI refuses this effort, or function tools beside it, or None."""
    for pattern, efforts in OPENAI_EFFORTS:
        if effort is None or not re.match(pattern, model):
            continue
        if efforts is None:
            return "Unsupported parameter: 'reasoning_effort' is not supported with this model."
        if effort not in efforts.split():
            return f"Unsupported value: '{effort}' is not supported with the '{model}' model. Supported values are: {efforts}."
    unless = re.match(r"gpt-5\.4", model) and effort not in (None, "none")
    if chat and tools and (unless or (re.match(r"gpt-(5\.[56]|6)", model) and effort != "none")):
        return (f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. To use function tools, use "
                "/v1/responses or set reasoning_effort to 'none'.")
    return None


def claude_thinking(model, body):
    """Why Anthropic refuses thinking or sampling of a model since 4.7, or None."""
    if not re.search(r"claude-(opus-4-[78]|(opus|sonnet|haiku|fable|mythos)-5)", model):
        return None
    if (body.get("thinking") or {}).get("type") == "enabled":
        return '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
    wrong = [name for name in ("temperature", "top_p", "top_k") if body.get(name, 1) != 1]
    return f"`{wrong[0]}` is deprecated for this model." if wrong else None


def claude_settings(model, body):
    """Why Anthropic refuses both samplers, blank stops, a schema or a picture's type, or None."""
    if re.search(r"claude-(opus-4-[156]|(sonnet|haiku)-4-[56])", model) and "temperature" in body and "top_p" in body:
        return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    if any(not stop.strip() for stop in body.get("stop_sequences") or []):
        return "stop_sequences: each stop sequence must contain non-whitespace"
    if re.search(r"claude-3|claude-(opus|sonnet)-4-(0|2025)", model) and (body.get("output_config") or {}).get("format"):
        return "output_config.format: This model does not support structured outputs."
    return None


def openai_settings(model, body):
    """(why, parameter, code) of what OpenAI refuses beside reasoning, and of names that are too long, or None."""
    for name in ("user", "safety_identifier"):
        if len(body.get(name) or "") > OPENAI_USER_MAX:
            return (f"Invalid '{name}': string too long. Expected a string with maximum length {OPENAI_USER_MAX}, but got a string with "
                    f"length {len(body[name])} instead.", name, "string_above_max_length")
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    wrong = [name for name in OPENAI_NOT_BESIDE_REASONING if body.get(name) is not None]
    if re.match(r"gpt-5(-mini|-nano)?$|gpt-5\.5|gpt-5\.6", model) or effort not in (None, "none"):
        wrong += [name for name in ("logprobs", "top_logprobs") if body.get(name)]
        wrong += [name for name in ("temperature", "top_p") if body.get(name, 1) != 1]
    if wrong and re.match(r"gpt-5", model):
        return f"Unsupported parameter: '{wrong[0]}' is not supported with this model.", wrong[0], "unsupported_parameter"
    return None


def gemini_output(model, body):
    """Why Google refuses a form of the answer, or None."""
    config = body.get("generationConfig") or {}
    kind = config.get("responseMimeType", "text/plain")
    if len(config.get("stopSequences") or []) > 5:
        return "The number of stop sequences must not exceed 5."
    if re.match(r"gemini-[12]", model) and kind != "text/plain" and any("functionDeclarations" in tool for tool in body.get("tools") or []):
        return f"Function calling with a response mime type: '{kind}' is unsupported"
    return None


def gemini_thinking(model, config):
    """Why Google refuses a thinkingConfig, or None."""
    thinking = config.get("thinkingConfig") or {}
    for pattern, levels in GEMINI_LEVELS:
        if re.match(pattern, model) and thinking.get("thinkingLevel", "").lower() not in ("", *levels):
            return f"Thinking level {thinking['thinkingLevel']} is not supported for this model."
    return None


def openai_tool(name, parameters):
    """Why OpenAI refuses a function's parameters, or None."""
    where = f"Invalid schema for function '{name}':"
    kind = parameters.get("type")
    if kind != "object":
        return f"{where} schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    if "properties" not in parameters:
        return f"{where} In context=(), object schema missing properties."
    if any(word in parameters for word in ALTERNATIVES + ("enum", "not")):
        return f"{where} schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
    return None


def claude_tool(at, schema):
    """Why Anthropic refuses a tool's input_schema, or None."""
    if not isinstance(schema, dict):
        return f"tools.{at}.custom.input_schema: Field required"
    if "type" not in schema:
        return f"tools.{at}.custom.input_schema.type: Field required"
    if schema["type"] != "object":
        return f"tools.{at}.custom.input_schema.type: Input should be 'object'"
    if any(word in schema for word in ALTERNATIVES):
        return f"tools.{at}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
    return None


def _inside(schema):
    for name in ("properties", "$defs", "definitions"):
        yield from schema.get(name, {}).values()
    for name in ("anyOf", "allOf"):
        yield from schema.get(name, [])
    if "items" in schema:
        yield schema["items"]


def claude_output(schema):
    """Why Anthropic refuses a schema for its answer, or None."""
    kind = schema.get("type")
    if (kind == "object" or isinstance(kind, list) and "object" in kind) and schema.get("additionalProperties") is not False:
        return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for name in schema:
        if name not in SUBSET:
            return f"output_config.format.schema: For '{kind}' type, property '{name}' is not supported"
    if schema.get("minItems", 0) > 1:
        return "output_config.format.schema: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    return next((why for why in map(claude_output, _inside(schema)) if why), None)
