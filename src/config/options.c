#include "config/options.h"

#include <stddef.h>

/* To add an option: a field in config.h, a line here, and `docs/options.md` regenerated (tests/config/tool_help.c). */

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
#define JITTER(group, field, ...)                                                                                      \
    { FIELD(group, field), .type = OPTION_JITTER, .initial = "auto", .max = 10, __VA_ARGS__ }
#define BOOL(group, field, initial_, ...)                                                                              \
    { FIELD(group, field), .type = OPTION_BOOL, .initial = initial_, __VA_ARGS__ }
#define TEXT(group, field, initial_, ...)                                                                              \
    { FIELD(group, field), .type = OPTION_TEXT, .initial = initial_, __VA_ARGS__ }
#define CHOICE(group, field, initial_, choices_, ...)                                                                  \
    { FIELD(group, field), .type = OPTION_CHOICE, .initial = initial_, .choices = choices_, __VA_ARGS__ }
#define LIMIT(group, field, ...)                                                                                       \
    { FIELD(group, field), .type = OPTION_LIMIT, .initial = "1.0", __VA_ARGS__ }

#define WHOLE_MAX 9007199254740992.0 /* 2^53: doubles represent every whole number up to this one */

static bool is_rand_augment(const char *value) {
    config_rand_augment a;
    return config_read_rand_augment(&a, value);
}

