/* Runs the checks of a dataset in threads. */

#define _GNU_SOURCE
#include "tools/audit.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/read.h"
#include "dataset/splits/dataset_checks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME(id, name, text) name,
#define TEXT(id, name, text) text,
const char *const audit_name[AUDIT_KINDS] = {AUDIT_LIST(NAME)};
const char *const audit_text[AUDIT_KINDS] = {AUDIT_LIST(TEXT)};
#undef NAME
#undef TEXT

enum { IMBALANCE = 5, POLL_MS = 50, FOLD_LEAST = 20 };

/** Threads take images in turn and add findings under the lock. */
typedef struct job {
    audit *audit;
    const audit_options *options;
    pthread_mutex_t lock;
    int64_t next, done, total;
    int running;
    int rc;             /* code of the first failure; read by all threads */
    status_saved error; /* its message; under the lock */
} job;

int audit_add(audit *a, audit_finding f, const char *detail) {
    int rc = OK;
    TRY(memory_grow(&a->finding, &a->capacity, (size_t)a->n + 1, sizeof *a->finding));
    TRY(memory_string(&f.detail, detail));
    a->finding[a->n++] = f;
    a->count[f.kind]++;
done:
    return rc;
}

/** Removes the path ROOT/NAME from a message, as every finding is listed with its name. */
static int drop_name(text *out, const char *root, const char *name, const char *message) {
    char path[PATH_BYTES];
    int rc = OK;
    TRY(path_format(path, "%s%s%s", root, root[0] != 0 ? "/" : "", name));
    const char *found = strstr(message, path), *rest = found != NULL ? found + strlen(path) : message;
    size_t before = found != NULL ? (size_t)(found - message) : 0;
    if (before == 0 && found != NULL)
        rest += strspn(rest, ": ");
    while (before > 0 && message[before - 1] == ' ')
        before--;
    TRY(text_append(out, message, before));
    TRY(text_append(out, rest, strlen(rest)));
done:
    return rc;
}

static void add_colours(audit_colours *sum, const audit_colours *c) {
    sum->pixels += c->pixels;
    for (int k = 0; k < 3; k++) {
        sum->sum[k] += c->sum[k];
        sum->square[k] += c->square[k];
    }
}

/** Checks image `at`, counted over train and then val. */
static int look(job *j, decoder *d, image_buffer *b, int64_t at) {
    int rc = OK;
    audit *a = j->audit;
    int64_t first = a->data[0] != NULL ? a->data[0]->image_n : 0;
    int split = at >= first;
    int64_t i = split ? at - first : at;
    if (a->data[split] == NULL)
        return OK;
    audit_image *out = &a->image[split][i];
    const unsigned char *bytes = NULL;
    const char *detail = "", *name = dataset_name(a->data[split], i);
    text cause = {0};
    size_t n = 0;
    audit_colours colours = {0}, *wanted = j->options->colours && split == 0 ? &colours : NULL;
    rc = dataset_read(&bytes, &n, b, a->data[split], i, image_limits_default().max_file_bytes);
    if (rc == E_FORMAT) {
        out->kinds = 1u << AUDIT_UNREADABLE;
        TRY(drop_name(&cause, a->data[split]->root, name, status_message()));
        detail = text_string(&cause);
    } else {
        TRY(rc);
        TRY(audit_look(out, &detail, wanted, d, bytes, n, name, j->options->quick));
        TRY(drop_name(&cause, "", name, detail));
        detail = text_string(&cause);
    }
    const uint32_t damage =
        1u << AUDIT_UNREADABLE | 1u << AUDIT_TRUNCATED | 1u << AUDIT_CORRUPT | 1u << AUDIT_UNSUPPORTED;
    rc = OK;
    pthread_mutex_lock(&j->lock);
    add_colours(&a->colours, &colours);
    for (int k = 0; k < AUDIT_KINDS && rc == OK; k++)
        if (out->kinds >> k & 1)
            rc = audit_add(a, (audit_finding){.kind = (audit_kind)k, .split = split, .index = i, .other = -1},
                           damage >> k & 1 ? detail : "");
    pthread_mutex_unlock(&j->lock);
done:
    text_deinit(&cause);
    return rc;
}

