/* checkpoint_tool_make FILE SCHEDULE middle|end < LIST: writes a checkpoint whose tensors the test script can
 * compute too. LIST has one line per tensor: "state|momentum NAME TYPE RANK SIZES..."; byte i of each is (i * 31 +
 * 7) & 0x3F, so that every type interprets them as finite numbers. */
#include "base/status.h"
#include "checkpoint/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const types[] = {"float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool"};
static const char *const kinds[] = {"none", "step", "plateau", "cosine", "multistep"};

static int read_tensor(ckpt_tensor *t, const char *name, const char *type) {
    size_t numel = 1;
    *t = (ckpt_tensor){.type = CKPT_F32};
    snprintf(t->name, sizeof t->name, "%s", name);
    for (int i = 0; i < 8; i++)
        if (strcmp(types[i], type) == 0)
            t->type = (ckpt_type)i;
    if (scanf("%d", &t->rank) != 1 || t->rank > 8)
        return -1;
    for (int i = 0; i < t->rank; i++) {
        long long size = 0;
        if (scanf("%lld", &size) != 1)
            return -1;
        t->shape[i] = size;
        numel *= (size_t)size;
    }
    t->bytes = numel * ckpt_type_bytes(t->type);
    unsigned char *data = malloc(t->bytes + 1);
    for (size_t i = 0; data != NULL && i < t->bytes; i++)
        data[i] = t->type == CKPT_BOOL ? i % 2 : (i * 31 + 7) & 0x3F;
    t->data = data;
    return data != NULL ? 0 : -1;
}

static void fill(ckpt *c, const char *schedule, bool end) {
    c->epoch = 1;
    c->batches_per_epoch = 4;
    c->batch_in_epoch = end ? 4 : 2;
    c->epoch_done = end;
    c->global_step = end ? 8 : 6;
    c->best_value = c->current_value = 0.5;
    snprintf(c->monitor, sizeof c->monitor, "val_loss");
    c->early_stopping = (ckpt_early_stopping){
        .on = !end, .monitor = "val_acc", .max = true, .wait_count = 2, .patience = 5, .best_score = 0.75};
    c->param_n = c->momentum_n;
    c->optimizer =
        (ckpt_optimizer){.kind = CKPT_SGD, .lr = 0.1, .initial_lr = 0.1, .momentum = 0.9, .weight_decay = 1e-4};
    c->scaler = (ckpt_grad_scaler){.on = true,
                                   .scale = 32768,
                                   .growth_factor = 2,
                                   .backoff_factor = 0.5,
                                   .growth_interval = 2000,
                                   .growth_tracker = 17};
    c->schedule = (ckpt_schedule){.last_epoch = end ? 2 : 1,
                                  .base_lr = 0.1,
                                  .last_lr = 0.1,
                                  .step_size = 30,
                                  .gamma = 0.1,
                                  .milestone_n = 2,
                                  .milestones = {1, 30},
                                  .factor = 0.1,
                                  .patience = 10,
                                  .threshold = 1e-4,
                                  .best = INFINITY,
                                  .eps = 1e-8,
                                  .t_max = 10};
    for (int k = 0; k < CKPT_SCHEDULE_KINDS; k++)
        if (strcmp(kinds[k], schedule) == 0)
            c->schedule.kind = (ckpt_schedule_kind)k;
}

int main(int n, char **arguments) {
    static ckpt_tensor state[1000], momentum[1000];
    static char *names[] = {"caf\xc3\xa9", "\xe2\x82\xac"};
    static ckpt_item hyper[] = {{.key = "arch", .kind = 's', .s = "resnet18"},
                                {.key = "lr", .kind = 'd', .d = 0.1},
                                {.key = "class_names", .kind = 'l', .i = 2, .list = names}};
    static ckpt_kept kept[] = {{"caf\xc3\xa9 \xff.ckpt", 0.5}, {"worse.ckpt", 0.75}};
    ckpt c = {.state = state, .momentum = momentum, .kept = kept, .kept_n = 2, .hyper = hyper, .hyper_n = 3};
    char where[16], name[96], type[16];
    if (n != 4)
        return 2;
    while (scanf("%15s %95s %15s", where, name, type) == 3) {
        bool is_state = strcmp(where, "state") == 0;
        int *count = is_state ? &c.state_n : &c.momentum_n;
        if (*count == 1000 || read_tensor(is_state ? &state[*count] : &momentum[*count], name, type) != 0)
            return 2;
        ++*count;
    }
    fill(&c, arguments[2], strcmp(arguments[3], "middle") != 0);
    if (strcmp(arguments[3], "head") == 0) {
        c.head_n = 1;
        c.head_scale = 4;
    }
    snprintf(c.last_path, sizeof c.last_path, "last.ckpt");
    int rc = ckpt_save(arguments[1], &c);
    if (rc != 0)
        fprintf(stderr, "%s\n", status_message());
    for (int i = 0; i < c.state_n; i++)
        free(state[i].data);
    for (int i = 0; i < c.momentum_n; i++)
        free(momentum[i].data);
    return rc != 0;
}
