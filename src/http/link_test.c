/* The plain link: what is queued and when that is told, back-pressure, every way in which it ends. */
#include "http/link.h"

#include <stdio.h>
#include <sys/socket.h>

#include "http/peer_test.h"

struct end {
    struct link link;
    int drained, opened, closed;
    enum err error;
    size_t got, drained_at;
    char last[64];
    bool close_in_data, is_over;
    char *place; /* where on_data() wants the rest */
    size_t place_room, first, pieces;
};

static struct loop *loop;

static struct end *end_of(struct link *k) { return CONTAINER_OF(k, struct end, link); }
static void on_open(struct link *k) { end_of(k)->opened++; }

static void on_data(struct link *k, struct str bytes)
{
    struct end *e = end_of(k);
    e->got += bytes.n;
    if (!e->pieces++) e->first = bytes.n;
    snprintf(e->last, sizeof e->last, "%.*s", bytes.n < 60 ? (int)bytes.n : 60, bytes.p);
    if (e->place) link_read_into(k, e->place, e->place_room);
    e->place = NULL;
    if (e->close_in_data) link_close(k);
    e->is_over = true;
}

static void on_drained(struct link *k)
{
    end_of(k)->drained++;
    end_of(k)->drained_at = link_queued(k);
}

static void on_closed(struct link *k, const struct fault *why)
{
    struct end *e = end_of(k);
    assert_int_equal(e->closed++, 0);
    e->error = why->code;
    e->is_over = true;
}

static const struct link_handler HANDLER = {on_open, on_data, on_drained, on_closed};

/* One end is a link, the other a bare socket. */
static int make_pair(struct end *e)
{
    int fds[2];
    struct fault why;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *e = (struct end){0};
    assert_int_equal(link_accept(&e->link, loop, fds[0], NULL, &HANDLER, &why), OK);
    assert_int_equal(e->opened, 1);
    return fds[1];
}

static void turn(void)
{
    for (int i = 0; i < 5; i++) loop_turn(loop, false);
}

