"""What stands around a machine of AWS's: instance metadata (version 2), the container endpoint and STS, in one strict fake. Gives out
new credentials at each asking and lets a verifier know them."""
import http.server
import json
import threading
import time
import urllib.parse

ROLE = "/latest/meta-data/iam/security-credentials/"


def when(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Metadata:
    def __init__(self, verifier, life=3600):
        """verifier.secrets and .tokens learn what is given out; `life`: seconds until it expires."""
        self.verifier, self.life, self.given, self.asked, self.down = verifier, life, 0, [], False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def handle_all(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                outer.asked.append((self.command, self.path))
                self.reply(*(503, "") if outer.down else outer.answer(self.command, self.path, self.headers, body))

            do_GET = do_PUT = do_POST = handle_all

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def start(self):
        threading.Thread(target=self.server.serve_forever, name="metadata", daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def fresh(self):
        """(access key, secret, token) of the next credentials."""
        self.given += 1
        access, secret, token = f"ASIA{self.given:016d}", f"secret-of-number-{self.given}/+=", f"token-of-number-{self.given}=="
        self.verifier.secrets[access] = secret
        self.verifier.tokens.append(token)
        return access, secret, token

    def as_json(self, **more):
        access, secret, token = self.fresh()
        return 200, json.dumps({**more, "AccessKeyId": access, "SecretAccessKey": secret, "Token": token, "Expiration": when(self.life)})

    def answer(self, method, path, headers, body):
        if path == "/latest/api/token":
            seconds = headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
            return (200, "session-of-the-test") if method == "PUT" and seconds.isdigit() else (400, "")
        if path.startswith(ROLE):
            if method != "GET" or headers.get("X-aws-ec2-metadata-token") != "session-of-the-test":
                return 401, ""
            return (200, "the-role\n") if path == ROLE else self.as_json(Code="Success") if path == ROLE + "the-role" else (404, "")
        if path == "/container?a=1":
            return self.as_json() if headers.get("Authorization") == "container-token" else (401, "")
        return self.sts(urllib.parse.parse_qs(body)) if (method, path) == ("POST", "/sts") else (404, "")

    def sts(self, form):
        want = {"Action": ["AssumeRoleWithWebIdentity"], "Version": ["2011-06-15"], "RoleArn": ["arn:aws:iam::1:role/r"],
                "RoleSessionName": ["aquifer"], "WebIdentityToken": ["web.identity+token="]}
        if form != want:
            return 400, f"<Error>{form}</Error>"
        access, secret, token = self.fresh()
        return 200, (f"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{access}"
                     f"</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>"
                     f"{when(self.life)}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                     "</AssumeRoleWithWebIdentityResponse>")
