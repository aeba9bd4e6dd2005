/** Pillow's bilinear resize (antialiased triangle filter), to the byte: coefficients in fixed point with 22 bits, the
 *  horizontal pass first, 8 bits after each pass. Source of the arithmetic: Pillow 9.4, Image.resize(..., BILINEAR).
 *  Rows are RGBX: 4 bytes a pixel, the fourth unused, so that a vector register holds whole pixels. */
#ifndef LINNET_IMAGE_RESAMPLE_H
#define LINNET_IMAGE_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESAMPLE_TAPS 4    /* taps are worked on in groups of so many */
#define RESAMPLE_STEP 4    /* and outputs too */
#define RESAMPLE_BITS 22   /* of a coefficient: 32 less 8 for the pixel and 2 for sign and carry */
#define RESAMPLE_MARGIN 16 /* bytes that may be read (never used) behind a row of input pixels */

/** The filter along one axis, for a window of its outputs. The arrays lie in the caller's memory. */
typedef struct resample_axis {
    int out_n;       /* outputs in the window */
    int padded_n;    /* out_n rounded up to RESAMPLE_STEP; the filters past out_n are all 0 */
    int groups;      /* groups of RESAMPLE_TAPS taps, as many as the longest filter needs */
    int in_first;    /* the window reads input positions in_first .. in_first + in_n - 1 */
    int in_n;        /* */
    int32_t *first;  /* (padded_n) first tap, relative to in_first; does not go down, nor does first + count */
    int32_t *count;  /* (padded_n) taps, at most groups * RESAMPLE_TAPS */
    int32_t *packed; /* (groups, padded_n, RESAMPLE_TAPS) in the form the kernels like */
} resample_axis;

/** One instruction set's kernels; all give the same bytes. */
typedef struct resample_kernels {
    const char *name;
    bool (*usable)(void); /* on this machine */
    /** RESAMPLE_TAPS coefficients into the form the others read. */
    void (*pack)(int32_t packed[RESAMPLE_TAPS], const int32_t k[RESAMPLE_TAPS]);
    /** One row: out (padded_n RGBX) from row, which starts at in_first and has RESAMPLE_MARGIN bytes behind it. */
    void (*horizontal)(uint8_t *out, const uint8_t *row, const resample_axis *a);
    /** Output `at` of axis `a`: `bytes` (a multiple of 16) from rows[0 .. groups * RESAMPLE_TAPS - 1]. */
    void (*vertical)(uint8_t *out, const uint8_t *const *rows, const resample_axis *a, int at, size_t bytes);
    /** n RGBX pixels to RGB, mirrored if asked. rgbx is readable up to a multiple of RESAMPLE_STEP pixels. */
    void (*emit)(uint8_t *rgb, const uint8_t *rgbx, int n, bool flip);
} resample_kernels;

/** The fastest set this machine has. */
const resample_kernels *resample_best(void);
/** Set `i`, plain C first; NULL after the last. Some may not be usable here. */
const resample_kernels *resample_set(int i);

/** Taps of the longest filter at most, whole groups. */
size_t resample_taps_max(int in_size, int out_size);
/** Bytes for the arrays of resample_axis_build, at most. */
size_t resample_axis_bytes(int in_size, int out_size, int window_n);
/** The filter that resizes in_size to out_size, for outputs window_first .. + window_n - 1, into `memory`
 *  (resample_axis_bytes, aligned to 64, which the axis borrows). Sizes are positive, the window lies within. */
void resample_axis_build(resample_axis *a, void *memory, const resample_kernels *kernels, int in_size, int out_size,
                         int window_first, int window_n);
/** The same for a part of the input alone, from .. from + length in pixels and fractions of them, which is resized to
 *  out_size; as Pillow's resize(box=...): filters reach beyond the part where there is input. from >= 0, length > 0,
 *  from + length <= in_size; < in_size + 1 will do where length >= out_size. Room: as for an in_size one larger. */
void resample_axis_build_part(resample_axis *a, void *memory, const resample_kernels *kernels, int in_size, double from,
                              double length, int out_size, int window_first, int window_n);

#endif
