/* The position of a loader as JSON: epoch, batch over all ranks, the corrupt images that are known, and what the order
 * of the images depends on. */
#include "library/loader_handle.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "training/run_loader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/** Bytes of the text of a value in a message. */
enum { SHOWN = 64 };

static const char *own_fingerprint(linnet_loader *l) {
    if (l->fingerprint.dataset == NULL)
        fingerprint_begin(&l->fingerprint, l->dataset);
    return fingerprint_value(&l->fingerprint);
}

/** The ranks among which a stream of shards is divided; "one host" if it is not. */
static void stream_hosts(char out[SHOWN], const linnet_loader *l) {
    bool divided = l->training && l->config.data.shuffle && run_loader_shuffle_buffer(&l->config) > 0 && l->hosts > 1;
    snprintf(out, SHOWN, divided ? "%d ranks, %d per host" : "one host", l->ranks.count, l->ranks.per_host);
}

/** What the order of the images within an epoch depends on. NULL: out of memory */
static json_t *order_of(const linnet_loader *l) {
    const config *c = &l->config;
    char hosts[SHOWN], seed[SHOWN];
    stream_hosts(hosts, l);
    snprintf(seed, sizeof seed, "%llu", c->trainer.seed);
    return json_pack("{s:I,s:s,s:i,s:b,s:b,s:i,s:f,s:I,s:s}", "images", (json_int_t)l->dataset->image_n, "trainer.seed",
                     seed, "data.batch_size", linnet_loader_batch_size(l), "data.shuffle", c->data.shuffle,
                     "data.drop_last", c->data.drop_last, "data.repeats", c->data.repeats, "data.balance",
                     c->data.balance, "data.shuffle_buffer (0 without data.sequential)",
                     (json_int_t)run_loader_shuffle_buffer(c), "hosts", hosts);
}

/** NULL: out of memory */
static json_t *bad_of(linnet_loader *l) {
    json_t *list = json_array();
    for (int64_t i = 0; list != NULL && i < linnet_loader_bad_n(l); i++)
        if (json_array_append_new(list, json_integer((json_int_t)linnet_loader_bad_index(l, i))) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static int save(char **out, linnet_loader *l) {
    int64_t taken = l->started ? loader_taken(l->loader) : 0;
    bool done = taken >= loader_own_batches(l, l->first);
    int64_t first = done ? 0 : l->first + taken * l->ranks.count, epoch = l->epoch + done;
    text t = {0};
    json_t *o = json_pack("{s:i,s:s,s:s,s:I,s:I,s:o,s:o}", "linnet_loader", 1, "split", l->training ? "train" : "val",
                          "fingerprint", own_fingerprint(l), "epoch", (json_int_t)epoch, "batch", (json_int_t)first,
                          "order", order_of(l), "bad", bad_of(l));
    int rc = o == NULL ? fail(E_NOMEM, "out of memory: the state of a loader") : json_append(&t, o, 0);
    json_decref(o);
    *out = NULL;
    if (rc == OK)
        *out = t.data; /* now owned by the caller */
    else
        text_deinit(&t);
    return rc;
}

static const char *shown(char out[SHOWN], const json_t *value) {
    text whole = {0};
    bool known = value != NULL && json_append(&whole, value, JSON_ENCODE_ANY) == OK;
    snprintf(out, SHOWN, "%s", known ? text_string(&whole) : "missing");
    text_deinit(&whole);
    return out;
}

/** In the middle of an epoch nothing may differ that the order depends on. */
static int check_order(const linnet_loader *l, const json_t *then) {
    json_t *now = order_of(l), *value = NULL;
    const char *key = NULL;
    char a[SHOWN], b[SHOWN];
    int rc = now == NULL ? fail(E_NOMEM, "out of memory: the state of a loader") : OK;
    json_object_foreach(now, key, value) {
        const json_t *old = json_object_get(then, key);
        if (rc == OK && !json_equal(old, value))
            rc = fail(E_OPTION,
                      "the state was saved in the middle of an epoch with %s %s, but now it is %s: restore it with the "
                      "old value, or use a state from the end of an epoch",
                      key, shown(a, old), shown(b, value));
    }
    json_decref(now);
    return rc;
}

static int check_dataset(linnet_loader *l, const json_t *o) {
    const char *split = json_string_value(json_object_get(o, "split"));
    const char *then = json_string_value(json_object_get(o, "fingerprint"));
    if (split == NULL || strcmp(split, l->training ? "train" : "val") != 0)
        return fail(E_OPTION, "the state is that of split %s, but the loader has %s", split != NULL ? split : "(none)",
                    l->training ? "train" : "val");
    if (l->config.data.changed || (then != NULL && strcmp(then, own_fingerprint(l)) == 0))
        return OK;
    return fail(E_DATA,
                "the state was saved with different data: names, sizes or classes of the images in %s differ "
                "(fingerprint %s then, %s now). If this is intended, set data.changed true",
                l->dataset->root, then != NULL ? then : "missing", own_fingerprint(l));
}

static int restore_bad(linnet_loader *l, const json_t *list) {
    size_t n = json_array_size(list);
    int64_t *index = NULL;
    int rc = OK;
    TRY(memory_zeroed(&index, n, sizeof *index));
    for (size_t i = 0; i < n; i++)
        index[i] = json_integer_value(json_array_get(list, i));
    TRY(loader_set_bad(l->loader, index, (int64_t)n));
done:
    free(index);
    return rc;
}

static int restore(linnet_loader *l, const char *state) {
    json_error_t error;
    json_t *o = NULL;
    int rc = OK;
    if (json_read(&o, state, strlen(state), 0, &error) != OK ||
        json_integer_value(json_object_get(o, "linnet_loader")) != 1) {
        rc = fail(E_FORMAT, "the text is not a state of a loader: pass what linnet_loader_state gave");
        goto done;
    }
    const json_t *epoch = json_object_get(o, "epoch"), *number = json_object_get(o, "batch");
    int64_t first = json_integer_value(number), e = json_integer_value(epoch);
    if (!json_is_integer(epoch) || !json_is_integer(number) || e < 0 || e > UINT32_MAX || first < 0) {
        rc = fail(E_FORMAT, "the state of a loader has no valid epoch and batch");
        goto done;
    }
    TRY(check_dataset(l, o));
    if (first > 0)
        TRY(check_order(l, json_object_get(o, "order")));
    if (!l->config.data.changed)
        TRY(restore_bad(l, json_object_get(o, "bad")));
    TRY(loader_begin(l, e, first));
done:
    json_decref(o);
    return rc;
}

int linnet_loader_state(char **out, linnet_loader *l) {
    locale_t before = api_enter();
    return api_return(before, save(out, l));
}

int linnet_loader_restore(linnet_loader *l, const char *state) {
    locale_t before = api_enter();
    return api_return(before, restore(l, state));
}
