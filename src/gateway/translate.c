/* Translation: an attempt whose provider speaks another format than the caller. The request is read into the chat form and
 * written anew; answers and streams come back the same way. Called by send and relay; owns what one attempt needs for it. */
#include "priv.h"

#include <stdlib.h>

/* The form of a request may take this much more than its body; a conversation of tiny messages is what needs it. */
enum {
    FORM_ROOM = 16 << 20,
    FORM_PER_BYTE = 4,
    FORM_KEPT = 512 * 1024,
    MEMO_CHUNK = 1024,
    BODY_SLACK = 4096,
    ANSWER_SLACK = 512
};

struct translation {
    const struct wire_translator *up, *down; /* the provider's format and the caller's */
    struct arena arena;                      /* what answers need to know of the request; the states of a stream */
    struct buf body;                         /* the request for the provider */
    struct wire_reply reply;
    struct str betas; /* the field anthropic-beta that the request goes up with; STR_NONE: none */
    struct chat_losses losses;
    void *reader, *writer;
    struct chat_fold *fold; /* of what a stream says of tool calls, while they are kept; NULL: nobody asks, or it is too much */
    struct chat_answer folded;
    uint64_t thoughts;                /* numbers of its items of reasoning */
    struct wire_restorer *restorer;   /* NULL: no tool was respelled */
    bool as_it_goes;                  /* no other format of the provider's can say it */
    bool finished, failed;            /* the provider's last event, or its error event, has come */
    const struct chat_error *failure; /* a 2xx answer that says it failed; NULL */
    struct wire_embed embed;          /* texts that shall become vectors; nothing else of this is used then */
    /* While the reader is called: */
    struct exchange *exchange;
    struct buf *out;
};

void translation_free(struct exchange *x)
{
    struct translation *t = x->attempt.translation;
    if (!t) return;
    x->attempt.translation = NULL;
    x->attempt.crossing = false;
    buf_done(&t->body);
    arena_done(&t->arena);
    free(t);
}

struct str translate_betas(const struct translation *t) { return t->betas; }
struct str translate_body(const struct translation *t) { return buf_view(&t->body); }
void translate_sent(struct translation *t) { buf_done(&t->body); }

static void put_loss(struct buf *text, const char *word, unsigned n)
{
    if (text->n) buf_str(text, S(", "));
    buf_str(text, str_z(word));
    buf_char(text, '=');
    buf_u64(text, n);
}

bool translate_losses_field(struct exchange *x, struct http_field *ret_field)
{
    const struct chat_losses *l = &x->attempt.translation->losses;
    char room[KIB(2)];
    struct buf text = {.p = room, .cap = sizeof room, .max = sizeof room};
    for (unsigned i = 0; i < CHAT_LOSSES_N; i++)
        if (l->n[i]) put_loss(&text, chat_loss_word((enum chat_loss)i), l->n[i]);
    ret_field->name = S("x-aquifer-losses");
    return text.n && arena_str(&x->arena, buf_view(&text), &ret_field->value);
}

/* ---- the request --------------------------------------------------------------------------------------------------------- */

static struct chat_origin origin_of(const struct exchange *x, const struct wire_ops *ops)
{
    const struct deployment *d = x->attempt.deployment;
    return (struct chat_origin){.family = wire_family(ops, upstream_model(x)), .deployment = d->identity};
}

/* OpenAI's tasks have no conversation to translate, and the errors of Chat. */
static const struct wire_translator *translator_of(const struct wire_ops *ops)
{
    return ops->translator ? ops->translator : wire_ops_get(WIRE_OPENAI_CHAT)->translator;
}

static struct translation *translation_new(struct exchange *x, const struct wire_ops *ops)
{
    struct translation *t = mem_alloc(sizeof *t);
    t->up = translator_of(ops);
    t->down = translator_of(x->wire);
    arena_init(&t->arena, MEMO_CHUNK, x->generation->settings.answer_hold_max * 4);
    buf_init(&t->body, SIZE_MAX / 4);
    t->reply = (struct wire_reply){
        .model = x->request.model,
        .id = str_z(x->id),
        .now_s = clock_wall_ms() / 1000,
        .include_usage = x->request.wants_usage,
        .origin = origin_of(x, ops),
        .seal = x->key->seal,
        .losses = &t->losses,
        .keeps_calls = x->calls != NULL,
    };
    return t;
}

