"""Google's side of the fake: what generateContent refuses and how it answers, by the vendor's documents."""
import base64
import binascii
import hashlib
import json
import re

from . import acts, limits, rules, schema

FIELDS = {"contents": list, "systemInstruction": dict, "tools": list, "toolConfig": dict, "safetySettings": list,
          "generationConfig": dict, "cachedContent": str, "model": str, "labels": dict, "store": bool}
CONFIG = {"temperature": (int, float), "topP": (int, float), "topK": (int, float), "maxOutputTokens": int, "stopSequences": list,
          "candidateCount": int, "seed": int, "frequencyPenalty": (int, float), "presencePenalty": (int, float),
          "responseMimeType": str, "responseSchema": dict, "responseJsonSchema": dict, "responseModalities": list,
          "thinkingConfig": dict, "speechConfig": dict, "mediaResolution": str, "responseLogprobs": bool, "logprobs": int}
PARTS = {"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"}
BESIDE = {"thought", "thoughtSignature", "videoMetadata", "mediaResolution"}
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
            500: "INTERNAL", 503: "UNAVAILABLE", 529: "UNAVAILABLE"}
MADE_ID = re.compile(r"^call_[0-9a-f]{24}$")  # what Aquifer calls a call that came without an id, which all of this fake's do
PATH = re.compile(r"^/v1beta/models/([A-Za-z0-9._-]+):(generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents)$")
SIGNATURE = "c2lnbmF0dXJl"  # how each begins; the rest belongs to its part
DUMMY = "skip_thought_signature_validator"


def error(status, message):
    return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}


def _event(data):
    return f"data: {json.dumps(data)}\r\n\r\n".encode()


def error_event(status, message):
    return _event(error(status, message))


def answer_headers():
    return {"x-goog-trace": "fake", "server-timing": "gfet4t7; dur=1", "set-cookie": "NID=secret; path=/; HttpOnly"}


def wants_stream(request):
    return request.path.endswith(":streamGenerateContent")


def model_of(request):
    found = PATH.match(request.path)
    return found and found.group(1)


# -- what it refuses

def _wrong(message):
    return 400, error(400, message)


def _known(where, value, fields):
    for name, inner in value.items():
        if name not in fields:
            return _wrong(f'Invalid JSON payload received. Unknown name "{name}" at \'{where}\': Cannot find field.')
        if not schema.is_a(inner, fields[name]):
            return _wrong(f"Invalid value at '{where}.{name}'")
    return None


def sign(part):
    """A signature that is good for this call, or this text, and no other."""
    call = part.get("functionCall")
    said = f"{call['name']} {json.dumps(call.get('args', {}), sort_keys=True)}" if call else part.get("text", "")
    return SIGNATURE + base64.b64encode(hashlib.sha256(said.encode()).digest()[:12]).decode()


def _signature(where, part):
    given, call = part.get("thoughtSignature"), part.get("functionCall")
    if given is None:
        return None
    if given == DUMMY:
        foreign = call and not MADE_ID.match(call.get("id") or "")
        return None if foreign else _wrong(f"{where}.thought_signature: the call that this model made was signed, its signature is missing")
    try:
        base64.b64decode(given, validate=True)
    except binascii.Error:
        return _wrong(f"Invalid value at '{where}.thought_signature' (TYPE_BYTES), Base64 decoding failed")
    return None if given == sign(part) else _wrong("Corrupted thought signature.")


def _part(where, role, part):
    kinds = set(part) & PARTS
    if len(kinds) != 1 or set(part) - PARTS - BESIDE:
        return _wrong(f"Invalid value at '{where}': a part has exactly one kind of data")
    kind = kinds.pop()
    if kind == "functionCall" and (role != "model" or not isinstance(part[kind].get("args", {}), dict) or not part[kind].get("name")):
        return _wrong(f"Invalid value at '{where}.function_call'")
    if kind == "functionResponse" and (role != "user" or not isinstance(part[kind].get("response"), dict) or not part[kind].get("name")):
        return _wrong(f"Invalid value at '{where}.function_response'")
    if kind == "functionResponse" and (set(part[kind]) - {"id", "name", "response", "parts"}
                                       or any(set(one) != {"inlineData"} for one in part[kind].get("parts", []))):
        return _wrong(f"Invalid value at '{where}.function_response.parts'")
    if kind == "inlineData" and not ("mimeType" in part[kind] and "data" in part[kind]):
        return _wrong(f"Invalid value at '{where}.inline_data'")
    return _signature(where, part)


