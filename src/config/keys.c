/* Every key of the configuration, once: what it is, where it lands, what it is by default and what it means. Reader,
 * `config explain`, `config show` and the manual page all come from this table. Owns nothing. */
#include "config/config.h"

#define AT(type, field) .at = offsetof(struct type, field)
#define C(field) AT(config, field)
#define LISTENER(field) AT(config_listener, field)
#define PROVIDER(field) AT(config_provider, field)
#define ROUTE(field) AT(config_route, field)
#define DEPLOYMENT(field) AT(config_deployment, field)
#define ENGINE_MODEL(field) AT(config_engine_model, field)
#define NEEDED .required = true
#define LIVE .reloadable = true
#define ANY UINT64_MAX - 1
#define HOUR ((uint64_t)3600000)
#define DAY (24 * HOUR)

static const struct config_key KEYS[] = {
    {"data", CONFIG_PATH, C(data), NEEDED, .since = "0.1",
     .help = "Directory for the database, the journal and everything else that must stay. Made when missing, mode 0700."},
    {"listen", CONFIG_MAPS, C(listen), .size = sizeof(struct config_listener), .words = "address", .max = 16, NEEDED,
     .since = "0.1", .help = "Where clients connect: `address:port`, or a map with address and tls, or a list of either."},
    {"listen[].address", CONFIG_ADDRESS, LISTENER(address), NEEDED, .since = "0.1",
     .help = "`127.0.0.1:8400`, `[::1]:8400` or `*:8400` for all IPv4 and IPv6 addresses."},
    {"listen[].tls", CONFIG_SECTION, .since = "0.1", .help = "Makes the listener speak TLS 1.2 and 1.3, with HTTP/2 by ALPN."},
    {"listen[].tls.cert", CONFIG_PATH, LISTENER(tls_cert), NEEDED, .since = "0.1",
     .help = "PEM file with the certificate and its chain."},
    {"listen[].tls.key", CONFIG_PATH, LISTENER(tls_key), NEEDED, .since = "0.1",
     .help = "PEM file with the certificate's private key."},
    {"loops", CONFIG_COUNT, C(loops), .fallback = "0", .max = 256, .since = "0.1",
     .help = "Event loops of the gateway. 0: as many as there are processors for this process."},

    {"admin", CONFIG_SECTION, .since = "0.1", .help = "The control plane: keys, usage, status."},
    {"admin.listen", CONFIG_MAPS, C(admin_listen), .size = sizeof(struct config_listener), .words = "address", .max = 4,
     .since = "0.1", .help = "Where the admin API listens, as `listen`. Without it there is none."},
    {"admin.listen[].address", CONFIG_ADDRESS, LISTENER(address), NEEDED, .since = "0.1", .help = "As `listen[].address`."},
    {"admin.listen[].tls", CONFIG_SECTION, .since = "0.1", .help = "As `listen[].tls`."},
    {"admin.listen[].tls.cert", CONFIG_PATH, LISTENER(tls_cert), NEEDED, .since = "0.1", .help = "As `listen[].tls.cert`."},
    {"admin.listen[].tls.key", CONFIG_PATH, LISTENER(tls_key), NEEDED, .since = "0.1", .help = "As `listen[].tls.key`."},
    {"admin.key", CONFIG_SECRET, C(admin_key), LIVE, .since = "0.1",
     .help = "The key of the admin API. Needed when admin.listen is set."},
    {"metrics", CONFIG_SECTION, .since = "0.1",
     .help = "A listener of its own for Prometheus. The admin API has /metrics in any case."},
    {"metrics.listen", CONFIG_MAPS, C(metrics_listen), .size = sizeof(struct config_listener), .words = "address", .max = 4,
     .since = "0.1", .help = "Where /metrics, /healthz and /readyz are served, as `listen`."},
    {"metrics.listen[].address", CONFIG_ADDRESS, LISTENER(address), NEEDED, .since = "0.1", .help = "As `listen[].address`."},
    {"metrics.listen[].tls", CONFIG_SECTION, .since = "0.1", .help = "As `listen[].tls`."},
    {"metrics.listen[].tls.cert", CONFIG_PATH, LISTENER(tls_cert), NEEDED, .since = "0.1", .help = "As `listen[].tls.cert`."},
    {"metrics.listen[].tls.key", CONFIG_PATH, LISTENER(tls_key), NEEDED, .since = "0.1", .help = "As `listen[].tls.key`."},
    {"metrics.key", CONFIG_SECRET, C(metrics_key), LIVE, .since = "0.1",
     .help = "A bearer key for the metrics listener. Needed unless it listens on a loopback address only."},

    {"seal_key", CONFIG_SECRET, C(seal_key), LIVE, .since = "0.1",
     .help = "64 hexadecimal digits that seal the secrets of AWS key pairs in the database. Without it a key is made and kept in "
             "`seal.key` in the data directory."},
    {"path_prefix", CONFIG_TEXT, C(path_prefix), .max = 128, LIVE, .since = "0.1",
     .help = "A path that stands before all others, as `/llm`; what does not begin with it is not found."},
    {"trusted_proxies", CONFIG_TEXTS, C(trusted_proxies), .max = 64, LIVE, .since = "0.1",
     .help = "Networks (`192.0.2.0/24`) whose X-Forwarded-For and PROXY headers are believed."},
    {"proxy_protocol", CONFIG_FLAG, C(proxy_protocol), .fallback = "false", LIVE, .since = "0.1",
     .help = "Connections from trusted proxies begin with a PROXY protocol v2 header."},

    {"limits", CONFIG_SECTION, .since = "0.1", .help = "What a single request or answer may take."},
    {"limits.body", CONFIG_SIZE, C(limits.body), .fallback = "32MiB", .min = KIB(1), .max = MIB(1024), LIVE, .since = "0.1",
     .help = "Longest request body, counted after decompression."},
    {"limits.upload", CONFIG_SIZE, C(limits.upload), .fallback = "512MiB", .min = KIB(1), .max = MIB(65536), LIVE, .since = "0.1",
     .help =
         "Longest body of those that pass through as they come: files, parts of uploads, batches, and forms over limits.body."},
    {"limits.head", CONFIG_SIZE, C(limits.head), .fallback = "64KiB", .min = KIB(4), .max = MIB(1), LIVE, .since = "0.1",
     .help = "Longest request line with all header fields."},
    {"limits.fields", CONFIG_COUNT, C(limits.fields), .fallback = "128", .min = 16, .max = 1024, LIVE, .since = "0.1",
     .help = "Most header fields of a request."},
    {"limits.inflate_ratio", CONFIG_COUNT, C(limits.inflate_ratio), .fallback = "100", .min = 2, .max = 10000, LIVE,
     .since = "0.1", .help = "A compressed body that grows over 1 MiB and more than so many times is refused as a bomb."},
    {"limits.h2_streams", CONFIG_COUNT, C(limits.h2_streams), .fallback = "256", .min = 1, .max = 10000, LIVE, .since = "0.1",
     .help = "Requests under way at once on one HTTP/2 connection."},
    {"limits.answer", CONFIG_SIZE, C(limits.answer), .fallback = "8MiB", .min = KIB(64), .max = MIB(1024), LIVE, .since = "0.1",
     .help = "Answers without streaming are held whole up to this size, so that a broken one becomes a clear error."},
    {"limits.event", CONFIG_SIZE, C(limits.event), .fallback = "4MiB", .min = KIB(64), .max = MIB(256), LIVE, .since = "0.1",
     .help = "Longest single event of a stream."},
    {"limits.websocket_age", CONFIG_DURATION, C(limits.websocket_age), .fallback = "60m", .min = 0, .max = 7 * DAY, LIVE,
     .since = "0.1", .help = "A WebSocket begins no new response after so long, and closes with the last one; 0 no limit."},
    {"limits.attempts", CONFIG_COUNT, C(limits.attempts), .fallback = "3", .min = 1, .max = 10, LIVE, .since = "0.1",
     .help = "Most upstream calls for one request."},

    {"timeouts", CONFIG_SECTION, .since = "0.1", .help = "How long to wait for an upstream; a provider may have its own."},
    {"timeouts.connect", CONFIG_DURATION, C(timeouts.connect), .fallback = "5s", .min = 1, .max = HOUR, LIVE, .since = "0.1",
     .help = "Name, TCP, proxy and TLS together."},
    {"timeouts.first_byte", CONFIG_DURATION, C(timeouts.first_byte), .fallback = "10m", .min = 0, .max = DAY, LIVE,
     .since = "0.1", .help = "From sending to the head of the answer; 0 none."},
    {"timeouts.gap", CONFIG_DURATION, C(timeouts.gap), .fallback = "5m", .min = 0, .max = DAY, LIVE, .since = "0.1",
     .help =
         "Longest silence inside an answer, and longest time for one event (or a body that is not streamed) to get whole at less "
         "than 1,000 bytes a second; 0 none."},
    {"timeouts.total", CONFIG_DURATION, C(timeouts.total), .fallback = "0", .min = 0, .max = 7 * DAY, LIVE, .since = "0.1",
     .help = "One whole call; 0 none."},
    {"client_timeouts", CONFIG_SECTION, .since = "0.1", .help = "How long to wait for a client."},
    {"client_timeouts.head", CONFIG_DURATION, C(client_timeouts.head), .fallback = "30s", .min = 100, .max = HOUR, LIVE,
     .since = "0.1", .help = "From the first byte of a request's head to its end."},
    {"client_timeouts.body", CONFIG_DURATION, C(client_timeouts.body), .fallback = "30s", .min = 100, .max = HOUR, LIVE,
     .since = "0.1", .help = "Longest silence inside a request's body."},
    {"client_timeouts.idle", CONFIG_DURATION, C(client_timeouts.idle), .fallback = "10m", .min = 100, .max = DAY, LIVE,
     .since = "0.1", .help = "A kept-alive connection without a request is closed after so long."},
    {"client_timeouts.write", CONFIG_DURATION, C(client_timeouts.write), .fallback = "5m", .min = 100, .max = DAY, LIVE,
     .since = "0.1", .help = "A client that takes nothing for so long is gone."},
    {"heartbeat", CONFIG_DURATION, C(heartbeat), .fallback = "15s", .min = 0, .max = HOUR, LIVE, .since = "0.1",
     .help = "A stream that is silent for so long gets a sign of life between two events; 0 off."},
    {"drain", CONFIG_DURATION, C(drain), .fallback = "5m", .min = 0, .max = DAY, LIVE, .since = "0.1",
     .help = "How long running requests may go on after SIGTERM."},
    {"memory", CONFIG_SECTION, .since = "0.1", .help = "The memory ceiling."},
    {"memory.max", CONFIG_SHARE, C(memory_max), .fallback = "75%", .min = MIB(32), .max = ANY, LIVE, .since = "0.1",
     .help = "Bodies and queues together; beyond it new requests get 503. A size, or percent of the cgroup or machine."},
    {"assume_output", CONFIG_COUNT, C(assume_output), .fallback = "4096", .min = 1, .max = 10000000, LIVE, .since = "0.1",
     .help = "Output tokens that are reserved when neither request nor deployment nor catalogue bounds them."},

    {"ledger", CONFIG_SECTION, .since = "0.1", .help = "The durable record of usage and cost."},
    {"ledger.safety", CONFIG_WORD, C(ledger.safety), .fallback = "disk", .words = "disk|process", LIVE, .since = "0.1",
     .help = "disk: an answer's last byte waits until its record is on the disk. process: until it survives any kill of ours."},
    {"ledger.stall", CONFIG_DURATION, C(ledger.stall), .fallback = "1s", .min = 1, .max = HOUR, LIVE, .since = "0.1",
     .help = "A sync of the disk slower than this is alarmed and decided by on_stall."},
    {"ledger.on_stall", CONFIG_WORD, C(ledger.on_stall), .fallback = "hold", .words = "hold|release", LIVE, .since = "0.1",
     .help = "hold: answers wait for the disk. release: they end, and their records are on the disk a little later."},
    {"ledger.max_bytes", CONFIG_SIZE, C(ledger.max_bytes), .fallback = "1GiB", .min = MIB(16), .max = MIB(1024) * 1024, LIVE,
     .since = "0.1", .help = "Space for records that are not in the database yet; when it is used up new requests get 503."},
    {"ledger.segment", CONFIG_SIZE, C(ledger.segment), .fallback = "4MiB", .min = KIB(64), .max = MIB(256), LIVE, .since = "0.1",
     .help = "Size of one journal file."},
    {"ledger.retention", CONFIG_DURATION, C(ledger.retention), .fallback = "400d", .min = DAY, .max = 36500 * DAY, LIVE,
     .since = "0.1", .help = "Attempts and their sums by day are kept so long in the database."},

    {"state", CONFIG_SECTION, .since = "0.1",
     .help = "Responses and conversations that are kept for callers, in the database (docs/state.md)."},
    {"state.retention", CONFIG_DURATION, C(state.retention), .fallback = "30d", .min = 0, .max = 36500 * DAY, LIVE,
     .since = "0.1",
     .help = "What nobody made, read or continued for so long is removed. 0: nothing is kept, and all that was is removed; "
             "`store` then counts as false."},
    {"state.max_bytes", CONFIG_SIZE, C(state.max_bytes), .fallback = "4GiB", .min = MIB(1), .max = MIB(1024) * 1024, LIVE,
     .since = "0.1", .help = "Of all that is kept together; beyond it the oldest is removed."},
    {"state.max_response", CONFIG_SIZE, C(state.max_response), .fallback = "16MiB", .min = KIB(64), .max = MIB(64), LIVE,
     .since = "0.1", .help = "Longest response that is kept; a longer one is answered as one that is not kept."},
    {"state.wait", CONFIG_DURATION, C(state.wait), .fallback = "2s", .min = 10, .max = HOUR, LIVE, .since = "0.1",
     .help = "How long a request waits for what is kept, before it is answered 503."},

    {"log", CONFIG_SECTION, .since = "0.1", .help = "What is written to standard error."},
    {"log.format", CONFIG_WORD, C(log.format), .fallback = "text", .words = "text|json", .since = "0.1",
     .help = "One line each, for people or for machines."},
    {"log.level", CONFIG_WORD, C(log.level), .fallback = "info", .words = "debug|info|warn|error", LIVE, .since = "0.1",
     .help = "The least important thing that is told."},
    {"log.access", CONFIG_FLAG, C(log.access), .fallback = "true", LIVE, .since = "0.1",
     .help = "One line for each finished request."},

    {"catalog", CONFIG_PATHS, C(catalog), .max = 32, LIVE, .since = "0.1",
     .help = "Files with models and prices, read after those that ship with Aquifer; a later one wins."},

    {"providers", CONFIG_MAPS, C(providers), .size = sizeof(struct config_provider), .max = 1000, LIVE, .since = "0.1",
     .help = "Accounts at vendors."},
    {"providers[].name", CONFIG_NAME, PROVIDER(name), .max = 32, NEEDED, LIVE, .since = "0.1",
     .help = "How deployments name it."},
    {"providers[].kind", CONFIG_TEXT, PROVIDER(kind), .max = 32, NEEDED, LIVE, .since = "0.1",
     .help = "What it speaks: openai, azure, anthropic, bedrock and bedrock_mantle (AWS), gemini, vertex (Google Cloud), or "
             "local for "
             "models "
             "that Aquifer runs itself."},
    {"providers[].url", CONFIG_URL, PROVIDER(url), .max = 1024, LIVE, .since = "0.1",
     .help = "What the vendor's SDK takes as base URL: openai with /v1, azure with /openai/v1, anthropic without, gemini with "
             "/v1beta, "
             "vertex down to /locations/NAME."},
    {"providers[].key", CONFIG_SECRET, PROVIDER(key), LIVE, .since = "0.1", .help = "The account's credential."},
    {"providers[].api_version", CONFIG_NAME, PROVIDER(api_version), .max = 32, LIVE, .since = "0.1",
     .help = "Azure: the version of the older paths, as 2024-10-21; the url then ends in /openai. Without it: /openai/v1."},
    {"providers[].region", CONFIG_NAME, PROVIDER(region), .max = 32, LIVE, .since = "0.1",
     .help = "AWS: the region that is signed for, and whose endpoint is called when there is no url."},
    {"providers[].access_key", CONFIG_SECRET, PROVIDER(access_key), LIVE, .since = "0.1",
     .help = "AWS: the access key id that calls are signed with."},
    {"providers[].secret_key", CONFIG_SECRET, PROVIDER(secret_key), LIVE, .since = "0.1",
     .help = "AWS: the secret access key that goes with access_key."},
    {"providers[].session_token", CONFIG_SECRET, PROVIDER(session_token), LIVE, .since = "0.1",
     .help = "AWS: the session token, of temporary credentials only."},
    {"providers[].credentials", CONFIG_WORD, PROVIDER(credentials), .words = FOUND_SOURCES, .fallback = "given", LIVE,
     .since = "0.1",
     .help =
         "AWS, vertex and azure: where Aquifer finds credentials and renews them, as the vendors' SDKs do. AWS: `environment`, "
         "`web_identity` (STS), `file`, `container`, `instance`. vertex: `file` (GOOGLE_APPLICATION_CREDENTIALS, else gcloud's), "
         "`instance` (metadata server). azure: `environment` (AZURE_CLIENT_SECRET), `web_identity` (AZURE_FEDERATED_TOKEN_FILE), "
         "`instance` (managed identity). `default` is the first of these that is set up. `given`: they stand here."},
    {"providers[].service_account", CONFIG_SECRET, PROVIDER(service_account), LIVE, .since = "0.1",
     .help = "vertex: the JSON key file of a service account, as file:path; access tokens are fetched with it and renewed."},
    {"providers[].tenant", CONFIG_NAME, PROVIDER(tenant), .max = 253, LIVE, .since = "0.1",
     .help = "azure: the directory (GUID or domain) at Microsoft Entra that gives tokens; else AZURE_TENANT_ID."},
    {"providers[].client_id", CONFIG_NAME, PROVIDER(client_id), .max = 128, LIVE, .since = "0.1",
     .help = "azure: the application, or the managed identity, that tokens are asked for; else AZURE_CLIENT_ID."},
    {"providers[].client_secret", CONFIG_SECRET, PROVIDER(client_secret), LIVE, .since = "0.1",
     .help = "azure: the application's secret; access tokens are fetched with it and renewed. Goes with tenant and client_id."},
    {"providers[].profile", CONFIG_TEXT, PROVIDER(profile), .max = 64, LIVE, .since = "0.1",
     .help = "AWS: the profile of the credentials file; else AWS_PROFILE, else `default`."},
    {"providers[].formats", CONFIG_TEXTS, PROVIDER(formats), .max = 8, LIVE, .since = "0.1",
     .help =
         "Wire formats it speaks, the preferred one first, when it is not the usual ones of its kind: openai_chat, "
         "openai_responses, anthropic_messages, bedrock_converse, bedrock_invoke, gemini_generate. Kind openai: openai_chat; at "
         "api.openai.com also openai_responses."},
    {"providers[].quirks", CONFIG_TEXTS, PROVIDER(quirks), .max = 16, LIVE, .since = "0.1",
     .help =
         "What its dialect is like, beside what comes with the kind: max_tokens (instead of max_completion_tokens), no_developer "
         "(knows role system alone), reasoning_content (gives and takes reasoning there), no_call_id, schema_subset (Gemini), "
         "no_compact, own_reasoning (Responses: reasoning that it did not encrypt itself is left out, as OpenAI, Azure and "
         "Bedrock "
         "refuse it), any_reasoning (takes everybody's)."},
    {"providers[].ca_file", CONFIG_PATH, PROVIDER(ca_file), LIVE, .since = "0.1",
     .help = "PEM file with the authorities to trust instead of the system's."},
    {"providers[].proxy", CONFIG_URL, PROVIDER(proxy), .words = "reference", .max = 1024, LIVE, .since = "0.1",
     .help = "HTTP proxy to reach it through (CONNECT), as `http://proxy:3128`; with a password: env:NAME of the URL."},
    {"providers[].headers", CONFIG_HEADERS, PROVIDER(headers), .max = 32, LIVE, .since = "0.1",
     .help = "Header fields for every call. Values may be env:NAME or file:path; credentials must be."},
    {"providers[].timeouts", CONFIG_SECTION, .since = "0.1", .help = "Instead of the file's `timeouts`."},
    {"providers[].timeouts.connect", CONFIG_DURATION, PROVIDER(timeouts.connect), .min = 1, .max = HOUR, LIVE, .since = "0.1",
     .help = "As `timeouts.connect`, which is the default."},
    {"providers[].timeouts.first_byte", CONFIG_DURATION, PROVIDER(timeouts.first_byte), .min = 0, .max = DAY, LIVE,
     .since = "0.1", .help = "As `timeouts.first_byte`, which is the default."},
    {"providers[].timeouts.gap", CONFIG_DURATION, PROVIDER(timeouts.gap), .min = 0, .max = DAY, LIVE, .since = "0.1",
     .help = "As `timeouts.gap`, which is the default."},
    {"providers[].timeouts.total", CONFIG_DURATION, PROVIDER(timeouts.total), .min = 0, .max = 7 * DAY, LIVE, .since = "0.1",
     .help = "As `timeouts.total`, which is the default."},
    {"providers[].betas", CONFIG_TEXTS, PROVIDER(betas), .max = 64, LIVE, .since = "0.1",
     .help = "Kind bedrock: betas of `anthropic-beta` that may go there beside the known ones, when a request for Anthropic's "
             "format is "
             "told in Bedrock's; `*` all. Others are dropped and counted."},
    {"providers[].files", CONFIG_NAME, PROVIDER(files), .max = 64, LIVE, .since = "0.1",
     .help = "Kinds openai, azure and anthropic: the project whose files and batches this account keeps. Its keys, and no "
             "others, reach "
             "`/v1/files`, `/v1/uploads`, `/v1/batches` and `/v1/messages/batches` there."},
    {"providers[].batches", CONFIG_WORD, PROVIDER(batches), .words = PROVIDER_BATCHES, .fallback = "uncapped", LIVE,
     .since = "0.1",
     .help = "Who may start batches where `files` is set; their cost is not known then and recorded as unknown. off: nobody; "
             "uncapped: "
             "keys without a spend cap; all: also those with one, which does not hold for batches."},
    {"providers[].jurisdiction", CONFIG_TEXT, PROVIDER(jurisdiction), .max = 64, LIVE, .since = "0.1",
     .help = "Where its data is processed, for reports."},

    {"routes", CONFIG_MAPS, C(routes), .size = sizeof(struct config_route), .max = 10000, LIVE, .since = "0.1",
     .help = "The model names that clients may ask for, and where they lead."},
    {"routes[].name", CONFIG_NAME, ROUTE(name), .max = 64, .words = "*", NEEDED, LIVE, .since = "0.1",
     .help = "What clients write as model; `claude-*` matches all names that begin so."},
    {"routes[].aliases", CONFIG_NAMES, ROUTE(aliases), .max = 64, LIVE, .since = "0.1",
     .help = "Further names of the same route, each up to 256 bytes."},
    {"routes[].display_name", CONFIG_TEXT, ROUTE(display_name), .max = 128, LIVE, .since = "0.1", .help = "For lists of models."},
    {"routes[].description", CONFIG_TEXT, ROUTE(description), .max = 1024, LIVE, .since = "0.1", .help = "For people."},
    {"routes[].total", CONFIG_DURATION, ROUTE(total), .fallback = "0", .min = 0, .max = DAY, LIVE, .since = "0.1",
     .help = "For all attempts together until the first byte of an answer; 0 none."},
    {"routes[].state", CONFIG_WORD, ROUTE(state), .words = "ours|upstream", .fallback = "ours", LIVE, .since = "0.1",
     .help =
         "Who keeps responses and conversations of this route: ours, here, whatever the provider can; upstream, the provider, "
         "and what follows goes to the account that has them."},
    {"routes[].deployments", CONFIG_MAPS, ROUTE(deployments), .size = sizeof(struct config_deployment), .max = 32, NEEDED, LIVE,
     .since = "0.1", .help = "Tried in this order."},
    {"routes[].deployments[].provider", CONFIG_NAME, DEPLOYMENT(provider), .max = 32, NEEDED, LIVE, .since = "0.1",
     .help = "Name of a provider of this file."},
    {"routes[].deployments[].model", CONFIG_NAME, DEPLOYMENT(model), .max = 256, .words = "*", NEEDED, LIVE, .since = "0.1",
     .help = "The provider's own name of the model; `*` in a pattern route: the name that was asked for."},
    {"routes[].deployments[].family", CONFIG_NAME, DEPLOYMENT(family), .max = 256, LIVE, .since = "0.1",
     .help = "Id of the model behind a name that does not tell it, as `gpt-5.1` behind Azure's deployment `prod-chat`: the "
             "catalogue's families then tell what it takes (docs/prices.md)."},
    {"routes[].deployments[].price", CONFIG_PRICE, DEPLOYMENT(price), LIVE, .since = "0.1",
     .help = "Dollars per million tokens (tools: per thousand calls), instead of the catalogue's: { input: 0.15, output: 0.60 }, "
             "also cache_read, cache_write_5m, cache_write_1h, reasoning and others (docs/prices.md)."},
    {"routes[].deployments[].allow_unpriced", CONFIG_FLAG, DEPLOYMENT(allow_unpriced), .fallback = "false", LIVE, .since = "0.1",
     .help = "Serve the model though nobody told its price; its cost is then recorded as unknown."},
    {"routes[].deployments[].key", CONFIG_WORD, DEPLOYMENT(key), .words = "provider|client", .fallback = "provider", LIVE,
     .since = "0.1",
     .help = "client: the caller's own credential for the vendor goes through, and Aquifer's key comes in `x-aquifer-key`. "
             "provider: the provider's key."},
    {"routes[].deployments[].region", CONFIG_NAME, DEPLOYMENT(region), .max = 32, LIVE, .since = "0.1",
     .help = "Part of the deployment's identity, with provider, model and tier."},
    {"routes[].deployments[].tier", CONFIG_NAME, DEPLOYMENT(tier), .max = 16, LIVE, .since = "0.1",
     .help = "Service tier, part of the deployment's identity."},
    {"routes[].deployments[].headers", CONFIG_HEADERS, DEPLOYMENT(headers), .max = 32, LIVE, .since = "0.1",
     .help = "As `providers[].headers`, for this deployment."},
    {"routes[].deployments[].defaults", CONFIG_BODY_FIELDS, DEPLOYMENT(defaults), .max = 32, LIVE, .since = "0.1",
     .help = "Top-level fields that a request gets when it does not have them."},
    {"routes[].deployments[].drop", CONFIG_TEXTS, DEPLOYMENT(drop), .max = 32, LIVE, .since = "0.1",
     .help = "Top-level fields that are removed from requests, and counted."},
    {"routes[].deployments[].formats", CONFIG_TEXTS, DEPLOYMENT(formats), .max = 8, LIVE, .since = "0.1",
     .help = "Wire formats to use for this model, the preferred one first, instead of the provider's."},
    {"routes[].deployments[].quirks", CONFIG_TEXTS, DEPLOYMENT(quirks), .max = 16, LIVE, .since = "0.1",
     .help = "As `providers[].quirks`, for this model, beside the provider's."},
    {"routes[].deployments[].max_output", CONFIG_COUNT, DEPLOYMENT(max_output), .min = 1, .max = 100000000, LIVE, .since = "0.1",
     .help = "Most output tokens, instead of the catalogue's."},
    {"routes[].deployments[].context", CONFIG_COUNT, DEPLOYMENT(context), .min = 1, .max = 1000000000, LIVE, .since = "0.1",
     .help = "Longest context in tokens, instead of the catalogue's."},

    {"engine", CONFIG_SECTION, .since = "0.1", .help = "The local inference server for providers of kind local."},
    {"engine.command", CONFIG_TEXT, C(engine.command), .max = 1024, .fallback = "llama-server", .since = "0.1",
     .help = "llama.cpp's server: a path, or a name to be found in PATH."},
    {"engine.models_dir", CONFIG_PATH, C(engine.models_dir), .since = "0.1",
     .help = "Where model files are; the default is `models` below data."},
    {"engine.threads", CONFIG_COUNT, C(engine.threads), .fallback = "0", .max = 1024, .since = "0.1",
     .help = "Threads of one engine. 0: one for each processor."},
    {"engine.memory", CONFIG_SIZE, C(engine.memory), .fallback = "0", .min = 0, .max = ANY, .since = "0.1",
     .help = "Memory limit of all engines together. 0: three quarters of the machine or cgroup."},
    {"engine.idle", CONFIG_DURATION, C(engine.idle), .fallback = "15m", .min = 0, .max = 365 * DAY, .since = "0.1",
     .help = "An engine that nobody used for so long is stopped; 0 never."},
    {"engine.context", CONFIG_COUNT, C(engine.context), .fallback = "8192", .min = 256, .max = 10000000, .since = "0.1",
     .help = "Context in tokens, shared by the parallel requests."},
    {"engine.parallel", CONFIG_COUNT, C(engine.parallel), .fallback = "2", .min = 1, .max = 256, .since = "0.1",
     .help = "Requests that one engine works on at once."},
    {"engine.models", CONFIG_MAPS, C(engine.models), .size = sizeof(struct config_engine_model), .max = 16, .since = "0.1",
     .help = "Models by name; what is in models_dir needs no row here."},
    {"engine.models[].name", CONFIG_NAME, ENGINE_MODEL(name), .max = 64, NEEDED, .since = "0.1",
     .help = "As deployments name it."},
    {"engine.models[].file", CONFIG_PATH, ENGINE_MODEL(file), NEEDED, .since = "0.1", .help = "The GGUF file."},
    {"engine.models[].template", CONFIG_PATH, ENGINE_MODEL(template), .since = "0.1",
     .help = "A chat template file instead of the model's own."},
    {"engine.models[].context", CONFIG_COUNT, ENGINE_MODEL(context), .min = 256, .max = 10000000, .since = "0.1",
     .help = "Instead of `engine.context`."},
    {"engine.models[].embeddings", CONFIG_FLAG, ENGINE_MODEL(embeddings), .fallback = "false", .since = "0.1",
     .help = "The model is for /v1/embeddings, and for nothing else."},
    {"engine.models[].pooling", CONFIG_WORD, ENGINE_MODEL(pooling), .words = "file|mean|cls|last", .fallback = "file",
     .since = "0.1", .help = "With embeddings: how tokens become one vector. file: as the GGUF file says."},
};

