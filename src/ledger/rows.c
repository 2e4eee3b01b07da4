/* Attempts into the database: rows, the sums of their days in the same transaction, and what an interrupted one is charged.
 * Called by ingest. Owns one batch's arena. Runs in control. */
#include "ledger/ingest.h"

#include <stdlib.h>

/* Far beyond what is real, and so far below 64 bits that the sums of a day cannot overflow: what a broken provider says
 * beyond it is kept as this. */
#define TOKENS_MAX INT64_C(10000000000000)
#define COST_MAX ((money)1000000000 * MONEY_DOLLAR)
#define MICRO 1000000

#define INTO                                                                                                            \
    " INTO attempt_rows (day, id, request_id, source, number, stream, started_ms, took_ms, first_byte_us, duration_us," \
    " outcome, status, error, input_tokens, output_tokens, usage, tier, cost_micro, cost_rest)"                         \
    " SELECT c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19 FROM feed"
static const char INSERT[] = "INSERT" INTO;
static const char INSERT_NEW[] = "INSERT OR IGNORE" INTO;
enum { ROW_COLUMNS = 19 };

/* The update changes nothing: it makes the row that stands already tell its id. */
static const char SOURCE[] =
    "INSERT INTO sources (day, key_id, route, provider, model, format) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT (day, key_id, route, provider, model, format) DO UPDATE SET day = excluded.day RETURNING id";

static const char ADD[] =
    "INSERT INTO usage_days (day, key_id, route, requests, input_tokens, output_tokens, cost_micro, cost_rest, unknown_cost)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (day, key_id, route) DO UPDATE SET"
    " requests = requests + excluded.requests, input_tokens = input_tokens + excluded.input_tokens,"
    " output_tokens = output_tokens + excluded.output_tokens, cost_micro = cost_micro + excluded.cost_micro,"
    " cost_rest = cost_rest + excluded.cost_rest, unknown_cost = unknown_cost + excluded.unknown_cost";
static const char DOUBT[] =
    "UPDATE usage_days SET estimated = estimated + ?4, interrupted = interrupted + ?5, estimated_input = estimated_input + ?6,"
    " estimated_output = estimated_output + ?7, estimated_micro = estimated_micro + ?8, estimated_rest = estimated_rest + ?9,"
    " unknown_input = unknown_input + ?10, unknown_output = unknown_output + ?11"
    " WHERE day = ?1 AND key_id = ?2 AND route = ?3";

void batch_init(struct batch *b, struct store *s, bool own)
{
    *b = (struct batch){.store = s, .own = own};
    arena_init(&b->arena, KIB(16), MIB(64));
    map_init(&b->sources);
    buf_init(&b->text, KIB(4));
    b->waiting = mem_alloc(BATCH_WAITING * sizeof *b->waiting);
}

