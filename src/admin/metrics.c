/* /metrics: the board as Prometheus text (exposition format 0.0.4), with the names of the OpenTelemetry GenAI conventions
 * where they have one. Runs in lane DESK. Labels are bounded by the board's rows; keys are never among them. */
#include "admin/priv.h"

#include <stdio.h>

static void put_label(struct buf *out, const char *name, struct str value, bool first)
{
    buf_fmt(out, "%s%s=\"", first ? "" : ",", name);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' || value.p[i] == '"') buf_char(out, '\\');
        if (value.p[i] == '\n') buf_str(out, S("\\n"));
        else buf_char(out, value.p[i]);
    }
    buf_char(out, '"');
}

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- rows: (route, provider, model, format) --------------------------------------------------------------------------- */

static struct str text_of(const char *p, size_t room) { return str_make(p, strnlen(p, room)); }

/* The vendor's name in the conventions; the operator's own where the kind is not known (any more). */
static struct str vendor_of(const struct desk *d, struct str provider)
{
    for (unsigned i = 0; d->config && i < d->config->providers.n; i++)
        if (str_eq(d->config->providers.at[i].name, provider)) return str_z(d->config->providers.at[i].how->otel_name);
    return provider;
}

static void put_row_labels(struct buf *out, const struct desk *d, const struct board_row *r)
{
    struct str provider = text_of(r->provider, sizeof r->provider);
    put_label(out, "gen_ai_operation_name", S("chat"), true);
    put_label(out, "gen_ai_provider_name", vendor_of(d, provider), false);
    put_label(out, "gen_ai_request_model", text_of(r->model, sizeof r->model), false);
    put_label(out, "aquifer_route", text_of(r->route, sizeof r->route), false);
    put_label(out, "aquifer_provider", provider, false);
    put_label(out, "aquifer_format", text_of(r->format, sizeof r->format), false);
}

static struct board_row *next_row(struct board *b, unsigned *at)
{
    while (*at < BOARD_ROWS) {
        struct board_row *r = &b->rows[(*at)++];
        if (atomic_load(&r->used) == 2 && atomic_load(&r->attempts)) return r; /* thousands may be possible, few are used */
    }
    return NULL;
}

static void put_tokens(struct buf *out, const struct desk *d)
{
    const char *name = "gen_ai_client_token_usage";
    put_head(out, name, "summary", "Tokens used, by type (sum) and calls that used them (count).");
    struct board_row *r;
    for (unsigned at = 0; (r = next_row(d->board, &at));) {
        const struct {
            const char *type;
            uint64_t n;
        } TYPES[] = {{"input", atomic_load(&r->input_tokens)}, {"output", atomic_load(&r->output_tokens)}};
        for (size_t i = 0; i < COUNTOF(TYPES); i++) {
            buf_fmt(out, "%s_sum{gen_ai_token_type=\"%s\",", name, TYPES[i].type);
            put_row_labels(out, d, r);
            buf_fmt(out, "} %llu\n%s_count{gen_ai_token_type=\"%s\",", (unsigned long long)TYPES[i].n, name, TYPES[i].type);
            put_row_labels(out, d, r);
            buf_fmt(out, "} %llu\n", (unsigned long long)atomic_load(&r->attempts));
        }
    }
}

static void put_histogram(struct buf *out, const struct desk *d, const char *name, const char *help, size_t offset)
{
    struct board_row *r;
    put_head(out, name, "histogram", help);
    for (unsigned at = 0; (r = next_row(d->board, &at));) {
        struct histogram *h = (struct histogram *)(void *)((char *)r + offset);
        uint64_t sum = 0;
        for (unsigned i = 0; i < BOARD_BUCKETS; i++) {
            sum += atomic_load(&h->count[i]);
            buf_fmt(out, "%s_bucket{", name);
            put_row_labels(out, d, r);
            if (i + 1 < BOARD_BUCKETS)
                buf_fmt(out, ",le=\"%u.%03u\"} %llu\n", board_bucket_ms[i] / 1000, board_bucket_ms[i] % 1000,
                        (unsigned long long)sum);
            else buf_fmt(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)sum);
        }
        uint64_t us = atomic_load(&h->sum_us);
        buf_fmt(out, "%s_sum{", name);
        put_row_labels(out, d, r);
        buf_fmt(out, "} %llu.%06llu\n%s_count{", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000), name);
        put_row_labels(out, d, r);
        buf_fmt(out, "} %llu\n", (unsigned long long)sum);
    }
}

