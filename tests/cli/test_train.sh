#!/usr/bin/env bash
# A training on a tiny dataset: its files and values, and their consistency.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny

run 0 "$LINNET" train "${small[@]}" --max-epochs 5 --out run --checkpoint.top_k 3 --json
says out '"epochs": 5'
says out '"steps": 25'
logs=run/logs/resnet20/version_0
for f in "$logs"/events.out.tfevents.* "$logs/metrics.csv" "$logs/hparams.yaml" run/checkpoints/resnet20/last.ckpt; do
  [ -s "$f" ] || die "no $f"
done
[ "$(find run/checkpoints -name 'epoch=*-val_loss=*.ckpt' | wc -l)" = 3 ] || die "not exactly three best files"
[ -z "$(find run -name '*.tmp')" ] || die "a temporary file is left"
[ "$(wc -l <"$logs/metrics.csv")" = $((1 + 25 + 5)) ] || die "not one row per step and per epoch in metrics.csv"

# the saved configuration is read back unchanged
"$LINNET" train --config "$logs/hparams.yaml" --print-config >again.yaml
cmp again.yaml "$logs/hparams.yaml" || die "hparams.yaml gives another configuration"

# an evaluation of the checkpoint gives the run's loss
loss() { sed -E 's/.*"loss": ([0-9.e+-]+).*/\1/' "$1"; }
cp out train.json
run 0 "$LINNET" eval run/checkpoints/resnet20/last.ckpt --data data --batch-size 16 --precision 32-true \
  --trainer.threads 2 --json
[ "$(loss out)" = "$(loss train.json)" ] || die "eval: $(loss out), train: $(loss train.json)"
says out '"images": 40'

# another batch size gives the same validation, every image once
run 0 "$LINNET" eval run/checkpoints/resnet20/last.ckpt --data data --batch-size 7 --precision 32-true --json
says out '"images": 40'
awk -v a="$(loss out)" -v b="$(loss train.json)" 'BEGIN { exit !(a - b < 1e-4 * b && b - a < 1e-4 * b) }' ||
  die "validation depends on the batch size"

# a second run in the same folder overwrites nothing
before=$(digest run/checkpoints/resnet20/last.ckpt)
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --out run --seed 5
[ -s run/logs/resnet20/version_1/metrics.csv ] || die "no version_1"
[ -s run/checkpoints/resnet20/last-v1.ckpt ] || die "no last-v1.ckpt"
[ "$(digest run/checkpoints/resnet20/last.ckpt)" = "$before" ] || die "last.ckpt was overwritten"

# the same seed gives the same weights with any number of workers; another seed does not
run 0 "$LINNET" train "${small[@]}" --max-epochs 5 --out again --workers 3 --data.ahead 5
[ "$(digest again/checkpoints/resnet20/last.ckpt)" = "$before" ] || die "a run is not reproducible"
same_metrics "$logs/metrics.csv" again/logs/resnet20/version_0/metrics.csv
[ "$(digest run/checkpoints/resnet20/last-v1.ckpt)" != "$before" ] || die "the seed has no effect"

# accumulation, including the short last step of an epoch (80 images: 16 + 16 + 16, 16 + 16)
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --trainer.accumulate 3 --out accumulated --json
says out '"steps": 2'

# limits, and a dry run that leaves nothing
run 0 "$LINNET" train "${small[@]}" --max-epochs 9 --trainer.max_steps 7 --out limited --json
says out '"steps": 7'
run 0 "$LINNET" train "${small[@]}" --trainer.dry_run --out dry
says err 'dry run passed'
[ -z "$(find dry -mindepth 1)" ] || die "the dry run left a file"

# initial weights
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --init run/checkpoints/resnet20/last.ckpt --out init --json

run 0 "$LINNET" info run/checkpoints/resnet20/last.ckpt
says out 'resnet20'
says out 'epoch 5, batch 5 of 5' # counted from 1, as on the terminal
run 0 "$LINNET" info data
says out '10 classes'
run 0 "$LINNET" preview data --out sheet.jpg --image-size 32
[ -s sheet.jpg ] || die "no contact sheet"
run 0 "$LINNET" bench train --arch resnet20 --image-size 32 --batch-size 4 --steps 1 --warmup 1 --json
says out '"images_per_second"'
run 0 "$LINNET" doctor --json
says out '"precision"'
