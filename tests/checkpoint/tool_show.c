/* checkpoint_tool_show FILE: prints the result of ckpt_load, for test scripts. A tensor is a line "state|momentum
 * NAME TYPE (SIZES,) CRC32"; the other lines are "KEY VALUE". */
#include "base/status.h"
#include "checkpoint/checkpoint.h"

#include <stdio.h>
#include <zlib.h>

static const char *const types[] = {"float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool"};

static void show(const char *where, const ckpt_tensor *tensors, int n) {
    for (int i = 0; i < n; i++) {
        const ckpt_tensor *t = &tensors[i];
        printf("%s %s %s (", where, t->name, types[t->type]);
        for (int k = 0; k < t->rank; k++)
            printf("%lld,", (long long)t->shape[k]);
        printf(") %08x\n", (unsigned)crc32_z(0, t->data, t->bytes));
    }
}

static void show_items(const ckpt_item *items, int n) {
    for (int i = 0; i < n; i++) {
        printf("hyper.%s ", items[i].key);
        switch (items[i].kind) {
        case 'd': printf("%.17g\n", items[i].d); break;
        case 's': printf("%s\n", items[i].s); break;
        case 'l':
            for (int64_t k = 0; k < items[i].i; k++)
                printf("%s%c", items[i].list[k], k + 1 < items[i].i ? ',' : '\n');
            break;
        default: printf("%lld\n", (long long)items[i].i); break;
        }
    }
}

int main(int n, char **arguments) {
    ckpt *c = NULL;
    if (n != 2)
        return 2;
    if (ckpt_load(&c, arguments[1]) != 0) {
        fprintf(stderr, "%s\n", status_message());
        return 1;
    }
    show("state", c->state, c->state_n);
    show("momentum", c->momentum, c->momentum_n);
    printf("epoch %lld\nglobal_step %lld\nbatches_per_epoch %lld\nbatch_in_epoch %lld\nepoch_done %d\n",
           (long long)c->epoch, (long long)c->global_step, (long long)c->batches_per_epoch,
           (long long)c->batch_in_epoch, c->epoch_done);
    printf("lr %.17g\nmomentum_factor %.17g\nweight_decay %.17g\nparams %d\n", c->optimizer.lr, c->optimizer.momentum,
           c->optimizer.weight_decay, c->param_n);
    printf("head %d %.17g\n", c->head_n, c->head_scale);
    if (c->skipped[0] != 0)
        printf("skipped %s\n", c->skipped);
    printf("schedule %d\nlast_epoch %lld\nbest %.17g\nbase_lr %.17g\n", (int)c->schedule.kind,
           (long long)c->schedule.last_epoch, c->schedule.best, c->schedule.base_lr);
    printf("monitor %s %s\n", c->monitor, c->monitor_max ? "max" : "min");
    if (c->early_stopping.on)
        printf("early_stopping %s %s %lld %lld %d %.9g\n", c->early_stopping.monitor,
               c->early_stopping.max ? "max" : "min", (long long)c->early_stopping.wait_count,
               (long long)c->early_stopping.stopped_epoch, c->early_stopping.patience, c->early_stopping.best_score);
    for (int i = 0; i < c->kept_n; i++)
        printf("kept %.9g %s\n", c->kept[i].value, c->kept[i].path);
    show_items(c->hyper, c->hyper_n);
    ckpt_free(c);
    return 0;
}
