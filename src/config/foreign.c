/* Names of other programs' options: PyTorch Lightning, torchrun, torchvision's references and timm (docs/migrating.md),
 * and some of Hugging Face's trainer. The only list of them. */
#include "config/options.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>

/* Words of `words`: "theirs=ours|...". */
#define SAME(name_, option_)                                                                                           \
    { .name = (name_), .option = (option_) }
#define WORDS(name_, option_, words_)                                                                                  \
    { .name = (name_), .option = (option_), .words = (words_) }
#define FLAG(name_, option_, words_)                                                                                   \
    { .name = (name_), .option = (option_), .words = (words_), .flag = true }
#define OTHER(name_, option_)                                                                                          \
    { .name = (name_), .option = (option_), .other = true }

static const foreign_name names[] = {
    /* Lightning's Trainer and callbacks */
    WORDS("accelerator", "trainer.device", "gpu=cuda"),
    SAME("accumulate_grad_batches", "trainer.accumulate"),
    SAME("check_val_every_n_epoch", "trainer.check_val_every_n_epoch"),
    SAME("ckpt_path", "trainer.resume"),
    SAME("default_root_dir", "trainer.out"),
    SAME("every_n_train_steps", "checkpoint.every_n_steps"),
    FLAG("fast_dev_run", "trainer.dry_run", "1=true|0=false"),
    SAME("gradient_clip_val", "trainer.clip_norm"),
    SAME("limit_train_batches", "trainer.limit_train_batches"),
    SAME("limit_val_batches", "trainer.limit_val_batches"),
    SAME("log_every_n_steps", "trainer.log_every_n_steps"),
    SAME("max_time", "trainer.max_time"),
    SAME("num_workers", "data.workers"),
    SAME("overfit_batches", "trainer.overfit_batches"),
    SAME("save_last", "checkpoint.save_last"),
    SAME("save_top_k", "checkpoint.top_k"),
    SAME("sync_batchnorm", "trainer.sync_batchnorm"),
    SAME("val_check_interval", "trainer.val_check_interval"),
    OTHER("auto_lr_find", "optimizer.lr"),
    WORDS("auto_scale_batch_size", "data.batch_size", "true=auto|True=auto|power=auto|binsearch=auto"),
    OTHER("gpus", "trainer.devices"),
    OTHER("num_gpus", "trainer.devices"),
    OTHER("ngpus", "trainer.devices"),
    OTHER("num_processes", "trainer.devices"),
    /* torchrun */
    SAME("nproc_per_node", "trainer.devices"),
    SAME("max_restarts", "dist.restarts"),
    /* torchvision and timm */
    FLAG("amp", "trainer.precision", "true=16-mixed|false=32-true"),
    OTHER("amp_dtype", "trainer.precision"),
    WORDS("aa", "data.auto_augment", "3a=3augment"),
    SAME("augmix_severity", "data.augmix_severity"),
    WORDS("auto_augment", "data.auto_augment", "ra=randaugment|ta_wide=trivialaugment|imagenet=autoaugment"),
    OTHER("b", "data.batch_size"),
    OTHER("bs", "data.batch_size"),
    FLAG("bce_loss", "optimizer.loss", "true=bce|false=cross_entropy"),
    SAME("bce_sum", "optimizer.bce_sum"),
    SAME("bce_target_thresh", "optimizer.bce_threshold"),
    WORDS("bias_weight_decay", "optimizer.decay_bias", "0=false|0.0=false"),
    SAME("checkpoint_hist", "checkpoint.top_k"),
    SAME("clip_grad", "trainer.clip_norm"),
    SAME("clip_grad_norm", "trainer.clip_norm"),
    SAME("crop_mode", "data.crop_mode"),
    SAME("crop_pct", "data.crop_pct"),
    SAME("color_jitter", "data.color_jitter"),
    SAME("color_jitter_prob", "data.color_jitter_prob"),
    OTHER("csv", "data.list"),
    OTHER("csv_file", "data.list"),
    SAME("cutmix", "data.cutmix"),
    SAME("cutmix_alpha", "data.cutmix"),
    SAME("data_dir", "data.path"),
    SAME("data_path", "data.path"),
    SAME("decay_epochs", "schedule.step_size"),
    OTHER("decay_milestones", "schedule.milestones"),
    OTHER("decay_rate", "schedule.gamma"),
    SAME("drop_path", "model.drop_path"),
    SAME("epochs", "trainer.max_epochs"),
    SAME("grad_accum_steps", "trainer.accumulate"),
    SAME("grayscale_prob", "data.grayscale"),
    SAME("hflip", "data.flip"),
    SAME("vflip", "data.vertical_flip"),
    SAME("img_size", "data.image_size"),
    SAME("initial_checkpoint", "model.init"),
    OTHER("input_size", "data.image_size"),
    SAME("interpolation", "data.interpolation"),
    OTHER("j", "data.workers"),
    SAME("label_smoothing", "optimizer.label_smoothing"),
    SAME("log_interval", "trainer.log_every_n_steps"),
    OTHER("lr_decay", "schedule.gamma"),
    SAME("lr_gamma", "schedule.gamma"),
    SAME("lr_min", "schedule.eta_min"),
    WORDS("lr_scheduler", "schedule.name", "steplr=step|multisteplr=multistep|cosineannealinglr=cosine"),
    SAME("lr_step_size", "schedule.step_size"),
    OTHER("lr_steps", "schedule.milestones"),
    SAME("lr_warmup_decay", "schedule.warmup_start"),
    SAME("lr_warmup_epochs", "schedule.warmup_epochs"),
    SAME("mixup", "data.mixup"),
    SAME("mixup_alpha", "data.mixup"),
    SAME("model", "model.arch"),
    OTHER("model_ema", "trainer.ema"),
    SAME("model_ema_decay", "trainer.ema"),
    SAME("model_ema_steps", "trainer.ema_steps"),
    SAME("momentum", "optimizer.momentum"),
    OTHER("opt_betas", "optimizer.beta1"),
    SAME("opt_eps", "optimizer.eps"),
    SAME("optimizer", "optimizer.name"),
    WORDS("norm_weight_decay", "optimizer.decay_norm", "0=false|0.0=false"),
    SAME("output", "trainer.out"),
    SAME("output_dir", "trainer.out"),
    SAME("patience_epochs", "schedule.patience"),
    OTHER("pretrained", "model.init"),
    SAME("print_freq", "trainer.log_every_n_steps"),
    SAME("ra_magnitude", "data.ra_magnitude"),
    SAME("ra_reps", "data.repeats"),
    SAME("random_erase", "data.random_erase"),
    SAME("reprob", "data.random_erase"),
    OTHER("resolution", "data.image_size"),
    SAME("sched", "schedule.name"),
    SAME("smoothing", "optimizer.label_smoothing"),
    SAME("sync_bn", "trainer.sync_batchnorm"),
    FLAG("ThreeAugment", "data.auto_augment", "true=3augment|false=none"), /* of DeiT's main.py */
    SAME("train_crop_size", "data.image_size"),
    SAME("train_interpolation", "data.train_interpolation"),
    SAME("val_crop_size", "data.val_size"),
    SAME("val_resize_size", "data.resize_size"),
    SAME("warmup_epochs", "schedule.warmup_epochs"),
    OTHER("warmup_lr", "schedule.warmup_start"),
    SAME("wd", "optimizer.weight_decay"),
    SAME("weight_decay", "optimizer.weight_decay"),
    OTHER("use_ema", "model.init_key"),
    OTHER("validation_split", "data.val_split"),
    OTHER("weights", "model.init"),
    /* Hugging Face and others */
    SAME("adam_beta1", "optimizer.beta1"),
    SAME("adam_beta2", "optimizer.beta2"),
    SAME("adam_epsilon", "optimizer.eps"),
    OTHER("bf16", "trainer.precision"),
    OTHER("finetune", "model.init"),
    OTHER("fp16", "trainer.precision"),
    SAME("gradient_accumulation_steps", "trainer.accumulate"),
    SAME("learning_rate", "optimizer.lr"),
    SAME("max_grad_norm", "trainer.clip_norm"),
    SAME("num_epochs", "trainer.max_epochs"),
    OTHER("save_dir", "trainer.out"),
    OTHER("scheduler", "schedule.name"),
    OTHER("steps", "trainer.max_steps"),
};

