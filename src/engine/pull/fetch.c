/* One file over https with libcurl: goes on where an earlier try ended, follows a bounded number of redirects, gives up
 * on a source that does not answer. Called by main.c of aquifer-pull; owns the growing file while it runs. */
#include "engine/pull/pull.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define REDIRECTS_MAX 5L
#define TRIES 5          /* in a row without a new byte */
#define SLOW_BYTES 1024L /* fewer a second … */
#define SLOW_SECONDS 60L /* … for so long is a broken connection */
#define TAG_MAX 1024
#define UNKNOWN_MAX (1ull << 38) /* 256 GiB, for a file whose size nobody told */
#define HUB "https://huggingface.co"

struct fetch {
    const struct fetch_options *o;
    struct progress *progress;
    CURL *curl;
    int fd;
    uint64_t have; /* bytes in the file */
    uint64_t started_ns;
    uint64_t range_from;    /* of a 206 answer's Content-Range */
    uint64_t length;        /* of the answer's body; 0 unknown */
    bool answered, checked; /* a status line came; the body's begin was agreed upon */
    char etag[256];         /* strong one of the answer, or "" */
    enum err refused;       /* why the body was not taken: told in `why` */
    struct fault *why;
};

bool source_url(struct str source, struct buf *ret_url)
{
    const char *hub = getenv("HF_ENDPOINT");
    struct str owner, repo, rest;
    buf_clear(ret_url);
    if (str_starts(source, S("https://"))) {
        buf_str(ret_url, source);
        return !ret_url->over;
    }
    if (!str_starts(source, S("hf:"))) return false;
    for (size_t i = 3; i < source.n; i++) {
        char c = source.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-/", c);
        if (!plain || !c) return false;
    }
    if (!str_cut(str_from(source, 3), '/', &owner, &rest) || !str_cut(rest, '/', &repo, &rest)) return false;
    if (!owner.n || !repo.n || !rest.n || str_find(source, S(".."), &(size_t){0})) return false;
    if (!hub || strncmp(hub, "https://", 8) != 0) hub = HUB;
    buf_fmt(ret_url, "%s/%.*s/%.*s/resolve/main/%.*s", hub, STR_ARG(owner), STR_ARG(repo), STR_ARG(rest));
    return !ret_url->over;
}

/* ---- what an earlier try left: the part and, where no hash is known, whose it is ------------------------------------- */

static void tag_path(const struct fetch *f, char out[PATH_BYTES]) { snprintf(out, PATH_BYTES, "%s.tag", f->o->part); }

/* The etag that the part was fetched under, if from this very address; "" otherwise. */
static void read_tag(const struct fetch *f, char *out, size_t cap)
{
    char path[PATH_BYTES];
    struct buf text;
    struct str url, etag;
    out[0] = 0;
    tag_path(f, path);
    if (file_read(path, TAG_MAX, &text, NULL) != OK) return;
    if (str_cut(buf_view(&text), '\n', &url, &etag) && str_eq(url, str_z(f->o->url)) && !text_set(out, cap, etag)) out[0] = 0;
    buf_done(&text);
}

static void write_tag(const struct fetch *f)
{
    char path[PATH_BYTES], text[TAG_MAX];
    tag_path(f, path);
    int n = snprintf(text, sizeof(text), "%s\n%s", f->o->url, f->etag);
    if (!f->etag[0] || n < 0 || (size_t)n >= sizeof(text) || file_write(path, str_make(text, (size_t)n), NULL) != OK)
        unlink(path);
}

static enum err start_over(struct fetch *f)
{
    if (ftruncate(f->fd, 0) < 0 || lseek(f->fd, 0, SEEK_SET) < 0)
        return FAIL(f->why, ERR_IO, "%s cannot be written: %s", f->o->part, strerror(errno));
    f->have = 0;
    return OK;
}

/* ---- what the other side says ------------------------------------------------------------------------------------------- */

