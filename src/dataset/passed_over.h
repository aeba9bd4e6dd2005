/** Files in class folders that are not read as images, counted by suffix. */
#ifndef LINNET_DATASET_PASSED_OVER_H
#define LINNET_DATASET_PASSED_OVER_H

#include <stdbool.h>
#include <stdint.h>

enum { PASSED_KINDS = 16, PASSED_SUFFIX = 12, PASSED_TEXT = 128 };

/** {0} is empty. */
typedef struct passed_over {
    int64_t n;
    struct {
        char suffix[PASSED_SUFFIX]; /* in lower case, with the dot; "" for none */
        int64_t n;
    } kind[PASSED_KINDS]; /* (kinds); further suffixes are counted only in n */
    int kinds;
} passed_over;

/** Counts a file that dataset_is_image_name does not accept. Hidden files are not counted. */
void passed_over_add(passed_over *p, const char *name);
/** Whether such a file is probably an image: it has no suffix, or that of an image format, such as .jfif or .gif. */
bool passed_over_is_image(const char *name);
/** "12 .jfif, 3 without a suffix", the most frequent first. */
const char *passed_over_text(char out[PASSED_TEXT], const passed_over *p);

#endif
