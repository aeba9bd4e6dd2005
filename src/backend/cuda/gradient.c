/* A data gradient that goes on through the ReLU of the BN ahead and leaves the sums which that BN's backward needs: the
 * gradient is not read once more for them, and no mask is kept.
 *
 * Numbers: cuDNN computes BN's y anew in fp32 from its statistics to see where the ReLU let through, and adds up in
 * fp32 (in which order is not documented). Beside prologue.c's rounded factors, elements of y within the rounding of 0
 * may fall on the other side: as many as rounding BN's x moves there. fp32 keeps its own pass. */
#include "backend/cuda/convolution.h"
#include "base/status.h"

#include <math.h>

int gradient_find(convolution **out, cuda_device *d, const convolution_shape *s, const convolution *data) {
    convolution *fused = NULL;
    double own = INFINITY;
    int rc = OK;
    *out = NULL;
    if (s->type == ELEMENT_F32 || s->x.c % FUSED_CHANNELS != 0 || isinf(convolution_microseconds(data)))
        return OK;
    rc = convolution_find(&fused, d, s, CONVOLUTION_DATA_SUMS);
    if (rc != OK)
        return rc == E_NOMEM ? rc : OK; /* cuDNN, this GPU or this shape has none */
    if (isinf(convolution_microseconds(fused)))
        return OK;
    TRY(own_pass_microseconds(&own, d, s, "gradient", KERNEL_bn_gradient_sums, s->x));
    if (!isinf(own) && convolution_microseconds(fused) < convolution_microseconds(data) + own)
        *out = fused;
done:
    return rc;
}
