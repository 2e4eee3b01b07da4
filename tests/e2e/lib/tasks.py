"""OpenAI's calls that are no conversation, at the fake: what each refuses and how it answers, by the vendor's documents; rerank as
vLLM and Jina have it."""
import email.parser
import email.policy
import json

from . import acts, openai, schema

answer_headers = openai.answer_headers
error = openai.error
error_event = openai.error_event

JSON = {  # path → (fields that must be there, all others)
    "/v1/embeddings": ({"model": str, "input": (str, list)}, {"encoding_format": str, "dimensions": int, "user": str}),
    "/v1/images/generations": ({"prompt": str}, {"model": str, "n": int, "size": str, "quality": str, "background": str, "moderation": str,
                                                 "output_format": str, "output_compression": int, "partial_images": int, "stream": bool,
                                                 "style": str, "response_format": str, "user": str}),
    "/v1/audio/speech": ({"model": str, "input": str, "voice": (str, dict)}, {"instructions": str, "response_format": str,
                                                                              "speed": (int, float), "stream_format": str}),
    "/v1/moderations": ({"input": (str, list)}, {"model": str}),
    "/v1/rerank": ({"model": str, "query": str, "documents": list}, {"top_n": int, "return_documents": bool}),
}
FORMS = {  # path → (parts that must be there, all others)
    "/v1/images/edits": ({"image", "prompt"}, {"model", "mask", "n", "size", "quality", "stream", "user", "response_format", "image[]"}),
    "/v1/images/variations": ({"image"}, {"model", "n", "size", "response_format", "user"}),
    "/v1/audio/transcriptions": ({"file", "model"}, {"language", "prompt", "response_format", "temperature", "stream", "include[]",
                                                     "timestamp_granularities[]", "chunking_strategy"}),
    "/v1/audio/translations": ({"file", "model"}, {"prompt", "response_format", "temperature"}),
}
SOUND = b"RIFF\x00\xff\x10\x00WAVEfmt " + bytes(range(256)) * 64
USAGE = {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}, "output_tokens": 100, "total_tokens": 150}


def serves(path):
    return path in JSON or path in FORMS


def parts(request):
    """name → value of a form, by Python's own reader of MIME."""
    head = f"Content-Type: {request.get('content-type')}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    whole = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in whole.iter_parts()}


def _wrong(message, param=None):
    return 400, error(400, message, param)


def _refuse_json(request):
    needed, others = JSON[request.path]
    if not isinstance(request.json, dict) or (request.get("content-type") or "").split(";")[0] != "application/json":
        return _wrong("We could not parse the JSON body of your request.")
    for name in needed:
        if name not in request.json:
            return _wrong(f"Missing required parameter: '{name}'.", name)
    for name, value in request.json.items():
        if name not in needed and name not in others:
            return _wrong(f"Unknown parameter: '{name}'.", name)
        if not schema.is_a(value, {**needed, **others}[name]):
            return _wrong(f"Invalid type for '{name}'.", name)
    if request.json.get("input") in ("", []):
        return _wrong("'$.input' is invalid.", "input")
    return None


def _refuse_form(request):
    needed, others = FORMS[request.path]
    if not (request.get("content-type") or "").startswith("multipart/form-data"):
        return _wrong("Content-Type must be multipart/form-data.")
    given = set(parts(request))
    if needed - given:
        return _wrong(f"Missing required parameter: '{min(needed - given)}'.")
    return _wrong(f"Unknown parameter: '{min(given - needed - others)}'.") if given - needed - others else None


def model_of(request):
    if request.path in FORMS:
        return parts(request).get("model", b"").decode()
    return request.json.get("model")


def refuse(fake, request):
    wrong = openai.wrong_key(fake, request)
    if wrong:
        return wrong
    if request.method != "POST":
        return 405, error(405, f"Not allowed to {request.method} on {request.path}.")
    wrong = _refuse_json(request) if request.path in JSON else _refuse_form(request)
    if wrong:
        return wrong
    model = model_of(request)
    if model and model not in fake.models:
        return 404, error(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")
    return None


def plain_answer(_fake, _request):
    return None


# -- how it answers

def _embed(x):
    texts = x.json["input"] if isinstance(x.json["input"], list) else [x.json["input"]]
    data = [{"object": "embedding", "index": at, "embedding": [0.25, -0.5, float(at)]} for at in range(len(texts))]
    return acts.raw_json({"object": "list", "data": data, "model": x.json["model"], "usage": {"prompt_tokens": 13, "total_tokens": 13}})


def _events(*events):
    async def act(x):
        await x.stream_head()
        for event in events:
            await x.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await x.end()
    return act


def _draw(x):
    given = x.json or {name: value.decode("latin-1") for name, value in parts(x.request).items()}
    if given.get("stream") in (True, "true"):
        return _events({"type": "image_generation.partial_image", "b64_json": "QUJD", "partial_image_index": 0},
                       {"type": "image_generation.completed", "b64_json": "REVG", "usage": USAGE})
    data = [{"b64_json": "QUJDREVG"} for _ in range(int(given.get("n", 1)))]
    return acts.raw_json({"created": 1700000000, "data": data, "usage": USAGE})


def _speak(_):
    async def act(x):
        await x.send(x.head_bytes(200, {"content-type": "audio/mpeg", "transfer-encoding": "chunked"}))
        for at in range(0, len(SOUND), 1000):
            await x.chunk(SOUND[at:at + 1000])
        await x.end()
    return act


def _hear(x):
    given = parts(x.request)
    size = len(given["file"])
    if given.get("response_format") in (b"text", b"srt"):
        async def act(x):
            await x.answer_bytes(200, f"{size} bytes\n".encode(), "text/plain; charset=utf-8")
        return act
    usage = {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}, "output_tokens": 5, "total_tokens": 19}
    if given.get("stream") == b"true":
        return _events({"type": "transcript.text.delta", "delta": "Hello"}, {"type": "transcript.text.done", "text": "Hello.", "usage": usage})
    if given.get("model", b"").startswith(b"whisper"):
        usage = {"type": "duration", "seconds": 9}
    return acts.raw_json({"text": f"{size} bytes", "usage": usage})


def _judge(x):
    return acts.raw_json({"id": "modr-fake", "model": x.json.get("model"), "results": [{"flagged": False, "categories": {}, "category_scores": {}}]})


def _rank(x):
    results = [{"index": at, "relevance_score": 1 / (at + 1)} for at in range(len(x.json["documents"]))]
    return acts.raw_json({"id": "rerank-fake", "model": x.json["model"], "results": results, "usage": {"total_tokens": 21}})


ANSWERS = {"/v1/embeddings": _embed, "/v1/images/generations": _draw, "/v1/images/edits": _draw, "/v1/images/variations": _draw,
           "/v1/audio/speech": _speak, "/v1/audio/transcriptions": _hear, "/v1/audio/translations": _hear, "/v1/moderations": _judge,
           "/v1/rerank": _rank}


def answer(x):
    return ANSWERS[x.request.path](x)
