"""Where Google gives out access tokens: the token server, which verifies the signature of what is brought to it (RFC 7523) by itself, and the
metadata server of a machine; in one strict fake. And a service account, with its key file."""
import base64
import hashlib
import http.server
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 9.2, note 1


class Account:
    """A service account: its key pair made by the openssl command, its file as Google's console gives it."""

    def __init__(self, folder, email, token_uri):
        self.email, self.file = email, os.path.join(folder, email.split("@")[0] + ".json")
        made = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], check=True, capture_output=True)
        self.pem = made.stdout.decode()
        shown = subprocess.run(["openssl", "rsa", "-noout", "-modulus"], input=made.stdout, check=True, capture_output=True).stdout.decode()
        self.modulus = int(re.search(r"Modulus=([0-9A-F]+)", shown)[1], 16)
        self.key_id = hashlib.sha256(self.pem.encode()).hexdigest()[:40]
        with open(self.file, "w", encoding="ascii") as out:
            json.dump({"type": "service_account", "project_id": "p", "private_key_id": self.key_id, "private_key": self.pem,
                       "client_email": email, "client_id": "1", "token_uri": token_uri,
                       "auth_uri": "https://accounts.google.com/o/oauth2/auth", "universe_domain": "googleapis.com"}, out)

    def is_signed(self, text, signature):
        size = (self.modulus.bit_length() + 7) // 8
        if len(signature) != size:
            return False
        plain = pow(int.from_bytes(signature, "big"), 65537, self.modulus).to_bytes(size, "big")
        tail = SHA256 + hashlib.sha256(text).digest()
        return plain == b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail


def _part(text):
    if "=" in text:
        raise ValueError("padding")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class Tokens:
    def __init__(self, life=3600):
        """`given`: the tokens that hold; `life`: seconds that the next ones live. `user`: (client id, its secret, refresh token)."""
        self.life, self.given, self.accounts, self.asked, self.down, self.count = life, set(), {}, [], False, 0
        self.user, self.disabled = ("client.apps", "client-secret&", "1//refresh-token"), set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_all(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                outer.asked.append((self.command, self.path))
                status, answer, headers = (503, {}, {}) if outer.down else outer.answer(self.command, self.path, self.headers, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = handle_all

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/token"

    def start(self):
        threading.Thread(target=self.server.serve_forever, name="google-tokens", daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def account(self, folder, name):
        made = Account(folder, f"{name}@p.iam.gserviceaccount.com", self.url)
        self.accounts[made.email] = made
        return made

    def fresh(self, whose):
        self.count += 1
        token = f"ya29.{whose}-{self.count}"
        self.given.add(token)
        return 200, {"access_token": token, "expires_in": self.life, "token_type": "Bearer"}, {}

    def answer(self, method, path, headers, body):
        if path == PATH:
            if method != "GET" or headers.get("Metadata-Flavor") != "Google" or headers.get("X-Forwarded-For"):
                return 403, {}, {"Metadata-Flavor": "Google"}
            status, answer, _ = self.fresh("instance")
            return status, answer, {"Metadata-Flavor": "Google"}
        if (method, path) != ("POST", "/token") or headers.get("Content-Type") != "application/x-www-form-urlencoded":
            return 404, {}, {}
        form = urllib.parse.parse_qs(body, strict_parsing=True)
        if any(len(values) != 1 for values in form.values()):
            return 400, {"error": "invalid_request"}, {}
        form = {name: values[0] for name, values in form.items()}
        if form.get("grant_type") == "refresh_token":
            good = form == {"grant_type": "refresh_token", "client_id": self.user[0], "client_secret": self.user[1], "refresh_token": self.user[2]}
            return self.fresh("user") if good else (400, {"error": "invalid_grant", "error_description": "Bad Request"}, {})
        if set(form) != {"grant_type", "assertion"} or form["grant_type"] != GRANT:
            return 400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}, {}
        return self._assertion(form["assertion"])

    def _assertion(self, text):
        def no(why):
            return 400, {"error": "invalid_grant", "error_description": why}, {}
        try:
            head, claims, signature = text.split(".")
            head, claims, said = json.loads(_part(head)), json.loads(_part(claims)), _part(signature)
        except ValueError:
            return no("Invalid JWT: Failed audience check or broken.")
        account = self.accounts.get(claims.get("iss"))
        if not account or claims["iss"] in self.disabled:
            return no("Invalid grant: account not found")
        if head != {"alg": "RS256", "typ": "JWT", "kid": account.key_id}:
            return no("Invalid JWT: header")
        if not account.is_signed(text.rpartition(".")[0].encode(), said):
            return no("Invalid JWT Signature.")
        now = time.time()
        if set(claims) != {"iss", "scope", "aud", "iat", "exp"} or claims["aud"] != self.url or claims["scope"] != SCOPE:
            return no("Invalid JWT: claims")
        if not (claims["iat"] <= now + 1 and now < claims["exp"] <= claims["iat"] + 3600):
            return no("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
        return self.fresh(claims["iss"].split("@")[0])
