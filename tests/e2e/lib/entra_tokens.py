"""Where Microsoft Entra's access tokens come from, in one strict fake: the token server (client credentials with a secret or with a federated
token), IMDS of a machine, and App Service's endpoint. What is asked in another way is refused as they refuse it."""
import base64
import http.server
import json
import threading
import time
import urllib.parse

RESOURCE = "https://cognitiveservices.azure.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TENANT, CLIENT = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-aaaaaaaaaaaa"
TOKEN_PATH, MACHINE_PATH, SERVICE_PATH = f"/{TENANT}/oauth2/v2.0/token", "/metadata/identity/oauth2/token", "/msi/token"


def jwt(claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return f"{part({'typ': 'JWT', 'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def claims_of(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def error(status, word, text):
    return status, {"error": word, "error_description": f"{text}\r\nTrace ID: 0\r\nCorrelation ID: 0", "error_codes": [0]}


class Entra:
    def __init__(self, life=3600):
        """`given`: the tokens that hold; `life`: seconds that the next ones live; `secret`, `federated`: what the application proves itself
        with; `header`: what App Service's endpoint wants."""
        self.life, self.given, self.count, self.down, self.asked = life, set(), 0, False, []
        self.secret, self.header, self.federated = "client~secret&of=tests", "header-of-the-service", {jwt({"sub": "pod", "n": 1})}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_all(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                status, answer = (503, {}) if outer.down else outer.answer(self.command, self.path, self.headers, body)
                outer.asked.append((self.command, self.path, status))
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = handle_all

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        threading.Thread(target=self.server.serve_forever, name="entra-tokens", daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def fresh(self, whose):
        self.count += 1
        token = jwt({"whose": whose, "n": self.count})
        self.given.add(token)
        return token

    def answer(self, method, path, headers, body):
        path, _, query = path.partition("?")
        if (method, path) == ("POST", TOKEN_PATH) and not query:
            return self._token(headers, body)
        fields = urllib.parse.parse_qs(query, strict_parsing=True) if query else {}
        fields = {name: "\n".join(values) for name, values in fields.items()}
        if (method, path) == ("GET", MACHINE_PATH):
            return self._machine(headers, fields)
        if (method, path) == ("GET", SERVICE_PATH):
            return self._service(headers, fields)
        return error(404, "not_found", f"no {method} {path}")

    def _token(self, headers, body):
        if headers.get("Content-Type") != "application/x-www-form-urlencoded":
            return error(400, "invalid_request", "AADSTS900144: The request body must contain the following parameter: 'grant_type'.")
        form = {name: "\n".join(values) for name, values in urllib.parse.parse_qs(body, strict_parsing=True).items()}
        proof = {"client_secret"} if "client_secret" in form else {"client_assertion", "client_assertion_type"}
        if set(form) != {"grant_type", "client_id", "scope"} | proof or form["grant_type"] != "client_credentials":
            return error(400, "unsupported_grant_type", f"AADSTS70003: The app requested an unsupported grant type ({sorted(form)}).")
        if form["scope"] != f"{RESOURCE}/.default":
            return error(400, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid.")
        if form["client_id"] != CLIENT:
            return error(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if "client_secret" in form:
            if form["client_secret"] != self.secret:
                return error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
            whose = "secret"
        elif form["client_assertion_type"] != ASSERTION or form["client_assertion"] not in self.federated:
            return error(400, "invalid_request", "AADSTS700211: No matching federated identity record found for presented assertion issuer.")
        else:
            whose = f"federated-{claims_of(form['client_assertion'])['n']}"
        return 200, {"token_type": "Bearer", "expires_in": self.life, "ext_expires_in": self.life, "access_token": self.fresh(whose)}

    def _identity(self, fields, version, whose):
        if set(fields) - {"client_id"} != {"api-version", "resource"} or fields["api-version"] != version or fields["resource"] != RESOURCE:
            return error(400, "invalid_request", "Required query variable is missing or not as expected")
        if fields.get("client_id", CLIENT) != CLIENT:
            return error(400, "invalid_request", "Identity not found")
        whose += "-named" if "client_id" in fields else ""
        return 200, {"access_token": self.fresh(whose), "expires_on": str(int(time.time()) + self.life), "resource": RESOURCE, "token_type": "Bearer"}

    def _machine(self, headers, fields):
        if headers.get("Metadata") != "true" or headers.get("X-Forwarded-For"):
            return error(400, "invalid_request", "Required metadata header not specified")
        status, answer = self._identity(fields, "2018-02-01", "machine")
        return status, {**answer, "expires_in": str(self.life)} if status == 200 else answer

    def _service(self, headers, fields):
        if headers.get("X-IDENTITY-HEADER") != self.header or headers.get("Metadata"):
            return 401, {"statusCode": 401, "message": "Unauthorized"}
        return self._identity(fields, "2019-08-01", "service")
