/* The state service: what is kept of Responses for their callers, told to the gateways over a socket in the data directory that
 * only this user can open. The paths under /v1 are OpenAI's own, with OpenAI's answers; the others are between gateway and
 * control. Runs in lane STATE with a connection of its own, but for the socket. */
#include "admin/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const struct endpoint state_endpoints[] = {
    {"GET", "/recall", state_recall, LANE_STATE},
    {"POST", "/resolve", state_resolve, LANE_STATE},
    {"POST", "/keep", state_keep, LANE_STATE},
    {"POST", "/events/{}", state_events, LANE_STATE},
    {"POST", "/calls/keep", state_calls_keep, LANE_STATE},
    {"POST", "/calls/recall", state_calls_recall, LANE_STATE},
    {"GET", "/follow/{}", state_follow, LANE_STATE},
    {"GET", "/v1/responses/{}", state_get, LANE_STATE},
    {"DELETE", "/v1/responses/{}", state_delete, LANE_STATE},
    {"POST", "/v1/responses/{}/cancel", state_cancel, LANE_STATE},
    {"GET", "/v1/responses/{}/input_items", state_input_items, LANE_STATE},
    {"POST", "/v1/conversations", talk_create, LANE_STATE},
    {"GET", "/v1/conversations/{}", talk_get, LANE_STATE},
    {"POST", "/v1/conversations/{}", talk_update, LANE_STATE},
    {"DELETE", "/v1/conversations/{}", talk_delete, LANE_STATE},
    {"GET", "/v1/conversations/{}/items", talk_list, LANE_STATE},
    {"POST", "/v1/conversations/{}/items", talk_add, LANE_STATE},
    {"GET", "/v1/conversations/{}/items/{}", talk_item, LANE_STATE},
    {"DELETE", "/v1/conversations/{}/items/{}", talk_item_delete, LANE_STATE},
};
const size_t n_state_endpoints = COUNTOF(state_endpoints);

void state_put_error(struct call *c)
{
    struct json_writer w;
    bool callers = err_status(c->why.code) < 500;
    buf_clear(&c->out);
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_object(&w, S("error"));
    json_add_str(&w, S("message"), str_z(c->why.text));
    json_add_str(&w, S("type"), callers ? S("invalid_request_error") : S("server_error"));
    json_add_null(&w, S("param"));
    json_add_null(&w, S("code"));
    json_put_end(&w);
    json_put_end(&w);
    must(json_write_done(&w));
    c->status = err_status(c->why.code);
    c->content_type = "application/json";
}

/* ---- the socket ---------------------------------------------------------------------------------------------------------- */

/* By its directory's descriptor, since sun_path is short; nobody else could have opened it between bind() and chmod(), as the
 * directory is this user's alone. */
static int bind_in(int dir, const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", dir, name);
    unlinkat(dir, name, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && fchmodat(dir, name, 0600, 0) == 0 &&
        listen(fd, 512) == 0)
        return fd;
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return -1;
}

enum err state_listen(struct control *c, struct str data, struct fault *why)
{
    char path[4200];
    snprintf(path, sizeof path, "%.*s", STR_ARG(data));
    TRY(desk_make_dir(path, why));
    snprintf(path, sizeof path, "%.*s/run", STR_ARG(data));
    TRY(desk_make_dir(path, why));
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), error = errno;
    int fd = dir < 0 ? -1 : bind_in(dir, "state.sock");
    if (dir >= 0) error = errno;
    if (dir >= 0) close(dir);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot listen on %.180s/state.sock: %s", path, strerror(error));
    c->state.fd = fd;
    return http_server_listen(c->faces[FACE_STATE].server, fd, NULL, why);
}

/* ---- the lane ------------------------------------------------------------------------------------------------------------ */

enum err state_store(struct control *c, struct store **ret_store, struct fault *why)
{
    struct store *s = c->state.store;
    uint32_t version = 0;
    if (!s) {
        TRY(store_open(&(struct store_options){.path = c->reports_path, .must_exist = true}, &s, why));
        enum err got = store_version(s, &version, why);
        if (got == OK && version < store_version_newest)
            got = FAIL(why, ERR_NOT_READY, "the database is not ready yet: try again in a moment");
        if (got != OK) {
            store_close(s);
            return got;
        }
        json_tape_init(&c->state.tape, 0);
        json_tape_init(&c->state.item, 0);
        c->state.store = s;
    }
    *ret_store = s;
    return OK;
}

/* ---- sweeping ------------------------------------------------------------------------------------------------------------ */

enum { SWEEP_MS = 1000 };

static void on_sweep(struct timer *t);

static void sweep_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, state.sweep_job);
    struct fault why = {0};
    if (atomic_load(&c->board->generation) == 0 || state_sweep(c, &why) == OK) return;
    LOG(LOG_WARN, "state.sweep_failed", why.text);
}

static void sweep_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, state.sweep_job);
    if (!c->stopping) timer_set(c->loop, &c->state.sweep_timer, SWEEP_MS, on_sweep);
}

static void on_sweep(struct timer *t)
{
    struct control *c = CONTAINER_OF(t, struct control, state.sweep_timer);
    c->state.sweep_job.run = sweep_run;
    c->state.sweep_job.done = sweep_done;
    lane_submit(&c->lanes[LANE_STATE], &c->state.sweep_job);
}

void state_start(struct control *c) { timer_set(c->loop, &c->state.sweep_timer, SWEEP_MS, on_sweep); }
void state_stop(struct control *c) { timer_cancel(c->loop, &c->state.sweep_timer); }

void state_done(struct control *c)
{
    timer_cancel(c->loop, &c->state.sweep_timer);
    if (c->state.store) {
        json_tape_done(&c->state.tape);
        json_tape_done(&c->state.item);
    }
    store_close(c->state.store);
    if (c->state.fd > 0) close(c->state.fd);
}
