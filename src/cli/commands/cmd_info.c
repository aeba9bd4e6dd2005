#include "cli/cli.h"
#include "cli/json.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "dataset/dataset.h"
#include "dataset/splits/dataset_checks.h"
#include "tools/checkpoint_options.h"
#include "training/run_context.h"
#include "training/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const cli_option own[] = {
    CLI_DATA_OPTIONS,
    {"--init-key KEY", "key of the weights in the checkpoint, such as state_dict_ema, or the prefix of their names"},
    {"--json", "print the result as one JSON object, with all class names"},
    {0}};
static const cli_manual manual = {.usage = "linnet info CHECKPOINT|DATASET [--init-key KEY] [--json]",
                                  .text = "A dataset may also be given as --data DIR.",
                                  .option = own};

enum { NAMES_SHOWN = 20 }; /* entries of a list on the terminal; --json prints all */

static long long values_of(const ckpt *c) {
    long long n = 0;
    for (int i = 0; i < c->state_n; i++) {
        const char *name = c->state[i].name;
        size_t len = strlen(name);
        if (strstr(name, "running_") != NULL || (len > 19 && strcmp(name + len - 19, "num_batches_tracked") == 0))
            continue;
        n += (long long)(c->state[i].bytes / ckpt_type_bytes(c->state[i].type));
    }
    return n;
}

static uint64_t hash_tensors(uint64_t h, const ckpt_tensor *tensors, int n) {
    for (int i = 0; i < n; i++)
        h = hash_bytes(h, tensors[i].data, tensors[i].bytes);
    return h;
}

/** FNV-1a over the bytes of all weights, statistics and tensors of the optimizer, and of the EMA if there is one: equal
 * for equal training states. */
static uint64_t digest_of(const ckpt *c) {
    uint64_t h = hash_tensors(HASH_START, c->state, c->state_n);
    h = hash_tensors(h, c->momentum, c->momentum_n);
    h = hash_tensors(h, c->square, c->square_n);
    return hash_tensors(h, c->current, c->current_n);
}

/** The architecture stored in the checkpoint, else the one derived from its tensors. */
static const char *arch_of(char room[32], const ckpt *c, const char *path) {
    const ckpt_item *i = ckpt_find_item(c->own, c->own_n, "arch");
    if (i != NULL && i->kind == 's')
        return i->s;
    return weights_arch(room, c, path) == OK ? room : "unknown";
}

static void print_hyper(const ckpt_item *h) {
    switch (h->kind) {
    case 's': printf("  %-14s %s\n", h->key, h->s); break;
    case 'd': printf("  %-14s %g\n", h->key, h->d); break;
    case 'l':
        printf("  %-14s", h->key);
        for (int64_t i = 0; i < h->i && i < NAMES_SHOWN; i++)
            printf("%s %s", i > 0 ? "," : "", h->list[i]);
        printf(h->i > NAMES_SHOWN ? " and %lld more\n" : "\n", (long long)h->i - NAMES_SHOWN);
        break;
    default: printf("  %-14s %lld\n", h->key, (long long)h->i); break;
    }
}

static void print_optimizer(const ckpt *c) {
    const ckpt_optimizer *o = &c->optimizer;
    printf("optimizer   %s, LR %g, weight decay %g", ckpt_optimizer_name(o->kind), c->schedule.last_lr,
           o->weight_decay);
    if (o->kind == CKPT_SGD || o->kind == CKPT_RMSPROP || o->kind == CKPT_LARS)
        printf(", momentum %g", o->momentum);
    if (o->kind == CKPT_ADAMW || o->kind == CKPT_LAMB)
        printf(", betas %g and %g", o->beta1, o->beta2);
    if (o->kind == CKPT_RMSPROP)
        printf(", alpha %g", o->alpha);
    if (o->kind == CKPT_LARS)
        printf(", trust coefficient %g", o->trust_coeff);
    if (o->kind != CKPT_SGD && o->kind != CKPT_NO_OPTIMIZER && o->kind != CKPT_OTHER_OPTIMIZER)
        printf(", eps %g", o->eps);
    if (o->updates > 0)
        printf(", %lld updates", (long long)o->updates);
    printf(", state of %d parameters\n", c->momentum_n);
}

static json_t *names_json(const ckpt *c) {
    const ckpt_item *names = ckpt_class_names(c);
    json_t *list = json_array();
    for (int64_t i = 0; names != NULL && i < names->i; i++)
        json_array_append_new(list, json_text(names->list[i]));
    return list;
}

/** The size of the validation images, which `linnet export` uses; null if the checkpoint has no options. */
static json_t *image_size_json(const ckpt *c, const char *path) {
    static config stored;
    config_defaults(&stored);
    if (ckpt_find_item(c->hyper, c->hyper_n, "image_size") == NULL || checkpoint_options(&stored, c, path) != OK)
        return json_null();
    return json_integer(stored.data.image_size);
}