/* The body into the form; of a count what it asks about. */
static enum err read_source(struct exchange *x, struct translation *t, struct chat *chat)
{
    struct json_tape *tape = &x->gl->tape;
    enum wire_format format = x->wire->format;
    chat->source = x->stream->request->body;
    if (!json_tape_holds(tape, chat->source, &JSON_LIMITS)) TRY(json_scan(tape, chat->source, &JSON_LIMITS, &x->fault));
    if (x->request.operation != WIRE_COUNT_TOKENS) {
        TRY(t->down->read_request(tape, chat, &x->fault));
        if (t->down->remember) t->down->remember(tape, &t->arena, &t->reply);
        return OK;
    }
    struct buf asked;
    buf_init(&asked, chat->source.n + BODY_SLACK);
    enum err e = wire_count_open(format, tape, &format, &asked, &x->fault);
    if (e == OK && (asked.over || !arena_str(chat->arena, buf_view(&asked), &chat->source)))
        e = FAIL(&x->fault, ERR_LIMIT, "the request does not fit its bounds");
    buf_done(&asked);
    if (e != OK) return e;
    TRY(json_scan(tape, chat->source, &JSON_LIMITS, &x->fault));
    return wire_ops_get(format)->translator->read_request(tape, chat, &x->fault);
}

/* The body has become a request: of a count, the count that the provider has. */
static enum err close_count(struct exchange *x, struct translation *t, enum wire_format f, const struct wire_target *to)
{
    struct buf count;
    buf_init(&count, t->body.n + BODY_SLACK);
    enum err e = json_scan(to->tape, buf_view(&t->body), &JSON_LIMITS, &x->fault);
    if (e == OK) e = wire_count_close(f, to->tape, to, &count, &x->fault);
    buf_done(&t->body);
    t->body = count;
    return e;
}

/* Texts for vectors are no conversation, and need no form. */
static enum err write_embed(struct exchange *x, struct translation *t, enum wire_format f)
{
    struct json_tape *tape = &x->gl->tape;
    struct str body = x->stream->request->body;
    const struct wire_target to = {.model = upstream_model(x), .losses = &t->losses, .tape = tape};
    if (!json_tape_holds(tape, body, &JSON_LIMITS)) TRY(json_scan(tape, body, &JSON_LIMITS, &x->fault));
    TRY(wire_embed_read(x->wire->format, x->request.operation, tape, &t->arena, &t->embed, &x->fault));
    TRY(able_check_dimensions(x, t->embed.dimensions.n > 0));
    buf_reserve(&t->body, body.n + BODY_SLACK);
    return wire_embed_write(f, &t->embed, &to, &t->body, &x->fault);
}

/* Reads the body into the form and writes it for one format. */
static enum err write_for(struct exchange *x, struct translation *t, const struct wire_ops *ops, struct arena *form)
{
    struct chat chat = {.arena = form, .stream = x->request.stream};
    bool alone = x->request.operation == WIRE_COMPACT && x->attempt.operation == WIRE_GENERATE;
    const struct wire_target to = {
        .model = upstream_model(x),
        .origin = t->reply.origin,
        .stream = x->request.stream,
        .max_output = deployment_max_output(x->attempt.deployment, x->request.model),
        .quirks = x->attempt.deployment->quirks,
        .manners = deployment_manners(x->attempt.deployment, x->request.model),
        .as_it_goes = t->as_it_goes,
        .sums_up = alone,
        .losses = &t->losses,
        .tape = &x->gl->tape,
        .memo = &t->arena,
    };
    TRY(read_source(x, t, &chat));
    TRY(able_check(x, &chat));
    chat.compact |= alone;
    t->reply.compact_alone = alone;
    t->reply.compact = alone || (chat.compact && ops->format != WIRE_OPENAI_RESPONSES);
    TRY(calls_restore(x, &chat));
    TRY(chat_unseal_all(&chat, t->reply.seal, &x->fault));
    TRY(betas_carry(x, &to, ops->format, &chat, &t->betas));
    TRY(wire_adapt(&chat, ops->format, &to, &t->reply.names, &x->fault));
    buf_reserve(&t->body, chat.source.n + BODY_SLACK);
    TRY(t->up->write_request(&chat, &to, &t->body, &x->fault));
    TRY(chat_account(&chat, ops->name, &x->fault));
    if (x->request.operation == WIRE_COUNT_TOKENS) return close_count(x, t, ops->format, &to);
    return t->body.over ? FAIL(&x->fault, ERR_INTERNAL, "the translated request does not fit its bounds") : OK;
}

