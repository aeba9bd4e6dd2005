#include "dataset/splits/fingerprint.h"

#include "base/hash.h"
#include "dataset/read.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void *compute(void *argument) {
    fingerprint *f = argument;
    const dataset *d = f->dataset;
    uint64_t h = HASH_START;
    for (int c = 0; c < d->class_n; c++)
        h = hash_bytes(h, d->class_name[c], strlen(d->class_name[c]) + 1);
    for (int64_t i = 0; i < d->image_n && !__atomic_load_n(&f->stop, __ATOMIC_RELAXED); i++) {
        int64_t size = dataset_image_bytes(d, i);
        h = hash_bytes(h, dataset_name(d, i), strlen(dataset_name(d, i)) + 1);
        h = hash_bytes(h, &size, sizeof size);
    }
    snprintf(f->value, sizeof f->value, "%016llx", (unsigned long long)h);
    return NULL;
}

void fingerprint_begin(fingerprint *f, const dataset *d) {
    sigset_t all, before;
    *f = (fingerprint){.dataset = d};
    sigfillset(&all); /* the main thread handles signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    f->running = pthread_create(&f->thread, NULL, compute, f) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!f->running)
        compute(f);
}

const char *fingerprint_value(fingerprint *f) {
    if (f->running)
        pthread_join(f->thread, NULL);
    f->running = false;
    return f->value;
}

void fingerprint_end(fingerprint *f) {
    __atomic_store_n(&f->stop, true, __ATOMIC_RELAXED);
    fingerprint_value(f);
    *f = (fingerprint){0};
}
