#!/usr/bin/env bash
# All of a modern recipe at once: images that grow and are larger in validation, TrivialAugment, random erasing, mixup,
# cutmix, a running average of the weights. Stopped in mid-epoch and resumed with other loader threads, it ends byte-equal;
# the average is what is validated and saved.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4

options=("${small[@]}" --data.progressive_size 24 --data.progressive_end 1 --data.val_size 40 --data.repeats 2
  --max-epochs 2 --data.auto_augment trivialaugment --data.random_erase 0.5 --data.mixup 0.2 --data.cutmix 1
  --optimizer.label_smoothing 0.1 --optimizer.decay_norm false --schedule.name cosine
  --trainer.ema 0.98 --trainer.ema_steps 2 --checkpoint.top_k 0 --monitor.report false)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
run 0 "$LINNET" train "${options[@]}" --out whole
run 0 "$LINNET" train "${options[@]}" --out part --max-steps 4
run 0 "$LINNET" train "${options[@]}" --out part --workers 3 --resume auto
says err "batch 1, step 4"
same_metrics whole/$csv part/$csv
says whole/logs/resnet18/version_0/journal.log "32 x 32 pixels from this epoch on"
run 0 "$LINNET" info whole/$last
says out "moving average, updated 4 times"
[ "$(digest part/$last)" = "$(awk '$1 == "digest" { print $2 }' out)" ] || die "other weights than the undisturbed run"

# eval reads the average from the file: the loss that the run gave its last epoch
loss=$(awk '$1 == "val_loss" { print substr($2, 1, 6) }' out)
run 0 "$LINNET" eval whole/$last --data data --precision 32-true --json
says out "\"loss\": $loss"

# the average changes nothing of what trains
losses() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "train_loss_step") k = i } { print $k }' "$1/$csv"; }
run 0 "$LINNET" train "${options[@]}" --out plain --trainer.ema 0 --checkpoint.save_last false
diff <(losses plain) <(losses whole) >&2 || die "the average changed the training"

run 2 "$LINNET" train "${options[@]}" --data.augment none
says err "data.random_erase cannot be combined with data.augment none"
