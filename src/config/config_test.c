/* Configuration: the file works as it stands, every key is read into its place, and each mistake is told with
 * file, line, key and what would be right. */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"

#define BASE "data: ./data\nlisten: 127.0.0.1:8400\n"

static struct config *read_ok(const char *file, const char *text)
{
    struct config *c = NULL;
    struct fault why = {0};
    if (config_read(file, str_z(text), &c, NULL, &why) != OK) fail_msg("%s", why.text);
    return c;
}

static void fixed_file_works(void **state)
{
    struct config *c =
        read_ok("etc/aquifer.yaml", BASE
                "admin:\n  listen: 127.0.0.1:8401\n  key: env:AQUIFER_ADMIN_KEY\n"
                "providers:\n  - name: main\n    kind: openai\n    url: http://127.0.0.1:9000/v1\n    key: env:UPSTREAM_KEY\n"
                "routes:\n  - name: fast\n    deployments:\n      - provider: main\n        model: gpt-4o-mini\n"
                "        price: { input: 0.15, output: 0.60 }\n");
    assert_str(c->data, "etc/data");
    assert_int_equal(c->listen.n, 1);
    assert_str(c->listen.at[0].address, "127.0.0.1:8400");
    assert_str(c->admin_key, "env:AQUIFER_ADMIN_KEY");
    assert_int_equal(c->providers.n, 1);
    assert_str(c->providers.at[0].url, "http://127.0.0.1:9000/v1");
    assert_int_equal(c->providers.at[0].timeouts.connect, 5000);
    assert_int_equal(c->providers.at[0].timeouts.total, 0);
    const struct config_deployment *d = &c->routes.at[0].deployments.at[0];
    assert_int_equal(d->provider_index, 0);
    assert_true(d->price.given);
    assert_int_equal(d->price.per[USAGE_IN_FRESH], 150000);
    assert_int_equal(d->price.per[USAGE_OUT_REASONING], 600000);
    assert_true(d->max_output == CONFIG_UNSET);
    assert_int_equal(c->limits.body, MIB(32));
    assert_int_equal(c->memory_percent, 75);
    assert_int_equal(c->ledger.safety, LEDGER_DISK);
    assert_int_equal(c->heartbeat, 15000);
    assert_str(c->engine.models_dir, "etc/data/models");
    struct buf where;
    buf_init(&where, 100);
    assert_true(config_where(c, "route", S("fast"), &where));
    assert_str(buf_view(&where), "etc/aquifer.yaml:12");
    buf_done(&where);
    config_free(c);
}

static void empty_lists_are_fine(void **state)
{
    config_free(read_ok("a.yaml", BASE "providers: []\nroutes: []\n"));
    config_free(read_ok("a.yaml", BASE "providers:\nroutes: ~\n"));
    config_free(read_ok("a.yaml", BASE));
}

static void every_form_is_read(void **state)
{
    struct config *c = read_ok(
        "a.yaml",
        "data: /var/lib/a\nlisten:\n  - '*:1'\n  - address: '[::1]:2'\n    tls: {cert: c.pem, key: /k.pem}\n"
        "memory: {max: 1GiB}\nledger: {safety: process, stall: 250ms, retention: 30d}\nlog: {level: warn, access: false}\n"
        "timeouts: {connect: 2s, gap: 1h30m}\ncatalog: prices.yaml\ntrusted_proxies: [192.0.2.0/24]\n"
        "providers: [{name: p, kind: openai, url: 'http://x', key: 'file:k', timeouts: {connect: 1s}, headers: {x-a: b, "
        "Authorization: env:T}}]\n"
        "routes: [{name: 'g-*', aliases: [x, y], deployments: [{provider: p, model: '*', defaults: {temperature: 0.5, stop: "
        "[a]}, drop: [user]}]}]\n"
        "engine: {models: [{name: m, file: m.gguf}], context: 1000}\n");
    assert_int_equal(c->listen.n, 2);
    assert_str(c->listen.at[1].tls_cert, "c.pem");
    assert_int_equal(c->listen.at[1].line, 4);
    assert_true(c->memory_max == MIB(1024) && c->memory_percent == 0);
    assert_int_equal(c->ledger.safety, LEDGER_PROCESS);
    assert_int_equal(c->ledger.stall, 250);
    assert_int_equal(c->ledger.retention, 30ll * 86400000);
    assert_int_equal(c->log.level, LOG_WARN);
    assert_false(c->log.access);
    assert_str(c->catalog.at[0], "prices.yaml");
    const struct config_provider *p = &c->providers.at[0];
    assert_int_equal(p->timeouts.connect, 1000);
    assert_int_equal(p->timeouts.gap, 5400000);
    assert_str(p->headers.at[1].value, "env:T");
    const struct config_route *r = &c->routes.at[0];
    assert_int_equal(r->aliases.n, 2);
    assert_str(r->deployments.at[0].defaults.at[0].json, "0.5");
    assert_str(r->deployments.at[0].defaults.at[1].json, "[\"a\"]");
    assert_str(r->deployments.at[0].drop.at[0], "user");
    assert_int_equal(c->engine.models.at[0].context, 1000);
    config_free(c);
}