static void *work(void *argument) {
    job *j = argument;
    decoder *d = NULL;
    image_buffer b = {0};
    image_limits limits = image_limits_default();
    int rc = decoder_create(&d, &limits);
    const volatile sig_atomic_t *stop = j->options->stop;
    while (rc == OK && __atomic_load_n(&j->rc, __ATOMIC_RELAXED) == OK) {
        int64_t at = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED);
        if (at >= j->total)
            break;
        rc = stop != NULL && *stop != 0 ? fail(E_STOPPED, "stopped") : look(j, d, &b, at);
        __atomic_fetch_add(&j->done, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_lock(&j->lock);
    if (rc != OK && j->rc == OK) {
        __atomic_store_n(&j->rc, rc, __ATOMIC_RELAXED);
        status_save(&j->error, rc);
    }
    pthread_mutex_unlock(&j->lock);
    __atomic_fetch_sub(&j->running, 1, __ATOMIC_RELEASE);
    image_buffer_deinit(&b);
    decoder_destroy(d);
    return NULL;
}

static int look_at_all(audit *a, const audit_options *o) {
    int rc = OK, started = 0;
    pthread_t *thread = NULL;
    job j = {.audit = a, .options = o};
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    for (int s = 0; s < 2; s++)
        j.total += a->data[s] != NULL ? a->data[s]->image_n : 0;
    pthread_mutex_init(&j.lock, NULL);
    TRY(memory_zeroed(&thread, (size_t)o->threads, sizeof *thread));
    for (; started < o->threads; started++) {
        __atomic_fetch_add(&j.running, 1, __ATOMIC_RELAXED);
        int error = pthread_create(&thread[started], NULL, work, &j);
        if (error != 0) {
            __atomic_fetch_sub(&j.running, 1, __ATOMIC_RELAXED);
            status_save(&j.error, fail_errno(error, "cannot start a thread"));
            __atomic_store_n(&j.rc, j.error.code, __ATOMIC_RELAXED);
            break;
        }
    }
    while (__atomic_load_n(&j.running, __ATOMIC_ACQUIRE) > 0) {
        nanosleep(&pause, NULL);
        if (o->progress != NULL)
            o->progress(o->context, __atomic_load_n(&j.done, __ATOMIC_RELAXED), j.total);
    }
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    if (j.rc != OK)
        rc = status_restore(&j.error);
done:
    pthread_mutex_destroy(&j.lock);
    free(thread);
    return rc;
}

static int by_count(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int check_balance(audit *a, int split) {
    int rc = OK;
    const dataset *d = a->data[split];
    int64_t *sorted = NULL;
    char detail[512];
    TRY(memory_zeroed(&sorted, (size_t)d->class_n, sizeof *sorted));
    memcpy(sorted, d->class_image_n, (size_t)d->class_n * sizeof *sorted);
    qsort(sorted, (size_t)d->class_n, sizeof *sorted, by_count);
    int64_t median = sorted[d->class_n / 2];
    for (int c = 0; c < d->class_n; c++) {
        int64_t n = d->class_image_n[c];
        bool odd = n * IMBALANCE < median || n > median * IMBALANCE;
        if (n > 0 && !odd)
            continue;
        const char *passed = d->class_passed != NULL ? d->class_passed[c] : NULL;
        snprintf(detail, sizeof detail, "%.150s: %lld images, but the median class has %lld%s%s", d->class_name[c],
                 (long long)n, (long long)median, passed != NULL ? "; other files in the folder: " : "",
                 passed != NULL ? passed : "");
        TRY(audit_add(
            a,
            (audit_finding){
                .kind = n == 0 ? AUDIT_EMPTY_CLASS : AUDIT_UNBALANCED_CLASS, .split = split, .index = -1, .other = -1},
            detail));
    }
    if (d->lost_n > 0) {
        snprintf(detail, sizeof detail, "%lld images", (long long)d->lost_n);
        TRY(audit_add(a, (audit_finding){.kind = AUDIT_LOST, .split = split, .index = -1, .other = -1}, detail));
    }
done:
    free(sorted);
    return rc;
}

/** Adds a finding about a whole split. */
static int add_split(audit *a, audit_kind kind, int split, const char *detail) {
    return audit_add(a, (audit_finding){.kind = kind, .split = split, .index = -1, .other = -1}, detail);
}

/** Checks a split as a whole. */
static int check_split(audit *a, int split) {
    const dataset *d = a->data[split];
    text single = {0};
    char detail[256];
    int64_t both = 0;
    int rc = OK;
    TRY(dataset_single_class(&single, d));
    if (single.n > 0)
        TRY(add_split(a, AUDIT_SINGLE_CLASS, split, text_string(&single)));
    if (d->passed_n > 0) {
        snprintf(detail, sizeof detail, "%lld files: %s", (long long)d->passed_n, d->passed);
        TRY(add_split(a, AUDIT_PASSED_OVER, split, detail));
    }
    for (int64_t i = 0; split == 1 && i < a->n; i++)
        both += a->finding[i].kind == AUDIT_DUPLICATE && a->finding[i].split != a->finding[i].other_split;
    if (both > 0) {
        snprintf(detail, sizeof detail, "%lld of %lld images%s", (long long)both, (long long)d->image_n,
                 both == d->image_n ? ": validation does not measure generalisation" : "");
        TRY(add_split(a, AUDIT_IN_BOTH, split, detail));
    }
done:
    text_deinit(&single);
    return rc;
}

/** Finds classes that only one split has; both lists are in byte order. */
static int check_classes(audit *a) {
    int rc = OK;
    const dataset *t = a->data[0], *v = a->data[1];
    for (int i = 0, k = 0; t != NULL && v != NULL && (i < t->class_n || k < v->class_n);) {
        int order = i == t->class_n ? 1 : k == v->class_n ? -1 : strcmp(t->class_name[i], v->class_name[k]);
        if (order != 0)
            TRY(audit_add(a,
                          (audit_finding){.kind = order < 0 ? AUDIT_ONLY_IN_TRAIN : AUDIT_ONLY_IN_VAL,
                                          .split = order > 0,
                                          .index = -1,
                                          .other = -1},
                          order < 0 ? t->class_name[i] : v->class_name[k]));
        i += order <= 0;
        k += order >= 0;
    }
done:
    return rc;
}

static int in_order(const void *a, const void *b) {
    const audit_finding *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->split != y->split)
        return x->split - y->split;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->other_split != y->other_split)
        return x->other_split - y->other_split;
    if (x->other != y->other)
        return x->other < y->other ? -1 : 1;
    return strcmp(x->detail, y->detail);
}