void batch_done(struct batch *b)
{
    if (b->begun) store_rollback(b->store);
    map_done(&b->sources);
    arena_done(&b->arena);
    buf_done(&b->text);
    free(b->waiting);
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

/* ---- sources and sums ---------------------------------------------------------------------------------------------------- */

static bool is_of(const struct source *s, int32_t day, const struct attempt_start *a)
{
    return s->day == day && str_eq(s->key_id, a->key_id) && str_eq(s->route, a->route) && str_eq(s->provider, a->provider) &&
           str_eq(s->model, a->model) && str_eq(s->format, a->format);
}

/* Each name with its length, so that no two sources have one name. */
static struct str source_name(struct batch *b, int32_t day, const struct str *parts, unsigned n)
{
    buf_clear(&b->text);
    buf_i64(&b->text, day);
    for (unsigned i = 0; i < n; i++) {
        buf_char(&b->text, '/');
        buf_u64(&b->text, parts[i].n);
        buf_char(&b->text, ':');
        buf_str(&b->text, parts[i]);
    }
    return buf_view(&b->text);
}

static enum err source_make(struct batch *b, int32_t day, const struct attempt_start *a, struct source **ret_source,
                            struct fault *why)
{
    struct source *s = arena_alloc(&b->arena, sizeof *s);
    if (!s) return out_of_memory(why);
    *s = (struct source){.day = day};
    bool fits = arena_str(&b->arena, a->key_id, &s->key_id) && arena_str(&b->arena, a->route, &s->route) &&
                arena_str(&b->arena, a->provider, &s->provider) && arena_str(&b->arena, a->model, &s->model) &&
                arena_str(&b->arena, a->format, &s->format);
    if (!fits) return out_of_memory(why);
    *ret_source = s;
    return store_get_i64(
        b->store, SOURCE,
        BINDS(V_I64(day), V_TEXT(a->key_id), V_TEXT(a->route), V_TEXT(a->provider), V_TEXT(a->model), V_TEXT(a->format)), &s->id,
        why);
}

/* Makes the attempt's source the latest. */
static enum err source_find(struct batch *b, const struct attempt_start *a, struct fault *why)
{
    const struct str parts[] = {a->key_id, a->route, a->provider, a->model, a->format};
    int32_t day = clock_day(a->started_ms);
    struct str name;
    if (b->latest && is_of(b->latest, day, a)) return OK;
    struct source *s = map_find(&b->sources, source_name(b, day, parts, COUNTOF(parts)));
    if (!s) {
        TRY(source_make(b, day, a, &s, why));
        if (!arena_str(&b->arena, buf_view(&b->text), &name) || !map_add(&b->sources, name, s)) return out_of_memory(why);
    }
    b->latest = s;
    return OK;
}

static int64_t bounded(uint64_t tokens) { return tokens > (uint64_t)TOKENS_MAX ? TOKENS_MAX : (int64_t)tokens; }

static money bounded_cost(money cost) { return cost > COST_MAX ? COST_MAX : cost; }

/* An estimate of none is certain enough: what was refused before it generated anything. */
static bool is_estimated(const struct attempt_result *e)
{
    for (unsigned c = 0; c < USAGE_CELLS; c++)
        if (e->usage.quality[c] == USAGE_ESTIMATED && e->usage.n[c]) return true;
    return e->end == ATTEMPT_INTERRUPTED;
}

static void doubt_add(struct doubt *d, const struct attempt_result *e, int64_t input, int64_t output)
{
    bool estimated = is_estimated(e);
    d->estimated += estimated;
    d->interrupted += e->end == ATTEMPT_INTERRUPTED;
    d->estimated_input += estimated ? input : 0;
    d->estimated_output += estimated ? output : 0;
    d->estimated_cost += estimated && e->cost_known ? bounded_cost(e->cost) : 0;
    d->unknown_input += e->cost_known ? 0 : input;
    d->unknown_output += e->cost_known ? 0 : output;
}

/* What never reached a provider is a row, and no request. */
static void sums_add(struct source *s, const struct attempt_result *e)
{
    int64_t input = bounded(usage_input(&e->usage)), output = bounded(usage_output(&e->usage));
    if (e->end == ATTEMPT_NOT_SENT) return;
    s->requests++;
    s->input += input;
    s->output += output;
    s->unknown += !e->cost_known;
    if (e->cost_known) s->cost += bounded_cost(e->cost);
    doubt_add(&s->doubt, e, input, output);
}

/* Most days have none, and pay nothing for it. */
static enum err doubt_write(struct batch *b, const struct source *s, struct fault *why)
{
    const struct doubt *d = &s->doubt;
    if (!d->estimated && !s->unknown) return OK;
    return store_exec(b->store, DOUBT,
                      BINDS(V_I64(s->day), V_TEXT(s->key_id), V_TEXT(s->route), V_I64(d->estimated), V_I64(d->interrupted),
                            V_I64(d->estimated_input), V_I64(d->estimated_output), V_I64(d->estimated_cost / MICRO),
                            V_I64(d->estimated_cost % MICRO), V_I64(d->unknown_input), V_I64(d->unknown_output)),
                      NULL, why);
}

static enum err sums_write(struct batch *b, struct fault *why)
{
    for (uint32_t i = 0; i < b->sources.n; i++) {
        const struct source *s = b->sources.entries[i].value;
        if (!s->requests) continue;
        TRY(store_exec(b->store, ADD,
                       BINDS(V_I64(s->day), V_TEXT(s->key_id), V_TEXT(s->route), V_I64(s->requests), V_I64(s->input),
                             V_I64(s->output), V_I64(s->cost / MICRO), V_I64(s->cost % MICRO), V_I64(s->unknown)),
                       NULL, why));
        TRY(doubt_write(b, s, why));
    }
    return OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

/* The rows that wait, one after the other, for the statement that writes them. */
struct rows_feed {
    struct store_feed feed;
    struct batch *batch;
    const struct booking *at, *end;
};

static bool next_row(struct store_feed *feed, struct store_value *ret_values)
{
    struct rows_feed *f = CONTAINER_OF(feed, struct rows_feed, feed);
    struct buf *text = &f->batch->text;
    if (f->at == f->end) return false;
    const struct attempt_start *a = &f->at->record.start;
    const struct attempt_result *e = &f->at->record.result;
    const struct source *source = f->at++->source;
    money cost = bounded_cost(e->cost);
    buf_clear(text);
    cells_write(text, &e->usage);
    const struct store_value row[ROW_COLUMNS] = {
        V_I64(source->day),
        V_TEXT(str_make(a->id, LEDGER_ID_LEN)),
        V_TEXT(str_make(a->request_id, LEDGER_ID_LEN)),
        V_I64(source->id),
        V_I64(a->number),
        V_I64(a->stream),
        V_I64(a->started_ms),
        V_I64(e->ended_ms - a->started_ms),
        V_I64(e->first_byte_us),
        V_I64(e->duration_us),
        V_I64(e->end),
        V_I64(e->status),
        V_I64(e->err),
        V_I64(bounded(usage_input(&e->usage))),
        V_I64(bounded(usage_output(&e->usage))),
        V_TEXT(buf_view(text)),
        V_TEXT(str_z(e->usage.tier)),
        V_OPT_I64(e->cost_known, cost / MICRO),
        V_OPT_I64(e->cost_known, cost % MICRO),
    };
    memcpy(ret_values, row, sizeof row);
    return true;
}

static enum err insert(struct batch *b, const char *sql, struct booking *from, unsigned n, uint64_t *ret_new, struct fault *why)
{
    struct rows_feed f = {{next_row}, b, from, from + n};
    return store_exec_feed(b->store, sql, &f.feed, ret_new, why);
}

static enum err charge(struct batch *b, const struct booking *k, struct fault *why)
{
    const struct record *r = &k->record;
    if (!r->result.cost_known || r->result.cost == 0 || r->start.key_place >= BOARD_KEYS) return OK;
    struct charge *c = arena_alloc(&b->arena, sizeof *c);
    if (!c) return out_of_memory(why);
    int64_t pico = r->result.cost > INT64_MAX ? INT64_MAX : (int64_t)r->result.cost;
    *c = (struct charge){b->charges, r->start.key_place, k->slot, r->start.started_ms, pico};
    b->charges = c;
    return OK;
}

/* A gateway of our board enters its money itself and marks the slot; what it was killed before is owed, whether the row is
 * new or not: a control may have been killed between the commit and the meter. Money of another board's gateway, which
 * drains after its supervisor's death, is owed once. */
static enum err booked(struct batch *b, const struct booking *k, bool is_new, struct fault *why)
{
    b->rows += is_new;
    b->settled += is_new && !k->interrupted;
    if (is_new) sums_add(k->source, &k->record.result);
    bool owed = b->own ? !k->record.entered : is_new;
    return owed ? charge(b, k, why) : OK;
}

static enum err insert_each(struct batch *b, struct fault *why)
{
    for (unsigned i = 0; i < b->n_waiting; i++) {
        uint64_t n_new;
        TRY(insert(b, INSERT_NEW, &b->waiting[i], 1, &n_new, why));
        TRY(booked(b, &b->waiting[i], n_new > 0, why));
    }
    return OK;
}

/* Only after a kill, or beside a restored database, do rows stand there already: then each is asked for. */
static enum err insert_waiting(struct batch *b, struct fault *why)
{
    enum err e = insert(b, INSERT, b->waiting, b->n_waiting, NULL, why);
    if (e == ERR_EXISTS) return insert_each(b, why);
    for (unsigned i = 0; e == OK && i < b->n_waiting; i++) e = booked(b, &b->waiting[i], true, why);
    return e;
}

enum err batch_flush(struct batch *b, struct fault *why)
{
    if (!b->n_waiting) return OK;
    TRY(insert_waiting(b, why));
    b->n_waiting = 0;
    return OK;
}

struct record *batch_room(struct batch *b)
{
    must(b->n_waiting < BATCH_WAITING);
    return &b->waiting[b->n_waiting].record;
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

enum err batch_add(struct batch *b, uint32_t slot, bool interrupted, struct fault *why)
{
    struct booking *k = &b->waiting[b->n_waiting];
    if (interrupted) call_interrupted(&k->record);
    TRY(begin(b, why));
    TRY(source_find(b, &k->record.start, why));
    k->source = b->latest;
    k->slot = slot;
    k->interrupted = interrupted;
    b->n_waiting++;
    return OK;
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
