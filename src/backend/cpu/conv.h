/** The functions of the convolution that the linear layer uses: it is a 1x1 convolution of 1x1 maps. Internal to
 *  src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_CONV_H
#define LINNET_BACKEND_CPU_CONV_H

#include "backend/cpu/cpu.h"

/** Plans all passes of the layer.
 *  @return 0, E_DEVICE, E_NOMEM */
int conv_layer_plan(cpu_device *d, device_layer *l, const onednn_conv *c);
/** Computes dw and dx. dy: one tensor of x's type; if it had to be converted or summed, it is at the start of the
 *  workspace. @return 0, E_DEVICE, E_NOMEM */
int conv_layer_backward(const device_layer *l, const conv_backward_args *args, const void *dy, const device_params *p);

#endif
