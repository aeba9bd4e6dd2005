#include "tools/predict.h"

#include "base/memory.h"
#include "base/softmax.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>

/* By insertion into a list. */
void predict_top(top_k_prediction *out, const double *logits, int n, int top) {
    double largest = 0, sum = softmax_sum(&largest, logits, n);
    out->n = 0;
    for (int i = 0; i < n; i++) {
        int at = out->n;
        while (at > 0 && softmax_before(logits, i, out->label[at - 1]))
            at--;
        if (at >= top)
            continue;
        if (out->n < top)
            out->n++;
        for (int k = out->n - 1; k > at; k--)
            out->label[k] = out->label[k - 1];
        out->label[at] = i;
    }
    for (int k = 0; k < out->n; k++)
        out->probability[k] = exp(logits[out->label[k]] - largest) / sum;
}

int predict_logits(double *logits, run_context *s, const batch *b) {
    engine_plan *p = NULL;
    int rc = OK;
    TRY(engine_compile(&p, s->engine, b->n, b->h, b->w, false));
    TRY(engine_load_batch(s->engine, p, b));
    TRY(engine_forward(s->engine, p));
    TRY(engine_read_tensor(logits, s->engine, p, s->model->layer_n - 1));
done:
    return rc;
}

static int predict_batch(double **logits, run_context *s, const batch *b, int top, predict_sink *sink, void *context) {
    int rc = OK, classes = s->model->classes;
    TRY(memory_resize(logits, (size_t)b->n * (size_t)classes, sizeof **logits));
    TRY(predict_logits(*logits, s, b));
    for (int i = 0; i < b->n; i++) {
        top_k_prediction one = {.index = b->index[i]};
        predict_top(&one, *logits + (size_t)i * (size_t)classes, classes, top);
        TRY(sink(context, &one));
    }
done:
    return rc;
}

int predict(run_context *s, int top, predict_sink *sink, void *context, const volatile sig_atomic_t *stop) {
    double *logits = NULL;
    batch *b = NULL;
    char name[32];
    int rc = OK;
    TRY(loader_start(s->val_loader, 0, 0));
    for (;;) {
        if (*stop != 0) {
            rc = fail(E_STOPPED, "stopped by %s", text_signal(name, (int)*stop));
            goto done;
        }
        TRY(loader_next(&b, s->val_loader));
        if (b == NULL)
            break;
        TRY(predict_batch(&logits, s, b, top, sink, context));
        loader_release(s->val_loader, b);
        b = NULL; /* now owned by the loader */
    }
done:
    if (b != NULL)
        loader_release(s->val_loader, b);
    free(logits);
    return rc;
}
