/* Attempts into the database: rows, the sums of their days in the same transaction, and what an interrupted one is charged.
 * Called by ingest. Owns one batch's arena. Runs in control. */
#include "ledger/ingest.h"

#include <stdlib.h>

/* Far beyond what is real, and so far below 64 bits that the sums of a day cannot overflow: what a broken provider says
 * beyond it is kept as this. */
#define TOKENS_MAX INT64_C(10000000000000)
#define COST_MAX ((money)1000000000 * MONEY_DOLLAR)
#define MICRO 1000000

static const char INSERT[] =
    "INSERT OR IGNORE INTO attempts (day, id, request_id, number, key_id, route, provider, model, format, stream, started_ms, "
    "ended_ms,"
    " first_byte_us, duration_us, outcome, status, error, input_tokens, output_tokens, usage, tier, cost_micro, cost_rest)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

static const char ADD[] =
    "INSERT INTO usage_days (day, key_id, route, requests, input_tokens, output_tokens, cost_micro, cost_rest, unknown_cost)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (day, key_id, route) DO UPDATE SET"
    " requests = requests + excluded.requests, input_tokens = input_tokens + excluded.input_tokens,"
    " output_tokens = output_tokens + excluded.output_tokens, cost_micro = cost_micro + excluded.cost_micro,"
    " cost_rest = cost_rest + excluded.cost_rest, unknown_cost = unknown_cost + excluded.unknown_cost";

void batch_init(struct batch *b, struct store *s)
{
    *b = (struct batch){.store = s};
    arena_init(&b->arena, KIB(16), MIB(64));
    map_init(&b->sums);
    buf_init(&b->text, KIB(4));
}

void batch_done(struct batch *b)
{
    if (b->begun) store_rollback(b->store);
    map_done(&b->sums);
    arena_done(&b->arena);
    buf_done(&b->text);
}

static enum err begin(struct batch *b, struct fault *why)
{
    if (b->begun) return OK;
    TRY(store_begin(b->store, why));
    b->begun = true;
    return OK;
}

static enum err out_of_memory(struct fault *why)
{
    return FAIL(why, ERR_LIMIT, "one journal segment holds more keys and routes than fit into memory");
}

/* ---- sums -------------------------------------------------------------------------------------------------------------- */

static struct sums *sums_get(struct batch *b, int32_t day, struct str key_id, struct str route)
{
    struct str name, copy;
    buf_clear(&b->text);
    buf_i64(&b->text, day);
    buf_char(&b->text, '/');
    buf_str(&b->text, key_id);
    buf_char(&b->text, '/');
    buf_str(&b->text, route);
    name = buf_view(&b->text);
    struct sums *found = map_find(&b->sums, name);
    if (found) return found;
    struct sums *s = arena_alloc(&b->arena, sizeof *s);
    if (!s || !arena_str(&b->arena, name, &copy)) return NULL;
    s->day = day;
    s->route = str_from(copy, copy.n - route.n);
    s->key_id = str_make(copy.p + copy.n - route.n - 1 - key_id.n, key_id.n);
    return map_add(&b->sums, copy, s) ? s : NULL;
}

static int64_t bounded(uint64_t tokens) { return tokens > (uint64_t)TOKENS_MAX ? TOKENS_MAX : (int64_t)tokens; }

static money bounded_cost(money cost) { return cost > COST_MAX ? COST_MAX : cost; }

/* What never reached a provider is a row, and no request. */
static enum err sums_add(struct batch *b, const struct record *r, struct fault *why)
{
    if (r->result.end == ATTEMPT_NOT_SENT) return OK;
    struct sums *s = sums_get(b, clock_day(r->start.started_ms), r->start.key_id, r->start.route);
    if (!s) return out_of_memory(why);
    s->requests++;
    s->input += bounded(usage_input(&r->result.usage));
    s->output += bounded(usage_output(&r->result.usage));
    s->unknown += !r->result.cost_known;
    if (r->result.cost_known) s->cost += bounded_cost(r->result.cost);
    return OK;
}

