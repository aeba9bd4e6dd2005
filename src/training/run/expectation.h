/** What a run reaches beside what its configuration is expected to reach (config.expected). */
#ifndef LINNET_TRAINING_RUN_EXPECTATION_H
#define LINNET_TRAINING_RUN_EXPECTATION_H

#include "base/json.h"
#include "config/config.h"

enum { EXPECTATION_BYTES = 2048 };

/** Whether the configuration states a measured val_acc; the functions below need it. */
static inline bool expectation_given(const config *c) { return c->expected.val_acc >= 0; }

/** "val_acc 91.20% +- 0.15% after 164 epochs (3 seeds; 2 cores; 2 h)", and what differs in this run. */
const char *expectation_text(char out[EXPECTATION_BYTES], const config *c);

/** "val_acc 91.30%, expected 91.20% +- 0.15%: reached". val_acc: of the last epoch, a fraction; NaN: unknown. */
const char *expectation_result(char out[EXPECTATION_BYTES], const config *c, double val_acc);

/** The same for run.json and --json; docs/formats.md lists the keys. val_acc NaN: the run has not finished. A new
 *  reference */
json_t *expectation_json(const config *c, double val_acc);

#endif
