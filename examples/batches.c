/* Reads the batches of a training: one epoch, interrupted in the middle and continued by a second loader.
 *
 *      batches DATA [OPTION VALUE]...        such as: batches data data.batch_size 64 data.workers 4 */
#include <linnet/linnet.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/** Memory of one batch. */
typedef struct memory {
    float *pixels;    /* (batch, 3, side, side) */
    int64_t *labels;  /* (batch) */
    int64_t *indices; /* (batch) */
} memory;

static int open_memory(memory *m, const linnet_loader *l) {
    size_t n = (size_t)linnet_loader_batch_size(l), side = (size_t)linnet_loader_image_size(l);
    m->pixels = malloc(n * 3 * side * side * sizeof *m->pixels);
    m->labels = malloc(n * sizeof *m->labels);
    m->indices = malloc(n * sizeof *m->indices);
    return m->pixels != NULL && m->labels != NULL && m->indices != NULL ? 0 : LINNET_E_NOMEM;
}

/** Prints up to `most` batches. */
static int print_batches(linnet_loader *l, const memory *m, int64_t most) {
    int n = 0;
    while (most-- > 0 && (n = linnet_loader_next(m->pixels, m->labels, NULL, m->indices, l, LINNET_FLOAT_NCHW)) > 0)
        printf("batch %" PRId64 ": %d images, the first is %s, class %s\n", linnet_loader_position(l) - 1, n,
               linnet_loader_image_name(l, m->indices[0]), linnet_loader_class_name(l, (int)m->labels[0]));
    return n < 0 ? n : 0;
}

static int run(const linnet_options *o) {
    linnet_loader *first = NULL, *second = NULL;
    memory m = {NULL, NULL, NULL};
    char *state = NULL;
    int rc = linnet_loader_open(&first, o, "train", NULL);
    if (rc == 0)
        rc = open_memory(&m, first);
    if (rc == 0)
        rc = print_batches(first, &m, linnet_loader_batches(first) / 2);
    if (rc == 0)
        rc = linnet_loader_state(&state, first); /* may be stored with a checkpoint */
    linnet_loader_close(first);
    if (rc == 0)
        rc = linnet_loader_open(&second, o, "train", NULL);
    if (rc == 0)
        rc = linnet_loader_restore(second, state);
    if (rc == 0)
        rc = print_batches(second, &m, INT64_MAX);
    linnet_loader_close(second);
    linnet_free(state);
    free(m.pixels);
    free(m.labels);
    free(m.indices);
    return rc;
}

int main(int argc, char **argv) {
    linnet_options *o = NULL;
    if (argc < 2 || argc % 2 != 0) {
        fprintf(stderr, "usage: batches DATA [OPTION VALUE]...\n");
        return 2;
    }
    int rc = linnet_options_create(&o);
    if (rc == 0)
        rc = linnet_options_set(o, "data.path", argv[1]);
    for (int i = 2; i < argc && rc == 0; i += 2)
        rc = linnet_options_set(o, argv[i], argv[i + 1]);
    if (rc == 0)
        rc = run(o);
    if (rc < 0)
        fprintf(stderr, "batches: %s\n", linnet_error());
    linnet_options_destroy(o);
    return rc < 0;
}