const struct config_key *config_key_at(unsigned i) { return i < COUNTOF(KEYS) ? &KEYS[i] : NULL; }

const struct config_key *config_key_find(struct str path)
{
    for (unsigned i = 0; i < COUNTOF(KEYS); i++)
        if (str_eq(str_z(KEYS[i].path), path)) return &KEYS[i];
    return NULL;
}

const char *config_type_name(enum config_type t)
{
    static const char *const NAMES[CONFIG_TYPES] = {
        [CONFIG_SECTION] = "section",
        [CONFIG_MAPS] = "list of maps",
        [CONFIG_TEXT] = "text",
        [CONFIG_NAME] = "name",
        [CONFIG_PATH] = "path",
        [CONFIG_ADDRESS] = "address:port",
        [CONFIG_URL] = "URL",
        [CONFIG_SECRET] = "env:NAME or file:path",
        [CONFIG_FLAG] = "true or false",
        [CONFIG_COUNT] = "whole number",
        [CONFIG_DURATION] = "duration",
        [CONFIG_SIZE] = "size",
        [CONFIG_SHARE] = "size or percent",
        [CONFIG_WORD] = "word",
        [CONFIG_TEXTS] = "list of texts",
        [CONFIG_NAMES] = "list of names",
        [CONFIG_PATHS] = "list of paths",
        [CONFIG_HEADERS] = "map of header fields",
        [CONFIG_BODY_FIELDS] = "map of JSON values",
        [CONFIG_PRICE] = "map of prices",
    };
    return NAMES[t];
}
