/** The resampler's kernels for x86-64 (resample.h). */
#ifndef LINNET_IMAGE_RESAMPLE_X86_H
#define LINNET_IMAGE_RESAMPLE_X86_H

#include "image/resample.h"

#if defined(__x86_64__)
#define RESAMPLE_X86 1
extern const resample_kernels resample_avx2; /* 16-bit products */
extern const resample_kernels resample_vnni; /* AVX-512 with 8-bit dot products */
#endif

#endif
