/** Chooses and loads the checkpoint that a run resumes from. */
#ifndef LINNET_TRAINING_RESUME_H
#define LINNET_TRAINING_RESUME_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "distributed/communicator.h"
#include "training/folder.h"

/** Loads the checkpoint of --resume and sets its absolute path: the given file, or for auto the undamaged checkpoint of
 *  the newest run with the most steps; damaged ones are skipped with a warning. *out = NULL and "": start a new run.
 *  @return 0, E_NOTFOUND, E_FORMAT (damaged, the message names the next best; for auto: all are damaged), E_IO,
 *  E_NOMEM */
int resume_load(ckpt **out, char path[PATH_BYTES], const config *c, const run_folder *f);

/** Warns if the run folder that contains the checkpoint has a later checkpoint of the same run. */
void resume_warn_older(const ckpt *from, const char *path, const run_folder *f);

/** The lowest version_N that no checkpoint of the folder has. @return 0, E_IO, E_NOMEM */
int resume_free_version(int *out, const run_folder *f);

/** For a resume without model.arch: sets it to the architecture of the given file, or for auto to the one that has
 *  checkpoints under trainer.out. Rank 0 reads the files and sends the result to the others.
 *  @return 0, E_OPTION (checkpoints of several architectures), E_RANK, E_IO */
int resume_choose_arch(config *c, comm *all);

/** The checkpoint from which run_open will resume, without its tensors, for the functions below. *out = NULL: none, or
 * it cannot be read, which is reported when it is loaded. To be called by rank 0. @return 0, E_IO, E_NOMEM */
int resume_progress(ckpt **out, const config *c);

/** Its batch size. 0: it does not tell, or from is NULL. */
int resume_batch_size(const ckpt *from);

/** The name of its precision, borrowed. "": it does not tell, or from is NULL. */
const char *resume_precision(const ckpt *from);

/** Keeps its expectation (config.expected): c takes it if it has none, and what differed before differs still. images:
 *  those per step of this run. from NULL: nothing changes. @return 0, E_NOMEM */
int resume_expectation(config *c, const ckpt *from, long long images);

#endif
