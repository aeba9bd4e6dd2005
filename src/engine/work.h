/** The work of a step, computed from shapes: floating-point operations of convolutions and linear layers, and the bytes
 *  that must move when every layer is run on its own. A tensor counts once for each pass over it that waits for the end
 *  of another: batch normalisation reads its input for the sums and again to apply them. What a later pass still finds
 *  in the caches comes faster than memory gives it. */
#ifndef LINNET_ENGINE_WORK_H
#define LINNET_ENGINE_WORK_H

#include "engine/profile.h"

typedef struct engine_work {
    double flop;  /* 2 for each multiply-accumulate; other arithmetic is not counted */
    double bytes; /* read + written */
} engine_work;

/** Of one run of layer i. PASS_WEIGHTS has work for convolution and linear alone, whatever the device times apart. */
engine_work engine_layer_work(const engine_plan *p, int i, engine_pass pass);
/** Of the phase in a step of one batch; the all-reduce's is 0. */
engine_work engine_phase_work(const engine_plan *p, engine_phase phase);

static inline engine_work work_sum(engine_work a, engine_work b) {
    return (engine_work){a.flop + b.flop, a.bytes + b.bytes};
}

#endif
