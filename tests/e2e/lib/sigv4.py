"""AWS Signature Version 4, written from Amazon's description and not from our C: a signer for the tests' clients, and a verifier as
strict as Bedrock for the fakes."""
import base64
import datetime
import hashlib
import hmac
import re
import time
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = hashlib.sha256(b"").hexdigest()
AUTHORIZATION = re.compile(rf"{ALGORITHM} Credential=([^,/ ]+)/(\d{{8}})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, "
                           r"SignedHeaders=([^, ]+), Signature=([0-9a-f]{64})")


class Refused(Exception):
    """What Bedrock would say: .kind is the error's name, .status its HTTP status."""

    def __init__(self, kind, text, status=403):
        super().__init__(f"{kind}: {text}")
        self.kind, self.status = kind, status


def encode(text):
    return quote(text, safe="-._~")


def canonical_path(path):
    """The path as it stands on the wire, dot segments resolved, encoded once more."""
    done = []
    for segment in path.split("/"):
        if segment == "..":
            done = done[:-1]
        elif segment not in ("", "."):
            done.append(segment)
    whole = "/" + "/".join(done)
    if path.endswith("/") and done:
        whole += "/"
    return "/".join(encode(segment) for segment in whole.split("/"))


def canonical_query(query):
    pairs = []
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if piece and name != "X-Amz-Signature":
            pairs.append((encode(unquote_to_bytes(name)), encode(unquote_to_bytes(value))))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def canonical(method, target, headers, names, body_hash):
    """headers: pairs; `names` are those that are signed, sorted, in small letters."""
    path, _, query = target.partition("?")
    lines = [method, canonical_path(path), canonical_query(query)]
    for name in names:
        values = [" ".join(value.split()) for key, value in headers if key.lower() == name]
        if not values:
            raise Refused("InvalidSignatureException", f"signed header {name} is not there")
        lines.append(f"{name}:{','.join(values)}")
    return "\n".join([*lines, "", ";".join(names), body_hash])


def signature(secret, scope, stamp, request):
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def stamp_of(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


class Signer:
    def __init__(self, access_key, secret, service="bedrock", region="us-east-1"):
        self.access_key, self.secret, self.service, self.region = access_key, secret, service, region

    def scope(self, stamp):
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def sign(self, method, target, headers, body=b"", at=None, claim="hash"):
        """headers (a dict with host or :authority) and what signing adds. claim: hash | unsigned | none, for the body."""
        stamp = stamp_of(time.time() if at is None else at)
        headers = {**headers, "x-amz-date": stamp}
        body_hash = UNSIGNED if claim == "unsigned" else hashlib.sha256(body).hexdigest()
        if claim != "none":
            headers["x-amz-content-sha256"] = body_hash
        names = sorted(name.lower() for name in headers)
        request = canonical(method, target, list(headers.items()), names, body_hash)
        value = signature(self.secret, self.scope(stamp), stamp, request)
        headers["authorization"] = (f"{ALGORITHM} Credential={self.access_key}/{self.scope(stamp)}, "
                                    f"SignedHeaders={';'.join(names)}, Signature={value}")
        return headers

    def presign(self, method, target, host, at=None, expires=60, body=b""):
        """The target with the signature in its query."""
        stamp = stamp_of(time.time() if at is None else at)
        query = {"X-Amz-Algorithm": ALGORITHM, "X-Amz-Credential": f"{self.access_key}/{self.scope(stamp)}", "X-Amz-Date": stamp,
                 "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host"}
        target += ("&" if "?" in target else "?") + "&".join(f"{name}={encode(value)}" for name, value in query.items())
        request = canonical(method, target, [("host", host)], ["host"], hashlib.sha256(body).hexdigest())
        return f"{target}&X-Amz-Signature={signature(self.secret, self.scope(stamp), stamp, request)}"

    def api_key(self, **options):
        """A short-lived Bedrock API key, as Amazon's token generators make them."""
        host = "bedrock.amazonaws.com"
        url = host + self.presign("POST", "/?Action=CallWithBearerToken", host, **{"expires": 43200, **options}) + "&Version=1"
        return "bedrock-api-key-" + base64.b64encode(url.encode()).decode()


class Verifier:
    """What stands before a fake: only requests that Amazon would let in come through."""

    def __init__(self, secrets, service="bedrock", region="us-east-1", tokens=()):
        self.secrets, self.service, self.region, self.tokens = secrets, service, region, tokens

    def check(self, method, target, headers, body):
        """headers: pairs as received, host among them. The access key; raises Refused."""
        found = {name.lower(): value for name, value in headers}
        if len([1 for name, _ in headers if name.lower() in ("authorization", "x-amz-date", "host")]) != 3:
            raise Refused("IncompleteSignatureException", "authorization, x-amz-date and host must be there, each once", 400)
        match = AUTHORIZATION.fullmatch(found["authorization"])
        if not match:
            raise Refused("IncompleteSignatureException", found["authorization"], 400)
        access_key, date, region, service, names, value = match.groups()
        self._scope(access_key, (date, region, service), found["x-amz-date"])
        self._names(names.split(";"), found)
        claimed = found.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
        request = canonical(method, target, headers, names.split(";"), claimed)
        scope = f"{date}/{region}/{service}/aws4_request"
        if not hmac.compare_digest(signature(self.secrets[access_key], scope, found["x-amz-date"], request), value):
            raise Refused("InvalidSignatureException", f"the signature does not match; the canonical request was\n{request}")
        if claimed != hashlib.sha256(body).hexdigest():
            raise Refused("InvalidSignatureException", "the body is not the one that was signed")
        return access_key

    def _scope(self, access_key, scope, stamp):
        date, region, service = scope
        if access_key not in self.secrets:
            raise Refused("UnrecognizedClientException", "The security token included in the request is invalid")
        if (region, service) != (self.region, self.service):
            raise Refused("InvalidSignatureException", f"Credential should be scoped to {self.region}/{self.service}, not {scope}")
        at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if stamp[:8] != date or abs(time.time() - at) > 300:
            raise Refused("InvalidSignatureException", f"Signature expired or not yet current: {stamp}")

    def _names(self, names, found):
        must = {"host"} | {name for name in found if name.startswith("x-amz-")}
        if names != sorted(set(names)) or not must <= set(names):
            raise Refused("InvalidSignatureException", f"signed are {names}; these must be: {sorted(must)}")
        token = found.get("x-amz-security-token")
        if self.tokens and token not in self.tokens:
            raise Refused("UnrecognizedClientException", "the session token is not the one that goes with this key")
