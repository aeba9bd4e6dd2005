/** Classes of images that have no label: softmax of the logits, the k most probable. */
#ifndef LINNET_TOOLS_PREDICT_H
#define LINNET_TOOLS_PREDICT_H

#include "training/setup.h"

#include <signal.h>

enum { PREDICT_TOP_MAX = 100 };

typedef struct prediction {
    int64_t index; /* of the image in the dataset */
    int n;         /* of the following, most probable first, in the order of base/softmax.h */
    int label[PREDICT_TOP_MAX];
    double probability[PREDICT_TOP_MAX];
} prediction;

/** Takes one prediction; images come in the dataset's order. @return 0, or what ends the work */
typedef int predict_sink(void *context, const prediction *p);

/** Every readable image of s->val through the network, `top` (at most PREDICT_TOP_MAX) classes each.
 *  @param stop a signal's number once one has come, else 0: E_STOPPED then
 *  @return 0, E_STOPPED, what loading, computing or the sink failed with */
int predict(setup *s, int top, predict_sink *sink, void *context, const volatile sig_atomic_t *stop);

#endif