static bool header_is(struct str line, struct str name, struct str *ret_value)
{
    struct str field, value;
    if (!str_cut(line, ':', &field, &value) || !str_eq_nocase(field, name)) return false;
    while (value.n && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n')) value.n--;
    *ret_value = str_trim(value);
    return true;
}

/* Each answer of a redirect chain begins with a status line: what an earlier one said is forgotten. */
static size_t on_header(char *p, size_t size, size_t n, void *user)
{
    struct fetch *f = user;
    struct str line = str_make(p, size * n), value, from;
    if (str_starts(line, S("HTTP/"))) {
        f->answered = true;
        f->range_from = UINT64_MAX;
        f->length = 0;
        f->etag[0] = 0;
    } else if (header_is(line, S("etag"), &value)) {
        if (!str_starts(value, S("\"")) || !text_set(f->etag, sizeof(f->etag), value)) f->etag[0] = 0; /* W/ is weak */
    } else if (header_is(line, S("content-length"), &value)) {
        if (!str_u64(value, &f->length)) f->length = 0;
    } else if (header_is(line, S("content-range"), &value) && str_starts(value, S("bytes "))) {
        str_cut(str_from(value, 6), '-', &from, &value);
        if (!str_u64(from, &f->range_from)) f->range_from = UINT64_MAX;
    }
    return size * n;
}

static uint64_t free_space(const char *part)
{
    struct statvfs st;
    if (statvfs(part, &st) < 0) return UINT64_MAX;
    return (uint64_t)st.f_bavail * st.f_frsize;
}

/* Before the first byte of a body: is it the rest of what is there, or all of it anew; is it the size it should be. */
static enum err agree_on_body(struct fetch *f)
{
    long status = 0;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 206 && f->range_from != f->have)
        return FAIL(f->why, ERR_UPSTREAM_GARBAGE, "%s answered with another range than it was asked for", f->o->url);
    if (status != 206 && f->have) TRY(start_over(f));
    if (f->length && f->o->bytes && f->have + f->length != f->o->bytes)
        return FAIL(f->why, ERR_UPSTREAM_GARBAGE, "%s is not the expected file: it has %llu bytes, not %llu", f->o->url,
                    (unsigned long long)(f->have + f->length), (unsigned long long)f->o->bytes);
    if (f->length > free_space(f->o->part))
        return FAIL(f->why, ERR_IO, "the disk has no room for %llu MB more beside %s", (unsigned long long)(f->length / 1000000),
                    f->o->part);
    if (!f->o->hash_known) write_tag(f);
    progress_start(f->progress, f->progress->label, f->have, f->o->bytes ? f->o->bytes : f->length ? f->have + f->length : 0);
    return OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
    struct fetch *f = user;
    uint64_t most = f->o->bytes ? f->o->bytes : UNKNOWN_MAX;
    struct str left = str_make(p, size * n);
    if (!f->checked) f->refused = agree_on_body(f);
    f->checked = true;
    if (f->refused == OK && f->have + left.n > most)
        f->refused = FAIL(f->why, ERR_UPSTREAM_GARBAGE, "%s sends more than the %llu bytes that it should have", f->o->url,
                          (unsigned long long)most);
    while (f->refused == OK && left.n) {
        ssize_t wrote = write(f->fd, left.p, left.n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) f->refused = FAIL(f->why, ERR_IO, "%s cannot be written: %s", f->o->part, strerror(errno));
        if (wrote < 0) break;
        left = str_from(left, (size_t)wrote);
        f->have += (uint64_t)wrote;
    }
    return f->refused == OK ? size * n : 0;
}

static int on_progress(void *user, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total, curl_off_t ul_now)
{
    struct fetch *f = user;
    if (f->checked) progress_show(f->progress, f->have);
    return !f->answered && clock_mono_ns() - f->started_ns > f->o->answer_ms * 1000000ull;
}

/* ---- one try, and the next --------------------------------------------------------------------------------------------- */

static void set_up(struct fetch *f, const char *range, struct curl_slist *headers)
{
    CURL *c = f->curl;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, f->o->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)f->o->answer_ms);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 262144L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "aquifer/" AQUIFER_VERSION);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    if (f->o->ca) curl_easy_setopt(c, CURLOPT_CAINFO, f->o->ca);
    if (*range) curl_easy_setopt(c, CURLOPT_RANGE, range);
    if (headers) curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
}

