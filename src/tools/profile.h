/** The time of training steps per layer and per kind of layer, and the rest. */
#ifndef LINNET_TOOLS_PROFILE_H
#define LINNET_TOOLS_PROFILE_H

#include "engine/work.h"

/** One layer or one kind of layers. Values are per step; seconds are means over the steps. */
typedef struct profile_line {
    char name[48];     /* of the layer, or of the kind */
    char kind[24];     /* "conv 3x3", "bn+add+relu", "maxpool", "linear", "load", "update" */
    tensor_shape x, y; /* input and output of a layer */
    bool product;      /* convolution or linear: limited by arithmetic */
    int layers;        /* of a kind: number of layers; 0 for phases that are not layers */
    double seconds[ENGINE_PASSES];
    engine_algorithm algorithm[ENGINE_PASSES]; /* of a layer */
    engine_work work[ENGINE_PASSES];           /* PASS_WGRAD is in PASS_BACKWARD if the device does not separate them */
} profile_line;

typedef struct profile {
    int batch, steps;
    double step_seconds;  /* mean */
    double known_seconds; /* the sum of all lines; the rest was spent between calls of the device */
    engine_peaks peaks;
    profile_line *layer; /* (layer_n) in forward order */
    int layer_n;
    profile_line *kind; /* (kind_n) by descending time: kinds of layers, and phases */
    int kind_n;
} profile;

/** Makes the profile from the engine's times of `steps` steps of plan p, which took `seconds` in total; measures the
 *  peaks. @return 0, E_NOMEM, E_DEVICE; profile_deinit must be called in either case */
int profile_collect(profile *out, engine *e, const engine_plan *p, const model *n, int steps, double seconds);
void profile_deinit(profile *p);

double profile_seconds(const profile_line *l);
/** Milliseconds per image outside convolution and linear layers. */
double profile_beyond_products(const profile *p);

#endif
