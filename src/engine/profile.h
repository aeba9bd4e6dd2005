/** Profile of a step: the time of every device call, by the host clock or by timing events in a GPU's stream, and the
 *  machine's peak performance for comparison. When profiling is off, it costs one test of a flag per call.
 *
 *      engine_profile_start(e);
 *      ... steps ...
 *      engine_profile_stop(e);
 *      engine_profile_times(e)->layer[i][PASS_FORWARD]
 *
 *  While profiling, a device with a stream is synchronised after each step, and steps are not captured, so they may be
 *  slower than others. If a call takes longer to queue than to execute, the time of queueing is measured. */
#ifndef LINNET_ENGINE_PROFILE_H
#define LINNET_ENGINE_PROFILE_H

#include "engine/engine.h"

/** The parts of a step that do not belong to a layer. */
typedef enum engine_phase {
    PHASE_LOAD,
    PHASE_LOSS,
    PHASE_ALL_REDUCE,
    PHASE_UNSCALE,
    PHASE_UPDATE,
    ENGINE_PHASES
} engine_phase;

/** The recomputation of a layer's output counts as its PASS_BACKWARD. */
typedef struct engine_times {
    bool on;
    double phase[ENGINE_PHASES];    /* seconds since engine_profile_start */
    double (*layer)[ENGINE_PASSES]; /* (layer_n) seconds, likewise */
} engine_times;

/** Sets all times to 0 and starts profiling. */
void engine_profile_start(engine *e);
/** @return 0, E_DEVICE (the times are incomplete) */
int engine_profile_stop(engine *e);
/** Valid as long as the engine; complete after engine_profile_stop. */
const engine_times *engine_profile_times(const engine *e);

/** The algorithm of a pass of layer `i` (0 .. layer_n-1) of plan p; does not need profiling. The name is "" if the
 *  layer has no such pass, if its kind has no choice of algorithms, or if the device does not report them. */
engine_algorithm engine_layer_algorithm(const engine_plan *p, int i, engine_pass pass);

/** Takes about a second and temporarily uses 0.5 to 2 GiB of memory. Devices that cannot measure peaks return zeros.
 *  @return 0, E_NOMEM, E_DEVICE */
int engine_measure_peaks(engine_peaks *out, engine *e);

#endif
