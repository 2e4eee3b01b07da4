# order: 39
# timeout: 300
# builds: plain asan
"""The official AWS SDK for Bedrock (tests/clients/bedrock.mjs), through Aquifer, against strict fakes of Bedrock, OpenAI and Anthropic."""
from lib import acts
from lib.clients import run_client
from lib.fake import Fake
from lib.gateway import Gateway, anthropic_provider, config, deployment, openai_provider, route
from lib.sigv4 import Verifier
from lib.tap import run, test

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/x"
aws = Fake(models=(CLAUDE, ARN), verifier=Verifier({ACCESS: SECRET}, "bedrock", "us-east-1")).start()
plain = Fake().start()
BEDROCK = (f"  - name: aws\n    kind: bedrock\n    url: {aws.url}\n    region: us-east-1\n"
           "    access_key: env:ACCESS\n    secret_key: env:SECRET\n")
BROKEN = ("limited", "cut", "error-event")
ROUTES = [route(CLAUDE, deployment("aws", f'"{CLAUDE}"')), route(ARN, deployment("aws", f'"{ARN}"')),
          route("fast", deployment("main", "gpt-4o-mini")), route("claude", deployment("claude", "claude-opus-5")),
          *(route(name, deployment("claude", "claude-" + name)) for name in BROKEN)]
gateway = Gateway(config([BEDROCK, openai_provider(plain), anthropic_provider(plain)], ROUTES), {"ACCESS": ACCESS, "SECRET": SECRET}).start()
PAIR = gateway.cli("key", "create", "--name", "sdk", "--aws", "--json")


@test("@aws-sdk/client-bedrock-runtime, HTTP/2 and HTTP/1.1, signed")
def _():
    plain.play_model("claude-limited", acts.rate_limited())
    plain.play_model("claude-cut", acts.cut(4))
    plain.play_model("claude-error-event", acts.error_event(4))
    run_client("bedrock.mjs", {
        "AQUIFER_URL": f"http://127.0.0.1:{gateway.port}", "AQUIFER_API_KEY": PAIR["key"], "AQUIFER_ACCESS_KEY": PAIR["access_key_id"],
        "AQUIFER_SECRET_KEY": PAIR["secret_access_key"], "AQUIFER_MODELS": ",".join((CLAUDE, ARN, "fast", "claude")), "AQUIFER_COUNTED": CLAUDE})


def end():
    gateway.stop()
    for fake in (aws, plain):
        fake.stop()


run(end)
