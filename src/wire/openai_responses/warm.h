/* warm: the answer to a Responses request that wants nothing of a model. Called by the gateway. Pure. */
#pragma once

#include "base/base.h"
#include "json/json.h"

struct wire_reply;

/* `generate: false` (OpenAI's guide "WebSocket mode"): the events response.created and response.completed, without output, with an
 * id to go on from and no usage but zeros. The tape holds the request, recorded whole; to: model, id and now_s. */
void responses_warm_put(const struct json_tape *t, struct arena *a, struct wire_reply *to, struct buf *out);
