/* Private to the chat room. */
#pragma once

#include "chat/chat.h"

/* Where a node stands in the source, for errors. The tape that the form was read from may be gone: the text is read once more. */
void chat_put_path(struct str source, uint32_t at, struct buf *out);