static enum err sums_write(struct batch *b, struct fault *why)
{
    for (uint32_t i = 0; i < b->sums.n; i++) {
        const struct sums *s = b->sums.entries[i].value;
        TRY(store_exec(b->store, ADD,
                       BINDS(V_I64(s->day), V_TEXT(s->key_id), V_TEXT(s->route), V_I64(s->requests), V_I64(s->input),
                             V_I64(s->output), V_I64(s->cost / MICRO), V_I64(s->cost % MICRO), V_I64(s->unknown)),
                       NULL, why));
    }
    return OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

/* {"input":[1000,"reported"],…}: cell names and qualities need no escaping. */
static struct str usage_text(struct batch *b, const struct usage *u)
{
    static const char *const QUALITIES[] = {"unknown", "reported", "partial", "estimated"};
    buf_clear(&b->text);
    buf_char(&b->text, '{');
    for (unsigned c = 0; c < USAGE_CELLS; c++) {
        if (u->quality[c] == USAGE_UNKNOWN) continue;
        if (b->text.n > 1) buf_char(&b->text, ',');
        buf_char(&b->text, '"');
        buf_str(&b->text, str_z(usage_cell_name((enum usage_cell)c)));
        buf_str(&b->text, S("\":["));
        buf_u64(&b->text, u->n[c]);
        buf_str(&b->text, S(",\""));
        buf_str(&b->text, str_z(QUALITIES[u->quality[c]]));
        buf_str(&b->text, S("\"]"));
    }
    buf_char(&b->text, '}');
    return buf_view(&b->text);
}

static enum err insert(struct batch *b, const struct record *r, bool *ret_new, struct fault *why)
{
    const struct attempt_start *a = &r->start;
    const struct attempt_result *e = &r->result;
    money cost = bounded_cost(e->cost);
    uint64_t changed;
    TRY(begin(b, why));
    TRY(store_exec(b->store, INSERT,
                   BINDS(V_I64(clock_day(a->started_ms)), V_TEXT(str_z(a->id)), V_TEXT(str_z(a->request_id)), V_I64(a->number),
                         V_TEXT(a->key_id), V_TEXT(a->route), V_TEXT(a->provider), V_TEXT(a->model), V_TEXT(a->format),
                         V_I64(a->stream), V_I64(a->started_ms), V_I64(e->ended_ms), V_I64(e->first_byte_us),
                         V_I64(e->duration_us), V_I64(e->end), V_I64(e->status), V_I64(e->err),
                         V_I64(bounded(usage_input(&e->usage))), V_I64(bounded(usage_output(&e->usage))),
                         V_TEXT(usage_text(b, &e->usage)), V_TEXT(str_z(e->usage.tier)), V_OPT_I64(e->cost_known, cost / MICRO),
                         V_OPT_I64(e->cost_known, cost % MICRO)),
                   &changed, why));
    *ret_new = changed > 0;
    b->rows += changed;
    return changed ? sums_add(b, r, why) : OK;
}

enum err batch_settled(struct batch *b, const struct record *r, bool *ret_new, struct fault *why)
{
    TRY(insert(b, r, ret_new, why));
    b->settled += *ret_new;
    return OK;
}

/* Nobody knows how far it came: it is charged what was estimated when it was sent. */
static void call_interrupted(struct record *r)
{
    r->result =
        (struct attempt_result){.end = ATTEMPT_INTERRUPTED, .ended_ms = clock_wall_ms(), .cost_known = r->start.price.known};
    usage_set(&r->result.usage, USAGE_IN_FRESH, r->start.estimate_input, USAGE_ESTIMATED);
    usage_set(&r->result.usage, USAGE_OUT_VISIBLE, r->start.estimate_output, USAGE_ESTIMATED);
    if (r->result.cost_known) r->result.cost = price_cost(&r->start.price, &r->result.usage);
}

enum err batch_charge(struct batch *b, const struct record *r, uint32_t slot, struct fault *why)
{
    if (!r->result.cost_known || r->result.cost == 0 || r->start.key_place >= BOARD_KEYS) return OK;
    struct charge *c = arena_alloc(&b->arena, sizeof *c);
    if (!c) return out_of_memory(why);
    int64_t pico = r->result.cost > INT64_MAX ? INT64_MAX : (int64_t)r->result.cost;
    *c = (struct charge){b->charges, r->start.key_place, slot, r->start.started_ms, pico};
    b->charges = c;
    return OK;
}

enum err batch_interrupted(struct batch *b, struct record *r, bool *ret_new, struct fault *why)
{
    call_interrupted(r);
    return insert(b, r, ret_new, why);
}

enum err batch_commit(struct batch *b, struct str segment, int64_t position, struct fault *why)
{
    if (!b->begun) return OK;
    TRY(sums_write(b, why));
    if (position > 0)
        TRY(store_exec(
            b->store,
            "INSERT INTO segments (id, position) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET position = excluded.position",
            BINDS(V_TEXT(segment), V_I64(position)), NULL, why));
    b->begun = false;
    return store_commit(b->store, why);
}
