/** Run metadata as pairs of a name and a text, logged at the start of a run and stored in run.json. */
#ifndef LINNET_TRAINING_RUN_RUN_METADATA_H
#define LINNET_TRAINING_RUN_RUN_METADATA_H

#include "training/folder.h"
#include "training/run_context.h"

typedef struct metadata_entry {
    const char *name; /* static */
    char value[PATH_BYTES];
} metadata_entry;

typedef struct run_metadata {
    metadata_entry list[16];
    int n;
} run_metadata;

/** Model, data, engine, training, memory, the expected result. */
void metadata_of_run(run_metadata *out, const run_context *s, const engine_memory *memory);
/** Host, CPU, memory, GPUs, system. */
void metadata_of_machine(run_metadata *out);

#endif