const foreign_name *foreign_find(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (option_same_name(name, names[i].name))
            return &names[i];
    return NULL;
}

const foreign_name *foreign_alias(const char *name) {
    static const char group[] = "trainer.";
    const foreign_name *f = foreign_find(strncmp(name, group, sizeof group - 1) == 0 ? name + sizeof group - 1 : name);
    return f != NULL && !f->other ? f : NULL;
}

const char *foreign_value(char out[FOREIGN_WORD], const foreign_name *f, const char *value) {
    size_t n = strlen(value);
    for (const char *p = f->words; p != NULL && *p != 0;) {
        size_t word = strcspn(p, "="), rest = strcspn(p + word, "|");
        if (word == n && strncmp(p, value, n) == 0) {
            snprintf(out, FOREIGN_WORD, "%.*s", (int)rest - 1, p + word + 1);
            return out;
        }
        p += word + rest;
        p += *p == '|';
    }
    return value;
}

const char *foreign_nearest(const option *o, const char *value) {
    static const struct {
        const char *option, *prefix, *nearest;
    } nearest[] = {
        {"data.auto_augment", "rand", "of the parts of timm's RandAugment m, n, p, mstd, mmax and inc are available"},
        {"data.auto_augment", "augmix-", "the nearest is augmix, with data.augmix_severity for m"},
        {"data.auto_augment", "original", "the nearest to timm's policies is autoaugment, torchvision's policy"},
        {"data.auto_augment", "v0", "the nearest to timm's policies is autoaugment, torchvision's policy"},
        {"data.auto_augment", "cifar10", "of the policies of AutoAugment only ImageNet's is available, autoaugment"},
        {"data.auto_augment", "svhn", "of the policies of AutoAugment only ImageNet's is available, autoaugment"},
    };
    for (size_t i = 0; i < sizeof nearest / sizeof *nearest; i++)
        if (strcmp(o->name, nearest[i].option) == 0 &&
            strncmp(value, nearest[i].prefix, strlen(nearest[i].prefix)) == 0)
            return nearest[i].nearest;
    return NULL;
}

int foreign_list(text *out, const option *o) {
    int rc = OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].other || strcmp(names[i].option, o->name) != 0)
            continue;
        TRY(text_printf(out, "%s`--", out->n > 0 ? ", " : ""));
        for (const char *p = names[i].name; *p != 0; p++)
            TRY(text_append(out, *p == '_' ? "-" : p, 1));
        TRY(text_append(out, "`", 1));
    }
done:
    return rc;
}
