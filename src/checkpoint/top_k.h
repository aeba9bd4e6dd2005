/** Which checkpoints to keep: Lightning's ModelCheckpoint(monitor="val_loss", mode="min", save_top_k=k). */
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

/** Whether a checkpoint of this value is to be kept: fewer than k are, or it is strictly better than the worst. NaN
 *  counts as +inf. */
bool topk_admits(const topk *t, double value);

/** Records a file that is complete on disk. When one falls out, its path goes to `evicted` (4096 bytes), else "" does;
 *  the caller deletes it (never the file the run was resumed from). */
void topk_insert(char *evicted, topk *t, const char *path, double value);

/** The best file, NULL when none is kept. */
const ckpt_kept *topk_best(const topk *t);

/** "FOLDER/epoch=7-val_loss=1.23.ckpt", with -v1, -v2, ... when that name is taken on disk. @return 0, E_IO */
int topk_name(char *out /* 4096 */, const char *folder, int64_t epoch, double val_loss);

#endif