static unsigned lost(const struct translation *t)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CHAT_LOSSES_N; i++) sum += t->losses.n[i];
    return sum;
}

/* One format of the deployment. The form goes at once: names that the answer needs are copied by the writer. */
static enum err try_format(struct exchange *x, const struct wire_ops *ops, bool as_it_goes, struct translation **ret_translation)
{
    struct arena *form = &x->gl->form;
    struct translation *t = translation_new(x, ops);
    t->as_it_goes = as_it_goes;
    form->max = FORM_ROOM + FORM_PER_BYTE * x->stream->request->body.n;
    enum err e = wire_is_embed(x->request.operation) ? write_embed(x, t, ops->format) : write_for(x, t, ops, form);
    arena_clear(form, FORM_KEPT);
    *ret_translation = t;
    return e;
}

enum err translate_look(struct exchange *x)
{
    struct arena *form = &x->gl->form;
    struct chat chat = {.arena = form, .source = x->stream->request->body};
    form->max = FORM_ROOM + FORM_PER_BYTE * chat.source.n;
    bool read = json_scan(&x->gl->tape, chat.source, &JSON_LIMITS, NULL) == OK &&
                x->wire->translator->read_request(&x->gl->tape, &chat, NULL) == OK;
    enum err e = read ? able_check(x, &chat) : OK;
    arena_clear(form, FORM_KEPT);
    return e;
}

static bool can_translate(const struct exchange *x, const struct wire_ops *ops)
{
    if (wire_is_embed(x->request.operation))
        return wire_embeds(ops->format) && can_call_as(x, ops->format, operation_in(x, ops->format));
    return ops->translator && can_call(x, ops->format);
}

/* The first format that loses nothing for this request, else the first that can express it at all. */
static enum err try_formats(struct exchange *x, bool as_it_goes, const struct wire_ops *but)
{
    const struct deployment *d = x->attempt.deployment;
    struct translation *best = NULL;
    enum err refused = OK;
    for (unsigned i = 0; i < d->formats.n; i++) {
        const struct wire_ops *ops = wire_ops_get((enum wire_format)d->formats.at[i]);
        struct translation *t;
        if (!ops || ops == but || !can_translate(x, ops)) continue;
        enum err e = try_format(x, ops, as_it_goes, &t);
        bool better = e == OK && (!best || lost(t) == 0);
        struct translation *loser = better ? best : t;
        if (better) {
            best = t;
            x->attempt.wire = ops;
            x->attempt.operation = operation_in(x, ops->format);
        }
        if (e != OK) refused = e;
        x->attempt.translation = loser;
        translation_free(x);
        if (best && lost(best) == 0) break;
    }
    x->attempt.translation = best;
    x->attempt.crossing = best != NULL;
    return best ? OK : refused;
}

enum err translate_request(struct exchange *x)
{
    const struct deployment *d = x->attempt.deployment;
    const struct chat_manners *m = deployment_manners(d, x->request.model);
    enum err e = try_formats(x, false, NULL);
    if (e != ERR_FORMAT_UNSUPPORTED || !m || m->over == OVER_ALL) return e;
    return try_formats(x, true, NULL);
}

bool translate_leaves_chat(struct exchange *x)
{
    const struct deployment *d = x->attempt.deployment;
    if (x->wire->format != WIRE_OPENAI_CHAT || d->formats.n < 2) return false;
    if (!wire_leaves_chat(deployment_manners(d, x->request.model), &x->request)) return false;
    if (try_formats(x, false, x->wire) == OK) return true;
    x->fault = (struct fault){0};
    return false;
}

enum err translate_sealed(struct exchange *x)
{
    uint32_t quirks = x->attempt.deployment->quirks;
    bool thinks = responses_thoughts_matter(x->request.thoughts, quirks);
    if ((!x->request.marked && !thinks) || !x->wire->translator) return OK;
    TRY(json_scan(&x->gl->tape, x->stream->request->body, &JSON_LIMITS, &x->fault));
    if (!wire_holds_seal(&x->gl->tape) && !(thinks && responses_thoughts_stay_out(&x->gl->tape, quirks))) return OK;
    enum err e = try_format(x, x->wire, false, &x->attempt.translation);
    if (e != OK) translation_free(x);
    return e;
}

