/** Where the time of training steps goes: for each layer, for each kind of layer, and what remains. */
#ifndef LINNET_TOOLS_PROFILE_H
#define LINNET_TOOLS_PROFILE_H

#include "engine/work.h"

/** One layer or one kind of layers. All of one step; seconds are means over the steps. */
typedef struct profile_line {
    char name[48];     /* the layer's; the kind's in a line of a kind */
    char kind[24];     /* "conv 3x3", "bn+add+relu", "maxpool", "linear", "load", "update" */
    tensor_shape x, y; /* of a layer */
    bool product;      /* convolution or linear: the work is arithmetic */
    int layers;        /* in a line of a kind; 0 for what is no layer */
    double seconds[ENGINE_PASSES];
    engine_algorithm algorithm[ENGINE_PASSES]; /* of a layer */
    engine_work work[ENGINE_PASSES]; /* of PASS_WEIGHTS in PASS_BACKWARD where the device does not tell them apart */
} profile_line;

typedef struct profile {
    int batch, steps;
    double step_seconds;  /* mean */
    double known_seconds; /* the sum of all lines: the rest was spent between the device's calls */
    engine_peaks peaks;
    profile_line *layer; /* (layer_n) in forward order */
    int layer_n;
    profile_line *kind; /* (kind_n) by falling time: layers and phases */
    int kind_n;
} profile;

/** From the engine's times over `steps` steps of plan p that took `seconds` together; measures the peaks.
 *  @return 0, E_NOMEM, E_DEVICE; profile_deinit is due in either case */
int profile_collect(profile *out, engine *e, const engine_plan *p, const net *n, int steps, double seconds);
void profile_deinit(profile *p);

double profile_seconds(const profile_line *l);
/** Milliseconds an image of all that is neither convolution nor linear. */
double profile_beyond_products(const profile *p);

#endif
