/* Asks AWS's sources of credentials: environment, file, STS, container endpoint, instance metadata; what each needs and says
 * is known by provider/aws.c. Runs on a pool thread, where waiting harms nobody. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/priv.h"

#define METADATA "http://169.254.169.254"
#define CONTAINER "http://169.254.170.2"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

/* ---- what is on this machine --------------------------------------------------------------------------------------------- */

static enum err from_environment(struct found_account *a, struct fault *why)
{
    a->found = (struct found){.access_key = str_z(getenv("AWS_ACCESS_KEY_ID")),
                              .secret_key = {str_z(getenv("AWS_SECRET_ACCESS_KEY"))},
                              .token = {str_z(getenv("AWS_SESSION_TOKEN"))}};
    return aws_found_check(&a->found, why);
}

static void credentials_path(char out[4096])
{
    const char *path = found_variable("AWS_SHARED_CREDENTIALS_FILE"), *home = found_variable("HOME");
    snprintf(out, 4096, "%s%s", path ? path : home ? home : "", path ? "" : "/.aws/credentials");
}

static enum err from_file(struct found_account *a, struct fault *why)
{
    struct buf text;
    char path[4096];
    const char *profile = a->profile[0] ? a->profile : found_variable("AWS_PROFILE");
    credentials_path(path);
    enum err got = found_file(path, &text, why);
    if (got == OK) got = aws_profile_read(buf_view(&text), profile ? str_z(profile) : S("default"), &a->arena, &a->found, why);
    found_wipe(&text);
    return got;
}

/* ---- what is asked ------------------------------------------------------------------------------------------------------- */

static enum err ask_sts(struct found_account *a, struct str token, struct fault *why)
{
    struct buf body, answer;
    char url[256];
    const char *session = found_variable("AWS_ROLE_SESSION_NAME"), *given = found_variable("AWS_ENDPOINT_URL_STS");
    const struct http_field fields[] = {{S("content-type"), S("application/x-www-form-urlencoded")}};
    if (given) snprintf(url, sizeof url, "%s", given);
    else snprintf(url, sizeof url, "https://sts.%s.amazonaws.com/", a->region);
    buf_init(&body, KIB(256));
    aws_sts_body(str_z(found_variable("AWS_ROLE_ARN")), session ? str_z(session) : S("aquifer"), token, &body);
    const struct question q = {"POST", url, {fields, COUNTOF(fields)}, buf_view(&body)};
    enum err got = found_question(&q, &answer, why);
    if (got == OK) got = aws_sts_read(buf_view(&answer), &a->arena, &a->found, why);
    found_wipe(&body);
    found_wipe(&answer);
    return got;
}

static enum err from_web_identity(struct found_account *a, struct fault *why)
{
    struct buf token;
    const char *path = found_variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!path || !found_variable("AWS_ROLE_ARN"))
        return FAIL(why, ERR_CONFIG, "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE must be set for web_identity");
    enum err got = found_file(path, &token, why);
    if (got == OK) got = ask_sts(a, buf_view(&token), why);
    found_wipe(&token);
    return got;
}

static enum err ask_json(struct found_account *a, const struct question *q, struct fault *why)
{
    struct buf answer;
    enum err got = found_question(q, &answer, why);
    if (got == OK) got = aws_json_read(buf_view(&answer), &a->arena, &a->found, why);
    found_wipe(&answer);
    return got;
}

/* AWS_CONTAINER_AUTHORIZATION_TOKEN, or a file with it, which is written anew from time to time. */
static enum err container_token(struct buf *out, struct fault *why)
{
    const char *token = found_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
               *path = found_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (path) return found_file(path, out, why);
    buf_init(out, KIB(65));
    if (token) buf_str(out, str_z(token));
    return OK;
}

