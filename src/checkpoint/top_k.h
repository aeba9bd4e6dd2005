/** Selects the checkpoints to keep, as Lightning's ModelCheckpoint(monitor="val_loss", mode="min", save_top_k=k). */
#ifndef LINNET_CHECKPOINT_TOP_K_H
#define LINNET_CHECKPOINT_TOP_K_H

#include "checkpoint/checkpoint.h"

typedef struct topk {
    int k;
    int n;
    ckpt_kept *kept; /* (k) */
} topk;

int topk_init(topk *t, int k);
void topk_deinit(topk *t);

/** Whether to keep a checkpoint with this value: there are fewer than k, or it is strictly better than the worst. NaN
 *  counts as +inf. */
bool topk_admits(const topk *t, double value);

/** Records a file that is complete on disk. The caller deletes the evicted file, unless the run was resumed from it.
 *  @param[out] evicted (4096 bytes) path of the file that is no longer among the best k, "" if there is none */
void topk_insert(char *evicted, topk *t, const char *path, double value);

/** The best file; NULL if there is none. */
const ckpt_kept *topk_best(const topk *t);

/** "FOLDER/epoch=7-val_loss=1.23.ckpt", with -v1, -v2, ... if a file of that name exists. @return 0, E_IO */
int topk_name(char *out /* 4096 */, const char *folder, int64_t epoch, double val_loss);

#endif
