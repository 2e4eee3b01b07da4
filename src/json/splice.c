/* Splicing: the pieces of a text with some spans replaced, for writev(2); and the edits that change an object's members.
 * Called by the same-format road. Pure: owns nothing, copies nothing, allocates nothing. */
#include "json/json.h"

static size_t add_piece(struct str *pieces, size_t n, struct str piece)
{
    if (piece.n == 0) return n;
    pieces[n] = piece;
    return n + 1;
}

size_t json_splice(struct str src, const struct json_edit *edits, size_t n, struct str *ret_pieces)
{
    size_t at = 0, n_pieces = 0;
    for (size_t i = 0; i < n; i++) {
        must(edits[i].start <= src.n && edits[i].len <= src.n - edits[i].start);
        if (edits[i].start < at) {
            must(edits[i].start + edits[i].len <= at); /* a change within what is gone already */
            continue;
        }
        n_pieces = add_piece(ret_pieces, n_pieces, str_make(src.p + at, edits[i].start - at));
        n_pieces = add_piece(ret_pieces, n_pieces, edits[i].with);
        at = edits[i].start + edits[i].len;
    }
    return add_piece(ret_pieces, n_pieces, str_from(src, at));
}

size_t json_pieces_len(const struct str *pieces, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += pieces[i].n;
    return sum;
}

/* An insertion stands before what is taken away from the same place on, or it would count as a part of that. */
static bool comes_after(const struct json_edit *a, const struct json_edit *b)
{
    if (a->start != b->start) return a->start > b->start;
    return a->len && !b->len;
}

void json_sort_edits(struct json_edit *edits, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct json_edit moved = edits[i];
        size_t at = i;
        for (; at > 0 && comes_after(&edits[at - 1], &moved); at--) edits[at] = edits[at - 1];
        edits[at] = moved;
    }
}

/* ---- changing members ------------------------------------------------------------------------------------------- */

struct plan {
    struct json_edit *edits;
    size_t n;
    size_t kept_end; /* behind the last member that stays; 0: none so far */
    bool in_drop;    /* the last edit drops the member just before this one */
    uint64_t met;    /* one bit per change whose member was met */
};

static void add_edit(struct plan *p, size_t start, size_t len, struct str with)
{
    p->edits[p->n++] = (struct json_edit){start, len, with};
}

/* The number of the change for this name; n: none. */
static size_t change_of(const struct json_tape *t, uint32_t key, const struct json_change *changes, size_t n)
{
    size_t i = 0;
    while (i < n && !json_eq(t, key, changes[i].name)) i++;
    return i;
}

/* Members that go in a row go with one edit. Behind a kept member it takes the comma before them; at the head of the
 * object it reaches to the next kept one (see plan_keep). */
static void plan_drop(struct plan *p, size_t start, size_t end)
{
    if (!p->in_drop) add_edit(p, p->kept_end ? p->kept_end : start, 0, STR_NONE);
    struct json_edit *edit = &p->edits[p->n - 1];
    edit->len = end - edit->start;
    p->in_drop = true;
}

static void plan_keep(struct plan *p, size_t start, size_t end)
{
    if (p->in_drop && !p->kept_end) p->edits[p->n - 1].len = start - p->edits[p->n - 1].start;
    p->in_drop = false;
    p->kept_end = end;
}

static void plan_member(struct plan *p, const struct json_tape *t, uint32_t key, uint32_t value, const struct json_change *change)
{
    size_t start = t->nodes[key].start - 1; /* at the name's quote */
    struct str raw = json_raw(t, value);
    size_t value_at = (size_t)(raw.p - t->src.p);
    if (change && change->kind == JSON_DROP) {
        plan_drop(p, start, value_at + raw.n);
        return;
    }
    plan_keep(p, start, value_at + raw.n);
    if (change && change->kind == JSON_SET) add_edit(p, value_at, raw.n, change->value);
}

/* Behind the last kept member, or at the head of an object that has none. */
static void plan_add(struct plan *p, const struct json_change *change, size_t at, bool is_first)
{
    add_edit(p, at, 0, is_first ? S("\"") : S(",\""));
    add_edit(p, at, 0, change->name);
    add_edit(p, at, 0, S("\":"));
    add_edit(p, at, 0, change->value);
}

static bool needs_escape(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == '"' || name.p[i] == '\\') return true;
    return false;
}

size_t json_plan(const struct json_tape *t, uint32_t object, const struct json_change *changes, size_t n,
                 struct json_edit *ret_edits)
{
    struct plan p = {.edits = ret_edits};
    uint32_t key, value;
    must(t->nodes[object].type == JSON_OBJECT && n <= 64);
    for (struct json_iter it = json_each(t, object); json_next_member(t, &it, &key, &value);) {
        size_t which = change_of(t, key, changes, n);
        uint64_t bit = which < n ? (uint64_t)1 << which : 0;
        if (p.met & bit) return JSON_TWICE;
        p.met |= bit;
        plan_member(&p, t, key, value, which < n ? &changes[which] : NULL);
    }
    size_t end = (size_t)t->nodes[object].start + t->nodes[object].len - 1; /* at the closing bracket */
    bool is_first = !p.kept_end;
    for (size_t i = 0; i < n; i++) {
        must(!needs_escape(changes[i].name));
        if (changes[i].kind == JSON_DROP || p.met >> i & 1) continue;
        plan_add(&p, &changes[i], end, is_first);
        is_first = false;
    }
    return p.n;
}
