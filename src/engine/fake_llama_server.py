#!/usr/bin/env python3
"""Stands in for llama-server in manager_test.c, and where the gateway's tests need a local model that answers: behaves as the model's
name (--alias) says."""
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ARGS = dict(zip(sys.argv[1:], sys.argv[2:]))
NAME = ARGS["--alias"]
STARTED = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        loading = NAME == "slow" and time.monotonic() - STARTED < 1.5
        known = self.path == "/health" or self.headers.get("authorization") == "Bearer " + os.environ["LLAMA_API_KEY"]
        body = b"ok"
        self.send_response(401 if not known else 503 if loading else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """What a model for embeddings, or one that talks, answers; anything else is a mistake of ours, and a 500 as the server's own."""
        self.rfile.read(int(self.headers["content-length"]))
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answers = {
            ("--embeddings" in sys.argv, "/v1/embeddings"): {"object": "list", "model": NAME, "usage": usage, "data": [
                {"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}]},
            ("--embeddings" not in sys.argv, "/v1/chat/completions"): {"id": "c", "object": "chat.completion", "model": NAME, "usage": usage, "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}}
        answer = answers.get((True, self.path))
        body = json.dumps(answer or {"error": {"code": 500, "message": "not for this", "type": "server_error"}}).encode()
        self.send_response(200 if answer else 500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    if NAME == "crash":
        print("0.00.002 E srv  cannot load these weights", file=sys.stderr)
        sys.exit(3)
    if NAME == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if NAME == "nothing":
        time.sleep(600)
    hoard = bytearray(b"x") * (300 << 20) if NAME == "hungry" else b""
    print(f"0.00.001 W srv  {NAME} speaks, key {os.environ['LLAMA_API_KEY']}, secret {os.environ.get('UPSTREAM_KEY')}", flush=True)
    server = ThreadingHTTPServer((ARGS["--host"], int(ARGS["--port"])), Handler)
    server.hoard = hoard
    server.serve_forever()


main()
