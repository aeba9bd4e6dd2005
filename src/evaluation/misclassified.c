#include "evaluation/misclassified.h"

#include "base/memory.h"
#include "base/status.h"
#include "dataset/read.h"
#include "evaluation/prediction.h"
#include "loader/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int misclassified_init(misclassified *m, int capacity) {
    *m = (misclassified){.capacity = capacity};
    return memory_zeroed(&m->list, (size_t)capacity, sizeof *m->list);
}

void misclassified_deinit(misclassified *m) {
    free(m->list);
    *m = (misclassified){0};
}

static bool before(const misclassified_image *a, const misclassified_image *b) {
    return a->loss != b->loss ? a->loss > b->loss : a->index < b->index;
}

static void insert(misclassified *m, const misclassified_image *one) {
    int at = m->n;
    while (at > 0 && before(one, &m->list[at - 1]))
        at--;
    if (at == m->capacity)
        return;
    int end = m->n < m->capacity ? m->n++ : m->capacity - 1;
    memmove(&m->list[at + 1], &m->list[at], (size_t)(end - at) * sizeof *m->list);
    m->list[at] = *one;
}

void misclassified_add(misclassified *m, const double *logits, int classes, const batch *b) {
    for (int i = 0; i < b->n; i++) {
        prediction j = predict_labelled(logits + (size_t)i * (size_t)classes, classes, b->label[i], 0);
        misclassified_image one = {
            .index = b->index[i], .predicted = j.predicted, .probability = j.probability, .loss = j.loss};
        if (isnan(one.loss))
            one.loss = INFINITY; /* the largest loss, so that the list stays sorted */
        if (one.predicted != b->label[i])
            insert(m, &one);
    }
}

int misclassified_join(misclassified *m, comm *c) {
    size_t ranks = (size_t)comm_ranks(c), rank = (size_t)comm_rank(c), most = (size_t)m->capacity;
    misclassified_image *all = NULL;
    int rc = OK;
    if (ranks < 2 || most == 0)
        return OK;
    TRY(memory_zeroed(&all, ranks * most, sizeof *all));
    for (size_t i = 0; i < most; i++)
        all[rank * most + i] = i < (size_t)m->n ? m->list[i] : (misclassified_image){.index = -1};
    TRY(comm_all(c, COMM_GATHER, COMM_BYTES, all, most * sizeof *all));
    for (size_t i = 0; i < ranks * most; i++)
        if (i / most != rank && all[i].index >= 0)
            insert(m, &all[i]);
done:
    free(all);
    return rc;
}

static int put_cell(text *out, const char *s) {
    int rc = text_csv_cell(out, s);
    return rc == OK ? text_append(out, ",", 1) : rc;
}

int misclassified_csv(text *out, const misclassified *m, const dataset *val) {
    int rc = OK;
    TRY(text_printf(out, "file,true,predicted,probability,loss\n"));
    for (int i = 0; i < m->n; i++) {
        const misclassified_image *one = &m->list[i];
        TRY(put_cell(out, dataset_name(val, one->index)));
        TRY(put_cell(out, val->class_name[val->label[one->index]]));
        TRY(put_cell(out, val->class_name[one->predicted]));
        TRY(text_printf(out, "%.6g,%.6g\n", one->probability, one->loss));
    }
done:
    return rc;
}

int misclassified_sheet(contact_sheet *out, const misclassified *m, const dataset *val) {
    uint8_t pixels[MISCLASSIFIED_SIZE * MISCLASSIFIED_SIZE * 3];
    transform t = transform_default(false, MISCLASSIFIED_SIZE, MISCLASSIFIED_SIZE);
    decoder *d = NULL;
    image_buffer file = {0};
    int rc = OK;
    *out = (contact_sheet){0};
    TRY(decoder_create(&d, NULL));
    TRY(contact_sheet_init(out, m->n, MISCLASSIFIED_COLUMNS, MISCLASSIFIED_SIZE, 0));
    for (int i = 0; i < m->n; i++) {
        const unsigned char *bytes = NULL;
        size_t n = 0;
        int64_t index = m->list[i].index; /* an image that cannot be read any more stays black */
        if (dataset_read(&bytes, &n, &file, val, index, 0) == OK &&
            transform_decode(pixels, d, bytes, n, dataset_name(val, index), &t, NULL) == OK)
            contact_sheet_put(out, i, pixels);
    }
done:
    image_buffer_deinit(&file);
    decoder_destroy(d);
    return rc;
}