/** Opens the folder or the shards of `path` itself. */
static int open_whole(dataset **out, const splits_request *q) {
    dataset_request r = q->shard_options;
    r.root = q->path;
    r.allow_empty = true;
    return dataset_open_request(out, &r);
}

/** Opens both splits, one of them, or the folder itself. */
static int open_data(audit *a, const splits_request *data) {
    splits_request q = *data;
    q.allow_empty = q.may_lack_val = true;
    int rc = splits_open(&a->data[0], &a->data[1], &q);
    if (rc == E_NOTFOUND) {
        q.train = false;
        rc = splits_open(&a->data[0], &a->data[1], &q);
    }
    if (rc == E_NOTFOUND && q.list[0] == 0 && q.path[0] != 0)
        rc = open_whole(&a->data[0], &q);
    TRY(rc);
    for (int s = 0; s < 2; s++)
        if (a->data[s] != NULL)
            TRY(memory_zeroed(&a->image[s], (size_t)a->data[s]->image_n, sizeof *a->image[s]));
    rc = OK;
done:
    return rc;
}

/** Replaces the findings of a kind that describes images without damage by one line, if most images of the split
 *  have it: then it is a property of the dataset. */
static int fold(audit *a, int split, audit_kind kind) {
    int64_t of_split = 0, kept = 0;
    char detail[96];
    for (int64_t i = 0; i < a->n; i++)
        of_split += a->finding[i].kind == kind && a->finding[i].split == split;
    if (of_split < FOLD_LEAST || of_split * 2 < a->data[split]->image_n)
        return OK;
    for (int64_t i = 0; i < a->n; i++) {
        if (a->finding[i].kind == kind && a->finding[i].split == split)
            free(a->finding[i].detail);
        else
            a->finding[kept++] = a->finding[i];
    }
    a->n = kept;
    a->count[kind] -= of_split;
    snprintf(detail, sizeof detail, "%lld of %lld images", (long long)of_split, (long long)a->data[split]->image_n);
    return audit_add(a, (audit_finding){.kind = kind, .split = split, .index = -1, .other = -1}, detail);
}

static int fold_all(audit *a) {
    static const audit_kind kinds[] = {AUDIT_CMYK, AUDIT_GRAY, AUDIT_SMALL, AUDIT_ELONGATED};
    int rc = OK;
    for (int s = 0; s < 2; s++)
        for (size_t k = 0; a->data[s] != NULL && k < sizeof kinds / sizeof *kinds; k++)
            TRY(fold(a, s, kinds[k]));
done:
    return rc;
}

int audit_run(audit *a, const splits_request *data, const audit_options *o) {
    int rc = OK;
    double begin = clock_seconds();
    *a = (audit){0};
    TRY(open_data(a, data));
    TRY(look_at_all(a, o));
    TRY(fold_all(a));
    TRY(audit_match(a));
    TRY(check_classes(a));
    for (int s = 0; s < 2; s++)
        if (a->data[s] != NULL) {
            TRY(check_split(a, s));
            TRY(check_balance(a, s));
        }
    if (a->n > 1)
        qsort(a->finding, (size_t)a->n, sizeof *a->finding, in_order);
    a->seconds = clock_seconds() - begin;
done:
    return rc;
}

void audit_deinit(audit *a) {
    for (int64_t i = 0; i < a->n; i++)
        free(a->finding[i].detail);
    free(a->finding);
    for (int s = 0; s < 2; s++) {
        free(a->image[s]);
        dataset_close(a->data[s]);
    }
    *a = (audit){0};
}
