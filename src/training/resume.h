/** Which checkpoint a run goes on from. */
#ifndef LINNET_TRAINING_RESUME_H
#define LINNET_TRAINING_RESUME_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "distributed/communicator.h"
#include "training/folder.h"

/** Loads the checkpoint of --resume, and its absolute path: the file that is named, or for auto the one that
 *  resume_order puts first; one that is damaged is passed over with a warning. *out = NULL and "": begin anew.
 *  @return 0, E_NOTFOUND, E_FORMAT (damaged: names the next best; for auto, all of them), E_IO, E_NOMEM */
int resume_load(ckpt **out, char path[PATH_BYTES], const config *c, const run_folder *f);

/** Warns when the run of a checkpoint, which lies in its folder, has gone on further than the checkpoint. */
void resume_warn_older(const ckpt *from, const char *path, const run_folder *f);

/** The least version_N that no checkpoint of the folder has. @return 0, E_IO, E_NOMEM */
int resume_free_version(int *out, const run_folder *f);

/** For a resume without model.arch: sets it to the architecture of the file that is named, or for auto of the one that
 *  has checkpoints under trainer.out. Rank 0 looks and the others follow.
 *  @return 0, E_OPTION (checkpoints of several), E_RANK, E_IO */
int resume_choose_arch(config *c, comm *all);

#endif
