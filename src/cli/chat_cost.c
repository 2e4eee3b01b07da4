/* What the answers of `aquifer chat` cost. Owns the sums of one session. */
#include "cli/chat_priv.h"

#include <stdio.h>

void chat_cost_add(struct chat_cost *c, const char *request_id, struct chat_tokens tokens)
{
    c->answers++;
    c->untold += !tokens.known;
    c->input += tokens.input;
    c->output += tokens.output;
    if (!*request_id) {
        c->lost++;
        return;
    }
    if (c->n_asked == CHAT_ASKED_MAX) { /* the oldest is given up */
        memmove(c->asked[0], c->asked[1], sizeof c->asked - sizeof c->asked[0]);
        c->n_asked--;
        c->lost++;
    }
    snprintf(c->asked[c->n_asked++], CLI_REQUEST_ID_MAX, "%s", request_id);
}

/* ---- from the ledger --------------------------------------------------------------------------------------------------------- */

/* All attempts of one request; false: there is none yet, or one is still under way. */
static bool sum_request(struct json_ref attempts, struct str id, money *ret_sum, bool *ret_priced)
{
    struct json_ref row;
    bool found = false;
    *ret_sum = 0;
    *ret_priced = true;
    for (struct json_walk w = json_walk(attempts); json_walk_next(&w, NULL, &row);) {
        money cost = 0;
        if (!str_eq(json_ref_text(json_ref_find(row, "request_id")), id)) continue;
        if (str_eq(json_ref_text(json_ref_find(row, "end")), S("open"))) return false;
        found = true;
        if (money_parse(json_ref_text(json_ref_find(row, "cost")), &cost)) *ret_sum += cost;
        else *ret_priced = false;
    }
    return found;
}

void chat_cost_take(struct chat_cost *c, struct json_ref attempts)
{
    unsigned left = 0;
    for (unsigned i = 0; i < c->n_asked; i++) {
        money sum;
        bool priced;
        if (sum_request(attempts, str_z(c->asked[i]), &sum, &priced)) {
            c->sum += sum;
            c->unpriced += !priced;
        } else if (left++ != i) {
            memcpy(c->asked[left - 1], c->asked[i], sizeof c->asked[i]);
        }
    }
    c->n_asked = left;
}

void chat_cost_find(struct chat_cost *c, const struct cli_common *common, const char *key_id)
{
    struct cli_answer a;
    struct fault why = {0};
    struct json_doc *doc = NULL;
    char path[128];
    if (c->n_asked == 0) return;
    snprintf(path, sizeof path, "/admin/v1/attempts?limit=200%s%s", *key_id ? "&key=" : "", key_id);
    enum err e = cli_admin_call(common, S("GET"), str_z(path), STR_NONE, &a, &why);
    if (e == OK) e = cli_document(&a, &doc, &why);
    if (e == OK) chat_cost_take(c, json_ref_find(json_doc_root(doc), "data"));
    c->is_away = e != OK;
    if (e != OK) snprintf(c->why_away, sizeof c->why_away, "%s", why.text);
    json_doc_free(doc);
    buf_done(&a.body);
}

/* ---- telling ------------------------------------------------------------------------------------------------------------------- */

static void put_money(struct buf *out, money sum)
{
    buf_char(out, '$');
    money_write(out, sum);
}

void chat_cost_tell_one(const struct chat_cost *before, const struct chat_cost *after, struct chat_tokens tokens, struct buf *out)
{
    if (tokens.known)
        buf_fmt(out, "%llu tokens in, %llu out", (unsigned long long)tokens.input, (unsigned long long)tokens.output);
    else buf_str(out, S("tokens not told"));
    if (after->is_away || after->n_asked) return;
    buf_str(out, S(", "));
    if (after->unpriced > before->unpriced) buf_str(out, S("no price is known"));
    else put_money(out, after->sum - before->sum);
    buf_str(out, S("; so far "));
    put_money(out, after->sum);
}

void chat_cost_tell(const struct chat_cost *c, struct buf *out)
{
    unsigned open = c->n_asked + c->lost;
    buf_fmt(out, "%llu %s, %llu tokens in and %llu out", (unsigned long long)c->answers, c->answers == 1 ? "answer" : "answers",
            (unsigned long long)c->input, (unsigned long long)c->output);
    if (c->untold) buf_fmt(out, " (%u did not tell)", c->untold);
    if (open < c->answers || c->answers == 0) {
        buf_str(out, S(", "));
        put_money(out, c->sum);
    }
    if (c->unpriced) buf_fmt(out, "; %u without a known price", c->unpriced);
    if (open) buf_fmt(out, "; the cost of %u is not known here", open);
    if (c->is_away) buf_fmt(out, ": %s", c->why_away);
}
