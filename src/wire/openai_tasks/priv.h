/* Private to this folder: OpenAI's calls that are no conversation. */
#pragma once

#include "wire/formats.h"

enum err openai_tasks_read_form(enum wire_operation op, struct str type, struct str body, struct wire_request *r,
                                struct fault *why); /* form.c */
