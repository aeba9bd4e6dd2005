#include "backend/convert.h"

#include "base/half.h"

#include <stdint.h>
#include <string.h>

size_t element_bytes(element e) {
    switch (e) {
    case ELEMENT_F64: return 8;
    case ELEMENT_F32: return 4;
    case ELEMENT_BF16:
    case ELEMENT_F16: return 2;
    }
    return 0;
}

void elements_to_double(double *out, const void *in, element e, size_t n) {
    const float *f32 = in;
    const uint16_t *b16 = in;
    switch (e) {
    case ELEMENT_F64: memcpy(out, in, n * sizeof *out); break;
    case ELEMENT_F32:
        for (size_t i = 0; i < n; i++)
            out[i] = f32[i];
        break;
    case ELEMENT_BF16:
        for (size_t i = 0; i < n; i++)
            out[i] = (double)bf16_to_float(b16[i]);
        break;
    case ELEMENT_F16:
        for (size_t i = 0; i < n; i++)
            out[i] = (double)f16_to_float(b16[i]);
        break;
    }
}

void elements_from_double(void *out, const double *in, element e, size_t n) {
    float *f32 = out;
    uint16_t *b16 = out;
    switch (e) {
    case ELEMENT_F64: memcpy(out, in, n * sizeof *in); break;
    case ELEMENT_F32:
        for (size_t i = 0; i < n; i++)
            f32[i] = (float)in[i];
        break;
    case ELEMENT_BF16:
        for (size_t i = 0; i < n; i++)
            b16[i] = bf16_from_double(in[i]);
        break;
    case ELEMENT_F16:
        for (size_t i = 0; i < n; i++)
            b16[i] = f16_from_double(in[i]);
        break;
    }
}
