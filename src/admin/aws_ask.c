/* Asks AWS's sources of credentials: environment, file, STS, container endpoint, instance metadata; what each needs and says
 * is known by provider/aws.c. Runs on a pool thread with a loop of its own, so that it may wait; bounded in time and size. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/priv.h"

enum { ANSWER_MAX = 64 * 1024, CONNECT_MS = 1000, ANSWER_MS = 5000 };
#define METADATA "http://169.254.169.254"
#define CONTAINER "http://169.254.170.2"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

/* ---- one call, waited for ------------------------------------------------------------------------------------------------ */

struct ask {
    struct loop *loop;
    int status;
    struct buf answer;
    struct fault fault;
    struct http_call *call;
};

static void on_head(struct http_call *c, int status, struct http_fields fields, void *user)
{
    struct ask *a = user;
    a->status = status;
}

static void on_body(struct http_call *c, struct str bytes, void *user)
{
    struct ask *a = user;
    buf_str(&a->answer, bytes);
}

static void on_end(struct http_call *c, void *user)
{
    struct ask *a = user;
    loop_stop(a->loop);
}

static void on_fail(struct http_call *c, const struct fault *why, void *user)
{
    struct ask *a = user;
    a->fault = *why;
    loop_stop(a->loop);
}

struct question {
    const char *method, *url; /* url: with the path */
    struct http_fields fields;
    struct str body;
};

static void call(struct ask *a, const struct question *q, struct http_origin *o, struct str target)
{
    static const struct http_call_handler HANDLER = {on_head, on_body, on_end, on_fail};
    static const struct http_deadlines DEADLINES = {CONNECT_MS, ANSWER_MS, ANSWER_MS, 2 * ANSWER_MS};
    const struct http_call_request r = {str_z(q->method), target.n ? target : S("/"), q->fields, &q->body, q->body.n ? 1 : 0};
    struct http_client *client = http_client_new(a->loop, NULL);
    http_call_start(client, o, &r, &DEADLINES, &HANDLER, a);
    loop_run(a->loop);
    http_client_free(client);
}

/* The origin's part of a URL takes no query; it is put behind the path again. */
static enum err perform(struct ask *a, const struct question *q, struct fault *why)
{
    struct http_origin *o;
    struct str path, before, query, all = str_z(q->url);
    struct buf target;
    bool has_query = str_cut(all, '?', &before, &query);
    TRY(http_origin_new(&(struct http_origin_options){.url = before}, &o, &path, why));
    buf_init(&target, KIB(8));
    size_t slash = 0;
    if (str_find(str_from(before, 8), S("/"), &slash)) path = str_from(before, 8 + slash); /* with its last slash */
    buf_str(&target, path);
    if (has_query) buf_fmt(&target, "%s?%.*s", path.n ? "" : "/", STR_ARG(query));
    call(a, q, o, buf_view(&target));
    buf_done(&target);
    http_origin_unref(o);
    if (a->fault.code != OK) {
        *why = a->fault;
        return why->code;
    }
    if (a->answer.over) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the answer is larger than %d bytes", ANSWER_MAX);
    if (a->status == 200) return OK;
    return FAIL(why, ERR_UPSTREAM_ERROR, "%.100s answered with HTTP status %d", q->url, a->status);
}

/* The answer's bytes in `answer`, which the caller wipes and frees. */
static enum err question(const struct question *q, struct buf *answer, struct fault *why)
{
    struct ask a = {.loop = NULL};
    buf_init(answer, ANSWER_MAX);
    if (!aws_endpoint_is_allowed(str_z(q->url)))
        return FAIL(why, ERR_CONFIG, "%.100s is not asked for credentials: https, or an address of this machine or of AWS's own",
                    q->url);
    a.loop = loop_new();
    buf_init(&a.answer, ANSWER_MAX);
    enum err got = perform(&a, q, why);
    loop_free(a.loop);
    *answer = a.answer;
    return got;
}