/* The last word of the provider; rows of which nobody told it are left out. */
static void put_headroom(struct buf *out, const struct desk *d, const char *name, const char *help, size_t offset)
{
    struct board_row *r;
    put_head(out, name, "gauge", help);
    for (unsigned at = 0; (r = next_row(d->board, &at));) {
        int64_t left = atomic_load((_Atomic int64_t *)(void *)((char *)r + offset)) - 1;
        if (left < 0) continue;
        buf_fmt(out, "%s{", name);
        put_row_labels(out, d, r);
        buf_fmt(out, "} %lld\n", (long long)left);
    }
}

static void put_row_counter(struct buf *out, const struct desk *d, const char *name, const char *help, size_t offset)
{
    struct board_row *r;
    put_head(out, name, "counter", help);
    for (unsigned at = 0; (r = next_row(d->board, &at));) {
        _Atomic uint64_t *value = (_Atomic uint64_t *)(void *)((char *)r + offset);
        buf_fmt(out, "%s{", name);
        put_row_labels(out, d, r);
        buf_fmt(out, "} %llu\n", (unsigned long long)atomic_load(value));
    }
}

static void put_cost(struct buf *out, const struct desk *d)
{
    struct board_row *r;
    put_head(out, "aquifer_cost_dollars_total", "counter", "Known cost of the calls in dollars.");
    for (unsigned at = 0; (r = next_row(d->board, &at));) {
        buf_str(out, S("aquifer_cost_dollars_total{"));
        put_row_labels(out, d, r);
        buf_str(out, S("} "));
        money_write(out, (money)atomic_load(&r->cost_pico));
        buf_char(out, '\n');
    }
}

