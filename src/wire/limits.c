/* Settings that a model or its vendor does not take in such company, number or length: left out and counted, or refused where the answer
 * would not be what was asked for (A12, A19, C10, docs/wire.md). By the catalogue's data; what holds for a vendor's every model stands
 * in tables here. Called by adapt.c when all else stands; pure. */
#include <sodium.h>

#include "wire/adapt.h"
#include "wire/formats.h"

enum { USER_MAX = 64 /* bytes of OpenAI's `user` and `safety_identifier` */, GEMINI_STOPS_MAX = 5 };

static bool has(const struct chat *c, enum chat_setting s) { return c->node.has & 1ull << s; }
static bool is_raw(const struct chat *c, enum chat_setting s, struct str raw)
{
    return c->settings[s].p && str_eq(c->settings[s], raw);
}

static void forget(struct chat *c, enum chat_setting s)
{
    c->node.has &= ~(1ull << s);
    c->settings[s] = STR_NONE;
}

/* What says no more than if it were absent is no loss. */
static void leave_out(struct adapting *w, enum chat_setting s, struct str idle)
{
    if (!has(w->c, s)) return;
    w->to->losses->n[LOSS_SAMPLING] += !idle.n || !is_raw(w->c, s, idle);
    forget(w->c, s);
}

/* Said by a caller, or by us when we keep his answer ourselves. Absent is as good to Chat, the others' vendors keep nothing, and
 * Responses' writer says it to all but its own: nothing is lost with it, and servers that do not know the word do not see it. */
static void leave_out_store(struct adapting *w)
{
    bool own = str_eq(w->c->format, str_z(wire_format_name(w->target)));
    if (!own && is_raw(w->c, SET_STORE, S("false"))) forget(w->c, SET_STORE);
}

/* ---- sampling ----------------------------------------------------------------------------------------------------------------- */

static bool is_fixed(const struct adapting *w, const struct chat_manners *m)
{
    if (m->fixed_sampling != FIXED_UNLESS_NONE) return m->fixed_sampling == FIXED_ALWAYS;
    return w->c->effort.p && !json_span_eq(w->c->effort, S("none"));
}

static void fix_sampling(struct adapting *w, const struct chat_manners *m)
{
    static const enum chat_setting FIXED[] = {SET_TEMPERATURE, SET_TOP_P};
    for (unsigned i = 0; i < COUNTOF(FIXED); i++)
        if (!is_raw(w->c, FIXED[i], S("1"))) leave_out(w, FIXED[i], STR_NONE);
    leave_out(w, SET_TOP_K, STR_NONE);
    if (!m->no_stop) return; /* whoever takes stops has no log probabilities, or takes them always */
    leave_out(w, SET_LOGPROBS, S("false"));
    leave_out(w, SET_TOP_LOGPROBS, S("0"));
}

/* "`temperature` and `top_p` cannot both be specified for this model" (Anthropic): the one that says nothing gives way. */
static void keep_one_sampler(struct adapting *w)
{
    if (!has(w->c, SET_TEMPERATURE) || !has(w->c, SET_TOP_P)) return;
    if (is_raw(w->c, SET_TEMPERATURE, S("1"))) forget(w->c, SET_TEMPERATURE);
    else leave_out(w, SET_TOP_P, S("1"));
}

/* "Unsupported parameter: 'stop' is not supported with this model" (OpenAI's that reason). */
static void leave_out_stops(struct adapting *w)
{
    leave_out(w, SET_STOP, S("[]"));
    leave_out(w, SET_FREQUENCY_PENALTY, S("0"));
    leave_out(w, SET_PRESENCE_PENALTY, S("0"));
    leave_out(w, SET_LOGIT_BIAS, S("{}"));
}

/* ---- stop sequences ----------------------------------------------------------------------------------------------------------- */

static enum err check_stops(const struct adapting *w, const struct chat_manners *m, unsigned n)
{
    uint64_t most = w->target == WIRE_GEMINI_GENERATE ? GEMINI_STOPS_MAX : w->target == WIRE_OPENAI_CHAT ? m->stops_max : 0;
    if (!most || n <= most) return OK;
    return FAIL(w->why, ERR_FORMAT_UNSUPPORTED, "%.*s takes %u stop sequences at most, not %u; send fewer", STR_ARG(w->to->model),
                (unsigned)most, n);
}

