/* AWS event-stream framing: whole frames out of any cut of the bytes, in place where a frame came in one piece, and frames
 * around payloads of ours. Called by whoever reads a Bedrock stream or answers as Bedrock does; owns the bytes of a frame
 * that is not yet whole. */
#include <zlib.h>

#include "http/http.h"

#define CARRY_KEPT 1024
#define BAD(why, ...) FAIL((why), ERR_UPSTREAM_GARBAGE, "the event stream " __VA_ARGS__)
enum { LENGTHS = 8, PRELUDE = 12, CRC = 4 };

void event_stream_init(struct event_stream_reader *r, size_t frame_max)
{
    *r = (struct event_stream_reader){.frame_max = frame_max};
    buf_init(&r->carry, frame_max);
}

void event_stream_done(struct event_stream_reader *r) { buf_done(&r->carry); }

void event_stream_feed(struct event_stream_reader *r, struct str bytes) { r->fresh = bytes; }

size_t event_stream_pending(const struct event_stream_reader *r) { return r->handed_out ? 0 : r->carry.n; }

/* ---- numbers -------------------------------------------------------------------------------------------------------------- */

static uint64_t number_at(const char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v = v << 8 | (unsigned char)p[i];
    return v;
}

static void number_put(char *p, uint32_t v)
{
    for (int i = 3; i >= 0; i--, v >>= 8) p[i] = (char)(v & 255);
}

static uint32_t crc_of(const char *p, size_t n) { return (uint32_t)crc32_z(0, (const unsigned char *)p, n); }

/* ---- headers -------------------------------------------------------------------------------------------------------------- */

/* Bytes of a value; those of 6 and 7 begin with their length in two bytes. */
static const unsigned char VALUE_SIZE[EVENT_STREAM_TYPES] = {
    [EVENT_STREAM_INT8] = 1,  [EVENT_STREAM_INT16] = 2,  [EVENT_STREAM_INT32] = 4, [EVENT_STREAM_INT64] = 8,
    [EVENT_STREAM_BYTES] = 2, [EVENT_STREAM_STRING] = 2, [EVENT_STREAM_TIME] = 8,  [EVENT_STREAM_UUID] = 16,
};

static bool is_counted(enum event_stream_type t) { return t == EVENT_STREAM_BYTES || t == EVENT_STREAM_STRING; }

static int64_t signed_number(const struct event_stream_header *h)
{
    if (h->type == EVENT_STREAM_TRUE) return 1;
    if (is_counted(h->type) || h->value.n == 0 || h->value.n > 8) return 0;
    unsigned shift = 64 - 8 * (unsigned)h->value.n;
    return (int64_t)(number_at(h->value.p, (unsigned)h->value.n) << shift) >> shift;
}

bool event_stream_header(struct str *rest, struct event_stream_header *ret_header)
{
    size_t name_n = rest->n ? (unsigned char)rest->p[0] : 0;
    if (name_n == 0 || rest->n < name_n + 2) return false;
    unsigned type = (unsigned char)rest->p[1 + name_n];
    struct str value = str_from(*rest, name_n + 2);
    if (type >= EVENT_STREAM_TYPES || value.n < VALUE_SIZE[type]) return false;
    size_t n = VALUE_SIZE[type];
    if (is_counted(type)) {
        n = number_at(value.p, 2);
        value = str_from(value, 2);
        if (value.n < n) return false;
    }
    *ret_header = (struct event_stream_header){str_make(rest->p + 1, name_n), type, str_make(value.p, n), 0};
    ret_header->number = signed_number(ret_header);
    *rest = str_from(value, n);
    return true;
}

static const struct str KIND_NAMES[] = {{"event", 5}, {"exception", 9}, {"error", 5}};

/* The ones that the protocol itself gives a meaning. */
enum { MESSAGE_TYPE, CONTENT_TYPE, ERROR_MESSAGE, EVENT_TYPE, EXCEPTION_TYPE, ERROR_CODE, KNOWN };
static const struct str KNOWN_NAMES[KNOWN] = {{":message-type", 13}, {":content-type", 13},   {":error-message", 14},
                                              {":event-type", 11},   {":exception-type", 15}, {":error-code", 11}};

static enum err take_known(const struct event_stream_header *h, struct str known[KNOWN], struct fault *why)
{
    for (unsigned i = 0; i < KNOWN; i++) {
        if (!str_eq(h->name, KNOWN_NAMES[i])) continue;
        if (known[i].p) return BAD(why, "holds a frame that says %s twice", KNOWN_NAMES[i].p);
        if (h->type != EVENT_STREAM_STRING) return BAD(why, "holds a frame whose %s is no text", KNOWN_NAMES[i].p);
        known[i] = h->value;
    }
    return OK;
}

/* A frame without `:message-type` is an event: that is what all clients take it for. */
static enum err read_kind(struct str known[KNOWN], struct event_stream_frame *f, struct fault *why)
{
    unsigned kind = 0;
    struct str said = known[MESSAGE_TYPE];
    while (said.p && kind < COUNTOF(KIND_NAMES) && !str_eq(said, KIND_NAMES[kind])) kind++;
    if (kind == COUNTOF(KIND_NAMES)) return BAD(why, "holds a message of an unknown kind");
    f->kind = (enum event_stream_kind)kind;
    f->type = known[EVENT_TYPE + kind];
    f->content_type = known[CONTENT_TYPE];
    f->error_message = known[ERROR_MESSAGE];
    return OK;
}

static enum err read_headers(struct event_stream_frame *f, struct fault *why)
{
    struct str rest = f->headers, known[KNOWN] = {{NULL, 0}};
    struct event_stream_header h;
    while (event_stream_header(&rest, &h)) TRY(take_known(&h, known, why));
    if (rest.n) return BAD(why, "holds a frame with a malformed header");
    return read_kind(known, f, why);
}