/* ---- the machine as a whole ------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *help;
    size_t at;
    bool is_gauge;
} TOTALS[] = {
#define COUNTER(name, field, help) {name, help, offsetof(struct board, counters.field), false}
    COUNTER("aquifer_requests_total", requests, "Requests received."),
    COUNTER("aquifer_retries_total", retries, "Further attempts after a first one failed."),
    COUNTER("aquifer_streams_cut_total", streams_cut, "Streams that ended without their last event."),
    COUNTER("aquifer_journal_stalls_total", journal_stalls, "Syncs of the journal slower than ledger.stall."),
    COUNTER("aquifer_journal_released_total", journal_released, "Answers released before their record was on the disk."),
    COUNTER("aquifer_reloads_total", reloads, "Configurations accepted while running."),
    COUNTER("aquifer_reload_failures_total", reload_failures, "Configurations refused."),
    COUNTER("aquifer_ingest_rows_total", ingest_rows, "Attempts put into the database."),
    COUNTER("aquifer_ingest_failures_total", ingest_failures, "Ingests that failed."),
    COUNTER("aquifer_gateway_restarts_total", gateway_restarts, "Gateways started again after a crash."),
    COUNTER("aquifer_control_restarts_total", control_restarts, "Control processes started again after a crash."),
    {"aquifer_ingest_lag", "Settled attempts that are not yet in the database.", offsetof(struct board, counters.ingest_lag),
     true},
    {"aquifer_journal_bytes", "Space the journal takes.", offsetof(struct board, counters.journal_bytes), true},
    {"aquifer_generation", "Number of the newest generation.", offsetof(struct board, generation), true},
};

static void put_totals(struct buf *out, struct board *b)
{
    for (size_t i = 0; i < COUNTOF(TOTALS); i++) {
        _Atomic int64_t *value = (_Atomic int64_t *)(void *)((char *)b + TOTALS[i].at);
        put_head(out, TOTALS[i].name, TOTALS[i].is_gauge ? "gauge" : "counter", TOTALS[i].help);
        buf_fmt(out, "%s %lld\n", TOTALS[i].name, (long long)atomic_load(value));
    }
    put_head(out, "aquifer_answers_total", "counter", "Answers by class of status; 0: the client went away.");
    for (unsigned i = 0; i < COUNTOF(b->counters.answers); i++)
        buf_fmt(out, "aquifer_answers_total{class=\"%u\"} %llu\n", i, (unsigned long long)atomic_load(&b->counters.answers[i]));
    put_head(out, "aquifer_refused_total", "counter", "Errors of our own, by code (docs/errors.md).");
    for (unsigned i = 1; i < ERR_COUNT && i < COUNTOF(b->counters.refused); i++)
        buf_fmt(out, "aquifer_refused_total{code=\"%s\"} %llu\n", err_code((enum err)i),
                (unsigned long long)atomic_load(&b->counters.refused[i]));
    put_head(out, "aquifer_losses_total", "counter", "What translation dropped or approximated (docs/compatibility.md).");
    for (unsigned i = 0; i < CHAT_LOSSES_N && i < COUNTOF(b->counters.losses); i++)
        buf_fmt(out, "aquifer_losses_total{code=\"%s\",how=\"%s\"} %llu\n", chat_loss_word((enum chat_loss)i),
                chat_loss_how((enum chat_loss)i), (unsigned long long)atomic_load(&b->counters.losses[i]));
}

static const struct {
    const char *name, *help;
    size_t at;
    bool is_gauge;
} GATEWAY[] = {
#define SLOT(name, field, help, gauge) {name, help, offsetof(struct gateway_slot, field), gauge}
    SLOT("aquifer_exchanges", exchanges, "Requests under way.", true),
    SLOT("aquifer_memory_bytes", memory, "Bytes held by bodies and queues.", true),
    SLOT("aquifer_connections", connections, "Open client connections.", true),
    SLOT("aquifer_websockets", websockets, "Open WebSockets.", true),
    SLOT("aquifer_upstream_open", upstream_open, "Open upstream connections.", true),
    SLOT("aquifer_upstream_idle", upstream_idle, "Upstream connections waiting for use.", true),
    SLOT("aquifer_gateway_generation", generation, "The generation this gateway serves.", true),
    SLOT("aquifer_upstream_calls_total", upstream_calls, "Upstream calls.", false),
    SLOT("aquifer_upstream_reused_total", upstream_reused, "Upstream calls on a connection that was open.", false),
    SLOT("aquifer_upstream_connects_total", upstream_connects, "Upstream connections made.", false),
    SLOT("aquifer_upstream_failures_total", upstream_failures, "Upstream connections that could not be made.", false),
    SLOT("aquifer_tls_handshakes_total", tls_handshakes, "TLS handshakes with upstreams.", false),
    SLOT("aquifer_tls_resumed_total", tls_resumed, "TLS handshakes that took up a session.", false),
};

static void put_gateways(struct buf *out, struct board *b)
{
    for (size_t i = 0; i < COUNTOF(GATEWAY); i++) {
        put_head(out, GATEWAY[i].name, GATEWAY[i].is_gauge ? "gauge" : "counter", GATEWAY[i].help);
        for (unsigned slot = 0; slot < BOARD_GATEWAYS; slot++) {
            _Atomic int64_t *value = (_Atomic int64_t *)(void *)((char *)&b->gateways[slot] + GATEWAY[i].at);
            if (atomic_load(&b->gateways[slot].state) != GATEWAY_FREE)
                buf_fmt(out, "%s{gateway=\"%u\"} %lld\n", GATEWAY[i].name, slot, (long long)atomic_load(value));
        }
    }
}

static void put_engines(struct buf *out, struct board *b)
{
    put_head(out, "aquifer_engine_up", "gauge", "1 while the local model answers.");
    for (unsigned i = 0; i < BOARD_ENGINES; i++) {
        uint32_t state = atomic_load(&b->engines[i].state);
        if (state == ENGINE_FREE) continue;
        buf_str(out, S("aquifer_engine_up{"));
        put_label(out, "model", text_of(b->engines[i].name, sizeof b->engines[i].name), true);
        buf_fmt(out, "} %d\n", state == ENGINE_READY);
    }
}

enum err show_metrics(struct call *c, struct fault *why)
{
    const struct desk *d = &c->control->desk;
    c->content_type = "text/plain; version=0.0.4; charset=utf-8";
    put_tokens(&c->out, d);
    put_histogram(&c->out, d, "gen_ai_client_operation_duration_seconds", "Time of a whole upstream call.",
                  offsetof(struct board_row, duration));
    put_histogram(&c->out, d, "gen_ai_client_operation_time_to_first_chunk_seconds", "Time until an answer's first byte.",
                  offsetof(struct board_row, first_byte));
    put_row_counter(&c->out, d, "aquifer_attempts_total", "Upstream calls.", offsetof(struct board_row, attempts));
    put_row_counter(&c->out, d, "aquifer_attempts_failed_total", "Upstream calls that failed.",
                    offsetof(struct board_row, failed));
    put_row_counter(&c->out, d, "aquifer_cached_tokens_total", "Input tokens read from a provider's cache.",
                    offsetof(struct board_row, cached_tokens));
    put_row_counter(&c->out, d, "aquifer_dropped_fields_total", "Fields removed from requests by `drop`.",
                    offsetof(struct board_row, dropped_fields));
    put_headroom(&c->out, d, "aquifer_provider_requests_left", "What the provider last said is left of its limit of requests.",
                 offsetof(struct board_row, requests_left));
    put_headroom(&c->out, d, "aquifer_provider_tokens_left", "What the provider last said is left of its limits of tokens.",
                 offsetof(struct board_row, tokens_left));
    put_cost(&c->out, d);
    put_totals(&c->out, d->board);
    put_gateways(&c->out, d->board);
    put_engines(&c->out, d->board);
    return OK;
}
