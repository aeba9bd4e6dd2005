/** What the linear layer takes from convolution: it is a 1x1 convolution of 1x1 maps. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_CONV_H
#define LINNET_BACKEND_CPU_CONV_H

#include "backend/cpu/cpu.h"

/** Plans all passes of the layer.
 *  @return 0, E_DEVICE, E_NOMEM */
int conv_layer_plan(cpu_device *d, device_layer *l, const onednn_conv *c);
/** dw and dx from dy, one tensor of x's type; where that took a conversion, it lies at the start of the workspace.
 *  @return 0, E_DEVICE, E_NOMEM */
int conv_layer_backward(const device_layer *l, const conv_backward_args *args, void *dy, const device_params *p);

#endif