static void wipe(struct buf *b)
{
    if (b->cap) explicit_bzero(b->p, b->cap);
    buf_done(b);
}

/* ---- what is on this machine --------------------------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static enum err from_environment(struct aws_account *a, struct fault *why)
{
    a->found = (struct aws_found){.access_key = str_z(getenv("AWS_ACCESS_KEY_ID")),
                                  .secret_key = {str_z(getenv("AWS_SECRET_ACCESS_KEY"))},
                                  .session_token = {str_z(getenv("AWS_SESSION_TOKEN"))}};
    return aws_found_check(&a->found, why);
}

static enum err read_file(const char *path, struct buf *out, struct fault *why)
{
    char reference[4200];
    buf_init(out, KIB(65));
    if (snprintf(reference, sizeof reference, "file:%s", path) >= (int)sizeof reference)
        return FAIL(why, ERR_LIMIT, "the path %.100s is too long", path);
    return config_secret(str_z(reference), out, why);
}

static void credentials_path(char out[4096])
{
    const char *path = variable("AWS_SHARED_CREDENTIALS_FILE"), *home = variable("HOME");
    snprintf(out, 4096, "%s%s", path ? path : home ? home : "", path ? "" : "/.aws/credentials");
}

static enum err from_file(struct aws_account *a, struct fault *why)
{
    struct buf text;
    char path[4096];
    const char *profile = a->profile[0] ? a->profile : variable("AWS_PROFILE");
    credentials_path(path);
    enum err got = read_file(path, &text, why);
    if (got == OK) got = aws_profile_read(buf_view(&text), profile ? str_z(profile) : S("default"), &a->arena, &a->found, why);
    wipe(&text);
    return got;
}

/* ---- what is asked ------------------------------------------------------------------------------------------------------- */

static enum err ask_sts(struct aws_account *a, struct str token, struct fault *why)
{
    struct buf body, answer;
    char url[256];
    const char *session = variable("AWS_ROLE_SESSION_NAME"), *given = variable("AWS_ENDPOINT_URL_STS");
    const struct http_field fields[] = {{S("content-type"), S("application/x-www-form-urlencoded")}};
    if (given) snprintf(url, sizeof url, "%s", given);
    else snprintf(url, sizeof url, "https://sts.%s.amazonaws.com/", a->region);
    buf_init(&body, KIB(256));
    aws_sts_body(str_z(variable("AWS_ROLE_ARN")), session ? str_z(session) : S("aquifer"), token, &body);
    const struct question q = {"POST", url, {fields, COUNTOF(fields)}, buf_view(&body)};
    enum err got = question(&q, &answer, why);
    if (got == OK) got = aws_sts_read(buf_view(&answer), &a->arena, &a->found, why);
    wipe(&body);
    wipe(&answer);
    return got;
}

static enum err from_web_identity(struct aws_account *a, struct fault *why)
{
    struct buf token;
    const char *path = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!path || !variable("AWS_ROLE_ARN"))
        return FAIL(why, ERR_CONFIG, "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE must be set for web_identity");
    enum err got = read_file(path, &token, why);
    if (got == OK) got = ask_sts(a, buf_view(&token), why);
    wipe(&token);
    return got;
}

static enum err ask_json(struct aws_account *a, const struct question *q, struct fault *why)
{
    struct buf answer;
    enum err got = question(q, &answer, why);
    if (got == OK) got = aws_json_read(buf_view(&answer), &a->arena, &a->found, why);
    wipe(&answer);
    return got;
}

/* AWS_CONTAINER_AUTHORIZATION_TOKEN, or a file with it, which is written anew from time to time. */
static enum err container_token(struct buf *out, struct fault *why)
{
    const char *token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"), *path = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (path) return read_file(path, out, why);
    buf_init(out, KIB(65));
    if (token) buf_str(out, str_z(token));
    return OK;
}

