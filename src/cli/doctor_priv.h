/* The inside of `aquifer doctor`: one finding is one line. */
#pragma once

#include "cli/priv.h"
#include "config/config.h"

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };
struct doctor {
    struct cli_common common;
    struct config *config;
    struct buf out;          /* the JSON when asked for */
    struct json_writer json; /* in `out` */
    bool runs;               /* an Aquifer holds the data directory */
    unsigned warnings, failures;
};
/* check: a short name; what: what was seen; todo: what to do, "" when nothing. */
void doctor_tell(struct doctor *d, enum finding f, const char *check, const char *what, const char *todo);

void doctor_data(struct doctor *d); /* doctor_machine.c: directory, disk */
void doctor_ports(struct doctor *d);
void doctor_machine(struct doctor *d); /* open files, clock */
void doctor_secrets(struct doctor *d); /* doctor_remote.c */
void doctor_providers(struct doctor *d);
void doctor_engine(struct doctor *d);
void doctor_daemon(struct doctor *d);
