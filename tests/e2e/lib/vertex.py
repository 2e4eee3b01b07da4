"""Vertex AI's front, strict: its paths, access tokens, and what it has other than the vendors whose models it serves. What passes is turned
into a request as the model's own vendor knows it, which then refuses what that vendor refuses."""
import json
import re

from . import anthropic, gemini

PLACE = r"^/v1(?:beta1)?/projects/[a-z0-9-]+/locations/[a-z0-9-]+/publishers"
GOOGLE = re.compile(PLACE + r"/google/models/([A-Za-z0-9._-]+):(generateContent|streamGenerateContent|countTokens|embedContent|predict)$")
CLAUDE = re.compile(PLACE + r"/anthropic/models/([A-Za-z0-9.@_-]+):(rawPredict|streamRawPredict)$")
VERSION = "vertex-2023-10-16"  # Anthropic's own SDK sends the names of later versions here


class No(Exception):
    """(status, body) of a refusal."""


def serves(path):
    return path.startswith("/v1/projects/")


def _check_token(fake, request):
    if request.get("x-goog-api-key") or request.get("x-api-key"):
        raise No(401, gemini.error(401, "API keys are not supported by this API. Expected OAuth2 access token"))
    token = (request.get("authorization") or "").removeprefix("Bearer ")
    if token not in fake.google_tokens:
        raise No(401, gemini.error(401, "Request had invalid authentication credentials. Expected OAuth 2 access token."))


def _has_id(value):
    if isinstance(value, dict):
        named = any("id" in value[kind] for kind in ("functionCall", "functionResponse") if isinstance(value.get(kind), dict))
        return named or any(_has_id(inner) for inner in value.values())
    return isinstance(value, list) and any(_has_id(inner) for inner in value)


def _google(request, found):
    body = request.json
    if isinstance(body, dict):
        if _has_id(body.get("contents")):
            raise No(400, gemini.error(400, 'Invalid JSON payload received. Unknown name "id"'))
        if any("role" not in content for content in body.get("contents") or []):
            raise No(400, gemini.error(400, "Please use a valid role: user, model."))
    query = request.target.partition("?")[2]
    return f"/v1beta/models/{found[1]}:{found[2]}" + (f"?{query}" if query else ""), request.body, None


def _claude(request, found):
    body, model, verb = request.json, found[1], found[2]
    if not isinstance(body, dict):
        raise No(400, anthropic.error(400, "The request body is not valid JSON."))
    body = dict(body)
    version = body.pop("anthropic_version", None)
    if version not in (VERSION, *anthropic.VERSIONS):
        raise No(400, anthropic.error(400, f"anthropic_version: Input should be '{VERSION}'"))
    if model == "count-tokens":
        return "/v1/messages/count_tokens", json.dumps(body).encode(), version
    if "model" in body:
        raise No(400, anthropic.error(400, "model: Extra inputs are not permitted"))
    if (verb == "streamRawPredict") != (body.get("stream") is True):
        raise No(400, anthropic.error(400, "stream: goes with streamRawPredict, and with nothing else"))
    return "/v1/messages", json.dumps({"model": model, **body}).encode(), version


def inside(fake, request):
    """(method, target, headers, body) as the model's vendor would see it. No: refused."""
    _check_token(fake, request)
    google, claude = GOOGLE.match(request.path), CLAUDE.match(request.path)
    if not google and not claude:
        raise No(404, gemini.error(404, "Not found"))
    path, body, version = _google(request, google) if google else _claude(request, claude)
    headers = [(name, value) for name, value in request.headers if name.lower() not in ("authorization", "anthropic-version")]
    own = [("x-goog-api-key", fake.key)] if google else [("x-api-key", fake.key), ("anthropic-version", anthropic.VERSIONS[0] if version == VERSION else version)]
    return request.method, path, headers + own, body