static enum err from_container(struct aws_account *a, struct fault *why)
{
    struct buf token;
    char url[1024];
    const char *whole = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
               *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if (!whole && !relative)
        return FAIL(why, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI must be set for container");
    snprintf(url, sizeof url, "%s%s", relative ? CONTAINER : "", relative ? relative : whole);
    enum err got = container_token(&token, why);
    const struct http_field fields[] = {{S("authorization"), buf_view(&token)}};
    const struct question q = {"GET", url, {fields, token.n ? 1 : 0}, STR_NONE};
    if (got == OK) got = ask_json(a, &q, why);
    wipe(&token);
    return got;
}

/* Version 2 only: a session first, then the role's name, then its credentials. */
static enum err ask_metadata(struct aws_account *a, const char *base, struct str session, struct fault *why)
{
    struct buf role;
    char url[1024];
    const struct http_field fields[] = {{S("x-aws-ec2-metadata-token"), session}};
    snprintf(url, sizeof url, "%s" ROLE_PATH, base);
    struct question q = {"GET", url, {fields, COUNTOF(fields)}, STR_NONE};
    enum err got = question(&q, &role, why);
    struct str name, rest;
    str_cut(buf_view(&role), '\n', &name, &rest);
    if (got == OK && (name.n == 0 || name.n > 256)) got = FAIL(why, ERR_CONFIG, "the instance has no role with credentials");
    if (got == OK) snprintf(url, sizeof url, "%s" ROLE_PATH "%.*s", base, STR_ARG(str_trim(name)));
    if (got == OK) got = ask_json(a, &q, why);
    buf_done(&role);
    return got;
}

static enum err from_instance(struct aws_account *a, struct fault *why)
{
    struct buf session;
    char url[512], base[256];
    const char *given = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const struct http_field fields[] = {{S("x-aws-ec2-metadata-token-ttl-seconds"), S("300")}};
    snprintf(base, sizeof base, "%s", given ? given : METADATA);
    for (size_t n = strlen(base); n && base[n - 1] == '/';) base[--n] = '\0';
    snprintf(url, sizeof url, "%s/latest/api/token", base);
    const struct question q = {"PUT", url, {fields, COUNTOF(fields)}, STR_NONE};
    enum err got = question(&q, &session, why);
    if (got == OK && (session.n == 0 || !http_field_value_is_valid(buf_view(&session))))
        got = FAIL(why, ERR_UPSTREAM_GARBAGE, "instance metadata gave no session");
    if (got == OK) got = ask_metadata(a, base, buf_view(&session), why);
    wipe(&session);
    return got;
}

/* ---- which ---------------------------------------------------------------------------------------------------------------- */

static bool file_is_there(const struct aws_account *a)
{
    char path[4096];
    credentials_path(path);
    FILE *f = fopen(path, "re");
    if (f) fclose(f);
    return f || a->profile[0] || variable("AWS_PROFILE");
}

static enum aws_source first_set_up(const struct aws_account *a)
{
    if (variable("AWS_ACCESS_KEY_ID")) return AWS_ENVIRONMENT;
    if (variable("AWS_WEB_IDENTITY_TOKEN_FILE")) return AWS_WEB_IDENTITY;
    if (file_is_there(a)) return AWS_FILE;
    if (variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") || variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
        return AWS_CONTAINER;
    return AWS_INSTANCE;
}

enum err aws_ask(struct aws_account *a, struct fault *why)
{
    static enum err (*const FROM[])(struct aws_account *, struct fault *) = {
        [AWS_ENVIRONMENT] = from_environment, [AWS_WEB_IDENTITY] = from_web_identity, [AWS_FILE] = from_file,
        [AWS_CONTAINER] = from_container,     [AWS_INSTANCE] = from_instance,
    };
    enum aws_source source = a->source == AWS_DEFAULT ? first_set_up(a) : a->source;
    return FROM[source](a, why);
}
