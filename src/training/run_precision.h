/** The precision of a run, with trainer.precision auto resolved. */
#ifndef LINNET_TRAINING_RUN_PRECISION_H
#define LINNET_TRAINING_RUN_PRECISION_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "distributed/communicator.h"
#include "engine/engine.h"

/** auto: 16-mixed on cuda; on the CPU bf16-mixed if it is faster than 32-true on every rank's machine, else 32-true.
 *  Called by all ranks. @return 0, E_OPTION (no such name), E_RANK */
int run_precision_choose(precision *out, const config *c, const char *device, comm *all);

/** A resume with auto keeps the precision of the checkpoint `from` (resume_progress; NULL on ranks but 0) if the
 * devices of all ranks support it: trainer.precision is set where auto would choose another. A change of precision is a
 * warning. Called by all ranks.
 *  @return 0, E_RANK */
int run_precision_resume(config *c, const ckpt *from, const char *device, comm *all);

#endif
