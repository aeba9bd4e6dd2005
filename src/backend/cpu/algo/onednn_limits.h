/** Shapes for which oneDNN must not be called, because it crashes or never returns instead of failing. Internal to
 *  src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_LIMITS_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_LIMITS_H

#include "backend/cpu/algo/onednn.h"

/** Fails if x with padding, y or w, with channels rounded up to whole blocks, has more than INT32_MAX elements, because
 *  oneDNN multiplies sizes as 32-bit integers when it plans. Beyond that, 3.7.2 divides by zero (SIGFPE) or plans for
 *  minutes. Also fails if onednn_row_too_wide. @return 0, E_NOMEM, E_DEVICE */
int onednn_check(const onednn_conv *c, onednn_pass pass);

#endif
