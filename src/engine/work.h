/** The work of a step, computed from shapes: floating-point operations of convolutions and linear layers, and the
 *  memory traffic if every layer is run separately. A tensor counts once for each pass over it that depends on the end
 *  of another pass: batch normalisation reads its input for the sums and again to apply them. Data that a later pass
 *  still finds in the caches are read faster than the memory bandwidth allows. */
#ifndef LINNET_ENGINE_WORK_H
#define LINNET_ENGINE_WORK_H

#include "engine/profile.h"

typedef struct engine_work {
    double flop;  /* 2 per multiply-accumulate; other arithmetic is not counted */
    double bytes; /* bytes read plus bytes written */
} engine_work;

/** Work of one run of layer i. Only convolution and linear have work in PASS_WGRAD, also if the device does not time
 *  it separately. */
engine_work engine_layer_work(const engine_plan *p, int i, engine_pass pass);
/** Work of the phase in a step of one batch; 0 for the all-reduce. */
engine_work engine_phase_work(const engine_plan *p, engine_phase phase);

static inline engine_work work_sum(engine_work a, engine_work b) {
    return (engine_work){a.flop + b.flop, a.bytes + b.bytes};
}

#endif
