#!/usr/bin/env bash
# All parts of a modern recipe together: progressive image sizes with a larger validation size, AugMix, colour jitter,
# random erasing, mixup, cutmix, EMA. Stopped in the middle of an epoch and resumed with another number of loader threads, it
# gives identical bytes; the EMA is validated and saved.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4

options=("${small[@]}" --data.progressive_size 24 --data.progressive_end 1 --data.val_size 40 --data.repeats 2
  --max-epochs 2 --data.auto_augment augmix --color-jitter "0.4,0.4,0.4,0.1" --data.grayscale 0.2 --data.random_erase 0.5
  --data.mixup 0.2 --data.cutmix 1
  --optimizer.label_smoothing 0.1 --optimizer.decay_norm false --schedule.name cosine
  --trainer.ema 0.98 --trainer.ema_steps 2 --checkpoint.top_k 0 --monitor.report false)
last=checkpoints/resnet20/last.ckpt
csv=logs/resnet20/version_0/metrics.csv
run 0 "$LINNET" train "${options[@]}" --out reference
run 0 "$LINNET" train "${options[@]}" --out part --max-steps 4
run 0 "$LINNET" train "${options[@]}" --out part --workers 3 --resume auto
says err "batch 1, step 4"
same_metrics reference/$csv part/$csv
says reference/logs/resnet20/version_0/journal.log "32 x 32 pixels from this epoch on"
run 0 "$LINNET" info reference/$last
says out "EMA of the weights, updated 4 times"
[ "$(digest part/$last)" = "$(awk '$1 == "digest" { print $2 }' out)" ] || die "the weights differ from those of the uninterrupted run"

# eval uses the EMA in the file: its loss is that of the run's last epoch
loss=$(awk '$1 == "val_loss" { print substr($2, 1, 6) }' out)
run 0 "$LINNET" eval reference/$last --data data --precision 32-true --json
says out "\"loss\": $loss"

# the trained weights instead of the EMA
run 0 "$LINNET" info reference/$last
says out "weights     under state_dict, current_model_state: --init-key selects one"
for key in state_dict current_model_state; do
  run 0 "$LINNET" export reference/$last --init-key $key --format safetensors --out $key.safetensors
done
[ "$(digest state_dict.safetensors)" != "$(digest current_model_state.safetensors)" ] || die "the key has no effect"
run 1 "$LINNET" info reference/$last --init-key teacher
says err "there is no ResNet under 'teacher': the file has tensors under state_dict, current_model_state"
run 2 "$LINNET" train "${small[@]}" --init-key model
says err "give the file with --init"

# the EMA does not change the training
losses() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "train_loss_step") k = i } { print $k }' "$1/$csv"; }
run 0 "$LINNET" train "${options[@]}" --out plain --trainer.ema 0 --checkpoint.save_last false
diff <(losses plain) <(losses reference) >&2 || die "the EMA changed the training"

run 2 "$LINNET" train "${options[@]}" --data.augment none
says err "data.random_erase cannot be combined with data.augment none"
