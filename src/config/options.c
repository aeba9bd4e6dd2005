#include "config/options.h"

#include <stddef.h>

/* To add an option: a field in config.h, a line here, `docs/options.md` made anew (tests/config/tool_help.c). */

/* NOLINTBEGIN(bugprone-macro-parentheses): group.field is a member's path */
#define FIELD(group, field)                                                                                            \
    .name = #group "." #field, .offset = offsetof(config, group.field), .size = sizeof(((config *)0)->group.field)
/* NOLINTEND(bugprone-macro-parentheses) */

#define INT(group, field, initial_, min_, max_, ...)                                                                   \
    { FIELD(group, field), .type = OPTION_INT, .initial = initial_, .min = min_, .max = max_, __VA_ARGS__ }
#define LONG(group, field, initial_, min_, max_, ...)                                                                  \
    { FIELD(group, field), .type = OPTION_LONG, .initial = initial_, .min = min_, .max = max_, __VA_ARGS__ }
#define REAL(group, field, initial_, min_, max_, ...)                                                                  \
    { FIELD(group, field), .type = OPTION_REAL, .initial = initial_, .min = min_, .max = max_, __VA_ARGS__ }
#define REAL3(group, field, initial_, min_, max_, ...)                                                                 \
    { FIELD(group, field), .type = OPTION_REAL3, .initial = initial_, .min = min_, .max = max_, __VA_ARGS__ }
#define BOOL(group, field, initial_, ...)                                                                              \
    { FIELD(group, field), .type = OPTION_BOOL, .initial = initial_, __VA_ARGS__ }
#define TEXT(group, field, initial_, ...)                                                                              \
    { FIELD(group, field), .type = OPTION_TEXT, .initial = initial_, __VA_ARGS__ }
#define CHOICE(group, field, initial_, choices_, ...)                                                                  \
    { FIELD(group, field), .type = OPTION_CHOICE, .initial = initial_, .choices = choices_, __VA_ARGS__ }
#define LIMIT(group, field, ...)                                                                                       \
    { FIELD(group, field), .type = OPTION_LIMIT, .initial = "1.0", __VA_ARGS__ }

#define WHOLE_MAX 9007199254740992.0 /* 2^53: every whole number up to here is a double */

