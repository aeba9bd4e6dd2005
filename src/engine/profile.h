/** Where the time of a step goes: the wall clock around every call of the device, or a GPU's own between two marks in
 *  its queue, and the machine's peaks to compare
 *  it with. Off, it costs a test of a flag a call.
 *
 *      engine_profile_start(e);
 *      ... steps ...
 *      engine_profile_stop(e);
 *      engine_profile_times(e)->layer[i][PASS_FORWARD]
 *
 *  A device with a queue is waited for after each step, and a profiled step is queued call by call: it may take longer
 *  than others, and a call that is queued more slowly than it runs counts with the time of the queueing. */
#ifndef LINNET_ENGINE_PROFILE_H
#define LINNET_ENGINE_PROFILE_H

#include "engine/engine.h"

/** What is not a layer's work. */
typedef enum engine_phase {
    PHASE_LOAD,
    PHASE_LOSS,
    PHASE_ALL_REDUCE,
    PHASE_UNSCALE,
    PHASE_UPDATE,
    ENGINE_PHASES
} engine_phase;

/** A layer whose output is recomputed spends that time in its PASS_BACKWARD too. */
typedef struct engine_times {
    bool on;
    double phase[ENGINE_PHASES];    /* seconds since engine_profile_start */
    double (*layer)[ENGINE_PASSES]; /* (layer_n) the same */
} engine_times;

/** Sets all times to 0 and starts to measure. */
void engine_profile_start(engine *e);
/** @return 0, E_DEVICE (the times are not complete) */
int engine_profile_stop(engine *e);
/** Valid as long as the engine; complete after engine_profile_stop. */
const engine_times *engine_profile_times(const engine *e);

/** The algorithm of a pass of layer `i` (0 .. layer_n-1) of plan p, profiled or not. Its name is "" where the layer has
 *  no such pass or its kind has no choice of algorithms, and on devices that do not report them. */
engine_algorithm engine_layer_algorithm(const engine_plan *p, int i, engine_pass pass);

/** Measures for about a second and takes 0.5 GiB for that time. Devices that cannot tell give zeros.
 *  @return 0, E_NOMEM, E_DEVICE */
int engine_measure_peaks(engine_peaks *out, engine *e);

#endif