static size_t drain(int fd, size_t most)
{
    static char room[KIB(16)];
    size_t sum = 0;
    ssize_t n;
    while (sum < most && (n = recv(fd, room, sizeof room < most - sum ? sizeof room : most - sum, 0)) > 0) sum += (size_t)n;
    return sum;
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    struct iovec v[3] = {{(char[]){"hel"}, 3}, {NULL, 0}, {(char[]){"lo"}, 2}};
    char text[10] = {0};
    assert_true(link_send(&e.link, v, 3));
    assert_int_equal(recv(fd, text, sizeof text, 0), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(send(fd, "answer", 6, 0), 6);
    run_until(loop, &e.is_over);
    assert_string_equal(e.last, "answer");
    char body[8];
    link_read_into(&e.link, body, sizeof body);
    assert_int_equal(send(fd, "12345678and more", 16, 0), 16);
    turn();
    assert_memory_equal(body, "12345678", 8);
    assert_string_equal(e.last, "and more"); /* no byte went past the room */
    link_close(&e.link);
    link_close(&e.link);
    close(fd);
}

/* Of a long body little comes with its head, and the rest goes where it belongs, at once. */
static void a_taste_and_then_the_rest(void **state)
{
    (void)state;
    struct end e;
    static char sent[KIB(40)], place[KIB(64)];
    int fd = make_pair(&e);
    for (size_t i = 0; i < sizeof sent; i++) sent[i] = (char)(i * 31 >> 3);
    e.place = place;
    e.place_room = sizeof place;
    link_taste(&e.link, true);
    assert_int_equal(send(fd, sent, sizeof sent, 0), sizeof sent);
    loop_turn(loop, false);
    assert_int_equal(e.first, LINK_TASTE);
    assert_int_equal(e.pieces, 2);
    assert_int_equal(e.got, sizeof sent);
    assert_memory_equal(place, sent + LINK_TASTE, sizeof sent - LINK_TASTE);
    link_read_into(&e.link, NULL, 0);
    assert_int_equal(send(fd, sent, sizeof sent, 0), sizeof sent);
    loop_turn(loop, false);
    assert_int_equal(e.got, sizeof sent + LINK_TASTE); /* nobody gave it a place */
    link_taste(&e.link, false);
    turn();
    assert_int_equal(e.got, 2 * sizeof sent);
    assert_int_equal(e.pieces, 4);
    link_close(&e.link);
    close(fd);
}

static void what_is_not_taken_is_queued(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    size_t n = MIB(4);
    char *bytes = malloc(n);
    memset(bytes, 'x', n);
    struct iovec v = {bytes, n};
    assert_true(link_send(&e.link, &v, 1));
    size_t queued = link_queued(&e.link);
    assert_true(queued > 0 && queued < n);
    memset(bytes, 'y', n); /* it was copied */
    v = (struct iovec){bytes, 100};
    assert_true(link_send(&e.link, &v, 1));
    assert_int_equal(link_queued(&e.link), queued + 100);
    size_t sum = 0;
    for (int i = 0; i < 10000 && link_queued(&e.link) > 0; i++) {
        sum += drain(fd, KIB(8));
        loop_turn(loop, false);
    }
    assert_true(e.drained == 1 || e.drained == 2);
    assert_int_equal(e.drained_at, 0);
    assert_int_equal(sum + drain(fd, SIZE_MAX), n + 100);
    assert_null(e.link.out.p); /* nothing is held when idle */
    link_close(&e.link);
    close(fd);
    free(bytes);
}

static void link_write_never_queues(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    size_t n = MIB(4);
    char *bytes = calloc(1, n);
    struct iovec v[2] = {{bytes, n / 2}, {bytes + n / 2, n / 2}};
    size_t taken = link_write(&e.link, v, 2);
    assert_true(taken > 0 && taken < n);
    assert_int_equal(v[0].iov_len + v[1].iov_len, n - taken);
    assert_int_equal(link_queued(&e.link), 0);
    drain(fd, SIZE_MAX);
    turn();
    assert_int_equal(e.drained, 1);
    turn();
    assert_int_equal(e.drained, 1); /* told once */
    link_close(&e.link);
    close(fd);
    free(bytes);
}

static void a_paused_link_reads_nothing(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    link_read(&e.link, false);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    turn();
    assert_int_equal(e.got, 0);
    link_read(&e.link, true);
    turn();
    assert_int_equal(e.got, 1);
    link_close(&e.link);
    close(fd);
}

static void a_paused_link_hears_that_the_client_went(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    link_read(&e.link, false);
    assert_int_equal(send(fd, "unread", 6, 0), 6);
    turn();
    assert_int_equal(e.closed, 0);
    close(fd);
    run_until(loop, &e.is_over);
    assert_int_equal(e.got, 0);
    assert_int_equal(e.closed, 1);
    turn();
    assert_int_equal(e.closed, 1);
    link_close(&e.link);
}

/* An upstream may end right behind its answer, which is read when its time has come. */
static void a_paused_client_link_does_not_mind(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    e.link.minds_end = false;
    link_read(&e.link, false);
    assert_int_equal(send(fd, "answer", 6, 0), 6);
    close(fd);
    turn();
    assert_int_equal(e.closed, 0);
    link_read(&e.link, true);
    turn();
    assert_string_equal(e.last, "answer");
    assert_int_equal(e.closed, 1);
    link_close(&e.link);
}

static void the_peers_end_is_told_once(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    char text[4] = {0};
    assert_int_equal(send(fd, "last", 4, 0), 4);
    shutdown(fd, SHUT_WR);
    turn();
    assert_string_equal(e.last, "last");
    assert_int_equal(e.closed, 1);
    assert_int_equal(e.error, OK);
    struct iovec v = {(char[]){"bye"}, 3}; /* our side is still open */
    assert_true(link_send(&e.link, &v, 1));
    assert_int_equal(recv(fd, text, sizeof text, 0), 3);
    turn();
    assert_int_equal(e.closed, 1);
    link_close(&e.link);
    close(fd);
}

/* What the peer said before it went is heard although we could send nothing more. */
static void a_broken_link_is_read_to_its_end(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    struct iovec v = {(char[]){"x"}, 1};
    assert_int_equal(send(fd, "why", 3, 0), 3);
    close(fd);
    assert_false(link_send(&e.link, &v, 1));
    assert_int_equal(e.closed, 0);
    turn();
    assert_string_equal(e.last, "why");
    assert_int_equal(e.closed, 1);
    assert_int_equal(e.error, ERR_IO);
    assert_false(link_send(&e.link, &v, 1));
    link_close(&e.link);

    fd = make_pair(&e); /* the end is told to one that does not read, too */
    link_read(&e.link, false);
    close(fd);
    assert_false(link_send(&e.link, &v, 1));
    turn();
    assert_int_equal(e.closed, 1);
    assert_int_equal(e.error, ERR_IO);
    link_close(&e.link);
}

static void the_owner_may_close_anywhere(void **state)
{
    (void)state;
    struct end e;
    int fd = make_pair(&e);
    e.close_in_data = true;
    assert_int_equal(send(fd, "x", 1, 0), 1);
    close(fd);
    turn();
    assert_int_equal(e.got, 1);
    assert_int_equal(e.closed, 0);
    struct link zeroed = {0};
    link_close(&zeroed);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_taste_and_then_the_rest),
        cmocka_unit_test(what_is_not_taken_is_queued),
        cmocka_unit_test(link_write_never_queues),
        cmocka_unit_test(a_paused_link_reads_nothing),
        cmocka_unit_test(the_peers_end_is_told_once),
        cmocka_unit_test(a_broken_link_is_read_to_its_end),
        cmocka_unit_test(the_owner_may_close_anywhere),
        cmocka_unit_test(a_paused_link_hears_that_the_client_went),
        cmocka_unit_test(a_paused_client_link_does_not_mind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