static int print_checkpoint_json(const ckpt *c, const char *path, const char *digest) {
    char arch[32];
    bool by_loss = strcmp(c->monitor, "val_loss") == 0;
    json_t *o = json_object();
    json_object_set_new(o, "digest", json_text(digest));
    json_object_set_new(o, "arch", json_text(arch_of(arch, c, path)));
    json_object_set_new(o, "parameters", json_integer(values_of(c)));
    json_object_set_new(o, "tensors", json_integer(c->state_n));
    json_object_set_new(o, "epoch", json_integer(c->epoch));
    json_object_set_new(o, "step", json_integer(c->global_step));
    json_object_set_new(o, "epoch_done", json_boolean(c->epoch_done));
    json_object_set_new(o, "optimizer", json_text(ckpt_optimizer_name(c->optimizer.kind)));
    json_object_set_new(o, "lr", json_number_or_null(c->schedule.last_lr));
    json_object_set_new(o, "monitor", json_text(c->monitor));
    json_object_set_new(o, "score", json_number_or_null(c->current_value));
    json_object_set_new(o, "best_score", json_number_or_null(c->best_value));
    json_object_set_new(o, "loss", json_number_or_null(by_loss ? c->current_value : NAN));
    json_object_set_new(o, "best_loss", json_number_or_null(by_loss ? c->best_value : NAN));
    json_object_set_new(o, "image_size", image_size_json(c, path));
    json_object_set_new(o, "class_names", names_json(c));
    return json_print(o);
}

static void print_checkpoint(const ckpt *c, const char *path, const char *digest) {
    char arch[32], count[32];
    printf("checkpoint  %s\n", path);
    printf("digest      %s\n", digest);
    printf("model       %s, %s parameters in %d tensors\n", arch_of(arch, c, path),
           text_count(count, (unsigned long long)values_of(c)), c->state_n);
    if (strchr(c->parts, ',') != NULL)
        printf("weights     under %s: --init-key selects one\n", c->parts);
    printf("progress    epoch %lld, batch %lld of %lld, step %lld%s\n", (long long)c->epoch + 1,
           (long long)c->batch_in_epoch, (long long)c->batches_per_epoch, (long long)c->global_step,
           c->epoch_done ? "; the epoch is finished" : "");
    print_optimizer(c);
    if (c->current_n > 0)
        printf("ema         the model contains the EMA of the weights, updated %lld times; the current weights are "
               "also saved\n",
               (long long)c->ema_updates);
    if (isfinite(c->current_value))
        printf("%-11s %.6f\n", c->monitor[0] != 0 ? c->monitor : "score", c->current_value);
    for (int i = 0; i < c->kept_n; i++)
        printf("best        %.6f  %s\n", c->kept[i].value, c->kept[i].path);
    for (int i = 0; i < c->hyper_n; i++)
        print_hyper(&c->hyper[i]);
}

static int info_checkpoint(const char *path, const char *key, bool json) {
    ckpt *c = NULL;
    int rc = OK;
    char digest[17];
    TRY(ckpt_load_key(&c, path, key));
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)digest_of(c));
    if (json)
        rc = print_checkpoint_json(c, path, digest);
    else
        print_checkpoint(c, path, digest);
done:
    ckpt_free(c);
    return rc;
}

static void class_range(const dataset *d, int64_t *fewest, int64_t *most) {
    *fewest = *most = d->class_image_n[0];
    for (int i = 1; i < d->class_n; i++) {
        *fewest = d->class_image_n[i] < *fewest ? d->class_image_n[i] : *fewest;
        *most = d->class_image_n[i] > *most ? d->class_image_n[i] : *most;
    }
}

static int info_dataset(const config *c, bool json) {
    static const char *const split[] = {"train", "val"};
    splits_request data = run_context_data(c);
    json_t *o = json ? json_object() : NULL;
    dataset *d[2] = {NULL, NULL};
    int rc = OK;
    TRY(splits_open(&d[0], &d[1], &data));
    for (int i = 0; i < 2; i++) {
        int64_t fewest = 0, most = 0;
        class_range(d[i], &fewest, &most);
        if (json)
            json_object_set_new(o, split[i],
                                json_pack("{s:I,s:i,s:I,s:I,s:I}", "images", (json_int_t)d[i]->image_n, "classes",
                                          d[i]->class_n, "fewest", (json_int_t)fewest, "most", (json_int_t)most,
                                          "passed_over", (json_int_t)d[i]->passed_n));
        else
            printf("%-6s %lld images, %d classes, %lld to %lld images per class\n", split[i], (long long)d[i]->image_n,
                   d[i]->class_n, (long long)fewest, (long long)most);
    }
    TRY(dataset_use_classes(d[1], d[0]->class_name, d[0]->class_n, d[0]->root));
    TRY(dataset_warn(d[0], d[1]));
    for (int i = 0; !json && i < d[0]->class_n; i++)
        printf("  %4d %-32s %8lld train %8lld val\n", i, d[0]->class_name[i], (long long)d[0]->class_image_n[i],
               (long long)d[1]->class_image_n[i]);
    if (json) {
        rc = json_print(o);
        o = NULL; /* now owned by json_print */
    }
done:
    json_decref(o);
    dataset_close(d[0]);
    dataset_close(d[1]);
    return rc;
}

int cmd_info(int argc, char **argv) {
    static config c;
    bool given = false;
    const char *key = NULL;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    TRY(cli_take_value(&key, &argc, argv, "--init-key"));
    TRY(cli_take_data(&given, &c, &argc, argv));
    if (!given)
        return cli_usage(&manual);
    bool dataset_given = c.data.path[0] == 0 || folder_exists(c.data.path) || dataset_is_list(c.data.path);
    TRY(dataset_given ? info_dataset(&c, json) : info_checkpoint(c.data.path, key != NULL ? key : "", json));
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
