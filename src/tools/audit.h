/** Finds problems in a dataset: threads check each image of train and val; then images are compared with each other.
 *
 *  Without `quick`, each image is decoded completely (JPEGs at 1/8), which finds damage and gives a perceptual hash of
 * 128 bits: whether each cell of a 9 x 9 grid of grey means is brighter than its left and its upper neighbour. Images
 * are near duplicates if their hashes differ in at most AUDIT_BITS bits and their grids are similar; this finds most
 * copies that were re-encoded or resized, but not cropped ones. At most AUDIT_PAIRS of them are reported per image, and
 * as many of the other split. */
#ifndef LINNET_TOOLS_AUDIT_H
#define LINNET_TOOLS_AUDIT_H

#include "dataset/dataset.h"
#include "dataset/splits/splits.h"
#include "loader/transform.h"

#include <signal.h>

#define AUDIT_GRID 9
#define AUDIT_BITS 7
#define AUDIT_PAIRS 8 /* near duplicates reported per image, within its split and in the other one */

#define AUDIT_LIST(X)                                                                                                  \
    X(UNREADABLE, "unreadable", "the file cannot be read")                                                             \
    X(EMPTY, "empty", "the file has no bytes")                                                                         \
    X(TRUNCATED, "truncated", "the image data ends early")                                                             \
    X(CORRUPT, "corrupt", "the image cannot be decoded")                                                               \
    X(UNSUPPORTED, "unsupported", "the image is complete, but its format is not supported")                            \
    X(MISNAMED, "misnamed", "the suffix does not match the image format")                                              \
    X(CMYK, "cmyk", "a CMYK JPEG")                                                                                     \
    X(GRAY, "gray", "a grayscale JPEG")                                                                                \
    X(SMALL, "small", "the shorter side is less than 32 pixels")                                                       \
    X(ELONGATED, "elongated", "one side is more than 5 times the other")                                               \
    X(DUPLICATE, "duplicate", "byte-identical to another image")                                                       \
    X(NEAR_DUPLICATE, "near_duplicate", "looks like another image")                                                    \
    X(IN_BOTH, "in_both", "validation images that are byte-identical to training images")                              \
    X(SINGLE_CLASS, "single_class", "a split with only one class")                                                     \
    X(PASSED_OVER, "passed_over", "files that may be images and are not read because of their suffix")                 \
    X(EMPTY_CLASS, "empty_class", "a class folder without images")                                                     \
    X(UNBALANCED_CLASS, "unbalanced_class",                                                                            \
      "the number of images is less than 1/5 or more than 5 times that of the median class")                           \
    X(ONLY_IN_TRAIN, "only_in_train", "a class that is missing from val")                                              \
    X(ONLY_IN_VAL, "only_in_val", "a class that is missing from train")                                                \
    X(LOST, "lost", "images that are missing from the shards or have no label")

typedef enum audit_kind {
#define AUDIT_ENUM(id, name, text) AUDIT_##id,
    AUDIT_LIST(AUDIT_ENUM)
#undef AUDIT_ENUM
        AUDIT_KINDS
} audit_kind;

extern const char *const audit_name[AUDIT_KINDS], *const audit_text[AUDIT_KINDS];

/** Sums over pixels, exact and independent of their order: of the values 0 to 255 of red, green and blue, and of their
 *  squares. */
typedef struct audit_colours {
    uint64_t pixels, sum[3], square[3];
} audit_colours;

/** The result for one image. */
typedef struct audit_image {
    uint32_t kinds; /* a bit per kind of problem found in this image alone */
    int w, h;       /* 0: unknown */
    uint64_t bytes, digest;
    bool seen; /* hash and grid are valid */
    uint64_t hash[2];
    uint8_t grid[AUDIT_GRID * AUDIT_GRID];
    uint8_t pairs[2]; /* number of near duplicates reported: in its split, in the other */
} audit_image;

/** A problem of one image (index >= 0), of two (other >= 0 too), or of a class or split. */
typedef struct audit_finding {
    audit_kind kind;
    int split, other_split; /* 0 train, 1 val */
    int64_t index, other;   /* -1: none */
    int distance;           /* NEAR_DUPLICATE: bits */
    char *detail;           /* "" or details */
} audit_finding;

typedef struct audit {
    dataset *data[2]; /* train and val; NULL: there is no such split */
    audit_image *image[2];
    audit_finding *finding; /* (n) sorted by kind, then in the order of the images */
    int64_t n;
    size_t capacity;
    int64_t count[AUDIT_KINDS];
    audit_colours colours; /* of the training images that are readable; only with audit_options.colours */
    double seconds;
} audit;

typedef struct audit_options {
    bool quick;   /* check only bytes and headers */
    bool colours; /* sum the pixels of the training images, which are then decoded at full size; not with `quick` */
    int threads;
    void (*progress)(void *context, int64_t done, int64_t total); /* NULL: silent */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: E_STOPPED; NULL: never */
} audit_options;

/** Checks the training and the validation images, or one of them if the other is missing, else the folder of the
 * dataset itself. audit_deinit must be called in any case. @return 0 (also with findings), E_NOTFOUND, E_DATA (not a
 * dataset), E_IO, E_NOMEM, E_STOPPED */
int audit_run(audit *a, const splits_request *data, const audit_options *o);
void audit_deinit(audit *a);

/** Adds a finding; `detail` is copied. @return 0, E_NOMEM */
int audit_add(audit *a, audit_finding f, const char *detail);

/** Mean and standard deviation of each channel, for pixel values in [0, 1]: what data.mean and data.std expect. */
void audit_mean_std(double mean[3], double std[3], const audit_colours *c);

/** Checks the bytes of one image. *detail: a description of the damage, status_message() or "". colours: if not NULL,
 * the image is decoded at full size and, if it is readable, its pixels are added. @return 0, E_NOMEM */
int audit_look(audit_image *out, const char **detail, audit_colours *colours, decoder *d, const unsigned char *bytes,
               size_t n, const char *name, bool quick);
/** Compares all images with each other. @return 0, E_NOMEM */
int audit_match(audit *a);

#endif
