/** Calls the device's operations for the layers of a plan, by layer kind, and sets their addresses. Internal to
 *  src/engine. */
#ifndef LINNET_ENGINE_LAYER_CALL_H
#define LINNET_ENGINE_LAYER_CALL_H

#include "backend/backend.h"

typedef struct engine_plan engine_plan;

/** The member of the layer's kind; backward and recompute are set only if the layer trains. */
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

/** Calls the device's plan function for layer i of p, which completes p->layer[i].
 *  @return 0, E_SHAPE, E_DEVICE, E_NOMEM */
int layer_plan(engine_plan *p, int i);
void layer_destroy(engine_plan *p, int i);
/** Sets the addresses of all layers of p; they are NULL if there is no arena. */
void layer_bind(engine_plan *p);
int layer_forward(const engine_plan *p, int i);
int layer_backward(const engine_plan *p, int i);
/** For a BN, if the device supports it. */
int layer_recompute(const engine_plan *p, int i);

#endif
