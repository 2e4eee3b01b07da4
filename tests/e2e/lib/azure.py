"""Azure OpenAI in front of the fake's OpenAI: its paths, its key, its own additions to streams and its refusals."""
import json

from . import acts
from .fake import Fake, Request

FILTERED = {"error": {"message": "The response was filtered.", "type": None, "param": "prompt", "code": "content_filter", "status": 400,
                      "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"jailbreak": {"detected": True, "filtered": True}}}}}


class Azure(Fake):
    """version None: below /openai/v1; else the older paths, which take that version only. tokens None: its key opens it; else these tokens of
    Entra's do, and no key."""

    def __init__(self, version=None, tokens=None, **options):
        super().__init__(**options)
        self.version, self.tokens = version, tokens

    def _is_open(self, request):
        said, key = request.get("authorization"), request.get("api-key")
        if self.tokens is None:
            return said is None and key == self.key
        return key is None and said is not None and said.startswith("Bearer ") and said[len("Bearer "):] in self.tokens

    def _front(self, request):
        if not self._is_open(request):
            return request, (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}})
        path, _, query = request.target.partition("?")
        body, inner = request.body, None
        if not self.version and path.startswith("/openai/v1/") and not query:
            inner = path[len("/openai"):]
        if self.version and query == f"api-version={self.version}" and path.startswith("/openai/deployments/"):
            model, _, rest = path[len("/openai/deployments/"):].partition("/")
            inner = "/v1/" + rest
            if not (request.get("content-type") or "").startswith("multipart/"):
                body = json.dumps({**request.json, "model": model}).encode()
        if not inner:
            return request, (404, {"error": {"code": "404", "message": "Resource not found"}})
        headers = [(name, value) for name, value in request.headers if name.lower() not in ("api-key", "authorization")]
        return Request(request.method, inner, [*headers, ("authorization", f"Bearer {self.key}")], body), None


def filtered_stream():
    """Chunks without a choice before, between and behind the text."""
    async def act(x):
        events = x.vendor.events(x.json, acts.Reply("Hello there."))
        note = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
        extra = b"data: " + json.dumps(note).encode() + b"\n\n"
        await x.stream_head()
        for event in [extra, events[0], extra, *events[1:-1], extra, events[-1]]:
            await x.chunk(event)
        await x.end()
    return act