const option option_table[] = {
    TEXT(data, path, "", .alias = "data",
         .help = "folder that holds train/CLASS/*.jpg and val/CLASS/*.jpg, or shards, with train and val as words in "
                 "their names"),
    INT(data, image_size, "224", 8, 4096, .alias = "image-size",
        .help = "side of the square crop that the network sees, pixels"),
    INT(data, val_size, "0", 0, 4096, .help = "the same in validation; 0: image_size"),
    INT(data, resize_size, "0", 0, 8192,
        .help = "validation: the shorter side is resized to this before the crop; 0: round(val_size / 0.875)"),
    INT(data, progressive_size, "0", 0, 4096,
        .help = "training begins with crops of this side, which grow to image_size in steps of 32; 0: off"),
    INT(data, progressive_begin, "0", 0, 1000000, .help = "progressive_size: the last epoch, from 0, that has it"),
    INT(data, progressive_end, "0", 0, 1000000, .help = "progressive_size: the first epoch, from 0, at image_size"),
    INT(data, batch_size, "32", 1, 65536, .alias = "batch-size", .help = "images per device and step"),
    INT(data, val_batch_size, "0", 0, 65536, .help = "images per device and step in validation; 0: as batch_size"),
    INT(data, workers, "auto", 1, 1024, .alias = "workers", .word = "auto", .word_value = -1,
        .help = "threads that read and decode images"),
    INT(data, ahead, "3", 2, 256, .help = "batches prepared ahead of the trainer"),
    INT(data, read_ahead, "2", 0, 1024,
        .help = "shards: batches that the system is asked to read before they are needed; 0: none"),
    BOOL(data, sequential, "false",
         .help = "training from shards on a slow network: read one after the other, shuffled by shuffle_buffer alone"),
    LONG(data, shuffle_buffer, "10000", 1, 4294967295.0,
         .help = "sequential: an image is drawn from so many that come next; the fewer, the weaker the shuffle"),
    BOOL(data, shuffle, "true", .help = "a new order of the training images in every epoch"),
    INT(data, repeats, "1", 1, 1024,
        .help = "repeated augmentation: an epoch takes 1 in so many images, each so often in consecutive batches, "
                "torchvision's --ra-reps"),
    CHOICE(data, augment, "default", "default|none",
           .help = "default: random crop and flip; none: training images are prepared like validation images"),
    REAL(data, scale_min, "0.08", 0, 1, .above = true, .help = "random crop: smallest share of the image's area"),
    REAL(data, scale_max, "1.0", 0, 1, .above = true, .help = "random crop: largest share of the image's area"),
    REAL(data, ratio_min, "0.75", 0, 100, .above = true, .help = "random crop: smallest width / height"),
    REAL(data, ratio_max, "1.3333333333333333", 0, 100, .above = true, .help = "random crop: largest width / height"),
    REAL(data, flip, "0.5", 0, 1, .help = "probability of a horizontal flip"),
    CHOICE(data, auto_augment, "none", "none|randaugment|trivialaugment",
           .help =
               "training, after crop and flip: RandAugment or TrivialAugmentWide, as torchvision's recipes have them"),
    INT(data, ra_ops, "2", 1, 16, .help = "randaugment: operations on each image"),
    INT(data, ra_magnitude, "9", 0, 30,
        .help = "randaugment: strength of each, of 0 to 30; torchvision's --ra-magnitude"),
    REAL(data, random_erase, "0.0", 0, 1,
         .help = "training, last: probability that a rectangle of 0.02 to 0.33 of the image becomes the mean colour"),
    REAL(data, mixup, "0.0", 0, 1000,
         .help = "alpha of mixup: a batch's images and labels mixed in pairs; torchvision's --mixup-alpha; 0: off"),
    REAL(data, cutmix, "0.0", 0, 1000,
         .help = "alpha of cutmix: a rectangle of each image is another's; with mixup on, either at even odds; 0: off"),
    BOOL(data, fast_decode, "false",
         .help = "training: a JPEG whose crop shrinks by 2 or more is decoded smaller; faster, other pixels"),
    REAL3(data, mean, "0.485,0.456,0.406", 0, 1, .help = "mean of red, green and blue, of pixels in 0 to 1"),
    REAL3(data, std, "0.229,0.224,0.225", 0, 1, .above = true, .help = "standard deviation of red, green and blue"),
    REAL(data, max_bad, "0.01", 0, 1, .help = "share of unreadable images above which the run stops"),
    LONG(data, max_pixels, "178956970", 1, WHOLE_MAX,
         .help = "an image of more pixels is not decoded (it counts as unreadable)"),
    INT(data, max_scans, "100", 1, 1000000, .help = "a progressive JPEG of more scans is not decoded"),
    BOOL(data, changed, "false",
         .help = "resume although names, sizes or classes of the images have changed: unreadable ones are looked for "
                 "again, and with another number of training images their epoch begins again"),
    BOOL(data, drop_last, "false", .help = "leave out a short last training batch"),

    CHOICE(model, arch, "resnet50",
           "resnet18|resnet34|resnet50|resnet101|resnet152|"
           "wide_resnet50_2|wide_resnet101_2|resnext50_32x4d|resnext101_32x8d",
           .alias = "arch", .help = "network"),
    BOOL(model, zero_gamma, "false", .help = "start the last batch norm of each block at 0"),
    TEXT(model, init, "", .alias = "init", .help = "checkpoint whose weights the training starts from"),
    CHOICE(model, freeze, "none", "none|stem|layer1|layer2|layer3|layer4|backbone",
           .help = "everything up to and including this part keeps its weights and its batch norms' statistics"),

    REAL(optimizer, lr, "auto", 0, 1e6, .above = true, .alias = "lr", .word = "auto", .word_value = 0,
         .help = "learning rate; auto: the suggestion of the LR finder, run before the training"),
    REAL(optimizer, head_lr, "same", 0, 1e6, .above = true, .word = "same", .word_value = 0,
         .help = "learning rate of the classifier (fc); warm-up and schedule scale both; same: that of all else"),
    REAL(optimizer, momentum, "0.9", 0, 1, .help = "SGD momentum"),
    REAL(optimizer, dampening, "0.0", 0, 1, .help = "SGD dampening of the momentum"),
    REAL(optimizer, weight_decay, "0.0001", 0, 1e6, .help = "L2 penalty"),
    BOOL(optimizer, nesterov, "false", .help = "Nesterov momentum"),
    BOOL(optimizer, decay_norm, "true", .help = "weight decay for gamma and beta of batch norm too"),
    BOOL(optimizer, decay_bias, "true", .help = "weight decay for the classifier's bias too"),
    REAL(optimizer, label_smoothing, "0.0", 0, 1, .help = "share of the label spread over all classes"),

    REAL(lr_finder, min, "1.0e-08", 0, 1e6, .above = true, .help = "learning rate that a sweep begins with"),
    REAL(lr_finder, max, "1.0", 0, 1e6, .above = true, .help = "learning rate that a sweep ends with"),
    INT(lr_finder, steps, "100", 3, 1000000, .help = "training steps of a sweep, their rates spaced evenly in log(LR)"),
    INT(lr_finder, repeats, "1", 1, 1000, .alias = "repeats",
        .help = "sweeps over other batches; the suggestion is taken from their median"),
    REAL(lr_finder, early_stop, "4.0", 0, 1e30,
         .help = "a sweep ends when its smoothed loss exceeds this multiple of its best; 0: never"),

    CHOICE(schedule, name, "step", "step|plateau|cosine|none", .help = "how the learning rate falls"),
    INT(schedule, step_size, "30", 1, 1000000, .help = "step: epochs between two cuts"),
    REAL(schedule, gamma, "0.1", 0, 1, .above = true, .help = "step: factor of a cut"),
    REAL(schedule, factor, "0.1", 0, 1, .above = true, .help = "plateau: factor of a cut"),
    REAL(schedule, min_lr, "1.0e-06", 0, 1e6, .help = "plateau: the rate does not fall below this"),
    REAL(schedule, threshold, "0.0001", 0, 1, .help = "plateau: relative gain in val_loss that counts as better"),
    INT(schedule, patience, "10", 0, 1000000, .help = "plateau: epochs without gain before a cut"),
    REAL(schedule, eta_min, "0.0", 0, 1e6, .help = "cosine: the rate falls to this"),
    INT(schedule, warmup_epochs, "0", 0, 1000000, .help = "epochs of linear warm-up, step by step"),
    REAL(schedule, warmup_start, "0.01", 0, 1, .help = "share of the learning rate that the warm-up starts at"),

    INT(trainer, max_epochs, "100", 1, 1000000, .alias = "max-epochs", .help = "epochs to train"),
    LONG(trainer, max_steps, "-1", -1, WHOLE_MAX, .alias = "max-steps",
         .help = "stop after this many steps; -1: no limit"),
    {FIELD(trainer, max_time), .type = OPTION_TIME, .initial = "0.0", .min = 0, .max = 1e9,
     .help = "stop after this time: seconds, HH:MM:SS or DD:HH:MM:SS; 0: no limit"},
    LIMIT(trainer, limit_train_batches,
          .help = "with a decimal point the share of the training batches to use per epoch, else their number"),
    LIMIT(trainer, limit_val_batches, .help = "the same for validation batches"),
    INT(trainer, accumulate, "1", 1, 65536, .help = "batches whose gradients are added up for one step"),
    INT(trainer, global_batch, "0", 0, 16777216,
        .help =
            "images of a step over all ranks, a multiple of data.batch_size: each rank accumulates what comes to it, "
            "and a resume may have other ranks; 0: batch_size * accumulate * ranks"),
    BOOL(trainer, sync_batchnorm, "false", .help = "several ranks: batch norm over the batches of all of them"),
    REAL(trainer, bucket_mb, "8.0", 0, 1024,
         .help =
             "several ranks: MiB of gradients that are exchanged in one go while backward goes on; 0: all at its end"),
    REAL(trainer, clip_norm, "1.0", 0, 1e30, .help = "gradients are scaled down to this global L2 norm; 0: off"),
    CHOICE(trainer, precision, "auto", "auto|32-true|bf16-mixed|16-mixed", .alias = "precision",
           .help = "number format of the computation"),
    CHOICE(trainer, device, "auto", "auto|ref|cpu|cuda", .alias = "device", .help = "where to compute"),
    INT(trainer, devices, "1", 1, 4096, .alias = "devices", .help = "number of devices"),
    INT(trainer, device_index, "0", 0, 1023, .help = "which GPU, from 0; CUDA_VISIBLE_DEVICES counts before it"),
    INT(trainer, threads, "0", 0, 4096, .alias = "threads", .help = "CPU threads of the computation; 0: all"),
    BOOL(trainer, tf32, "false",
         .help = "32-true on a GPU: convolutions round their inputs to TF32: faster, 10 bits of mantissa"),
    BOOL(trainer, deterministic, "true",
         .help = "false: on a GPU convolutions may differ from run to run where that is faster"),
    BOOL(trainer, winograd, "false",
         .help = "bf16-mixed on a CPU without AMX: 3x3 convolutions in 4/9 of the multiplications: faster, coarser"),
    BOOL(trainer, recompute, "false",
         .help = "batch norm's outputs are computed again in backward, not kept: less memory, same results, slower"),
    {FIELD(trainer, seed), .type = OPTION_SEED, .initial = "0", .alias = "seed", .help = "start of every random draw"},
    BOOL(trainer, dry_run, "false", .alias = "dry-run",
         .help = "a few steps, a validation and a checkpoint written and read back"),
    TEXT(trainer, resume, "", .alias = "resume",
         .help = "a checkpoint file; auto: of the newest run under --out, the checkpoint with the most steps"),
    TEXT(trainer, out, ".", .alias = "out", .help = "folder for checkpoints/ and logs/"),
    REAL(trainer, ema, "0.0", 0, 1,
         .help = "decay of a running average of the weights, which is validated and saved as the model: torchvision's "
                 "--model-ema-decay, adjusted as there; 0: off"),
    INT(trainer, ema_steps, "32", 1, 1000000, .help = "ema: steps between two renewals of the average"),
    INT(trainer, log_every_n_steps, "50", 1, 1000000, .help = "steps between two logged values"),

    INT(dist, restarts, "0", 0, 1000000, .alias = "restarts",
        .help = "on one machine: a run that failed goes on from its last checkpoint, so many times"),
    INT(dist, timeout, "300", 0, 1000000,
        .help = "seconds within which a rank that is killed, stopped, cut off or stuck ends the run; 0: not watched"),
    CHOICE(dist, gradients, "fp32", "fp32|compute",
           .help =
               "compute: ranks exchange gradients in the 16 bits of bf16-mixed or 16-mixed: half the bytes, coarser"),
    BOOL(dist, requeue, "false", .help = "in a job of Slurm: SIGUSR1 saves, then puts the job back into the queue"),
    INT(checkpoint, top_k, "3", 0, 1000, .help = "best checkpoints to keep, by val_loss"),
    BOOL(checkpoint, save_last, "true", .help = "keep last.ckpt too"),
    LONG(checkpoint, every_n_steps, "0", 0, WHOLE_MAX,
         .help = "save last.ckpt every so many steps; 0: only at the end of an epoch"),

    BOOL(monitor, report, "true", .help = "viewlogs.md and images/ under --out, rewritten while the run goes on"),
    REAL(monitor, device_seconds, "10.0", 0, 1e6,
         .help = "seconds between two rows of device.csv (CPU, memory, GPUs); 0: none"),
    INT(monitor, histogram_every_n_epochs, "0", 0, 1000000,
        .help = "weights and gradients as TensorBoard histograms every so many epochs; 0: never"),
    INT(monitor, worst_images, "24", 0, 1000, .help = "validation images in the report that the model gets most wrong"),
};

const int option_n = (int)(sizeof option_table / sizeof *option_table);
