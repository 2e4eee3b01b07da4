/* websocket: a connection that has become a WebSocket (RFC 6455): frames to messages and back, pings, deadlines, and the
 * close from either side. libwslay reads the frames; what may follow what, and everything that goes out, is ours.
 * Begun by h1_out.c when the handshake's answer is out; owned by the connection, told to the gateway. */
#include <stdlib.h>
#include <wslay/wslay.h>

#include "server_priv.h"

#define CLOSE_MS 5000 /* for the client to agree to a close, and to go */
#define FRAME_HEAD 10
#define CONTROL_MAX 125
#define RATE 1 /* bytes a millisecond that a long message must come with */

enum {
    CODE_NORMAL = 1000,
    CODE_PROTOCOL = 1002,
    CODE_BINARY = 1003,
    CODE_TEXT = 1007,
    CODE_SLOW = 1008,
    CODE_LARGE = 1009,
    CODE_LATER = 1013
};

enum ws_state {
    WS_OPEN,
    WS_CLOSING, /* our close is out, theirs is waited for: whatever else comes is passed over */
    WS_OVER,    /* both are said, or nothing they say is understood: sent off, shut down, waited for its end */
};

struct http_ws {
    struct conn *conn;
    struct http_ws_handler handler;
    struct http_ws_options options;
    void *user;
    wslay_frame_context_ptr frames;
    struct str in;          /* received and not yet read by `frames` */
    struct body message;    /* collected */
    uint64_t frame_left;    /* of the frame's payload */
    uint8_t control_n;      /* of `control` */
    uint8_t control_opcode; /* of the frame under way, when it is a control frame */
    bool in_frame, in_control;
    bool in_message; /* its first frame came, its last one did not */
    bool is_last;    /* the frame under way is the message's last */
    bool busy, told;
    bool shut;           /* nothing more is sent, the client sees the end */
    unsigned char state; /* enum ws_state */
    uint64_t began;      /* of these, loop times: the message, or the frame outside one, under way */
    uint64_t heard, sent, active;
    uint64_t since;        /* the state */
    uint64_t passed, seen; /* bytes given to the link; of them, taken by the client when last looked at */
    uint64_t seen_at;
    char control[CONTROL_MAX];
};

static uint64_t now(const struct http_ws *w) { return loop_now(w->conn->server->loop); }
static void arm(struct http_ws *w);

/* ---- out ---------------------------------------------------------------------------------------------------------------- */

