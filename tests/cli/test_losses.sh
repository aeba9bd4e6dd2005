#!/usr/bin/env bash
# Rare classes, losses and stochastic depth (optimizer.class_weights, optimizer.loss, data.balance, model.drop_path) in
# whole runs, resumed runs, and runs of several ranks.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 12
n=12
for class in data/train/*/; do # 12, 10, 8, 6, 4, 2, 2, ... images
  find "$class" -type f | sort | tail -n +$((n + 1)) | xargs -r rm
  n=$((n > 2 ? n - 2 : 2))
done
last=checkpoints/resnet20/last.ckpt
options=("${small[@]}" --batch-size 8 --max-epochs 2 --monitor.report false)
same() { [ "$(digest "$1/$last")" = "$(digest "$2/$last")" ] || die "$3"; }
differ() { [ "$(digest "$1/$last")" != "$(digest "$2/$last")" ] || die "$3"; }

# balanced equals the file with its numbers: 50 images in 10 classes
run 0 "$LINNET" train "${options[@]}" --out plain
run 0 "$LINNET" train "${options[@]}" --out balanced --optimizer.class_weights balanced
differ plain balanced "balanced weights have no effect"
for class in data/train/*/; do
  echo "$(basename "$class"),$(awk -v n="$(find "$class" -type f | wc -l)" 'BEGIN { printf "%.17g", 50 / (10 * n) }')"
done >weights.csv
run 0 "$LINNET" train "${options[@]}" --out file --optimizer.class_weights weights.csv
same balanced file "balanced weights differ from the file with the same numbers"

# equal weights, whatever they are, change nothing but roundings
sed 's/,.*/,1/' weights.csv >ones.csv
run 0 "$LINNET" train "${options[@]}" --out ones --optimizer.class_weights ones.csv
same plain ones "weights of 1 have an effect"

# val_loss is not weighted: weights without effect on the training give the same
none=("${options[@]}" --max-epochs 1 --lr 1e-30 --json)
run 0 "$LINNET" train "${none[@]}" --out still
cp out still.json
run 0 "$LINNET" train "${none[@]}" --out still-weighted --optimizer.class_weights balanced
figure() { sed -E "s/.*\"$2\": ([-0-9.e+]+).*/\1/" "$1"; }
[ "$(figure out loss)" = "$(figure still.json loss)" ] || die "val_loss is weighted"
[ "$(figure out train_loss)" != "$(figure still.json train_loss)" ] || die "train_loss is not weighted"

# a balanced order: every class in about the same number of images; the same on any number of loader threads, with any
# stop
run 0 "$LINNET" train "${options[@]}" --out drawn --data.balance 1
differ plain drawn "data.balance has no effect"
run 0 "$LINNET" train "${options[@]}" --out threads --data.balance 1 --workers 3
same drawn threads "the order depends on the number of loader threads"
run 0 "$LINNET" train "${options[@]}" --out stopped --data.balance 1 --trainer.max_steps 9
run 2 "$LINNET" train "${options[@]}" --out stopped --resume auto
says err 'data.balance = 1, but the value is now 0'
run 2 "$LINNET" train "${options[@]}" --out stopped --resume auto --data.balance 0.5
says err 'data.balance = 1, but the value is now 0.5'
run 0 "$LINNET" train "${options[@]}" --out stopped --resume auto --data.balance 1
same drawn stopped "a resumed run has another order"
run 0 "$LINNET" train "${options[@]}" --out stopped-weighted --optimizer.class_weights balanced --trainer.max_steps 9
run 0 "$LINNET" train "${options[@]}" --out stopped-weighted --optimizer.class_weights balanced --resume auto
same balanced stopped-weighted "a resumed run has another loss"

# binary cross-entropy: another training, resumed exactly, by timm's names too; val_loss is the cross-entropy
bce=("${options[@]}" --bce-loss --bce-target-thresh 0.2 --optimizer.label_smoothing 0.1)
run 0 "$LINNET" train "${bce[@]}" --out bce
differ plain bce "optimizer.loss bce has no effect"
run 0 "$LINNET" train "${bce[@]}" --out bce-stopped --trainer.max_steps 9
run 0 "$LINNET" train "${bce[@]}" --out bce-stopped --resume auto
same bce bce-stopped "a resumed run has another loss"
run 0 "$LINNET" train "${none[@]}" --out still-bce --optimizer.loss bce
[ "$(figure out loss)" = "$(figure still.json loss)" ] || die "val_loss is not the cross-entropy"
run 0 "$LINNET" train "${none[@]}" --out still-sum --optimizer.loss bce --optimizer.bce_sum true
awk -v a="$(figure out train_loss)" 'BEGIN { exit !(a > 5 && a < 10) }' || # 10 log 2 at logits of 0
  die "the sum over 10 classes is $(figure out train_loss)"

# stochastic depth: another training, resumed exactly; eval has none
drop=("${options[@]}" --drop-path 0.5)
run 0 "$LINNET" train "${drop[@]}" --out drop --json
cp out drop.json
differ plain drop "model.drop_path has no effect"
run 0 "$LINNET" train "${drop[@]}" --out drop-stopped --trainer.max_steps 9
run 0 "$LINNET" train "${drop[@]}" --out drop-stopped --resume auto
same drop drop-stopped "a resumed run has other draws"
run 0 "$LINNET" train "${drop[@]}" --out drop-recompute --trainer.recompute true
same drop drop-recompute "trainer.recompute changes the results"
run 0 "$LINNET" eval drop/$last --data data --precision 32-true --json
awk -v a="$(sed 's/"classes".*//' out | tr -d '{}' | sed -E 's/.*"loss": ([0-9.]+).*/\1/')" -v b="$(figure drop.json loss)" \
  'BEGIN { exit !((a - b) ^ 2 < 1e-20) }' || die "eval and the run have different losses"
run 0 "$LINNET" bench train --arch resnet20 --image-size 32 --batch-size 4 --drop-path 0.5 --steps 2

run 2 "$LINNET" train "${options[@]}" --out none --data.balance 0.5 --data.sequential true
says err 'data.balance 0.5 needs random access, but data.sequential'
run 2 "$LINNET" train "${options[@]}" --out none --data.balance 0.5 --data.shuffle false
says err 'data.shuffle is false: use only one of them'
run 2 "$LINNET" train "${options[@]}" --out none --data.balance 1.5
says err 'data.balance must be'
run 1 "$LINNET" train "${options[@]}" --out none --optimizer.class_weights balancd
says err 'the file balancd does not exist: expected none, balanced, or a file'
[ ! -e none/checkpoints ] || die "a refused run has begun"

# two ranks with trainer.global_batch: the images, and the loss up to the order of the sums
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
split=("${options[@]}" --batch-size 4 --trainer.global_batch 8 --max-epochs 1 --json --data.balance 0.5
  --optimizer.class_weights weights.csv --drop-path 0.5)
run 0 "$LINNET" train "${split[@]}" --out one
cp out one.json
run 0 ranks 2 train "${split[@]}" --out two
for name in loss train_loss; do near "$(value out $name)" "$(value one.json $name)" 1e-4; done
cmp one/logs/resnet20/version_0/samples.csv two/logs/resnet20/version_0/samples.csv || die "two ranks have other images"
