/* The waiting room: while no generation is in force (control does not start: a damaged or locked database, a missing program)
 * the listening sockets accept all the same, so somebody has to answer. The door does, as for any loop and by the listeners' own
 * rules, and refuses all but health. Called by main.c on the manager's thread, which has nothing else to do then. */
#include "priv.h"

enum { PATIENCE_MS = 2000 }; /* an ordinary start takes a tenth of it, and its callers wait in the kernel's queue */

/* During a takeover the gateway before this one answers. */
static bool another_serves(struct gateway *g)
{
    for (unsigned i = 0; i < BOARD_GATEWAYS; i++)
        if (i != g->slot_number && atomic_load(&g->board->gateways[i].state) == GATEWAY_SERVING) return true;
    return false;
}

enum err waiting_rules(struct gateway *g, const char *trusted, const char *prefix, bool proxy_protocol, struct fault *why)
{
    struct http_server_options *o = &g->waiting_options;
    struct str one, rest = str_z(trusted ? trusted : "");
    *o = (struct http_server_options){.take_memory = memory_take, .user = g, .proxy_protocol = proxy_protocol};
    o->path_prefix = str_z(prefix ? prefix : "");
    http_limits_default(&o->limits);
    if (!rest.n) return OK;
    struct http_network *networks = mem_alloc((rest.n + 1) / 2 * sizeof *networks); /* each takes a byte and a comma at least */
    o->trusted = networks;
    while (rest.n) {
        str_cut(rest, ',', &one, &rest);
        TRY(http_network_parse(one, &networks[o->n_trusted++], why));
    }
    return OK;
}

static void open_room(struct gateway *g)
{
    struct gateway_loop *gl = &g->waiting;
    struct fault why = {0};
    gl->gateway = g;
    gl->loop = g->manager;
    buf_init(&gl->room, MIB(1));
    g->waiting_state = WAITING_OPEN;
    gl->server = http_server_new(gl->loop, &gateway_door, &g->waiting_options, gl);
    LOG(LOG_WARN, "gateway.waiting", "no configuration is in force; until there is one every request gets 503 (not_ready)");
    for (unsigned i = 0; i < g->n_listeners; i++)
        for (unsigned k = 0; k < g->listeners[i].n_fds; k++)
            if (http_server_listen(gl->server, g->listeners[i].fds[k], g->listeners[i].tls, &why) != OK)
                LOG(LOG_ERROR, "gateway.waiting", why.text);
}

static void on_empty(void *user) { ((struct gateway_loop *)user)->gateway->waiting_state = WAITING_EMPTY; }

void waiting_look(struct gateway *g)
{
    struct gateway_loop *gl = &g->waiting;
    bool is_late = clock_wall_ms() - atomic_load(&g->slot->started_ms) > PATIENCE_MS;
    if (!gl->server && !g->newest && is_late && !atomic_load(&g->draining) && !another_serves(g)) open_room(g);
    if (!gl->server || !g->newest) return;
    if (g->waiting_state == WAITING_OPEN) {
        g->waiting_state = WAITING_LEAVES;
        http_server_drain(gl->server, on_empty);
    }
    if (g->waiting_state == WAITING_EMPTY) waiting_done(g);
}

void waiting_done(struct gateway *g)
{
    struct gateway_loop *gl = &g->waiting;
    if (!gl->server) return;
    http_server_free(gl->server);
    buf_done(&gl->room);
    *gl = (struct gateway_loop){0};
}
