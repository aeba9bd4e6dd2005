#include "tools/predict.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>

/** logits (n) become probabilities. */
static void softmax(double *logits, int n) {
    double largest = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, logits[i]);
    for (int i = 0; i < n; i++)
        sum += logits[i] = exp(logits[i] - largest);
    for (int i = 0; i < n; i++)
        logits[i] /= sum;
}

/** Insertion into the sorted list; a NaN is less than every number. */
static void find_top(prediction *out, const double *probability, int n, int top) {
    out->n = 0;
    for (int i = 0; i < n; i++) {
        int at = out->n;
        while (at > 0 && probability[i] > out->probability[at - 1])
            at--;
        if (at >= top)
            continue;
        if (out->n < top)
            out->n++;
        for (int k = out->n - 1; k > at; k--) {
            out->label[k] = out->label[k - 1];
            out->probability[k] = out->probability[k - 1];
        }
        out->label[at] = i;
        out->probability[at] = probability[i];
    }
}

static int predict_batch(double **logits, setup *s, const batch *b, int top, predict_sink *sink, void *context) {
    engine_plan *p = NULL;
    int rc = OK, classes = s->net->classes;
    TRY(memory_resize(logits, (size_t)b->n * (size_t)classes, sizeof **logits));
    TRY(engine_compile(&p, s->engine, b->n, b->h, b->w, false));
    TRY(engine_load_batch(s->engine, p, b));
    TRY(engine_forward(s->engine, p));
    TRY(engine_read_tensor(*logits, s->engine, p, s->net->layer_n - 1));
    for (int i = 0; i < b->n; i++) {
        prediction one = {.index = b->index[i]};
        double *row = *logits + (size_t)i * (size_t)classes;
        softmax(row, classes);
        find_top(&one, row, classes, top < classes ? top : classes);
        TRY(sink(context, &one));
    }
done:
    return rc;
}

int predict(setup *s, int top, predict_sink *sink, void *context, const volatile sig_atomic_t *stop) {
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