/* libcurl sends a header of ours to another host only if it is not Authorization. */
static struct curl_slist *own_headers(const struct fetch *f, const char *if_range)
{
    char line[TAG_MAX];
    struct curl_slist *list = NULL;
    if (f->o->bearer && snprintf(line, sizeof(line), "Authorization: Bearer %s", f->o->bearer) < (int)sizeof(line))
        list = curl_slist_append(list, line);
    if (*if_range && snprintf(line, sizeof(line), "If-Range: %s", if_range) < (int)sizeof(line))
        list = curl_slist_append(list, line);
    return list;
}

/* Asks for what is missing. Without a known hash only the same version of the same address may go on. */
static CURLcode try_once(struct fetch *f)
{
    char range[32] = "", tag[256] = "";
    if (f->have && !f->o->hash_known) read_tag(f, tag, sizeof(tag));
    if (f->have && (f->o->hash_known || *tag)) snprintf(range, sizeof(range), "%llu-", (unsigned long long)f->have);
    struct curl_slist *headers = own_headers(f, tag);
    f->answered = f->checked = false;
    f->refused = OK;
    f->started_ns = clock_mono_ns();
    set_up(f, range, headers);
    CURLcode code = curl_easy_perform(f->curl);
    progress_end(f->progress);
    curl_slist_free_all(headers);
    return code;
}

static bool is_passing(CURLcode code, long status)
{
    switch ((int)code) {
    case CURLE_HTTP_RETURNED_ERROR: return status == 429 || status >= 500;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR: return true;
    default: return false;
    }
}

/* Who cannot be reached may be another time, or another source; everything else is an answer. */
static enum err code_err(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST: return ERR_UPSTREAM_DNS;
    case CURLE_COULDNT_CONNECT: return ERR_UPSTREAM_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: return ERR_UPSTREAM_TIMEOUT;
    default: return ERR_UPSTREAM_ERROR;
    }
}

static enum err explain(struct fetch *f, CURLcode code, long status)
{
    if (f->refused != OK) return f->refused;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return FAIL(f->why, ERR_UPSTREAM_TIMEOUT, "%s did not answer within %llu s", f->o->url,
                    (unsigned long long)f->o->answer_ms / 1000);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return FAIL(f->why, ERR_UPSTREAM_ERROR, "%s answered with HTTP status %ld", f->o->url, status);
    return FAIL(f->why, code_err(code), "%s: %s", f->o->url, curl_easy_strerror(code));
}

static enum err fetch_tries(struct fetch *f)
{
    for (unsigned fruitless = 0;;) {
        uint64_t before = f->have;
        long status = 0;
        CURLcode code = try_once(f);
        if (code == CURLE_OK) return OK;
        curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status == 416 && f->have && f->have == f->o->bytes) return OK; /* nothing was missing */
        bool anew = status == 416 && f->have;
        if (anew) TRY(start_over(f));
        fruitless = f->have > before ? 0 : fruitless + 1;
        if (f->refused != OK || (!anew && !is_passing(code, status)) || fruitless >= TRIES) return explain(f, code, status);
        say(f->progress, "the connection broke (%s); going on in %u s", curl_easy_strerror(code), 1u << fruitless);
        sleep(1u << fruitless);
    }
}

enum err fetch_file(const struct fetch_options *o, struct progress *p, struct fault *why)
{
    struct fetch f = {.o = o, .progress = p, .why = why};
    struct stat st;
    char tag[PATH_BYTES];
    f.fd = open(o->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (f.fd < 0 || fstat(f.fd, &st) < 0) return FAIL(why, ERR_IO, "%s cannot be written: %s", o->part, strerror(errno));
    f.have = (uint64_t)st.st_size;
    enum err e = o->bytes && f.have > o->bytes ? start_over(&f) : OK;
    f.curl = curl_easy_init();
    must(f.curl);
    if (e == OK && !(o->bytes && f.have == o->bytes)) e = fetch_tries(&f);
    if (e == OK && o->bytes && f.have != o->bytes)
        e = FAIL(why, ERR_UPSTREAM_CUT, "%s ended after %llu of %llu bytes", o->url, (unsigned long long)f.have,
                 (unsigned long long)o->bytes);
    if (e == OK && fsync(f.fd) < 0) e = FAIL(why, ERR_IO, "%s cannot be written: %s", o->part, strerror(errno));
    curl_easy_cleanup(f.curl);
    close(f.fd);
    tag_path(&f, tag);
    if (e == OK) unlink(tag);
    return e;
}