/* ---- whole answers ------------------------------------------------------------------------------------------------------- */

static void count_losses(struct exchange *x)
{
    struct board_counters *counters = &x->gl->gateway->board->counters;
    const struct chat_losses *l = &x->attempt.translation->losses;
    for (unsigned i = 0; i < CHAT_LOSSES_N; i++)
        if (l->n[i]) atomic_fetch_add_explicit(&counters->losses[i], l->n[i], memory_order_relaxed);
}

bool translate_opened_field(struct exchange *x, struct http_field *ret_field)
{
    if (!x->attempt.translation || x->attempt.status >= 300) return false;
    count_losses(x);
    return translate_losses_field(x, ret_field);
}

struct retelling {
    const struct wire_translator *down;
    void *writer;
    struct buf *out;
};

static enum err on_retold(void *user, const struct chat_event *e, struct fault *why)
{
    struct retelling *r = user;
    return r->down->write_event(r->writer, e, r->out, why);
}

/* Some providers answer a request for a stream with one body: the caller gets the stream that it would have been. */
static enum err retell(struct exchange *x, struct chat_answer *answer, struct buf *out)
{
    struct translation *t = x->attempt.translation;
    struct retelling r = {t->down, arena_alloc(&t->arena, t->down->writer_size), out};
    if (!r.writer) return FAIL(&x->fault, ERR_INTERNAL, "a stream's state does not fit its bounds");
    t->down->writer_start(r.writer, &t->reply, &t->arena);
    return chat_unfold(answer, &(struct chat_sink){.on_event = on_retold, .user = &r}, &x->fault);
}

static enum err rewrite_count(struct exchange *x, struct buf *out)
{
    uint64_t tokens;
    TRY(wire_count_read(x->attempt.wire->format, &x->gl->tape, &tokens, &x->fault));
    wire_count_write(x->wire->format, tokens, out);
    return OK;
}

static enum err rewrite_vectors(struct exchange *x, struct buf *out)
{
    struct translation *t = x->attempt.translation;
    struct wire_vectors v = {.n = t->embed.n, .at = arena_alloc(&t->arena, t->embed.n * sizeof *v.at)};
    if (!v.at) return FAIL(&x->fault, ERR_INTERNAL, "the answer does not fit its bounds");
    TRY(wire_embed_read_answer(x->attempt.wire->format, buf_view(&x->held), &x->gl->tape, &v, &x->fault));
    if (v.told) usage_set(&x->usage, USAGE_IN_FRESH, v.tokens, USAGE_REPORTED);
    else v.tokens = exchange_input_tokens(x);
    wire_embed_write_answer(x->wire->format, x->request.operation, &v, &t->embed, x->request.model, out);
    return OK;
}

