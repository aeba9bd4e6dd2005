/** Run metadata as pairs of a name and a text, logged at the start of a run and stored in run.json. */
#ifndef LINNET_TRAINING_RUN_FACTS_H
#define LINNET_TRAINING_RUN_FACTS_H

#include "training/folder.h"
#include "training/setup.h"

typedef struct fact {
    const char *name; /* static */
    char value[PATH_BYTES];
} fact;

typedef struct facts {
    fact list[16];
    int n;
} facts;

/** Model, data, engine, training, memory. */
void facts_of_run(facts *out, const setup *s, const engine_memory *memory);
/** Host, CPU, memory, GPUs, system. */
void facts_of_machine(facts *out);

#endif
