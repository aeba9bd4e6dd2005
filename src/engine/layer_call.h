/** The device's operations on the layers of a plan, by the kind of each layer, and the addresses that they take.
 *  Internal to src/engine. */
#ifndef LINNET_ENGINE_LAYER_CALL_H
#define LINNET_ENGINE_LAYER_CALL_H

#include "backend/backend.h"

typedef struct engine_plan engine_plan;

/** Of the layer's kind; backward and recompute where it trains. */
typedef union layer_args {
    struct {
        conv_forward_args forward;
        conv_backward_args backward;
    } conv; /* and linear */
    struct {
        bn_forward_args forward;
        bn_backward_args backward;
        bn_recompute_args recompute;
    } bn;
    struct {
        pool_forward_args forward;
        pool_backward_args backward;
    } pool;
} layer_args;

/** The device prepares layer i of p: sets p->layer[i]. @return 0, E_SHAPE, E_DEVICE, E_NOMEM */
int layer_plan(engine_plan *p, int i);
void layer_destroy(engine_plan *p, int i);
/** Sets the addresses of all layers of p; they are NULL as long as there is no arena. */
void layer_bind(engine_plan *p);
int layer_forward(const engine_plan *p, int i);
int layer_backward(const engine_plan *p, int i);
/** Of a BN, where the device has it. */
int layer_recompute(const engine_plan *p, int i);

#endif