static enum err rewrite(struct exchange *x, struct buf *out)
{
    struct translation *t = x->attempt.translation;
    struct chat_answer answer = {.arena = &t->arena};
    if (wire_is_embed(x->request.operation)) return rewrite_vectors(x, out);
    if (json_scan(&x->gl->tape, buf_view(&x->held), &JSON_LIMITS, NULL) != OK || !json_is(&x->gl->tape, 0, JSON_OBJECT))
        return FAIL(&x->fault, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a whole JSON object");
    if (x->request.operation == WIRE_COUNT_TOKENS) return rewrite_count(x, out);
    enum err e = t->up->read_answer(&x->gl->tape, &answer, &x->fault);
    t->failure = answer.failure;
    x->usage = answer.usage;
    if (e != OK) return e;
    TRY(wire_restore_answer(&answer, t->reply.names, &x->fault));
    if (x->calls) calls_gather(x, &answer, t->reply.origin);
    if (x->request.stream) return retell(x, &answer, out);
    return t->down->write_answer(&answer, &t->reply, out, &x->fault);
}

/* `out` takes the place of what was held. */
static void hold_instead(struct exchange *x, struct buf *out)
{
    buf_done(&x->held);
    x->held = *out;
}

enum err translate_answer(struct exchange *x)
{
    struct buf out;
    buf_init(&out, x->held.max * 2);
    buf_reserve(&out, x->held.n + ANSWER_SLACK);
    enum err e = rewrite(x, &out);
    if (e == OK && out.over) e = FAIL(&x->fault, ERR_UPSTREAM_TOO_LARGE, "the answer is too long to be written anew");
    if (e != OK) {
        buf_done(&out);
        return e;
    }
    count_losses(x);
    if (translate_losses_field(x, &x->down[x->n_down])) x->n_down++;
    hold_instead(x, &out);
    return OK;
}

int translate_failure(const struct exchange *x)
{
    const struct chat_error *failure = x->attempt.translation->failure;
    return failure ? failure->status : 0;
}

void translate_refused(struct exchange *x, const struct chat_error *e) { x->attempt.translation->failure = e; }

/* How long to wait, by whatever the vendor told it: body, fields, or a limit that is used up; where it only says that it is too much,
 * as long as we leave it alone ourselves (some clients give up when they are told nothing). 0: not told. */
static uint64_t wait_of(const struct attempt *a, const struct chat_error *e)
{
    bool too_much = e->class == CLASS_RATE || e->class == CLASS_OVERLOADED;
    if (a->verdict.spent || !a->verdict.try_next) return 0;
    if (e->retry_after_ms) return e->retry_after_ms;
    if (a->verdict.retry_after_ms || a->rest_ms) return a->verdict.retry_after_ms ? a->verdict.retry_after_ms : a->rest_ms;
    return too_much && a->verdict.rest ? (uint64_t)route_rest_ms(a->deployment, clock_wall_ms()) : 0;
}

static void rewrite_error(struct exchange *x, const struct wire_translator *down, struct chat_error *error)
{
    struct buf out;
    error->retry_after_ms = x->attempt.verdict.retry_after_ms = wait_of(&x->attempt, error); /* down_refused() tells it, too */
    buf_init(&out, x->held.max);
    down->write_error(error, str_z(x->id), &out);
    down_failed(x, error->class);
    hold_instead(x, &out);
}

void translate_error(struct exchange *x)
{
    struct translation *t = x->attempt.translation;
    struct chat_error error;
    const struct http_fields fields = {x->down, x->n_down};
    if (t->failure) error = *t->failure;
    else t->up->read_error(x->status, fields, buf_view(&x->held), &x->gl->tape, &t->arena, &error);
    rewrite_error(x, t->down, &error);
}

void translate_chat_error(struct exchange *x)
{
    const struct wire_translator *chat = wire_ops_get(WIRE_OPENAI_CHAT)->translator;
    const struct http_fields fields = {x->down, x->n_down};
    struct chat_error error;
    struct arena arena;
    arena_init(&arena, MEMO_CHUNK, x->held.max);
    chat->read_error(x->status, fields, buf_view(&x->held), &x->gl->tape, &arena, &error);
    error.word = STR_NONE; /* the status as a number, which may be the wrong one */
    rewrite_error(x, x->wire->translator ? x->wire->translator : chat, &error);
    arena_done(&arena);
}

/* ---- streams --------------------------------------------------------------------------------------------------------------- */

static void note_usage(struct exchange *x, const struct usage *told)
{
    x->usage = *told;
    wire_usage_told(&x->wire_stream);
}

/* What the gateway itself wants to know of an event, before the caller's format gets it. */
static void note(struct exchange *x, struct translation *t, const struct chat_event *e)
{
    if (e->kind != EVENT_PING && e->kind != EVENT_RAW && e->kind != EVENT_ERROR) x->wire_stream.started = true;
    if (e->kind == EVENT_DELTA) x->wire_stream.tokens_untold += wire_tokens_of_text(e->text.n);
    if (e->kind == EVENT_USAGE) note_usage(x, e->usage);
    if (e->kind == EVENT_END) t->finished = x->wire_stream.finished = true;
    if (e->kind == EVENT_ERROR) t->failed = true;
}

/* Texts and arguments are not what is kept. */
static void watch_calls(struct exchange *x, struct translation *t, const struct chat_event *e)
{
    struct fault why;
    bool counted = e->item < 64;
    if (e->kind == EVENT_ITEM_START && counted && e->node->kind == ITEM_REASONING) t->thoughts |= 1ull << e->item;
    if (e->kind == EVENT_DELTA && !(counted && t->thoughts >> e->item & 1)) return;
    if (chat_fold_event(t->fold, e, &why) != OK) t->fold = NULL;
    else if (e->kind == EVENT_END) calls_gather(x, &t->folded, t->reply.origin);
}

static enum err on_chat_event(void *user, const struct chat_event *e, struct fault *why)
{
    struct translation *t = user;
    struct exchange *x = t->exchange;
    bool ending = e->kind == EVENT_END || e->kind == EVENT_ERROR;
    note(x, t, e);
    if (t->fold) watch_calls(x, t, e);
    return t->down->write_event(t->writer, e, ending ? &x->last : t->out, why);
}

enum err translate_begin(struct exchange *x)
{
    struct translation *t = x->attempt.translation;
    t->reader = arena_alloc(&t->arena, t->up->reader_size);
    t->writer = arena_alloc(&t->arena, t->down->writer_size);
    if (!t->reader || !t->writer) return FAIL(&x->fault, ERR_INTERNAL, "a stream's state does not fit its bounds");
    if (t->reply.names && !(t->restorer = wire_restorer_new(&t->arena, t->reply.names, &(struct chat_sink){on_chat_event, t})))
        return FAIL(&x->fault, ERR_INTERNAL, "a stream's state does not fit its bounds");
    if (x->calls) t->fold = chat_fold_new(&t->arena, &t->folded);
    t->up->reader_start(t->reader, &t->arena);
    t->down->writer_start(t->writer, &t->reply, &t->arena);
    count_losses(x); /* of the request; the stream's own come at its end */
    t->losses = (struct chat_losses){0};
    return OK;
}

static struct chat_sink sink_of(struct exchange *x, struct buf *out)
{
    struct translation *t = x->attempt.translation;
    t->exchange = x;
    t->out = out;
    if (t->restorer) return (struct chat_sink){.on_event = wire_restore_event, .user = t->restorer};
    return (struct chat_sink){.on_event = on_chat_event, .user = t};
}

static bool is_over(struct exchange *x)
{
    struct translation *t = x->attempt.translation;
    if (!t->finished && !t->failed) return false;
    count_losses(x);
    return true;
}

/* What was not JSON has told the reader nothing yet; perhaps a character is cut in two. */
static enum err read_again(struct exchange *x, struct wire_frame frame, const struct chat_sink *sink)
{
    struct translation *t = x->attempt.translation;
    struct buf mended;
    enum err e = ERR_UPSTREAM_GARBAGE;
    buf_init(&mended, frame.data.n + sizeof x->halves.high);
    if (wire_join_halves(&x->halves, frame.data, &mended)) {
        frame.data = buf_view(&mended);
        e = t->up->read_event(t->reader, &frame, &x->gl->tape, sink, &x->fault);
    }
    buf_done(&mended);
    return e;
}

enum err translate_event(struct exchange *x, const struct framed *framed, struct buf *out, bool *ret_last)
{
    struct translation *t = x->attempt.translation;
    const struct chat_sink sink = sink_of(x, out);
    const struct wire_frame frame = {framed->event.name, framed->event.data, framed->exception, framed->message};
    *ret_last = false;
    if (!framed->event.has_data) return OK;
    enum err e = t->up->read_event(t->reader, &frame, &x->gl->tape, &sink, &x->fault);
    if (e == ERR_UPSTREAM_GARBAGE) e = read_again(x, frame, &sink);
    if (e == OK) *ret_last = is_over(x);
    return e;
}

enum err translate_end(struct exchange *x, struct buf *out, bool *ret_last)
{
    struct translation *t = x->attempt.translation;
    const struct chat_sink sink = sink_of(x, out);
    *ret_last = false;
    TRY(t->up->read_end(t->reader, &sink, &x->fault));
    *ret_last = is_over(x);
    return OK;
}

/* The caller's stream ends by a fault of ours or by a break: its writer knows what is still open, and how far it has counted. */
bool translate_fault(struct exchange *x, struct buf *out)
{
    struct translation *t = x->attempt.translation;
    const struct chat_error error = {
        .class = err_class_of(x->fault.code), .word = str_z(err_code(x->fault.code)), .message = str_z(x->fault.text)};
    const struct chat_event e = {.kind = EVENT_ERROR, .error = &error};
    struct fault why = {0};
    if (!t || !t->writer || t->finished || t->failed) return false;
    return t->down->write_event(t->writer, &e, out, &why) == OK && out->n;
}