const option option_table[] = {
    TEXT(data, path, "", .alias = "data", .takes = "DIR",
         .help =
             "folder with train/CLASS/*.jpg and val/CLASS/*.jpg, or with .tar shards whose names contain train or "
             "val as a separate word; or a list of shards: 's/train-{0000..1023}.tar', https:// or s3://. val may also "
             "be called validation, valid or test; these folders may be up to 3 levels below DIR"),
    TEXT(data, train, "",
         .help = "training images, if not in data.path: a folder of classes or shards, or a list of shards"),
    TEXT(data, val, "",
         .help = "validation images, if not in data.path: a folder of classes or shards, or a list of shards"),
    TEXT(data, image_key, "",
         .help = "shards: suffix of the image to use if samples have several images, such as jpg or left.jpg"),
    TEXT(data, list, "",
         .help = "CSV or TSV file with one row path,label[,split] per image, instead of class folders; paths are "
                 "relative to --data, or without it to the file's folder"),
    TEXT(data, class_list, "",
         .help = "file with one class name per line, in the order of the classes; a listed class without images causes "
                 "a warning"),
    REAL(data, val_split, "0.0", 0, 0.9,
         .help = "without validation images: fraction of each class's training images that is used for validation "
                 "instead; trainer.seed selects them; 0: none"),
    INT(data, image_size, "224", 8, 4096, .alias = "image-size", .help = "side of the square input image in pixels"),
    INT(data, val_size, "0", 0, 4096,
        .help = "side of the square input image in validation, in pixels; 0: same as image_size"),
    INT(data, resize_size, "0", 0, 8192,
        .help = "validation: size in pixels to which the shorter side is resized before the crop; 0: round(val_size / "
                "0.875)"),
    REAL(data, crop_pct, "0.0", 0, 1,
         .help =
             "validation: the image is resized to floor(val_size / crop_pct) pixels before the crop (timm's crop_pct); "
             "0: resize_size applies"),
    CHOICE(data, crop_mode, "center", "center|squash",
           .help =
               "validation: center resizes the shorter side and crops the centre; squash resizes both sides (timm's "
               "crop_mode)"),
    CHOICE(data, interpolation, "bilinear", "bilinear|bicubic|lanczos",
           .help = "filter that resizes images, antialiased as in Pillow"),
    CHOICE(data, train_interpolation, "same", "same|bilinear|bicubic|lanczos|random",
           .help =
               "filter for the random resized crop of training; same: interpolation; random: bilinear or bicubic at "
               "even odds (timm's train_interpolation)"),
    CHOICE(data, resize_order, "auto", "auto|newest|horizontal",
           .help = "order of the two passes of a resize. newest: as in Pillow 13 (vertical first if the height shrinks "
                   "by more than twice as many pixels as the width); horizontal: as in older Pillow (horizontal "
                   "first); auto: as in the checkpoint that is resumed or evaluated, otherwise newest"),
    INT(data, progressive_size, "0", 0, 4096,
        .help = "progressive resizing: training starts with crops of this size, which grow to image_size in steps of "
                "32; 0: off"),
    INT(data, progressive_begin, "0", 0, 1000000,
        .help = "progressive resizing: last epoch (counted from 0) at progressive_size"),
    INT(data, progressive_end, "0", 0, 1000000,
        .help = "progressive resizing: first epoch (counted from 0) at image_size"),
    INT(data, batch_size, "32", 1, CONFIG_BATCH_MAX, .alias = "batch-size", .word = "auto",
        .word_value = CONFIG_BATCH_AUTO,
        .help = "images per batch on each device; auto: before a training, the largest power of two that fits into "
                "memory (with trainer.global_batch: the largest divisor of it); a resume keeps it"),
    INT(data, val_batch_size, "0", 0, 65536,
        .help = "images per batch on each device in validation; 0: same as batch_size"),
    INT(data, workers, "auto", 1, 1024, .alias = "workers", .word = "auto", .word_value = -1,
        .help = "data loader threads, which read and decode images"),
    INT(data, ahead, "3", 2, 256, .help = "batches that the data loader prepares in advance"),
    INT(data, read_ahead, "2", 0, 1024,
        .help = "shards: number of batches that the operating system reads ahead from disk (posix_fadvise); 0: none"),
    BOOL(data, sequential, "false",
         .help = "training from shards on slow network storage: read them sequentially and shuffle only within "
                 "shuffle_buffer"),
    LONG(data, shuffle_buffer, "10000", 1, 4294967295.0,
         .help = "sequential: number of upcoming images of a host from which its next one is drawn at random; a "
                 "smaller buffer shuffles less"),
    BOOL(data, shuffle, "true", .help = "shuffle the training images in every epoch"),
    INT(data, repeats, "1", 1, 1024,
        .help = "repeated augmentation: each epoch uses 1/N of the images, N times each, in consecutive batches "
                "(torchvision's --ra-reps)"),
    REAL(data, balance, "0.0", 0, 1,
         .help = "for rare classes: an epoch draws as many images as there are, with replacement, each with the weight "
                 "count^-balance for the number of images in its class (torch's WeightedRandomSampler). 1: every class "
                 "equally often; 0.5: in proportion to the square root of its images; 0: every image once"),
    CHOICE(
        data, augment, "default", "default|none",
        .help =
            "default: random resized crop and horizontal flip; none: the validation transform for training images too"),
    INT(data, pad_crop, "0", 0, 1024,
        .help =
            "training: in place of the random resized crop, resize the shorter side to image_size, add N black pixels "
            "on each side and crop at random (torchvision's RandomCrop with padding=N); 0: off"),
    REAL(data, scale_min, "0.08", 0, 1, .above = true,
         .help = "random resized crop: minimum fraction of the image area"),
    REAL(data, scale_max, "1.0", 0, 1, .above = true,
         .help = "random resized crop: maximum fraction of the image area"),
    REAL(data, ratio_min, "0.75", 0, 100, .above = true,
         .help = "random resized crop: minimum aspect ratio (width / height)"),
    REAL(data, ratio_max, "1.3333333333333333", 0, 100, .above = true,
         .help = "random resized crop: maximum aspect ratio (width / height)"),
    REAL(data, flip, "0.5", 0, 1, .help = "probability of a horizontal flip"),
    REAL(data, vertical_flip, "0.0", 0, 1, .help = "probability of a vertical flip"),
    CHOICE(data, auto_augment, "none", "none|randaugment|trivialaugment|autoaugment|augmix|3augment",
           .also = is_rand_augment, .also_form = "timm's RandAugment, such as rand-m9-mstd0.5-inc1",
           .help = "training, after crop and flip: RandAugment, TrivialAugmentWide, AutoAugment (ImageNet policy) or "
                   "AugMix, as in torchvision's recipes; 3-Augment (DeiT III): solarization, grayscale or Gaussian "
                   "blur; or timm's RandAugment, such as rand-m9-mstd0.5-inc1"),
    INT(data, ra_ops, "2", 1, 16, .help = "randaugment: operations per image"),
    INT(data, ra_magnitude, "9", 0, 30,
        .help = "randaugment: magnitude of the operations, 0 to 30 (torchvision's --ra-magnitude)"),
    INT(data, augmix_severity, "3", 1, 10,
        .help = "augmix: magnitude of the operations (torchvision's --augmix-severity)"),
    JITTER(data, color_jitter,
           .help =
               "training, after auto_augment: largest random changes of brightness, contrast, saturation and hue, "
               "applied in random order; one number is for the first three (timm's --color-jitter); 0: off; auto: 0.3 "
               "with 3augment, otherwise off"),
    REAL(data, color_jitter_prob, "1.0", 0, 1, .help = "probability of color_jitter"),
    REAL(data, grayscale, "0.0", 0, 1, .help = "training, after color_jitter: probability of a grayscale image"),
    REAL(data, random_erase, "0.0", 0, 1,
         .help = "training, last image transform: probability of erasing a rectangle of 0.02 to 0.33 of the image area "
                 "(filled with the mean colour)"),
    REAL(data, mixup, "0.0", 0, 1000,
         .help = "mixup alpha: images and labels of a batch are mixed in pairs (torchvision's --mixup-alpha); 0: off"),
    REAL(data, cutmix, "0.0", 0, 1000,
         .help = "cutmix alpha: a rectangle of each image is replaced by that of another image; with mixup also on, "
                 "each batch uses one of the two with equal probability; 0: off"),
    BOOL(data, fast_decode, "false",
         .help = "training: decode a JPEG at reduced size if its crop is scaled down by a factor of 2 or more; faster, "
                 "but pixel values differ"),
    REAL3(data, mean, "0.485,0.456,0.406", 0, 1,
          .help = "mean of the red, green and blue channels, for pixel values in [0, 1]"),
    REAL3(data, std, "0.229,0.224,0.225", 0, 1, .above = true,
          .help = "standard deviation of the red, green and blue channels"),
    REAL(data, max_bad, "0.01", 0, 1, .help = "stop the run if a larger fraction of the images cannot be read"),
    TEXT(data, cache_dir, "",
         .help = "folder for uncompressed local copies of compressed and remote shards, shared by all ranks of a host; "
                 "default: linnet/shards in the user's cache folder"),
    REAL(
        data, cache_size, "100", 0, 1e9, .above = true,
        .help =
            "maximum total size of data.cache_dir in GB (1e9 bytes); the least recently used copies are removed first"),
    REAL(data, timeout, "120", 1, 86400,
         .help = "remote shards: a download fails after this many seconds without data, retries included"),
    LONG(data, max_pixels, "178956970", 1, WHOLE_MAX,
         .help = "images with more pixels are not decoded and count as unreadable"),
    INT(data, max_scans, "100", 1, 1000000,
        .help = "progressive JPEGs with more scans are not decoded and count as unreadable"),
    BOOL(data, changed, "false",
         .help = "allow resuming after the dataset has changed (names, sizes or classes of images). Unreadable images "
                 "are detected again. If the number of training images differs, the epoch restarts"),
    BOOL(data, drop_last, "false", .help = "drop the last training batch of an epoch if it is incomplete"),

    CHOICE(model, arch, "resnet50",
           "resnet18|resnet34|resnet50|resnet101|resnet152|"
           "wide_resnet50_2|wide_resnet101_2|resnext50_32x4d|resnext101_32x8d|"
           "resnet20|resnet32|resnet44|resnet56|resnet110",
           .alias = "arch", .help = "model architecture; resnet20 to resnet56 and resnet110: for images of 32 px"),
    BOOL(model, zero_gamma, "false", .help = "initialise gamma of the last batch norm in each block to 0"),
    REAL(model, drop_path, "0.0", 0, 0.99,
         .help =
             "stochastic depth: probability of dropping the residual branch of the last block for an image; it rises "
             "linearly from 0 in the first block (timm's --drop-path)"),
    TEXT(model, init, "", .alias = "init", .takes = "FILE", .help = "checkpoint to initialise the weights from"),
    TEXT(model, init_key, "", .alias = "init-key",
         .help = "key of the weights in a checkpoint, such as state_dict_ema, or the prefix of their names"),
    CHOICE(model, freeze, "none", "none|stem|layer1|layer2|layer3|layer4|backbone",
           .help =
               "freeze everything up to and including this part: its weights and batch norm statistics do not change"),

    CHOICE(optimizer, name, "sgd", "sgd|adamw|rmsprop|lamb|lars", .alias = "opt",
           .help = "SGD, AdamW and RMSprop as in torch.optim, LAMB and LARS as in timm.optim"),
    REAL(optimizer, lr, "auto", 0, 1e6, .above = true, .alias = "lr", .word = "auto", .word_value = 0,
         .help = "learning rate; auto: suggested by the LR finder, which runs before training"),
    REAL(optimizer, head_lr, "same", 0, 1e6, .above = true, .word = "same", .word_value = 0,
         .help = "learning rate of the classifier (fc); warm-up and schedule apply to it as to lr; same: equal to lr"),
    REAL(optimizer, momentum, "0.9", 0, 1, .help = "sgd, rmsprop, lars: momentum"),
    REAL(optimizer, dampening, "0.0", 0, 1, .help = "sgd, lars: dampening of the momentum"),
    REAL(optimizer, weight_decay, "0.0001", 0, 1e6,
         .help =
             "weight decay: for sgd, rmsprop and lars an L2 penalty, for adamw decoupled from the gradient, for lamb a "
             "part of the step that its trust ratio scales"),
    BOOL(optimizer, nesterov, "false", .help = "sgd, lars: Nesterov momentum"),
    REAL(optimizer, beta1, "0.9", 0, 1,
         .help = "adamw, lamb: decay of the running average of the gradient; less than 1"),
    REAL(optimizer, beta2, "0.999", 0, 1,
         .help = "adamw, lamb: decay of the running average of the squared gradient; less than 1"),
    REAL(optimizer, alpha, "0.99", 0, 1, .help = "rmsprop: decay of the running average of the squared gradient"),
    REAL(optimizer, eps, "auto", 0, 1, .word = "auto", .word_value = -1,
         .help = "all but sgd: added to the denominator; auto: 1e-6 for lamb, otherwise 1e-8"),
    REAL(optimizer, trust_coeff, "0.001", 0, 1e6, .above = true, .help = "lars: trust coefficient"),
    BOOL(optimizer, decay_norm, "true", .help = "apply weight decay to gamma and beta of batch norm too"),
    BOOL(optimizer, decay_bias, "true", .help = "apply weight decay to the bias of the classifier too"),
    REAL(optimizer, label_smoothing, "0.0", 0, 1,
         .help = "fraction of the target probability that is spread evenly over all classes"),
    BOOL(optimizer, smooth_val_loss, "false",
         .help = "apply label_smoothing to val_loss too, as torchvision's training script does"),
    TEXT(optimizer, class_weights, "none", .takes = "none|balanced|FILE",
         .help = "weights of the classes in the training loss (CrossEntropyLoss's weight). balanced: n / (k * count) "
                 "for n training images, k classes and the images of the class; FILE: one row class,weight per class. "
                 "val_loss is not weighted"),
    CHOICE(optimizer, loss, "cross_entropy", "cross_entropy|bce",
           .help = "training loss: softmax cross-entropy, or binary cross-entropy with one decision per class (timm's "
                   "--bce-loss). val_loss is the cross-entropy in both cases, as in timm"),
    BOOL(optimizer, bce_sum, "false", .help = "bce: sum over the classes instead of their mean (timm's --bce-sum)"),
    REAL(optimizer, bce_threshold, "none", 0, 1, .word = "none", .word_value = -1,
         .help = "bce: targets above this value become 1, the others 0, after label_smoothing and mixing (timm's "
                 "--bce-target-thresh)"),

    REAL(lr_finder, min, "1.0e-08", 0, 1e6, .above = true, .help = "first learning rate of a sweep"),
    REAL(lr_finder, max, "1.0", 0, 1e6, .above = true, .help = "last learning rate of a sweep"),
    INT(lr_finder, steps, "100", 3, 1000000,
        .help = "training steps per sweep; the learning rates are spaced evenly in log(LR)"),
    INT(lr_finder, sweeps, "1", 1, 1000, .alias = "sweeps",
        .help = "number of sweeps, each over different batches; the suggestion is computed from the median of their "
                "loss curves"),
    REAL(lr_finder, early_stop, "4.0", 0, 1e30,
         .help = "end a sweep when its smoothed loss exceeds its minimum times this factor; 0: never"),
    CHOICE(lr_finder, rule, "lightning", "lightning|valley",
           .help = "how the suggestion follows from the smoothed loss; lightning: where it decreases fastest; valley: "
                   "the middle of its longest decrease, as in fastai, which depends less on noise"),

    CHOICE(schedule, name, "step", "step|multistep|plateau|cosine|none", .help = "learning rate schedule"),
    INT(schedule, step_size, "30", 1, 1000000, .help = "step: epochs between reductions of the learning rate"),
    {FIELD(schedule, milestones), .type = OPTION_EPOCHS, .initial = "none", .word = "none",
     .help = "multistep: epochs after which the learning rate is reduced, counted from the end of the warm-up; such as "
             "30,60,80"},
    REAL(schedule, gamma, "0.1", 0, 1, .above = true, .help = "step, multistep: factor of each reduction"),
    REAL(schedule, factor, "0.1", 0, 1, .above = true, .help = "plateau: factor of each reduction"),
    REAL(schedule, min_lr, "1.0e-06", 0, 1e6, .help = "plateau: lower bound of the learning rate"),
    REAL(schedule, threshold, "0.0001", 0, 1,
         .help = "plateau: minimum relative improvement of val_loss that counts as an improvement"),
    INT(schedule, patience, "10", 0, 1000000, .help = "plateau: epochs without improvement before a reduction"),
    REAL(schedule, eta_min, "0.0", 0, 1e6, .help = "cosine: final learning rate"),
    INT(schedule, warmup_epochs, "0", 0, 1000000,
        .help = "epochs of linear warm-up, which changes the learning rate at every step"),
    REAL(schedule, warmup_start, "0.01", 0, 1, .help = "fraction of the learning rate at which the warm-up starts"),

    INT(trainer, max_epochs, "100", 1, 1000000, .alias = "max-epochs", .help = "epochs to train"),
    LONG(trainer, max_steps, "-1", -1, WHOLE_MAX, .alias = "max-steps",
         .help = "stop after this many steps; -1: no limit"),
    {FIELD(trainer, max_time), .type = OPTION_TIME, .initial = "0.0", .min = 0, .max = 1e9,
     .help = "stop after this time, including the time before a resume: seconds, HH:MM:SS or DD:HH:MM:SS; 0: no "
             "limit"},
    LIMIT(trainer, limit_train_batches,
          .help = "training batches per epoch: 100 is 100 batches, 0.5 is half of them (a decimal point makes it a "
                  "fraction)"),
    LIMIT(trainer, limit_val_batches, .help = "validation batches per epoch; notation as in limit_train_batches"),
    {FIELD(trainer, overfit_batches), .type = OPTION_LIMIT, .initial = "0.0",
     .help = "test whether the model can learn a few batches: every epoch uses the same ones, in training and in "
             "validation; replaces limit_train_batches and limit_val_batches, same notation; 0: off"},
    INT(trainer, check_val_every_n_epoch, "1", 1, 1000000, .help = "epochs between validations"),
    LIMIT(trainer, val_check_interval,
          .help = "validate within an epoch too: 100 is after every 100 training batches of a rank, 0.25 is four times "
                  "per epoch; 1.0: only at its end"),
    INT(trainer, accumulate, "1", 1, 65536, .help = "gradient accumulation: batches per optimizer step"),
    INT(trainer, global_batch, "0", 0, 16777216,
        .help =
            "images per optimizer step over all ranks; must be a multiple of data.batch_size. Each rank accumulates "
            "its part. A run can be resumed with a different number of ranks. 0: batch_size * accumulate * ranks"),
    BOOL(trainer, sync_batchnorm, "false",
         .help = "several ranks: compute batch norm statistics over the batches of all ranks"),
    REAL(trainer, bucket_mb, "8.0", 0, 1024,
         .help = "several ranks: gradient bucket size in MiB; all-reduces overlap with the backward pass; 0: one "
                 "all-reduce after the backward pass"),
    REAL(trainer, clip_norm, "1.0", 0, 1e30, .help = "clip the gradients to this global L2 norm; 0: off"),
    CHOICE(trainer, precision, "auto", "auto|32-true|bf16-mixed|16-mixed", .alias = "precision",
           .help = "precision of the computation"),
    CHOICE(trainer, device, "auto", "auto|ref|cpu|cuda", .alias = "device", .help = "device to compute on"),
    {FIELD(trainer, devices), .type = OPTION_DEVICES, .initial = "1", .min = 1, .max = 4096, .alias = "devices",
     .help = "number of devices; auto: all GPUs, or 1 on a CPU; 0,2 or [0,2]: the GPUs of these indices"},
    INT(trainer, device_index, "0", 0, 1023,
        .help = "index of the GPU, from 0, among those that CUDA_VISIBLE_DEVICES allows"),
    INT(trainer, threads, "0", 0, 4096, .alias = "threads",
        .help = "CPU threads for the computation; 0: all available cores"),
    BOOL(trainer, tf32, "false",
         .help = "32-true on a GPU: convolutions round their inputs to TF32 (10-bit mantissa): faster"),
    BOOL(trainer, deterministic, "true",
         .help = "false: allow nondeterministic GPU convolution algorithms if they are faster"),
    BOOL(trainer, winograd, "false",
         .help = "bf16-mixed on a CPU without AMX: Winograd algorithm for 3x3 convolutions, with 4/9 of the "
                 "multiplications: faster, less accurate"),
    BOOL(trainer, recompute, "false",
         .help = "recompute the outputs of batch norm in the backward pass instead of storing them: less memory, same "
                 "results, slower"),
    {FIELD(trainer, seed), .type = OPTION_SEED, .initial = "0", .alias = "seed", .help = "random seed"},
    BOOL(trainer, dry_run, "false", .alias = "dry-run",
         .help = "test run: run a few steps and a validation, then write a checkpoint and read it back"),
    TEXT(
        trainer, resume, "", .alias = "resume", .takes = "auto|FILE",
        .help =
            "checkpoint file to resume from; auto: the checkpoint with the highest step in the newest run under --out"),
    TEXT(trainer, out, ".", .alias = "out", .takes = "DIR", .help = "output folder for checkpoints/ and logs/"),
    REAL(trainer, ema, "0.0", 0, 1,
         .help = "decay of the exponential moving average (EMA) of the weights. The EMA weights are validated and "
                 "saved as the model. 0: off"),
    INT(trainer, ema_steps, "32", 1, 1000000, .help = "ema: steps between updates of the EMA"),
    BOOL(trainer, ema_adjust, "true",
         .help = "ema: scale 1 - decay by batch size, ema_steps and max_epochs, and copy the weights during warm-up, "
                 "as torchvision does; false: use the decay as given, as timm and Lightning do"),
    INT(trainer, log_every_n_steps, "50", 1, 1000000, .help = "steps between logged values"),

    INT(dist, restarts, "0", 0, 1000000, .alias = "restarts",
        .help = "restart a failed run from its last checkpoint, at most this many times; on one machine only"),
    INT(dist, timeout, "300", 0, 1000000,
        .help = "watchdog: end the run at most this many seconds after a rank is killed, is suspended, is disconnected "
                "or stops making progress; 0: no watchdog"),
    TEXT(dist, interface, "",
         .help =
             "network interfaces for heartbeats to rank 0, separated by commas, as in Open MPI's btl_tcp_if_include; "
             "none: all interfaces"),
    INT(dist, port, "0", 0, 65535, .help = "TCP port of rank 0 for heartbeats; 0: any free port"),
    CHOICE(dist, gradients, "fp32", "fp32|compute",
           .help = "compute: exchange gradients in the 16-bit format of bf16-mixed or 16-mixed: half the bytes, less "
                   "accurate"),
    BOOL(dist, requeue, "false", .help = "in a Slurm job: SIGUSR1 saves a checkpoint, then requeues the job"),
    INT(checkpoint, top_k, "3", 0, 1000, .help = "number of best checkpoints to keep, by checkpoint.monitor"),
    BOOL(checkpoint, save_last, "true", .help = "also keep last.ckpt"),
    LONG(checkpoint, every_n_steps, "0", 0, WHOLE_MAX,
         .help = "save last.ckpt every N steps; 0: only at the end of an epoch"),
    CHOICE(checkpoint, monitor, "val_loss", "val_loss|val_acc|train_loss",
           .help = "metric that decides which checkpoints are the best"),
    CHOICE(checkpoint, mode, "auto", "auto|min|max",
           .help = "whether low or high values of checkpoint.monitor are better; auto: max for val_acc, else min"),

    CHOICE(early_stopping, monitor, "none", "none|val_loss|val_acc|train_loss",
           .help = "end the run when this metric stops improving; none: never"),
    INT(early_stopping, patience, "3", 1, 1000000,
        .help =
            "number of checks in a row without improvement that ends the run. A check follows every validation; for "
            "train_loss, every epoch"),
    REAL(early_stopping, min_delta, "0.0", 0, 1e6, .help = "a smaller change is not an improvement"),
    CHOICE(early_stopping, mode, "auto", "auto|min|max",
           .help = "whether low or high values of early_stopping.monitor are better; auto: max for val_acc, else min"),

    BOOL(monitor, report, "true",
         .help = "write viewlogs.md, images/ and report.html under --out and update them during the run"),
    REAL(monitor, report_seconds, "60.0", 0, 1e6,
         .help = "seconds until the first report, and between two reports within an epoch; 0: only after an epoch"),
    REAL(monitor, device_seconds, "10.0", 0, 1e6,
         .help = "seconds between rows of device.csv (CPU, memory, GPUs); 0: none"),
    INT(monitor, histogram_every_n_epochs, "0", 0, 1000000,
        .help = "log weights and gradients as TensorBoard histograms every N epochs; 0: never"),
    INT(monitor, worst_images, "24", 0, 1000,
        .help = "number of worst predictions (misclassified validation images) shown in the report; 0: none"),
    CHOICE(monitor, progress, "text", "text|json", .alias = "progress",
           .help = "json: JSON lines for other programs in place of the progress line (docs/formats.md)"),
    TEXT(monitor, progress_file, "", .takes = "FILE",
         .help = "progress json: append the lines to this file; none: standard error"),
    TEXT(monitor, prometheus_file, "", .takes = "FILE",
         .help = "keep the current step, loss, accuracy and speed in this file, in the text format of Prometheus"),
    INT(monitor, port, "0", 0, 65535, .alias = "metrics-port",
        .help =
            "serve the report as a live page, /metrics for Prometheus and /progress.json at this TCP port; 0: none"),
    TEXT(monitor, address, "127.0.0.1",
         .help = "address of monitor.port; `::` or 0.0.0.0 for every network interface; everyone who reaches it can "
                 "read the page"),
    TEXT(monitor, mlflow, "", .alias = "mlflow",
         .help =
             "log the run to the MLflow tracking server at this address, such as http://127.0.0.1:5000; env: at the "
             "one in MLFLOW_TRACKING_URI; none: no MLflow"),
    TEXT(monitor, mlflow_experiment, "",
         .help = "MLflow experiment, which is created if it does not exist; none: MLFLOW_EXPERIMENT_NAME, or Default"),
    BOOL(monitor, mlflow_checkpoint, "false", .help = "upload the best checkpoint to MLflow at the end of the run"),
    REAL(monitor, mlflow_wait, "10.0", 0, 1e6,
         .help = "seconds that the end of the run waits for MLflow; what is not delivered by then is kept for "
                 "`linnet mlflow` or a resume that trains on"),

    REAL(expected, val_acc, "none", 0, 1, .word = "none", .word_value = -1,
         .help = "val_acc after the last epoch, as a fraction: the mean over the seeds"),
    REAL(expected, spread, "0.0", 0, 1,
         .help = "half of the range of val_acc over the seeds. A run reaches the expectation from val_acc - spread on"),
    INT(expected, seeds, "0", 0, 1000000, .help = "number of runs that were measured, each with its own seed"),
    INT(expected, epochs, "0", 0, 1000000, .help = "epochs of these runs"),
    TEXT(expected, data, "", .help = "the dataset, and where it is from"),
    TEXT(expected, hardware, "", .help = "CPU with its level and number of threads, or GPU"),
    TEXT(expected, time, "", .help = "duration of a run on this hardware"),
    TEXT(expected, command, "", .help = "the command"),
    TEXT(expected, digest, "",
         .help = "digest that linnet info prints for last.ckpt of the command; it holds only for this CPU level and "
                 "number of threads, and may change with a version of linnet"),
    TEXT(expected, differs, "",
         .help = "written by linnet: what differs in this run from the configuration that was measured"),
};

const int option_n = (int)(sizeof option_table / sizeof *option_table);
