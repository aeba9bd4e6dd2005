/** The folders and files that a run writes below --out:
 *    checkpoints/ARCH/   epoch=7-val_loss=1.23.ckpt (the best), last.ckpt, .lock
 *    logs/ARCH/version_N/  events, metrics.csv, hparams.yaml, bad_images.txt
 *  An existing run in the folder is not overwritten: a new run gets version_N+1 and last-v1.ckpt. */
#ifndef LINNET_TRAINING_FOLDER_H
#define LINNET_TRAINING_FOLDER_H

#include "base/file.h"

typedef struct run_folder {
    char checkpoints[PATH_BYTES];
    char logs[PATH_BYTES]; /* "" until run_folder_logs */
    char last[PATH_BYTES];
    int version;
    int lock_fd;
} run_folder;

/** Creates the folders, takes the lock and removes incomplete checkpoints (*.ckpt.tmp). @return 0, E_LOCKED (another
 * process writes here), E_IO */
int run_folder_open(run_folder *f, const char *out, const char *arch);
void run_folder_close(run_folder *f);

/** Whether the base name of a file is that of a run's checkpoint: last*.ckpt, or epoch=*.ckpt for the best. */
bool run_folder_is_last(const char *path);
bool run_folder_is_best(const char *path);
/** Whether a file is directly in the run's checkpoint folder. */
bool run_folder_holds(const run_folder *f, const char *path);
/** The path of a file with the base name of `path` in the run's checkpoint folder. @return 0 or E_IO (too long) */
int run_folder_path(char out[PATH_BYTES], const run_folder *f, const char *path);

/** Chooses version_N and the name of last.ckpt: those of the resumed run (version >= 0; `last` from its checkpoint),
 * else new ones with N >= free_version. @return 0 or E_IO */
int run_folder_logs(run_folder *f, const char *out, const char *arch, int version, int free_version, const char *last);

#endif
