/** Predicts the classes of images without labels: softmax of the logits, the k most probable classes. */
#ifndef LINNET_TOOLS_PREDICT_H
#define LINNET_TOOLS_PREDICT_H

#include "training/run_context.h"

#include <signal.h>

enum { PREDICT_TOP_MAX = 100 };

typedef struct top_k_prediction {
    int64_t index; /* of the image in the dataset */
    int n;         /* number of classes below, most probable first, in the order of base/softmax.h */
    int label[PREDICT_TOP_MAX];
    double probability[PREDICT_TOP_MAX];
} top_k_prediction;

/** Finds the `top` (at most PREDICT_TOP_MAX) most probable of n classes; out->index is unchanged. */
void predict_top(top_k_prediction *out, const double *logits, int n, int top);

/** The logits of a batch of images. @param[out] logits (b->n, classes) @return as the functions of the engine */
int predict_logits(double *logits, run_context *s, const batch *b);

/** Called for each top_k_prediction, in the order of the dataset. @return 0, or an error, which ends predict */
typedef int predict_sink(void *context, const top_k_prediction *p);

/** Predicts every readable image of s->val, `top` (at most PREDICT_TOP_MAX) classes each.
 *  @param stop the number of a stop signal, or 0; a signal ends the call with E_STOPPED
 *  @return 0, E_STOPPED, or the error of loading, computing or the sink */
int predict(run_context *s, int top, predict_sink *sink, void *context, const volatile sig_atomic_t *stop);

#endif