/* "stop_sequences: each stop sequence must contain non-whitespace" (Anthropic). Returns how many are written. */
static unsigned put_stops(struct adapting *w, const struct json_tape *t, struct json_writer *j)
{
    uint32_t one;
    unsigned n = 0;
    json_put_array(j);
    for (struct json_iter it = json_each(t, 0); json_next(t, &it, &one);) {
        bool blank = adapting_is_claude(w) && json_is(t, one, JSON_STRING) && wire_is_blank(json_text(t, one));
        w->to->losses->n[LOSS_SAMPLING] += blank;
        if (blank) continue;
        json_put_raw(j, json_raw(t, one));
        n++;
    }
    json_put_end(j);
    return n;
}

static enum err fix_stops(struct adapting *w, const struct chat_manners *m)
{
    struct chat *c = w->c;
    struct json_writer j;
    struct buf out;
    if (!has(c, SET_STOP)) return OK;
    TRY(json_scan(w->to->tape, c->settings[SET_STOP], &JSON_LIMITS, w->why));
    if (!json_is(w->to->tape, 0, JSON_ARRAY)) return OK;
    unsigned lost = w->to->losses->n[LOSS_SAMPLING];
    buf_init(&out, c->settings[SET_STOP].n + 2);
    json_write(&j, &out);
    unsigned n = put_stops(w, w->to->tape, &j);
    bool same = lost == w->to->losses->n[LOSS_SAMPLING];
    bool kept = json_write_done(&j) && (same || arena_str(c->arena, buf_view(&out), &c->settings[SET_STOP]));
    buf_done(&out);
    if (!kept) return adapting_full(w);
    if (!n) forget(c, SET_STOP);
    return check_stops(w, m, n);
}

/* ---- who asks ------------------------------------------------------------------------------------------------------------------- */

/* A name that is too long is told by its hash: the same for the same, and no other's. */
static enum err shorten(struct adapting *w, enum chat_setting s)
{
    unsigned char hash[USER_MAX / 2];
    char text[USER_MAX + 3] = "\"";
    struct buf plain;
    struct chat *c = w->c;
    if (!has(c, s) || c->settings[s].n <= USER_MAX + 2) return OK;
    TRY(json_scan(w->to->tape, c->settings[s], &JSON_LIMITS, w->why));
    if (!json_is(w->to->tape, 0, JSON_STRING)) return OK;
    buf_init(&plain, c->settings[s].n);
    bool whole = json_unescape(w->to->tape, 0, &plain), fits = plain.n <= USER_MAX;
    if (whole) crypto_generichash(hash, sizeof hash, (const unsigned char *)buf_view(&plain).p, plain.n, NULL, 0);
    buf_done(&plain);
    if (!whole) return adapting_full(w);
    if (fits) return OK;
    sodium_bin2hex(text + 1, sizeof text - 1, hash, sizeof hash);
    text[USER_MAX + 1] = '"';
    w->to->losses->n[LOSS_HINT]++;
    return arena_str(c->arena, str_make(text, USER_MAX + 2), &c->settings[s]) ? OK : adapting_full(w);
}

static enum err shorten_users(struct adapting *w)
{
    if (w->target != WIRE_OPENAI_CHAT && w->target != WIRE_OPENAI_RESPONSES) return OK;
    TRY(shorten(w, SET_USER));
    return shorten(w, SET_SAFETY_ID);
}

/* ---- what is noted of a request ----------------------------------------------------------------------------------------------- */

/* Amazon Bedrock API reference, Converse, requestMetadata: [a-zA-Z0-9\s:_@$#=/+,-.], 1 to 256 in a key, 0 to 256 in a value. */
enum { NOTES_MAX = 16, NOTE_BYTES = 256 };

static bool is_note(const struct json_tape *t, uint32_t at, size_t least, struct buf *room)
{
    buf_clear(room);
    if (!json_is(t, at, JSON_STRING) || !json_unescape(t, at, room)) return false;
    struct str text = buf_view(room);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr(" \t\n\v\f\r:_@$#=/+,-.", c))) return false;
    }
    return text.n >= least && text.n <= NOTE_BYTES;
}

/* Returns how many fit; what does not is counted. */
static unsigned put_notes(struct adapting *w, const struct json_tape *t, struct json_writer *j, struct buf *room)
{
    uint32_t key, value;
    unsigned n = 0;
    json_put_object(j);
    for (struct json_iter it = json_each(t, 0); json_next_member(t, &it, &key, &value);) {
        bool fits = n < NOTES_MAX && is_note(t, key, 1, room) && is_note(t, value, 0, room);
        w->to->losses->n[LOSS_HINT] += !fits;
        if (!fits) continue;
        json_put_name_span(j, json_text(t, key));
        json_put_raw(j, json_raw(t, value));
        n++;
    }
    json_put_end(j);
    return n;
}