def _results(at, calls, parts):
    """Results stand alone, as many as there were calls, in their order and with their names and ids."""
    given = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if given and len(given) != len(parts):
        return _wrong(f"contents[{at}]: function responses must stand alone in their turn")
    if len(given) != len(calls):
        return _wrong("Please ensure that the number of function response parts is equal to the number of function call parts of the "
                      "function call turn.")
    for call, result in zip(calls, given):
        if (call["name"], call.get("id")) != (result["name"], result.get("id")):
            return _wrong("Please ensure that function response turn comes immediately after a function call turn.")
    return None


def _joined(contents):
    """Neighbours of one role are one turn: its own SDK gives a streamed one back in the pieces that it came in."""
    turns = []
    for content in contents:
        role = content.get("role", "user")
        alone = any("functionResponse" in part for part in content.get("parts") or [])
        if turns and role == turns[-1]["role"] == "model" and content.get("parts") and not alone:
            turns[-1] = {**turns[-1], "parts": turns[-1]["parts"] + content["parts"]}
        else:
            turns.append({**content, "role": role})
    return turns


def _contents(contents):
    calls = []
    contents = _joined(contents or [])
    if not contents:
        return _wrong("* GenerateContentRequest.contents: contents is not specified")
    for at, content in enumerate(contents):
        role, parts = content.get("role", "user"), content.get("parts")
        if role not in ("user", "model") or set(content) - {"role", "parts"}:
            return _wrong("Please use a valid role: user, model.")
        if not parts:
            return _wrong(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.")
        for index, part in enumerate(parts):
            wrong = _part(f"contents[{at}].parts[{index}]", role, part)
            if wrong:
                return wrong
        wrong = _results(at, calls, parts)
        if wrong:
            return wrong
        made = [part for part in parts if "functionCall" in part]
        if made and "thoughtSignature" not in made[0]:
            return _wrong("Function call is missing a thought_signature in functionCall parts.")
        calls = [part["functionCall"] for part in made]
    return None


def _tools(body):
    for tool in body.get("tools") or []:
        for function in tool.get("functionDeclarations") or []:
            if not re.match(r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$", function.get("name", "")):
                return _wrong("Invalid function name.")
            if "parameters" in function and "parametersJsonSchema" in function:
                return _wrong("parameters and parameters_json_schema are mutually exclusive")
    return None


def refuse(fake, request):
    """(status, body) when the vendor would refuse, else None."""
    if request.get("x-goog-api-key") != fake.key or request.get("authorization") or "key=" in request.target:
        return 400, error(400, "API key not valid. Please pass a valid API key.")
    if not PATH.match(request.path):
        return 404, error(404, "Not found")
    if wants_stream(request) and request.target.split("?")[1:] != ["alt=sse"]:
        return _wrong("the gateway asks for events")
    body = request.json
    if not isinstance(body, dict):
        return _wrong("Invalid JSON payload received.")
    if request.path.endswith(":batchEmbedContents") or request.path.endswith(":embedContent"):
        return _refuse_embed(request)
    if request.path.endswith(":countTokens"):
        if len(body) != 1 or next(iter(body)) not in ("contents", "generateContentRequest"):
            return _wrong(f"countTokens takes contents or generateContentRequest, and one of them only, not {sorted(body)}")
        body = dict(body.get("generateContentRequest") or {**body, "model": "models/" + model_of(request)})
        if body.pop("model", None) != "models/" + model_of(request):
            return _wrong("generateContentRequest.model: must be the one in the path")
    wrong = _known("", body, FIELDS) or _known("generation_config", body.get("generationConfig", {}), CONFIG) or _tools(body) \
        or _contents(body.get("contents"))
    why = not wrong and (rules.gemini(body) or limits.gemini_thinking(model_of(request), body.get("generationConfig", {}))
                         or limits.gemini_output(model_of(request), body))
    wrong = _wrong(why) if why else wrong
    if wrong:
        return wrong
    if model_of(request) not in fake.models:
        return 404, error(404, f"models/{model_of(request)} is not found for API version v1beta")
    return None


def _embedding(where, one, names, model):
    """A request for one vector, strictly; `model` must be the path's when it is said."""
    for name in one:
        if name not in names:
            return _wrong(f'Invalid JSON payload received. Unknown name "{name}" at \'{where}\': Cannot find field.')
    if "model" in one and one["model"] != f"models/{model}":
        return _wrong("* BatchEmbedContentsRequest.requests[0].model: model must match the one of the request")
    parts = (one.get("content") or {}).get("parts")
    if not parts or any(set(part) != {"text"} for part in parts):
        return _wrong(f"* {where}.content: contents is not specified")
    if "outputDimensionality" in one and not schema.is_a(one["outputDimensionality"], int):
        return _wrong(f"Invalid value at '{where}.output_dimensionality'")
    return None


def _refuse_embed(request):
    body, model = request.json, model_of(request)
    names = {"content", "taskType", "title", "outputDimensionality", "model"}
    if request.path.endswith(":embedContent"):
        return _embedding("request", body, names, model)
    if set(body) != {"requests"} or not body["requests"] or any("model" not in one for one in body["requests"]):
        return _wrong("* BatchEmbedContentsRequest.requests: model is required")
    if len(body["requests"]) > 100:
        return _wrong("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
    for at, one in enumerate(body["requests"]):
        wrong = _embedding(f"requests[{at}]", one, names, model)
        if wrong:
            return wrong
    return None


def vector_of(one):
    text = "".join(part["text"] for part in one["content"]["parts"])
    return {"values": [len(text), 0.5, -1.25e-3][:one.get("outputDimensionality", 3)]}


def plain_answer(fake, request):
    if request.path.endswith(":embedContent"):
        return acts.raw_json({"embedding": vector_of(request.json)})
    if request.path.endswith(":batchEmbedContents"):
        return acts.raw_json({"embeddings": [vector_of(one) for one in request.json["requests"]], "usageMetadata": {"promptTokenCount": 9}})
    if request.path.endswith(":countTokens"):
        return acts.raw_json({"totalTokens": 10 + len(request.json.get("generateContentRequest", request.json)["contents"])})
    return None


# -- how it answers

def echo(body):
    """The default answer: repeats the user's words; where tools are offered and weather is asked, calls the first one twice."""
    parts = body["contents"][-1]["parts"]
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    if results:
        return {"text": "Results: " + "; ".join(str(one.get("output", one)) for one in results)}
    said = "".join(part.get("text", "") for part in parts)
    if body.get("tools") and "weather" in said:
        name = body["tools"][0]["functionDeclarations"][0]["name"]
        return {"text": "", "tools": [(name, {"city": "Paris"}), (name, {"city": "Oslo"})]}
    return {"text": "You said: " + said}


def usage_of(reply):
    given = {"input": 11, "cached": 0, "output": 7, "thoughts": 0, **reply.usage}
    return {"promptTokenCount": given["input"], "cachedContentTokenCount": given["cached"], "candidatesTokenCount": given["output"],
            "thoughtsTokenCount": given["thoughts"], "totalTokenCount": given["input"] + given["output"] + given["thoughts"]}


def _calls(reply):
    """Only the first of parallel calls is signed, and none has an id."""
    calls = [{"functionCall": {"name": name, "args": arguments}} for name, arguments in reply.tools]
    return [{**call, "thoughtSignature": sign(call)} for call in calls[:1]] + calls[1:]


def _chunk(parts, reply, finish=None):
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage_of(reply), "modelVersion": "fake-model", "responseId": "fake-response"}


def whole(body, reply):
    thoughts = [{"text": reply.thinking, "thought": True}] if reply.thinking else []
    return _chunk(thoughts + ([{"text": reply.text}] if reply.text else []) + _calls(reply), reply, reply.finish or "STOP")


def events(body, reply):
    """G1: the last event is no special one, the close ends the stream."""
    pieces = [[{"text": reply.thinking, "thought": True}]] if reply.thinking else []
    pieces += [[{"text": piece}] for piece in reply.pieces] + [[call] for call in _calls(reply)]
    return [_event(_chunk(parts, reply)) for parts in pieces] + [_event(_chunk([{"text": ""}], reply, reply.finish or "STOP"))]