static const struct {
    const char *text, *want;
} MISTAKES[] = {
    {"", "a.yaml:1: data is missing: Directory"},
    {"data: d\n", "a.yaml:1: listen is missing"},
    {"[1]\n", "a.yaml:1: the file must be a map of keys, it is a list"},
    {BASE "heartbat: 5s\n", "a.yaml:3: \"heartbat\" is not a key here; did you mean \"heartbeat\"?"},
    {BASE "zzzzzz: 5s\n", "a.yaml:3: \"zzzzzz\" is not a key here; `aquifer config explain` lists them"},
    {BASE "limits:\n  bodi: 1MiB\n", "a.yaml:4: limits: \"bodi\" is not a key here; did you mean \"body\"?"},
    {BASE "heartbeat: 5\n", "a.yaml:3: heartbeat: \"5\" is not a duration; write a number with its unit"},
    {BASE "heartbeat: [5s]\n", "a.yaml:3: heartbeat: must be a duration, it is a list"},
    {BASE "heartbeat: 2d\n", "a.yaml:3: heartbeat: 2d is too large"},
    {BASE "limits: {body: 1}\n", "a.yaml:3: limits.body: 1 is too small; the least is 1024"},
    {BASE "limits: {body: 32mb}\n", "\"32mb\" is not a size"},
    {BASE "limits: 5\n", "a.yaml:3: limits: must be a map of keys, it is a single value"},
    {BASE "memory: {max: 101%}\n", "a.yaml:3: memory.max: \"101%\" is not a share"},
    {BASE "ledger: {safety: fast}\n", "a.yaml:3: ledger.safety: \"fast\" is none of disk|process"},
    {BASE "log: {access: yes}\n", "a.yaml:3: log.access: \"yes\" is neither; write true or false"},
    {BASE "loops: -1\n", "\"-1\" is not a whole number"},
    {BASE "loops: 999\n", "999 is too large; the most is 256"},
    {"data: d\nlisten: localhost\n", "a.yaml:2: listen.address: \"localhost\" is not an address"},
    {"data: d\nlisten: ::1:80\n", "is not an address"},
    {"data: d\nlisten: [127.0.0.1:1, 127.0.0.1:1]\n", "two listeners want 127.0.0.1:1"},
    {"data: d\nlisten: {address: 127.0.0.1:1, tls: {cert: c}}\n", "listen.tls: key is missing"},
    {BASE "admin: {listen: 127.0.0.1:1}\n", "a.yaml:3: admin.key is missing: the admin API is never open"},
    {BASE "admin: {listen: 127.0.0.1:1, key: hunter2hunter2}\n",
     "a.yaml:3: admin.key: a secret does not stand in this file; write env:NAME"},
    {BASE "metrics: {listen: '*:1'}\n", "metrics.key is missing"},
    {BASE "path_prefix: llm/\n", "a.yaml:3: path_prefix: \"llm/\" must begin with /"},
    {BASE "trusted_proxies: [300.0.0.1/8]\n", "a.yaml:3: trusted_proxies: "},
    {BASE "proxy_protocol: true\n", "a.yaml:3: proxy_protocol: needs trusted_proxies"},
    {BASE "providers: {}\n", "a.yaml:3: providers: must be a list, it is a map"},
    {BASE "providers: [main]\n", "a.yaml:3: providers[0]: must be a map of keys, it is a single value"},
    {BASE "providers: [{name: p, kind: opnai, url: 'http://x', key: env:K}]\n",
     "providers[0]: kind: \"opnai\" is not a kind of provider; there are openai"},
    {BASE "providers: [{name: p, kind: openai, key: env:K}]\n", "providers[0]: url is missing"},
    {BASE "providers: [{name: p p, kind: openai, url: 'http://x', key: env:K}]\n", "providers[0].name: \"p p\" is not a name"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://u:hunter2@x', key: env:K}]\n",
     "providers[0].url: a password does not stand in this file; a provider's credential is its key"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K, proxy: 'http://u:hunter2@x'}]\n",
     "providers[0].proxy: a password does not stand in this file; write env:NAME"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K, proxy: socks5}]\n", "proxy: is not a base URL"},
    {BASE "providers: [{name: p, kind: openai, url: 'ftp://x', key: env:K}]\n", "providers[0].url: is not a base URL"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K, formats: [chat]}]\n",
     "\"chat\" is not a wire format; there are openai_chat"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K, headers: {x-api-key: abc}}]\n",
     "providers[0].headers.x-api-key: a secret does not stand"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K, headers: {Host: abc}}]\n",
     "headers.Host: is written by Aquifer itself"},
    {BASE "providers:\n  - {name: p, kind: openai, url: 'http://x', key: env:K}\n  - {name: p, kind: openai, url: "
          "'http://x', key: env:K}\n",
     "a.yaml:5: providers[1]: the name p is taken by line 4"},
    {BASE "routes: [{name: r}]\n", "routes[0]: deployments is missing"},
    {BASE "routes: [{name: r, deployments: []}]\n", "routes[0]: has no deployments"},
    {BASE "routes: [{name: r, deployments: [{provider: q, model: m}]}]\n", "routes[0].deployments[0]: there is no provider q"},
    {BASE "providers: [{name: main, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: "
          "mian, model: m}]}]\n",
     "a.yaml:4: routes[0].deployments[0]: there is no provider mian; did you mean main?"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: '*'}]}]\n",
     "model * needs a route whose name ends in *"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m}]}, {name: s, aliases: [r], deployments: [{provider: p, model: m}]}]\n",
     "routes[1]: the name r is taken"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m, price: {input: 1}}]}]\n",
     "a.yaml:4: routes[0].deployments[0].price: a price needs input and output"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m, price: {input: 0.00000015, output: 1}}]}]\n",
     "deployments[0].price: input: "},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m, defaults: {stream_options: {include_usage: true}}}]}]\n",
     "a.yaml:4: routes[0].deployments[0].defaults: stream_options cannot have a default: Aquifer asks"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m, defaults: {stream: true}}]}]\n",
     "defaults: stream cannot have a default: only the caller"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m, defaults: {model: x}}]}]\n",
     "defaults: model cannot have a default: it is the deployment's own"},
    {BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\nroutes: [{name: r, deployments: [{provider: p, "
          "model: m, drop: [user, model]}]}]\n",
     "a.yaml:4: routes[0].deployments[0]: drop: model cannot be dropped"},
    {BASE "a: &b c\n", "a.yaml:3: anchors (&)"},
    {BASE "data: e\n", "a.yaml:3: \"data\" stands twice"},
    {BASE "engine: {models: [{name: m, file: f, pooling: cls}]}\n", "engine.models[0]: pooling goes with embeddings: true only"},
    {BASE "engine: {models: [{name: m, file: f, embeddings: true, pooling: rank}]}\n", "\"rank\" is none of file|mean|cls|last"},
    {BASE "engine: {models: [{name: m, file: f}, {name: m, file: g}]}\n", "engine.models[1]: the name m stands twice"},
};

static void mistakes_are_told(void **state)
{
    for (size_t i = 0; i < COUNTOF(MISTAKES); i++) {
        struct config *c = NULL;
        struct config_report report;
        struct fault why = {0};
        enum err got = config_read("a.yaml", str_z(MISTAKES[i].text), &c, &report, &why);
        if (got != ERR_CONFIG) fail_msg("read without complaint: %s", MISTAKES[i].text);
        if (!strstr(report.items[0].text, MISTAKES[i].want))
            fail_msg("\"%s\" lacks \"%s\"", report.items[0].text, MISTAKES[i].want);
        assert_null(strstr(report.items[0].text, "hunter2"));
        assert_int_equal(report.n + report.more, i == 0 ? 2 : 1); /* and nothing that only follows from it */
    }
}

static void all_mistakes_are_told_at_once(void **state)
{
    struct config *c = NULL;
    struct config_report report;
    struct fault why = {0};
    struct buf text;
    assert_int_equal(config_read("a.yaml", S("data: d\nx: 1\nloops: many\nlog: {level: loud}\n"), &c, &report, &why), ERR_CONFIG);
    assert_int_equal(report.n, 4);
    assert_non_null(strstr(why.text, "(and 3 more)"));
    buf_init(&text, KIB(64));
    buf_str(&text, S(BASE));
    for (int i = 0; i < 100; i++) buf_fmt(&text, "unknown_%d: 1\n", i);
    assert_int_equal(config_read("a.yaml", buf_view(&text), &c, &report, &why), ERR_CONFIG);
    assert_int_equal(report.n, CONFIG_REPORT_MAX);
    assert_int_equal(report.more, 100 - CONFIG_REPORT_MAX);
    buf_done(&text);
}

/* Mistakes of every kind in one file: none hides another, and what only follows from one is not told. */
static void all_kinds_of_mistakes_are_told_at_once(void **state)
{
    static const char TEXT[] = "data: d\n"
                               "listen: [127.0.0.1:1, localhost]\n"        /* 2: no address */
                               "admin: {listen: 127.0.0.1:1, key: open}\n" /* 3: taken; a secret */
                               "proxy_protocol: true\n"
                               "trusted_proxies: [{}, 300.0.0.1/8]\n" /* 5: no text; no network */
                               "heartbeat: 5\n"                       /* 6: no duration */
                               "providers:\n"
                               "  - {name: a, kind: opnai, formats: [chat]}\n"             /* 8: kind; format */
                               "  - {name: b, kind: openai, url: 'ftp://x', key: env:K}\n" /* 9: url, told once */
                               "  - {nmae: third, kind: bedrock}\n"                        /* 10: name; region; credentials */
                               "  - {name: a, kind: local}\n"                              /* 11: the name is taken */
                               "routes:\n"
                               "  - name: r\n"
                               "    deployments:\n"
                               "      - {provider: a, model: m}\n"
                               "      - {provider: third, model: m, drop: [model]}\n" /* 16: drop; third may be the third */
                               "      - provider: b\n"
                               "        model: '*'\n"                                    /* 18: the route is no pattern */
                               "  - {name: r}\n"                                         /* 19: taken; no deployments */
                               "engine: {models: [{name: m, file: f, pooling: cls}]}\n"; /* 20: pooling */
    static const char *const WANT[] = {
        "a.yaml:2: listen[1].address: \"localhost\" is not an address",
        "a.yaml:3: admin.key: a secret does not stand",
        "a.yaml:3: two listeners want 127.0.0.1:1",
        "a.yaml:5: trusted_proxies[0]: must be a text",
        "a.yaml:5: trusted_proxies: ",
        "a.yaml:6: heartbeat: \"5\" is not a duration",
        "a.yaml:8: providers[0]: formats: \"chat\" is not a wire format",
        "a.yaml:8: providers[0]: kind: \"opnai\" is not a kind",
        "a.yaml:9: providers[1].url: is not a base URL",
        "a.yaml:10: providers[2]: \"nmae\" is not a key here; did you mean \"name\"?",
        "a.yaml:10: providers[2]: region is missing",
        "a.yaml:10: providers[2]: kind bedrock needs one of",
        "a.yaml:11: providers[3]: the name a is taken by line 8",
        "a.yaml:16: routes[0].deployments[1]: drop: model cannot be dropped",
        "a.yaml:18: routes[0].deployments[2]: model * needs a route",
        "a.yaml:19: routes[1]: deployments is missing",
        "a.yaml:19: routes[1]: the name r is taken by the route in line 13",
        "a.yaml:20: engine.models[0]: pooling goes with embeddings",
    };
    struct config *c = NULL;
    struct config_report report;
    struct fault why = {0};
    assert_int_equal(config_read("a.yaml", str_z(TEXT), &c, &report, &why), ERR_CONFIG);
    for (size_t i = 0; i < report.n || i < COUNTOF(WANT); i++) {
        if (i == report.n) fail_msg("not told: %s", WANT[i]);
        if (i == COUNTOF(WANT) || !str_starts(str_z(report.items[i].text), str_z(WANT[i])))
            fail_msg("told \"%s\" where \"%s\" was awaited", report.items[i].text, i < COUNTOF(WANT) ? WANT[i] : "nothing");
    }
    assert_int_equal(report.more, 0);
}

/* A full report holds the errors of the first lines, whatever the order in which they were found. */
static void a_full_report_keeps_the_first_lines(void **state)
{
    struct config_report report = {0};
    for (unsigned line = 100; line > 0; line--) config_report_add(&report, S("a.yaml"), line, "x");
    assert_int_equal(report.n, CONFIG_REPORT_MAX);
    assert_int_equal(report.more, 100 - CONFIG_REPORT_MAX);
    for (unsigned i = 0; i < report.n; i++) assert_int_equal(report.items[i].line, i + 1);
    config_report_add(&report, S("a.yaml"), 1, "second of its line");
    assert_string_equal(report.items[0].text, "a.yaml:1: x");
    assert_string_equal(report.items[1].text, "a.yaml:1: second of its line");
}

static void secrets_are_found_behind_references(void **state)
{
    struct buf out;
    struct fault why = {0};
    char path[] = "config_secret_XXXXXX", reference[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "from file\n", 10) == 10);
    close(fd);
    snprintf(reference, sizeof reference, "file:%s", path);
    buf_init(&out, KIB(65));
    assert_int_equal(config_secret(str_z(reference), &out, &why), OK);
    assert_str(buf_view(&out), "from file");
    unlink(path);
    buf_clear(&out);
    assert_int_equal(config_secret(str_z(reference), &out, &why), ERR_CONFIG);
    assert_non_null(strstr(why.text, path));
    setenv("CONFIG_TEST_SECRET", "from env", 1);
    assert_int_equal(config_secret(S("env:CONFIG_TEST_SECRET"), &out, &why), OK);
    assert_str(buf_view(&out), "from env");
    unsetenv("CONFIG_TEST_SECRET");
    buf_clear(&out);
    assert_int_equal(config_secret(S("env:CONFIG_TEST_SECRET"), &out, &why), ERR_CONFIG);
    assert_non_null(strstr(why.text, "CONFIG_TEST_SECRET is not set"));
    assert_int_equal(config_secret(S("plain"), &out, &why), ERR_CONFIG);
    assert_null(strstr(why.text, "plain"));
    buf_done(&out);
}

static void addresses(void **state)
{
    struct sockaddr_storage a;
    socklen_t len;
    assert_true(config_address(S("127.0.0.1:80"), &a, &len) && config_address_is_loopback(&a));
    assert_true(config_address(S("[::1]:80"), &a, &len) && config_address_is_loopback(&a));
    assert_true(config_address(S("localhost:80"), &a, &len) && config_address_is_loopback(&a));
    assert_true(config_address(S("*:80"), &a, &len) && a.ss_family == AF_INET6 && !config_address_is_loopback(&a));
    assert_true(config_address(S("0.0.0.0:80"), &a, &len) && !config_address_is_loopback(&a));
    static const char *const WRONG[] = {
        "",       ":",     "80",      ":80",           "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:8x",
        "::1:80", "[::1]", "[::1:80", "example.com:80"};
    for (size_t i = 0; i < COUNTOF(WRONG); i++) assert_false(config_address(str_z(WRONG[i]), &a, &len));
}

static void table_is_sound(void **state)
{
    for (unsigned i = 0; config_key_at(i); i++) {
        const struct config_key *k = config_key_at(i);
        assert_ptr_equal(config_key_find(str_z(k->path)), k); /* no path twice */
        assert_true(k->help && k->since && config_type_name(k->type));
        assert_true(strlen(k->help) > 5 && k->help[strlen(k->help) - 1] != ' ');
        if (k->type == CONFIG_WORD) assert_non_null(k->words);
        if (k->type == CONFIG_MAPS) assert_true(k->size > 0 && k->max > 0);
    }
}

static void table_explains(void **state)
{
    struct buf out;
    buf_init(&out, MIB(1));
    assert_true(config_explain(S("providers.kind"), &out));
    assert_non_null(strstr(buf_z(&out), "providers[].kind\n    What it speaks"));
    buf_clear(&out);
    assert_true(config_explain(S("providers[3].timeouts"), &out));
    assert_non_null(strstr(buf_z(&out), "providers[].timeouts.gap"));
    buf_clear(&out);
    assert_true(config_explain(S(""), &out));
    assert_non_null(strstr(buf_z(&out), "default: 32MiB; a change takes effect at once; since 0.1"));
    buf_clear(&out);
    assert_false(config_explain(S("limits.bdy"), &out));
    assert_non_null(strstr(buf_z(&out), "did you mean limits.body?"));
    buf_clear(&out);
    assert_true(config_explain_json(S("ledger.safety"), &out));
    assert_string_equal(buf_z(&out),
                        "{\"data\":[{\"key\":\"ledger.safety\",\"help\":\"disk: an answer's last byte waits until its record is "
                        "on the disk. process: until it survives any kill of ours.\",\"type\":\"word\",\"words\":[\"disk\","
                        "\"process\"],\"default\":\"disk\",\"required\":false,\"reloadable\":true,\"since\":\"0.1\"}]}");
    buf_clear(&out);
    assert_false(config_explain_json(S("limits.bdy"), &out));
    assert_string_equal(buf_z(&out), "there is no key limits.bdy; did you mean limits.body?\n");
    buf_clear(&out);
    config_manual(&out);
    assert_non_null(strstr(buf_z(&out), ".It ledger.on_stall\n"));
    assert_false(out.over);
    buf_done(&out);
}

static void values_are_shown_with_their_source(void **state)
{
    struct config *c = read_ok("a.yaml", BASE "providers: [{name: p, kind: openai, url: 'http://x', key: env:K}]\n");
    struct buf out;
    buf_init(&out, MIB(1));
    config_show(c, &out);
    assert_non_null(strstr(buf_z(&out), "listen[0]: 127.0.0.1:8400  # a.yaml:2\n"));
    assert_non_null(strstr(buf_z(&out), "limits.body: 32MiB  # default\n"));
    assert_non_null(strstr(buf_z(&out), "providers[0].key: env:K  # a.yaml:3\n"));
    buf_clear(&out);
    config_show_json(c, &out);
    assert_non_null(strstr(buf_z(&out), "{\"key\":\"providers[0].key\",\"value\":\"env:K\",\"source\":\"a.yaml:3\"}"));
    buf_done(&out);
    config_free(c);
}

static void changes_that_wait_for_a_start_are_named(void **state)
{
    struct config *was = read_ok("a.yaml", BASE "heartbeat: 5s\nengine: {idle: 15m}\n");
    struct config *same = read_ok("a.yaml", BASE "heartbeat: 6s\nloops: 0\n");
    struct config *is = read_ok(
        "a.yaml", "data: ./data\nlisten: ['127.0.0.1:8400', '127.0.0.1:8402']\nlog: {format: json}\nengine: {idle: 1m}\n");
    struct buf out;
    buf_init(&out, 1000);
    config_restart_needed(was, is, &out);
    assert_str(buf_view(&out), "listen, log.format, engine.idle");
    buf_clear(&out);
    config_restart_needed(was, same, &out);
    assert_int_equal(out.n, 0); /* heartbeat is read at once; what is given as its default has not changed */
    buf_done(&out);
    config_free(was);
    config_free(same);
    config_free(is);
}

static void files_are_read(void **state)
{
    struct config *c = NULL;
    struct fault why = {0};
    assert_int_equal(config_load("there/is/none.yaml", &c, NULL, &why), ERR_IO);
    assert_non_null(strstr(why.text, "cannot read there/is/none.yaml"));
    assert_int_equal(config_load(".", &c, NULL, &why), ERR_IO);
    assert_int_equal(config_load("/dev/zero", &c, NULL, &why), ERR_CONFIG); /* a file without an end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_file_works),
        cmocka_unit_test(empty_lists_are_fine),
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(all_kinds_of_mistakes_are_told_at_once),
        cmocka_unit_test(a_full_report_keeps_the_first_lines),
        cmocka_unit_test(secrets_are_found_behind_references),
        cmocka_unit_test(addresses),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(table_explains),
        cmocka_unit_test(values_are_shown_with_their_source),
        cmocka_unit_test(changes_that_wait_for_a_start_are_named),
        cmocka_unit_test(files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