/* A note is a hint, and AWS refuses the whole request for one that it does not take. */
static enum err fit_notes(struct adapting *w)
{
    struct chat *c = w->c;
    struct json_writer j;
    struct buf out, room;
    if (w->target != WIRE_BEDROCK_CONVERSE || !has(c, SET_METADATA)) return OK;
    TRY(json_scan(w->to->tape, c->settings[SET_METADATA], &JSON_LIMITS, w->why));
    if (!json_is(w->to->tape, 0, JSON_OBJECT)) return OK;
    unsigned lost = w->to->losses->n[LOSS_HINT];
    buf_init(&out, 2 * c->settings[SET_METADATA].n + 2);
    buf_init(&room, c->settings[SET_METADATA].n + 1);
    json_write(&j, &out);
    unsigned n = put_notes(w, w->to->tape, &j, &room);
    bool same = lost == w->to->losses->n[LOSS_HINT];
    bool kept = json_write_done(&j) && (same || arena_str(c->arena, buf_view(&out), &c->settings[SET_METADATA]));
    buf_done(&out);
    buf_done(&room);
    if (kept && !n) forget(c, SET_METADATA); /* there must be one at least */
    return kept ? OK : adapting_full(w);
}

/* ---- the form of the answer ------------------------------------------------------------------------------------------------------ */

static enum err check_output(const struct adapting *w, const struct chat_manners *m)
{
    bool schema = w->c->output == OUTPUT_SCHEMA, gemini = w->target == WIRE_GEMINI_GENERATE;
    bool hosted = adapting_is_claude(w) || w->target == WIRE_BEDROCK_CONVERSE;
    if (schema && m->no_schema && hosted)
        return FAIL(w->why, ERR_FORMAT_UNSUPPORTED,
                    "%.*s takes no JSON schema for its answer; leave the response format out and ask for JSON in words, or "
                    "call another model",
                    STR_ARG(w->to->model));
    if ((schema || w->c->output == OUTPUT_JSON) && m->json_alone && gemini && w->c->tools)
        return FAIL(w->why, ERR_FORMAT_UNSUPPORTED,
                    "%.*s takes no response format beside tools; leave one of them out, or call a newer model",
                    STR_ARG(w->to->model));
    return OK;
}

/* ---- what no filter is asked to block -------------------------------------------------------------------------------------------- */

/* Gemini API reference, HarmBlockThreshold: BLOCK_NONE "all content will be allowed", OFF "turn off the safety filter". */
static bool blocks_nothing(const struct json_tape *t)
{
    uint32_t item, at;
    if (!json_is(t, 0, JSON_ARRAY)) return false;
    for (struct json_iter it = json_each(t, 0); json_next(t, &it, &item);) {
        if (!json_is(t, item, JSON_OBJECT) || !(at = json_find(t, item, S("threshold")))) return false;
        if (!json_eq(t, at, S("BLOCK_NONE")) && !json_eq(t, at, S("OFF"))) return false;
    }
    return true;
}

/* Who has no such filters blocks nothing by them anyway; what shall be blocked is left to be refused. */
static enum err leave_out_safety(struct adapting *w)
{
    if (w->target == WIRE_GEMINI_GENERATE || !has(w->c, SET_SAFETY)) return OK;
    TRY(json_scan(w->to->tape, w->c->settings[SET_SAFETY], &JSON_LIMITS, w->why));
    if (blocks_nothing(w->to->tape)) chat_lose(w->to->losses, &w->c->node, SET_SAFETY, LOSS_HINT);
    return OK;
}

enum err limits_of_the_model(struct adapting *w)
{
    const struct chat_manners *m = w->to->manners ? w->to->manners : &CHAT_MANNERS_UNKNOWN;
    if (!adapting_is_own(w)) {
        if (is_fixed(w, m)) fix_sampling(w, m);
        if (m->one_sampler) keep_one_sampler(w);
        if (m->no_stop) leave_out_stops(w);
    }
    leave_out_store(w);
    TRY(fix_stops(w, m));
    TRY(shorten_users(w));
    TRY(fit_notes(w));
    TRY(leave_out_safety(w));
    return check_output(w, m);
}
