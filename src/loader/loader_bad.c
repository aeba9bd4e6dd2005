/* The list of bad images. It grows only when a batch is delivered, in the order of positions. So its content, and
 * the time at which max_bad is exceeded, do not depend on the progress of the workers. */
#include "loader/loader_state.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* the message of images that a caller declared bad; replaced by the cause when the image is read */
static char declared[] = "found to be unreadable by an earlier run";

/** Position in the list of the first entry whose index is not less than `index`. */
static int64_t bad_position(const loader *l, int64_t index) {
    int64_t low = 0, high = l->bad_n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (l->bad[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool bad_known(const loader *l, int64_t index) {
    int64_t at = bad_position(l, index);
    return at < l->bad_n && l->bad[at].index == index && !l->bad[at].declared;
}

/** Adds an image, or sets the cause of an image declared before. Takes ownership of `message`. */
static int bad_add(loader *l, int64_t index, char *message) {
    int64_t at = bad_position(l, index);
    if (at < l->bad_n && l->bad[at].index == index) {
        if (l->bad[at].declared)
            l->bad[at] = (bad_image){.index = index, .message = message, .declared = message == declared};
        else if (message != declared)
            free(message);
        return OK;
    }
    int rc = memory_grow(&l->bad, &l->bad_capacity, (size_t)l->bad_n + 1, sizeof *l->bad);
    if (rc != OK) {
        if (message != declared)
            free(message);
        return rc;
    }
    memmove(&l->bad[at + 1], &l->bad[at], (size_t)(l->bad_n - at) * sizeof *l->bad);
    l->bad[at] = (bad_image){.index = index, .message = message, .declared = message == declared};
    l->bad_n++;
    return OK;
}

int bad_record(loader *l, ring_entry *s, int position, int turn, int64_t index) {
    int rc = OK;
    char *message = NULL;
    if (bad_known(l, index))
        return OK;
    TRY(memory_grow(&s->bad, &s->bad_capacity, s->bad_n + 1, sizeof *s->bad));
    TRY(memory_string(&message, status_message()));
    s->bad[s->bad_n++] = (bad_event){.position = position, .turn = turn, .index = index, .message = message};
done:
    return rc;
}

static int by_position(const void *a, const void *b) {
    const bad_event *x = a, *y = b;
    return x->position != y->position ? (x->position > y->position) - (x->position < y->position)
                                      : (x->turn > y->turn) - (x->turn < y->turn);
}

int bad_merge(loader *l, ring_entry *s) {
    int rc = OK;
    if (s->bad_n > 1)
        qsort(s->bad, s->bad_n, sizeof *s->bad, by_position);
    for (size_t i = 0; i < s->bad_n && rc == OK; i++) {
        rc = bad_add(l, s->bad[i].index, s->bad[i].message);
        s->bad[i].message = NULL; /* now owned by the list */
        if (rc == OK)
            rc = bad_over_limit(l);
    }
    bad_clear(s);
    return rc;
}

int bad_over_limit(const loader *l) {
    int64_t lost = l->dataset->lost_n; /* lost from shards; warned about when the index was built */
    if (l->bad_n + lost <= l->bad_limit)
        return OK;
    const char *example = lost > 0 ? "see the warnings about the shards" : l->bad[0].message;
    for (int64_t i = 0; i < l->bad_n && example == declared; i++)
        example = l->bad[i].message;
    return fail(
        E_DATA,
        "so far, %lld of the %lld images in %s cannot be read, more than data.max_bad (%g) allows. For example: "
        "%.400s. Repair or remove the unreadable images (linnet audit %s lists them), or raise data.max_bad",
        (long long)(l->bad_n + lost), (long long)(l->dataset->image_n + lost), l->dataset->root, l->options.max_bad,
        example, l->dataset->root);
}

void bad_clear(ring_entry *s) {
    for (size_t i = 0; i < s->bad_n; i++)
        free(s->bad[i].message);
    s->bad_n = 0;
}

void bad_deinit(loader *l) {
    for (int64_t i = 0; i < l->bad_n; i++)
        if (!l->bad[i].declared)
            free(l->bad[i].message);
    free(l->bad);
}

int64_t loader_bad(const bad_image **out, loader *l) {
    *out = l->bad; /* only the consumer changes it, and this is the consumer */
    return l->bad_n;
}

int loader_add_bad(loader *l, int64_t index, const char *message) {
    char *copy = NULL;
    int rc = OK;
    TRY(memory_string(&copy, message));
    pthread_mutex_lock(&l->lock);
    if (bad_known(l, index))
        free(copy);
    else
        rc = bad_add(l, index, copy); /* now owned by the list */
    pthread_mutex_unlock(&l->lock);
done:
    return rc;
}

int loader_set_bad(loader *l, const int64_t *index, int64_t n) {
    int rc = OK;
    pthread_mutex_lock(&l->lock);
    for (int64_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= l->dataset->image_n) {
            rc = fail(E_DATA,
                      "image %lld is in the checkpoint's list of unreadable images, but %s contains only %lld images: "
                      "the dataset has changed",
                      (long long)index[i], l->dataset->root, (long long)l->dataset->image_n);
            goto done;
        }
        TRY(bad_add(l, index[i], declared));
    }
done:
    pthread_mutex_unlock(&l->lock);
    return rc;
}
