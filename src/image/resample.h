/** Pillow's antialiased resize by a bilinear, bicubic or Lanczos filter, with identical results: fixed-point
 *  coefficients with 22 bits, 8 bits after each pass. Source of the arithmetic: Pillow 9.4 and 13, Image.resize.
 *  Rows are RGBX: 4 bytes per pixel, the fourth unused, so that a vector register contains whole pixels. */
#ifndef LINNET_IMAGE_RESAMPLE_H
#define LINNET_IMAGE_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESAMPLE_TAPS 4    /* taps per group */
#define RESAMPLE_STEP 4    /* outputs per group */
#define RESAMPLE_BITS 22   /* fraction bits of a coefficient: 32 less 8 for the pixel and 2 for sign and carry */
#define RESAMPLE_MARGIN 16 /* bytes after a row of input pixels that may be read, but are not used */

typedef enum resample_filter {
    RESAMPLE_BILINEAR, /* triangle, 1 input pixel to each side (more if the image shrinks) */
    RESAMPLE_BICUBIC,  /* Keys with a = -0.5, 2 pixels */
    RESAMPLE_LANCZOS,  /* windowed sinc, 3 pixels */
} resample_filter;

/** The filter along one axis, for a window of its outputs. The arrays are in memory that the caller owns. */
typedef struct resample_axis {
    int out_n;       /* outputs in the window */
    int padded_n;    /* out_n rounded up to RESAMPLE_STEP; the filters past out_n are all 0 */
    int groups;      /* groups of RESAMPLE_TAPS taps: enough for the longest filter */
    int in_first;    /* the window reads input positions in_first .. in_first + in_n - 1 */
    int in_n;        /* number of input positions in the window */
    int32_t *first;  /* (padded_n) first tap, relative to in_first; neither it nor first + count decreases */
    int32_t *count;  /* (padded_n) taps, at most groups * RESAMPLE_TAPS */
    int32_t *packed; /* (groups, padded_n, RESAMPLE_TAPS) in the kernels' format */
} resample_axis;

/** The kernels of one instruction set. All sets give identical results. */
typedef struct resample_kernels {
    const char *name;
    bool (*usable)(void); /* on this machine */
    /** Converts RESAMPLE_TAPS coefficients to this set's packed format. */
    void (*pack)(int32_t packed[RESAMPLE_TAPS], const int32_t k[RESAMPLE_TAPS]);
    /** One row: writes out (padded_n RGBX) from row, which begins at in_first and is followed by RESAMPLE_MARGIN
     *  bytes. */
    void (*horizontal)(uint8_t *out, const uint8_t *row, const resample_axis *a);
    /** Output `at` of axis `a`: `bytes` (a multiple of 16) from rows[0 .. groups * RESAMPLE_TAPS - 1]. */
    void (*vertical)(uint8_t *out, const uint8_t *const *rows, const resample_axis *a, int at, size_t bytes);
    /** Converts n RGBX pixels to RGB, mirrored if `flip`. rgbx is readable up to a multiple of RESAMPLE_STEP pixels. */
    void (*emit)(uint8_t *rgb, const uint8_t *rgbx, int n, bool flip);
} resample_kernels;

/** The fastest set that this machine supports. */
const resample_kernels *resample_best(void);
/** Set `i`, plain C first; NULL after the last. This machine may not support all sets. */
const resample_kernels *resample_set(int i);

/** Upper bound of the taps of the longest filter, in whole groups. */
size_t resample_taps_max(resample_filter filter, int in_size, int out_size);
/** Upper bound of the bytes for the arrays of resample_axis_build. */
size_t resample_axis_bytes(resample_filter filter, int in_size, int out_size, int window_n);
/** Builds the filter that resizes in_size to out_size, for outputs window_first .. window_first + window_n - 1. The
 *  arrays are placed in `memory` (resample_axis_bytes bytes, aligned to 64), which the axis borrows. Sizes are
 *  positive and the window is within out_size. */
void resample_axis_build(resample_axis *a, void *memory, const resample_kernels *kernels, resample_filter filter,
                         int in_size, int out_size, int window_first, int window_n);
/** The same for a part of the input, from `from` to from + length in (fractional) pixels, which is resized to
 *  out_size. As in Pillow's resize(box=...), filters also use input beyond the part. from >= 0, length > 0, from +
 *  length <= in_size; if length >= out_size, from + length < in_size + 1 is allowed. Memory: as for an in_size one
 *  larger. */
void resample_axis_build_part(resample_axis *a, void *memory, const resample_kernels *kernels, resample_filter filter,
                              int in_size, double from, double length, int out_size, int window_first, int window_n);

#endif
