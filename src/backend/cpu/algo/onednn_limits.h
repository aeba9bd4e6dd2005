/** What oneDNN must not be asked for, since it crashes or never returns instead of failing. Internal to
 *  src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_LIMITS_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_LIMITS_H

#include "backend/cpu/algo/onednn.h"

/** Fails where x with its padding, y or w, in full blocks of channels, has more than INT32_MAX elements: oneDNN
 *  multiplies sizes as 32-bit integers when it plans; beyond that, 3.7.2 divides by zero (SIGFPE) or plans for minutes.
 *  And where onednn_row_too_wide.
 *  @return 0, E_NOMEM, E_DEVICE */
int onednn_check(const onednn_conv *c, onednn_pass pass);

#endif
