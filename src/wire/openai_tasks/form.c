/* Requests that are forms with files in them (RFC 7578): what admission needs of a whole one is found without touching the files. The
 * body is spliced, never rebuilt. Pure; used by the gateway on every request of such an operation. */
#include "wire/openai_tasks/priv.h"

enum err openai_tasks_read_form(enum wire_operation op, struct str type, struct str body, struct wire_request *r,
                                struct fault *why)
{
    struct wire_form form;
    size_t at;
    *r = (struct wire_request){.operation = op, .input_bound = wire_form_input(body.n), .choices = 1};
    TRY(wire_form_begin(&form, type, why));
    TRY(wire_form_look(&form, body, r, why));
    TRY(wire_form_end(&form, why));
    struct str boundary = wire_form_boundary(&form);
    if (!r->model_n && str_find(type, boundary, &at)) r->boundary = str_make(type.p + at, boundary.n);
    return OK;
}
