"""What vendors refuse in schemas of tools and answers, by their documents and the words of their refusals (November 2026)."""
ALTERNATIVES = ("oneOf", "anyOf", "allOf")
SUBSET = {"type", "title", "description", "enum", "const", "default", "required", "$ref", "properties", "$defs", "definitions", "items",
          "anyOf", "allOf", "format", "minItems", "additionalProperties"}
OPENAI_TOOLS_MAX = 128


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
