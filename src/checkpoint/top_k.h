/** Selects the checkpoints to keep, as Lightning's ModelCheckpoint(monitor, mode, save_top_k=k). */
#ifndef LINNET_CHECKPOINT_TOP_K_H
#define LINNET_CHECKPOINT_TOP_K_H

#include "checkpoint/checkpoint.h"

typedef struct top_k {
    int k;
    int n;
    bool max;        /* higher values are better */
    ckpt_kept *kept; /* (k) */
} top_k;

int top_k_init(top_k *t, int k, bool max);
void top_k_deinit(top_k *t);

/** Whether to keep a checkpoint with this value: there are fewer than k, or it is strictly better than the worst. NaN
 *  and infinity are never among the best (Lightning keeps them while there are fewer than k). */
bool top_k_admits(const top_k *t, double value);

/** Records a file that is complete on disk. The caller deletes the evicted file, unless the run was resumed from it.
 *  @param[out] evicted (4096 bytes) path of the file that is no longer among the best k, "" if there is none */
void top_k_insert(char *evicted, top_k *t, const char *path, double value);

/** The best file; NULL if there is none. */
const ckpt_kept *top_k_best(const top_k *t);

/** "FOLDER/epoch=7-val_loss=1.23.ckpt", with -v1, -v2, ... if a file of that name exists. `monitor`: name of the
 * metric.
 *  @return 0, E_IO */
int top_k_name(char *out /* 4096 */, const char *folder, int64_t epoch, const char *monitor, double scored);

#endif
