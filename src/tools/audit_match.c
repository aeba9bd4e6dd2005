/* Finds equal and similar images within and between train and val. */
#define _GNU_SOURCE
#include "tools/audit.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* 8 bands of 16 bits: two hashes that differ in at most 7 bits are equal in at least one band */
enum { BANDS = 8, CROWD = 4000, NEIGHBOURS = 64, GRID_MOST = 24, GRID_MEAN = 3 };

typedef struct entry {
    audit_image *image;
    int split;
    int64_t index;
    uint16_t key;
} entry;

static int in_place(const entry *x, const entry *y) {
    if (x->split != y->split)
        return x->split - y->split;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_digest(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->image->digest != y->image->digest)
        return x->image->digest < y->image->digest ? -1 : 1;
    if (x->image->bytes != y->image->bytes)
        return x->image->bytes < y->image->bytes ? -1 : 1;
    return in_place(x, y);
}

static int by_key(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key - y->key;
    for (int k = 0; k < 2; k++)
        if (x->image->hash[k] != y->image->hash[k])
            return x->image->hash[k] < y->image->hash[k] ? -1 : 1;
    return in_place(x, y);
}

static bool same_bytes(const audit_image *x, const audit_image *y) {
    return x->digest == y->digest && x->bytes == y->bytes;
}

static uint16_t band_of(const audit_image *i, int band) { return (uint16_t)(i->hash[band / 4] >> (16 * (band % 4))); }

static int distance(const audit_image *x, const audit_image *y) {
    return __builtin_popcountll(x->hash[0] ^ y->hash[0]) + __builtin_popcountll(x->hash[1] ^ y->hash[1]);
}

static bool similar_grids(const audit_image *x, const audit_image *y) {
    int sum = 0;
    for (int i = 0; i < AUDIT_GRID * AUDIT_GRID; i++) {
        int d = abs(x->grid[i] - y->grid[i]);
        if (d > GRID_MOST)
            return false;
        sum += d;
    }
    return sum <= GRID_MEAN * AUDIT_GRID * AUDIT_GRID;
}

/** Images of a uniform grey cannot be distinguished by their grids. */
static bool is_flat(const audit_image *i) { return i->hash[0] == 0 && i->hash[1] == 0; }

/** The finding is reported for the later image of the pair. */
static int add_pair(audit *a, audit_kind kind, const entry *x, const entry *y, int bits) {
    const entry *later = in_place(x, y) < 0 ? y : x, *first = later == x ? y : x;
    audit_finding f = {.kind = kind,
                       .split = later->split,
                       .index = later->index,
                       .other_split = first->split,
                       .other = first->index,
                       .distance = bits};
    bool other_class = strcmp(a->data[later->split]->class_name[a->data[later->split]->label[later->index]],
                              a->data[first->split]->class_name[a->data[first->split]->label[first->index]]) != 0;
    return audit_add(a, f, other_class ? "of another class" : "");
}

static int find_duplicates(audit *a, entry *e, size_t n) {
    int rc = OK;
    qsort(e, n, sizeof *e, by_digest);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (!same_bytes(e[i].image, e[first].image)) {
            first = i;
            continue;
        }
        if (e[i].image->bytes > 0)
            TRY(add_pair(a, AUDIT_DUPLICATE, &e[first], &e[i], 0));
    }
done:
    return rc;
}

/** Whether the pair has an equal earlier band, where it was already compared. */
static bool met_before(const audit_image *x, const audit_image *y, int band) {
    for (int b = 0; b < band; b++)
        if (band_of(x, b) == band_of(y, b))
            return true;
    return false;
}

/** n similar images form n * n / 2 pairs, so the number reported per image is limited. */
static int add_near(audit *a, const entry *x, const entry *y, int bits) {
    const entry *later = in_place(x, y) < 0 ? y : x;
    uint8_t *pairs = &later->image->pairs[x->split != y->split];
    if (*pairs == AUDIT_PAIRS)
        return OK;
    ++*pairs;
    return add_pair(a, AUDIT_NEAR_DUPLICATE, x, y, bits);
}

static int compare_run(audit *a, const entry *e, size_t n, int band) {
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        size_t end = n > CROWD && i + NEIGHBOURS < n ? i + NEIGHBOURS : n;
        for (size_t k = i + 1; k < end; k++) {
            const audit_image *x = e[i].image, *y = e[k].image;
            int bits = distance(x, y);
            if (bits <= AUDIT_BITS && !same_bytes(x, y) && !is_flat(x) && similar_grids(x, y) &&
                !met_before(x, y, band))
                TRY(add_near(a, &e[i], &e[k], bits));
        }
    }
done:
    return rc;
}

static int find_similar(audit *a, entry *e, size_t n) {
    int rc = OK;
    for (int band = 0; band < BANDS; band++) {
        for (size_t i = 0; i < n; i++)
            e[i].key = band_of(e[i].image, band);
        qsort(e, n, sizeof *e, by_key);
        for (size_t first = 0, end = 0; first < n; first = end) {
            for (end = first + 1; end < n && e[end].key == e[first].key; end++)
                continue;
            TRY(compare_run(a, e + first, end - first, band));
        }
    }
done:
    return rc;
}

int audit_match(audit *a) {
    int rc = OK;
    entry *e = NULL;
    size_t n = 0, seen = 0, all = 0;
    for (int s = 0; s < 2; s++)
        all += a->data[s] != NULL ? (size_t)a->data[s]->image_n : 0;
    TRY(memory_zeroed(&e, all, sizeof *e));
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; a->data[s] != NULL && i < a->data[s]->image_n; i++)
            if (a->image[s][i].bytes > 0)
                e[n++] = (entry){.image = &a->image[s][i], .split = s, .index = i};
    TRY(find_duplicates(a, e, n));
    for (size_t i = 0; i < n; i++)
        if (e[i].image->seen)
            e[seen++] = e[i];
    TRY(find_similar(a, e, seen));
done:
    free(e);
    return rc;
}