static enum err from_container(struct found_account *a, struct fault *why)
{
    struct buf token;
    char url[1024];
    const char *whole = found_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
               *relative = found_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    if (!whole && !relative)
        return FAIL(why, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI must be set for container");
    snprintf(url, sizeof url, "%s%s", relative ? CONTAINER : "", relative ? relative : whole);
    enum err got = container_token(&token, why);
    const struct http_field fields[] = {{S("authorization"), buf_view(&token)}};
    const struct question q = {"GET", url, {fields, token.n ? 1 : 0}, STR_NONE};
    if (got == OK) got = ask_json(a, &q, why);
    found_wipe(&token);
    return got;
}

/* Version 2 only: a session first, then the role's name, then its credentials. */
static enum err ask_metadata(struct found_account *a, const char *base, struct str session, struct fault *why)
{
    struct buf role;
    char url[1024];
    const struct http_field fields[] = {{S("x-aws-ec2-metadata-token"), session}};
    snprintf(url, sizeof url, "%s" ROLE_PATH, base);
    struct question q = {"GET", url, {fields, COUNTOF(fields)}, STR_NONE};
    enum err got = found_question(&q, &role, why);
    struct str name, rest;
    str_cut(buf_view(&role), '\n', &name, &rest);
    if (got == OK && (name.n == 0 || name.n > 256)) got = FAIL(why, ERR_CONFIG, "the instance has no role with credentials");
    if (got == OK) snprintf(url, sizeof url, "%s" ROLE_PATH "%.*s", base, STR_ARG(str_trim(name)));
    if (got == OK) got = ask_json(a, &q, why);
    buf_done(&role);
    return got;
}

static enum err from_instance(struct found_account *a, struct fault *why)
{
    struct buf session;
    char url[512], base[256];
    const char *given = found_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const struct http_field fields[] = {{S("x-aws-ec2-metadata-token-ttl-seconds"), S("300")}};
    snprintf(base, sizeof base, "%s", given ? given : METADATA);
    for (size_t n = strlen(base); n && base[n - 1] == '/';) base[--n] = '\0';
    snprintf(url, sizeof url, "%s/latest/api/token", base);
    const struct question q = {"PUT", url, {fields, COUNTOF(fields)}, STR_NONE};
    enum err got = found_question(&q, &session, why);
    if (got == OK && (session.n == 0 || !http_field_value_is_valid(buf_view(&session))))
        got = FAIL(why, ERR_UPSTREAM_GARBAGE, "instance metadata gave no session");
    if (got == OK) got = ask_metadata(a, base, buf_view(&session), why);
    found_wipe(&session);
    return got;
}

/* ---- which ---------------------------------------------------------------------------------------------------------------- */

static bool file_is_there(const struct found_account *a)
{
    char path[4096];
    credentials_path(path);
    FILE *f = fopen(path, "re");
    if (f) fclose(f);
    return f || a->profile[0] || found_variable("AWS_PROFILE");
}

static enum found_source first_set_up(const struct found_account *a)
{
    if (found_variable("AWS_ACCESS_KEY_ID")) return SOURCE_ENVIRONMENT;
    if (found_variable("AWS_WEB_IDENTITY_TOKEN_FILE")) return SOURCE_WEB_IDENTITY;
    if (file_is_there(a)) return SOURCE_FILE;
    if (found_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") || found_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
        return SOURCE_CONTAINER;
    return SOURCE_INSTANCE;
}

enum err found_ask_aws(struct found_account *a, struct fault *why)
{
    static enum err (*const FROM[])(struct found_account *, struct fault *) = {
        [SOURCE_ENVIRONMENT] = from_environment, [SOURCE_WEB_IDENTITY] = from_web_identity, [SOURCE_FILE] = from_file,
        [SOURCE_CONTAINER] = from_container,     [SOURCE_INSTANCE] = from_instance,
    };
    enum found_source source = a->source == SOURCE_DEFAULT ? first_set_up(a) : a->source;
    return FROM[source](a, why);
}
