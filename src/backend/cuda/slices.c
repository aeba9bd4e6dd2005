#include "backend/cuda/slices.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

typedef struct slice {
    unsigned char *to;
    const unsigned char *from;
    size_t n;
    pthread_t thread;
    bool started;
} slice;

static void *copy_slice(void *given) {
    const slice *s = given;
    memcpy(s->to, s->from, s->n);
    return NULL;
}

void copy_in_slices(void *to, const void *from, size_t n) {
    slice all[SLICES];
    size_t wanted = (n + SLICE_BYTES - 1) / SLICE_BYTES, count = wanted < SLICES ? wanted : SLICES;
    for (size_t i = 0; i < count; i++) {
        size_t begin = n / count * i, end = i + 1 < count ? n / count * (i + 1) : n;
        slice *s = &all[i];
        *s = (slice){.to = (unsigned char *)to + begin, .from = (const unsigned char *)from + begin, .n = end - begin};
        /* the caller copies the last slice, and any slice whose thread cannot be started */
        s->started = i + 1 < count && pthread_create(&s->thread, NULL, copy_slice, s) == 0;
        if (!s->started)
            copy_slice(s);
    }
    for (size_t i = 0; i < count; i++)
        if (all[i].started)
            pthread_join(all[i].thread, NULL);
}