/* ---- frames --------------------------------------------------------------------------------------------------------------- */

/* What the first bytes of a frame say of its length, as soon as they are there; *ret_n 0: not yet known. */
static enum err read_length(const struct event_stream_reader *r, struct str head, size_t *ret_n, struct fault *why)
{
    *ret_n = 0;
    if (head.n < LENGTHS) return OK;
    uint64_t total = number_at(head.p, 4), headers = number_at(head.p + 4, 4);
    if (total > r->frame_max)
        return BAD(why, "announces a frame of %llu bytes; at most %zu are taken", (unsigned long long)total, r->frame_max);
    if (total < PRELUDE + CRC || headers > total - PRELUDE - CRC || headers > EVENT_STREAM_HEADERS_MAX)
        return BAD(why, "announces a frame with impossible lengths");
    if (head.n < PRELUDE) return OK;
    if (number_at(head.p + LENGTHS, 4) != crc_of(head.p, LENGTHS))
        return BAD(why, "is damaged: the CRC of a frame's lengths is wrong");
    *ret_n = total;
    return OK;
}

static enum err read_frame(struct str raw, struct event_stream_frame *f, struct fault *why)
{
    size_t headers = number_at(raw.p + 4, 4), body = raw.n - CRC;
    *f = (struct event_stream_frame){.raw = raw};
    if (number_at(raw.p + body, 4) != crc_of(raw.p, body)) return BAD(why, "is damaged: the CRC of a frame is wrong");
    f->headers = str_make(raw.p + PRELUDE, headers);
    f->payload = str_make(raw.p + PRELUDE + headers, body - PRELUDE - headers);
    return read_headers(f, why);
}

/* Up to `n` bytes of one frame come together in the carry. */
static void carry_up_to(struct event_stream_reader *r, size_t n)
{
    size_t more = n > r->carry.n ? n - r->carry.n : 0;
    if (more > r->fresh.n) more = r->fresh.n;
    buf_add(&r->carry, r->fresh.p, more);
    r->fresh = str_from(r->fresh, more);
}

/* A stream that rests holds next to no memory, yet one whose frames come in two parts allocates nothing for each. */
static void empty_carry(struct event_stream_reader *r)
{
    if (!r->handed_out) return;
    r->handed_out = false;
    if (r->carry.cap > CARRY_KEPT) buf_done(&r->carry);
    else buf_clear(&r->carry);
}

/* The next frame's bytes in one place: as they lie when they came together, else in the carry. "" : not whole yet. */
static enum err gather(struct event_stream_reader *r, struct str *ret_raw, struct fault *why)
{
    size_t n;
    *ret_raw = STR_NONE;
    if (r->carry.n == 0) {
        TRY(read_length(r, r->fresh, &n, why));
        if (n && n <= r->fresh.n) {
            *ret_raw = str_make(r->fresh.p, n);
            r->fresh = str_from(r->fresh, n);
            return OK;
        }
    }
    carry_up_to(r, LENGTHS);
    TRY(read_length(r, buf_view(&r->carry), &n, why));
    carry_up_to(r, PRELUDE);
    TRY(read_length(r, buf_view(&r->carry), &n, why));
    carry_up_to(r, n);
    if (n == 0 || r->carry.n < n) return OK;
    r->handed_out = true;
    *ret_raw = buf_view(&r->carry);
    return OK;
}

enum err event_stream_next(struct event_stream_reader *r, struct event_stream_frame *ret_frame, bool *ret_got, struct fault *why)
{
    struct str raw;
    *ret_got = false;
    if (r->failed) return BAD(why, "was broken before this");
    empty_carry(r);
    enum err got = gather(r, &raw, why);
    if (got == OK && raw.n) got = read_frame(raw, ret_frame, why);
    *ret_got = got == OK && raw.n;
    r->failed = got != OK;
    if (r->failed) buf_done(&r->carry);
    return got;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

static void put_header(struct buf *out, struct str name, struct str value)
{
    must(name.n < 256 && value.n < 65536);
    const char size[2] = {(char)(value.n >> 8), (char)(value.n & 255)};
    buf_char(out, (char)name.n);
    buf_str(out, name);
    buf_char(out, EVENT_STREAM_STRING);
    buf_add(out, size, sizeof size);
    buf_str(out, value);
}

struct event_stream_mark event_stream_begin(struct buf *out, enum event_stream_kind kind, struct str type,
                                            struct str content_type)
{
    static const char ROOM[PRELUDE] = {0};
    struct event_stream_mark m = {.start = out->n};
    buf_add(out, ROOM, sizeof ROOM);
    if (type.n) put_header(out, KNOWN_NAMES[EVENT_TYPE + kind], type);
    if (content_type.n) put_header(out, KNOWN_NAMES[CONTENT_TYPE], content_type);
    put_header(out, KNOWN_NAMES[MESSAGE_TYPE], KIND_NAMES[kind]);
    m.payload = out->n;
    return m;
}

void event_stream_end(struct buf *out, struct event_stream_mark m)
{
    char crc[CRC];
    if (!buf_reserve(out, CRC)) return;
    char *frame = out->p + m.start;
    size_t n = out->n - m.start;
    must(n + CRC <= UINT32_MAX);
    number_put(frame, (uint32_t)(n + CRC));
    number_put(frame + 4, (uint32_t)(m.payload - m.start - PRELUDE));
    number_put(frame + LENGTHS, crc_of(frame, LENGTHS));
    number_put(crc, crc_of(frame, n));
    buf_add(out, crc, CRC);
}