static size_t frame_head(uint8_t head[FRAME_HEAD], enum wslay_opcode opcode, size_t n)
{
    head[0] = (uint8_t)(0x80 | opcode); /* the first and last frame of its message */
    if (n < 126) {
        head[1] = (uint8_t)n;
        return 2;
    }
    size_t bytes = n <= UINT16_MAX ? 2 : 8;
    head[1] = bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes; i++) head[2 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

static void put_frame(struct http_ws *w, enum wslay_opcode opcode, struct str payload)
{
    struct conn *c = w->conn;
    uint8_t head[FRAME_HEAD];
    size_t n = frame_head(head, opcode, payload.n);
    struct iovec v[2] = {{head, n}, {(void *)(uintptr_t)payload.p, payload.n}};
    if (!link_queued(&c->link)) w->seen_at = now(w);
    w->passed += n + payload.n;
    w->sent = now(w);
    (void)link_send(&c->link, v, payload.n ? 2 : 1); /* broken: on_closed() comes from the loop */
    if (link_queued(&c->link) > HTTP_QUEUE_HIGH) link_read(&c->link, false);
    conn_later(c);
}

static void enter(struct http_ws *w, enum ws_state state)
{
    w->state = (unsigned char)state;
    w->since = now(w);
    if (state == WS_OVER) link_read(&w->conn->link, true);
    conn_later(w->conn);
}

static void put_close(struct http_ws *w, unsigned code, struct str reason)
{
    char payload[CONTROL_MAX] = {(char)(code >> 8), (char)code};
    if (reason.n > CONTROL_MAX - 2) reason.n = CONTROL_MAX - 2;
    if (reason.n) memcpy(payload + 2, reason.p, reason.n);
    put_frame(w, WSLAY_CONNECTION_CLOSE, str_make(payload, code ? reason.n + 2 : 0));
}

/* They broke the rules, or a bound: told why, and not listened to any more. */
static void fail(struct http_ws *w, unsigned code, const char *reason)
{
    if (w->state == WS_OPEN) put_close(w, code, str_z(reason));
    enter(w, WS_OVER);
}

size_t http_ws_send(struct http_ws *w, struct str text)
{
    if (w->state != WS_OPEN || w->conn->dead) return http_ws_queued(w);
    w->active = now(w);
    put_frame(w, WSLAY_TEXT_FRAME, text);
    return http_ws_queued(w);
}

size_t http_ws_queued(const struct http_ws *w) { return link_queued(&w->conn->link); }

void http_ws_close(struct http_ws *w, unsigned code, struct str reason)
{
    must(code >= 1000 && code <= 4999);
    if (w->state != WS_OPEN || w->conn->dead) return;
    put_close(w, code, reason);
    enter(w, WS_CLOSING);
    arm(w);
}

void http_ws_busy(struct http_ws *w, bool is_busy)
{
    w->busy = is_busy;
    w->active = now(w);
    if (w->conn->proto == &WS) arm(w);
}

/* ---- deadlines ---------------------------------------------------------------------------------------------------------- */

static void take_least(uint64_t *due, uint64_t at)
{
    if (at < *due) *due = at;
}

/* A silence inside a message, or one that comes too slowly as a whole. */
static uint64_t message_due(const struct http_ws *w)
{
    uint64_t gap = w->conn->options->o.limits.body_gap_ms, slow = w->began + gap + w->message.wire / RATE;
    return slow < w->heard + gap ? slow : w->heard + gap;
}

static bool is_amid(const struct http_ws *w) { return w->in_message || w->in_frame; }

/* When something must be looked at; UINT64_MAX: never. */
static uint64_t due(const struct http_ws *w)
{
    const struct http_limits *l = &w->conn->options->o.limits;
    uint64_t at = UINT64_MAX;
    if (link_queued(&w->conn->link)) take_least(&at, w->seen_at + l->write_gap_ms);
    if (w->state != WS_OPEN) {
        take_least(&at, w->since + CLOSE_MS);
        return at;
    }
    if (is_amid(w)) take_least(&at, message_due(w));
    if (w->options.heartbeat_ms) take_least(&at, w->sent + w->options.heartbeat_ms);
    if (w->options.idle_ms && !w->busy) take_least(&at, w->active + w->options.idle_ms);
    return at;
}

static void arm(struct http_ws *w)
{
    uint64_t at = due(w), t = now(w);
    if (w->conn->dead) return;
    conn_deadline(w->conn, at == UINT64_MAX ? 0 : at > t ? at - t : 1);
}

/* A client that takes nothing is gone. */
static bool makes_progress(struct http_ws *w)
{
    uint64_t taken = w->passed - link_queued(&w->conn->link);
    if (!link_queued(&w->conn->link) || now(w) < w->seen_at + w->conn->options->o.limits.write_gap_ms) return true;
    if (taken == w->seen) return false;
    w->seen = taken;
    w->seen_at = now(w);
    return true;
}

static void look(struct http_ws *w)
{
    uint64_t t = now(w);
    if (is_amid(w) && t >= message_due(w)) {
        fail(w, CODE_SLOW, "the message did not arrive in time");
        return;
    }
    if (w->options.idle_ms && !w->busy && t >= w->active + w->options.idle_ms) {
        http_ws_close(w, CODE_NORMAL, S("idle"));
        return;
    }
    if (!w->options.heartbeat_ms || t < w->sent + w->options.heartbeat_ms) return;
    if (link_queued(&w->conn->link)) w->sent = t; /* who does not read needs no sign of life */
    else put_frame(w, WSLAY_PING, S(""));
}

static void on_deadline(struct conn *c)
{
    struct http_ws *w = c->ws;
    if (!makes_progress(w) || (w->state != WS_OPEN && now(w) >= w->since + CLOSE_MS)) {
        conn_kill(c);
        return;
    }
    if (w->state == WS_OPEN) look(w);
    arm(w);
}

/* ---- in: control frames ------------------------------------------------------------------------------------------------- */

/* RFC 6455 7.4 and IANA's registry: what may stand in a close. */
static bool is_code(unsigned code)
{
    return (code >= 3000 && code <= 4999) || (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006);
}

static void take_close(struct http_ws *w, struct str payload)
{
    unsigned code = payload.n >= 2 ? (unsigned)((uint8_t)payload.p[0] << 8 | (uint8_t)payload.p[1]) : 0;
    if (payload.n == 1 || (code && !is_code(code)) || (payload.n >= 2 && !code)) {
        fail(w, CODE_PROTOCOL, "not a code for a close");
        return;
    }
    if (payload.n > 2 && !str_is_utf8(str_from(payload, 2), NULL)) {
        fail(w, CODE_TEXT, "the reason is not UTF-8");
        return;
    }
    if (w->state == WS_OPEN) put_close(w, code, S(""));
    enter(w, WS_OVER);
}

static void control_whole(struct http_ws *w)
{
    struct str payload = str_make(w->control, w->control_n);
    w->in_control = false;
    if (w->control_opcode == WSLAY_CONNECTION_CLOSE) take_close(w, payload);
    else if (w->control_opcode == WSLAY_PING && w->state == WS_OPEN) put_frame(w, WSLAY_PONG, payload);
}

static void begin_control(struct http_ws *w, uint8_t opcode)
{
    w->in_control = true;
    w->control_opcode = opcode;
    w->control_n = 0;
}

/* ---- in: messages ------------------------------------------------------------------------------------------------------- */

static void drop_message(struct http_ws *w)
{
    body_done(&w->message, &w->conn->options->o);
    w->in_message = false;
}

static void message_whole(struct http_ws *w)
{
    struct body message = w->message;
    struct str text = str_make(message.p, message.n);
    w->message = (struct body){0};
    w->in_message = false;
    w->active = now(w);
    bool is_text = str_is_utf8(text, NULL);
    if (w->state == WS_OPEN && is_text) w->handler.on_message(w, text, w->user);
    else if (w->state == WS_OPEN) fail(w, CODE_TEXT, "the message is not UTF-8");
    body_done(&message, &w->conn->options->o);
}

static void begin_message(struct http_ws *w)
{
    conn_renew_options(w->conn);
    w->in_message = true;
    ignore_err(body_begin(&w->message, &w->conn->options->o, STR_NONE, BODY_UNKNOWN, NULL)); /* nothing is known to refuse */
}

static void add(struct http_ws *w, struct str bytes)
{
    struct fault why = {0};
    if (w->state != WS_OPEN) return; /* what comes behind our close */
    enum err e = body_add(&w->message, &w->conn->options->o, bytes, &why);
    if (e == ERR_BODY_TOO_LARGE) fail(w, CODE_LARGE, "the message is larger than the limit");
    else if (e != OK) fail(w, CODE_LATER, "the memory for requests is used up");
}

/* ---- in: frames --------------------------------------------------------------------------------------------------------- */

static bool is_known(uint8_t opcode)
{
    return opcode <= WSLAY_BINARY_FRAME || (opcode >= WSLAY_CONNECTION_CLOSE && opcode <= WSLAY_PONG);
}

/* Of a frame that begins: may it stand here? False: it may not, and the client was told. */
static bool may_begin(struct http_ws *w, const struct wslay_frame_iocb *f)
{
    bool is_control = wslay_is_ctrl_frame(f->opcode), continues = f->opcode == WSLAY_CONTINUATION_FRAME;
    if (!f->mask) fail(w, CODE_PROTOCOL, "a frame is not masked");
    else if (f->rsv) fail(w, CODE_PROTOCOL, "a reserved bit is set");
    else if (!is_known(f->opcode)) fail(w, CODE_PROTOCOL, "a frame of an unknown kind");
    else if (continues && !w->in_message) fail(w, CODE_PROTOCOL, "a continuation of nothing");
    else if (!continues && !is_control && w->in_message) fail(w, CODE_PROTOCOL, "a message inside another");
    else if (f->opcode == WSLAY_BINARY_FRAME) fail(w, CODE_BINARY, "messages are text here");
    else if (!is_control && f->payload_length > w->conn->options->o.limits.body_max)
        fail(w, CODE_LARGE, "the message is larger than the limit");
    else return true;
    return false;
}

static bool begin_frame(struct http_ws *w, const struct wslay_frame_iocb *f)
{
    if (!may_begin(w, f)) return false;
    if (!w->in_message) w->began = now(w);
    w->in_frame = true;
    w->frame_left = f->payload_length;
    if (wslay_is_ctrl_frame(f->opcode)) {
        begin_control(w, f->opcode);
        return true;
    }
    w->is_last = f->fin;
    if (!w->in_message) begin_message(w);
    return true;
}

static void end_frame(struct http_ws *w)
{
    w->in_frame = false;
    if (w->in_control) control_whole(w);
    else if (w->is_last) message_whole(w);
}

static void take_piece(struct http_ws *w, const struct wslay_frame_iocb *f)
{
    struct str bytes = str_make((const char *)f->data, f->data_length);
    if (!w->in_frame && !begin_frame(w, f)) return;
    w->frame_left -= bytes.n;
    if (!w->in_control) add(w, bytes);
    else if (bytes.n) memcpy(w->control + w->control_n, bytes.p, bytes.n); /* libwslay lets no longer one through */
    if (w->in_control) w->control_n = (uint8_t)(w->control_n + bytes.n);
    if (w->frame_left == 0 && w->state != WS_OVER) end_frame(w);
}

static ssize_t give(uint8_t *into, size_t room, int flags, void *user)
{
    struct http_ws *w = user;
    size_t n = w->in.n < room ? w->in.n : room;
    (void)flags;
    if (!n) return -1;
    memcpy(into, w->in.p, n);
    w->in = str_from(w->in, n);
    return (ssize_t)n;
}

static void read_frames(struct http_ws *w, struct str bytes)
{
    w->in = bytes;
    w->heard = now(w);
    while (w->state != WS_OVER && !w->conn->dead) {
        struct wslay_frame_iocb f = {0};
        ssize_t n = wslay_frame_recv(w->frames, &f);
        if (n == WSLAY_ERR_WANT_READ) break;
        if (n < 0) fail(w, CODE_PROTOCOL, "a frame whose head is not valid");
        else take_piece(w, &f);
    }
    w->in = STR_NONE; /* when it is over, what else they say is of no interest */
    arm(w);
}

/* ---- the connection's side ---------------------------------------------------------------------------------------------- */

static void on_data(struct conn *c, struct str bytes) { read_frames(c->ws, bytes); }

static void on_drained(struct conn *c)
{
    struct http_ws *w = c->ws;
    link_read(&c->link, true);
    if (w->state == WS_OPEN && !w->told) w->handler.on_writable(w, w->user);
    conn_later(c);
}

static void tell_closed(struct http_ws *w)
{
    if (w->told) return;
    w->told = true;
    drop_message(w);
    w->handler.on_closed(w, w->user);
}

/* The last bytes first, then the end; who closes at once may take back what the client has not read yet. */
static void shut(struct http_ws *w)
{
    if (w->shut || link_queued(&w->conn->link)) return;
    w->shut = true;
    link_shutdown(&w->conn->link);
}

static void settle(struct conn *c)
{
    struct http_ws *w = c->ws;
    if (c->dead || w->state == WS_OVER) tell_closed(w);
    if (c->dead) return;
    if (w->state == WS_OVER) shut(w);
    arm(w);
}

static void drain(struct conn *c)
{
    struct http_ws *w = c->ws;
    if (w->state == WS_OPEN) w->handler.on_drain(w, w->user);
}

static void done(struct conn *c) { H1.done(c); } /* it lets go of both */

static void starve(struct conn *c)
{
    if (c->ws->in_message) fail(c->ws, CODE_LATER, "the memory for requests is used up");
}

#define READER_BYTES KIB(4) /* of libwslay, for one connection, about */

static size_t held(const struct conn *c) { return sizeof *c->ws + READER_BYTES + H1.held(c); }

const struct proto WS = {
    .on_data = on_data,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .settle = settle,
    .drain = drain,
    .done = done,
    .starve = starve,
    .held = held,
};

/* ---- life --------------------------------------------------------------------------------------------------------------- */

struct http_ws *ws_new(struct conn *c, const struct http_ws_handler *h, const struct http_ws_options *o, void *user)
{
    static const struct wslay_frame_callbacks READER = {.recv_callback = give};
    struct http_ws *w = mem_alloc(sizeof *w);
    w->conn = c;
    w->handler = *h;
    w->options = *o;
    w->user = user;
    w->heard = w->sent = w->active = now(w);
    must(wslay_frame_context_init(&w->frames, &READER, w) == 0);
    return w;
}

void ws_drop(struct conn *c)
{
    struct http_ws *w = c->ws;
    if (!w) return;
    tell_closed(w);
    wslay_frame_context_free(w->frames);
    free(w);
    c->ws = NULL;
}

void ws_begin(struct conn *c, struct str carried)
{
    c->proto = &WS;
    link_taste(&c->link, false);
    link_read(&c->link, true);
    arm(c->ws);
    if (carried.n) read_frames(c->ws, carried);
    if (c->server->draining) drain(c);
}
