/* The initial values of torchvision: Kaiming normal (fan_out, gain sqrt 2) for convolutions, torch.nn.Linear's
 * uniform distribution for the last layer, 1 and 0 for BN. Source: He et al. 2015, "Delving deep into rectifiers". */
#include "base/random.h"
#include "model/model.h"

#include <math.h>

static void fill(float *out, size_t n, float value) {
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

static void fill_normal(float *out, size_t n, double deviation, random_stream *r) {
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(deviation * random_normal(r));
}

static void fill_uniform(float *out, size_t n, double bound, random_stream *r) {
    for (size_t i = 0; i < n; i++)
        out[i] = (float)random_uniform(r, -bound, bound);
}

void model_init_param(float *out, const model *n, int i, uint64_t seed) {
    const param *p = &n->param[i];
    random_stream r = random_open(seed, 0, (uint64_t)i, RANDOM_INIT);
    switch (p->init) {
    case INIT_ONE: fill(out, p->count, 1); break;
    case INIT_ZERO: fill(out, p->count, 0); break;
    case INIT_KAIMING_NORMAL_FAN_OUT:
        fill_normal(out, p->count, sqrt(2.0 / ((double)p->shape[0] * p->shape[2] * p->shape[3])), &r);
        break;
    case INIT_UNIFORM_FAN_IN: fill_uniform(out, p->count, 1 / sqrt((double)p->fan_in), &r); break;
    }
}
