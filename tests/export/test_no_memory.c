#define _GNU_SOURCE
/* Exporting a model without memory, in all three formats: no file remains of what fails. */
#define NO_MEMORY_MOST 10 /* each run converts 11 million weights */
#include "no_memory.h"

#include "base/file.h"
#include "base/memory.h"
#include "export/export.h"
#include "root.h"

typedef struct job {
    ckpt c;
    config o;
    export_options how;
    char path[PATH_BYTES];
} job;

/** All weights and statistics of a ResNet-18 with 2 classes, which are zero. */
static void fill(ckpt *c, const model *n) {
    assert_ok(memory_zeroed(&c->state, (size_t)n->param_n + 3 * (size_t)n->stats_n, sizeof *c->state));
    for (int i = 0; i < n->param_n + 2 * n->stats_n; i++) {
        ckpt_tensor *t = &c->state[c->state_n++];
        int k = i - n->param_n;
        const param *p = k < 0 ? &n->param[i] : NULL;
        const model_stats *s = k < 0 ? NULL : &n->stats[k / 2];
        *t = (ckpt_tensor){.type = CKPT_F32, .rank = p != NULL ? p->rank : 1, .bytes = 4};
        snprintf(t->name, sizeof t->name, "%s%s", p != NULL ? p->name : s->name,
                 p != NULL ? ""
                 : k % 2   ? ".running_var"
                           : ".running_mean");
        for (int d = 0; d < t->rank; d++) {
            t->shape[d] = p != NULL ? p->shape[d] : s->c;
            t->bytes *= (size_t)t->shape[d];
        }
        assert_ok(memory_zeroed(&t->data, t->bytes, 1));
    }
}

static int run(void *context) {
    job *j = context;
    return export_checkpoint(j->path, &j->c, "test.ckpt", &j->o, &j->how);
}

static void check(void *context, int rc) {
    const job *j = context;
    char temporary[PATH_BYTES + 8];
    (void)rc;
    snprintf(temporary, sizeof temporary, "%s.tmp", j->path);
    assert_false(file_exists(temporary));
    struct {
        unsigned char *bytes;
        size_t n;
    } now = {0};
    assert_ok(file_read(&now.bytes, &now.n, j->path, 0)); /* of the last success, whole */
    assert_true(now.n > 1000000);
    free(now.bytes);
}

static void each(void **state) {
    (void)state;
    static job j;
    model *n = NULL;
    model_options o = {.classes = 2};
    assert_ok(model_create(&n, "resnet18", &o));
    config_defaults(&j.o);
    snprintf(j.o.model.arch, sizeof j.o.model.arch, "resnet18");
    assert_ok(path_join(j.path, root, "model"));
    fill(&j.c, n);
    for (int f = 0; f < 3; f++) {
        j.how = (export_options){.format = (export_format)f, .fold = f == 2, .half = f == 0, .normalise = f == 2};
        assert_true(no_memory(run, &j, 0, check) > 20);
    }
    for (int i = 0; i < j.c.state_n; i++)
        free(j.c.state[i].data);
    free(j.c.state);
    model_destroy(n);
}

int main(void) {
    no_memory_or_skip();
    const struct CMUnitTest tests[] = {cmocka_unit_test(each)};
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
