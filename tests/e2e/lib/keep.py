"""What a vendor's account keeps, at the fake: OpenAI's files, uploads and batches, Anthropic's files and batches; by the vendors' documents."""
import hashlib
import json
import re

from . import acts, anthropic, openai

FILE = re.compile(r"^/v1/files/([A-Za-z0-9_-]+)(/content)?$")
BATCH = re.compile(r"^(/v1/batches|/v1/messages/batches)/([A-Za-z0-9_-]+)(/cancel|/results)?$")
TOPS = ("/v1/files", "/v1/uploads", "/v1/batches", "/v1/messages/batches")
LISTS = {"limit", "after", "order", "purpose", "after_id", "before_id", "beta"}
answer_headers = openai.answer_headers
error_event = openai.error_event


def serves(path):
    return any(path == top or path.startswith(top + "/") for top in TOPS)


def is_anthropic(request):
    return request.path.startswith("/v1/messages/") or request.get("anthropic-version") is not None


def error(status, message):
    return openai.error(status, message)


def model_of(_request):
    return None


def refuse(fake, request):
    vendor = anthropic if is_anthropic(request) else openai
    given = request.get("x-api-key") if vendor is anthropic else (request.get("authorization") or "").removeprefix("Bearer ")
    if given != fake.key:
        return 401, vendor.error(401, "wrong key")
    if vendor is anthropic and request.path.startswith("/v1/files") and "files-api" not in (request.get("anthropic-beta") or ""):
        return 400, vendor.error(400, "the beta files-api is needed")
    if request.method in ("GET", "DELETE") and (request.body or request.get("content-type")):
        return 400, vendor.error(400, f"a {request.method} with a body")
    _, _, query = request.target.partition("?")
    unknown = {piece.split("=")[0] for piece in query.split("&") if piece} - LISTS
    if unknown:
        return 400, vendor.error(400, f"unknown query {sorted(unknown)}")
    return None


def _new_file(fake, request):
    from . import tasks
    parts = tasks.parts(request)
    if set(parts) - {"purpose", "file", "expires_after[anchor]", "expires_after[seconds]"} or "file" not in parts:
        return openai.error(400, f"parts {sorted(parts)}"), 400
    fake.kept[f"file-{len(fake.kept)}"] = parts["file"]
    name = f"file-{len(fake.kept) - 1}"
    return {"id": name, "object": "file", "bytes": len(parts["file"]), "purpose": parts.get("purpose", b"").decode(), "status": "processed",
            "filename": "a.jsonl", "created_at": 1700000000, "sha256": hashlib.sha256(parts["file"]).hexdigest()}, 200


def _file(fake, request):
    name, content = FILE.match(request.path).groups()
    if name not in fake.kept:
        return acts.status(404, message=f"No such File object: {name}")
    if content:
        async def act(x):
            data = fake.kept[name]
            await x.send(x.head_bytes(200, {"content-type": "application/octet-stream", "content-length": str(len(data))}) + data)
        return act
    if request.method == "DELETE":
        del fake.kept[name]
        return acts.raw_json({"id": name, "object": "file", "deleted": True})
    return acts.raw_json({"id": name, "object": "file", "bytes": len(fake.kept[name]), "filename": "a.jsonl", "purpose": "batch",
                          "created_at": 1700000000, "status": "processed"})


def _batch(request):
    top, name, what = BATCH.match(request.path).groups()
    if top == "/v1/batches":
        state = "cancelling" if what else "completed"
        return acts.raw_json({"id": name, "object": "batch", "status": state, "usage": {"input_tokens": 70, "output_tokens": 9, "total_tokens": 79}})
    if what == "/results":
        async def act(x):
            lines = b"".join(json.dumps({"custom_id": str(at), "result": {"type": "succeeded"}}).encode() + b"\n" for at in range(3))
            await x.send(x.head_bytes(200, {"content-type": "application/x-jsonl", "content-length": str(len(lines))}) + lines)
        return act
    url = f"http://{request.get('host')}/v1/messages/batches/{name}/results"
    return acts.raw_json({"id": name, "type": "message_batch", "processing_status": "canceling" if what else "ended", "results_url": url,
                          "request_counts": {"processing": 0, "succeeded": 3, "errored": 0, "canceled": 0, "expired": 0}})


def plain_answer(fake, request):
    if not hasattr(fake, "kept"):
        fake.kept = {}
    if FILE.match(request.path):
        return _file(fake, request)
    if BATCH.match(request.path):
        return _batch(request)
    if request.method == "GET":
        return acts.raw_json({"object": "list", "data": [{"id": name, "object": "file"} for name in fake.kept], "has_more": False,
                              "first_id": None, "last_id": None})
    if request.path == "/v1/files":
        body, status = _new_file(fake, request)
        return acts.raw_json(body) if status == 200 else acts.status(status, body=body)
    if request.path == "/v1/batches":
        return acts.raw_json({"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": request.json["input_file_id"]})
    if request.path == "/v1/messages/batches":
        return acts.raw_json({"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "asked": len(request.json["requests"])})
    return acts.raw_json({"id": "upload_1", "object": "upload", "status": "pending", "got": len(request.body)})
