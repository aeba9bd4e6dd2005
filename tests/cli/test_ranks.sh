#!/usr/bin/env bash
# Several ranks under mpirun: validation counts every image once, rank 0 alone tells and writes, errors are all ranks'.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"

tiny 8
find data/val -type f | sort | head -n 3 | xargs rm # 37 images: no multiple of 2, 3 or 32
fast=(train --data data --arch resnet18 --image-size 16 --device cpu --precision 32-true --workers 1 --max-epochs 1
  --monitor.report false)

# 3 ranks with joined batch norm have the statistics of 1 rank with three times the batch (and weights that stay)
still=("${fast[@]}" --lr 1e-30 --json)
run 0 "$LINNET" "${still[@]}" --out one --batch-size 6 --trainer.limit_train_batches 1 --data.val_batch_size 32
cp out one.json
run 0 ranks 3 "${still[@]}" --out three --batch-size 2 --trainer.limit_train_batches 3 --data.val_batch_size 5 \
  --trainer.sync_batchnorm true
for name in loss top1 top5 train_loss; do near "$(value out "$name")" "$(value one.json "$name")" 1e-6; done
says err '37 validation images'
[ "$(grep -c '^engine ' err)" = 1 ] || die "more than one rank told of itself"
own=$(($(nproc) / 3)) # the cores of this machine are shared out
grep -q "^engine .*, $((own > 0 ? own : 1)) threads\?;" err || { cat err >&2; die "not $own threads for each of 3 ranks"; }
[ "$(wc -l <out)" = 1 ] || die "more than one rank printed its result"

# evaluation: the same sums on 3 ranks, counts of classes and bins too; an unreadable image of another rank is told once
last=one/checkpoints/resnet18/last.ckpt
judge=(eval "$last" --data data --device cpu --workers 1 --data.val_batch_size 5 --json)
run 0 "$LINNET" "${judge[@]}"
cp out one.json
run 0 ranks 3 "${judge[@]}"
total() { sed 's/"classes".*//' "$1" >total.json && value total.json "$2"; } # classes have images too
for name in loss top1 top5 calibration_error images; do near "$(total out "$name")" "$(total one.json "$name")" 1e-6; done
[ "$(total out images)" = 37 ] || die "$(total out images) images, not 37"
counts() { tr -d ' \n' <"$1" | sed 's/.*"classes"://'; }
[ "$(counts out)" = "$(counts one.json)" ] || die "the classes differ"
[ "$(grep -c '"loss"' out)" = 1 ] || die "more than one rank printed its evaluation"
near "$(sed -nE 's/.* val +[0-9]+\/[0-9]+  loss ([0-9.]+).*/\1/p' err)" "$(total out loss)" 5e-4 # the progress line
spoilt=$(find data/val -type f | sort | sed -n 6p) # in the second batch: rank 1's
cp "$spoilt" kept
echo no image >"$spoilt"
run 0 ranks 3 "${judge[@]}" --data.max_bad 0.1
for want in "images 36" "bad_images 1"; do
  [ "$(total out "${want% *}")" = "${want#* }" ] || { cat out err >&2; die "not $want"; }
done
[ "$(grep -c "image omitted: .*$spoilt" err)" = 1 ] || die "the bad image was not told once"
mv kept "$spoilt"
run 1 ranks 3 eval nowhere.ckpt --data data
[ "$(grep -c 'nowhere.ckpt' err)" = 1 ] || die "not told once"

# 2 ranks, unevenly: the last step of 3 batches leaves rank 1 with none. It meets an unreadable image: rank 0 lists it
bad=$(find data/train -type f | sort | sed -n 6p)
echo no image >"$bad"
run 0 ranks 2 "${fast[@]}" --lr 0.01 --out two --batch-size 4 --trainer.limit_train_batches 3 --json \
  --data.shuffle false --data.max_bad 0.1
says two/logs/resnet18/version_0/bad_images.txt "$bad"
[ "$(value out images)" = 12 ] || die "$(value out images) images, not 12"
for name in comm slowest excess slowest_data_wait; do # one row, at the end of the epoch
  column "$name" two/logs/resnet18/version_0/ranks.csv >row
  awk -v name="$name" '{ n++; if (!($1 >= 0 && (name == "excess" || $1 <= 1))) exit 1 } END { exit n != 1 }' row || { cat row >&2; die "ranks.csv: $name"; }
done
grep -qE 'communication [0-9.]+%, slowest rank [01] on ' err || die "the epoch's line does not name the slowest rank"

# the progress lines show all ranks' loss and accuracy, as the epoch's result does
line() { sed -nE "s/.* $1 +[0-9]+\/[0-9]+  loss ([0-9.]+)  top-1 ([0-9.]+)%.*/\1 \2/p" err; }
result() { sed -nE "s/.*$1 loss ([0-9.]+), top-1 ([0-9.]+)%.*/\1 \2/p" err | awk '{ printf "%.3f %.1f\n", $1, $2 }'; }
close() { awk -v a="$1" -v b="$2" 'BEGIN { split(a, x); split(b, y); d = x[1] - y[1]; e = x[2] - y[2]
  exit !(a != "" && d * d < 4e-6 && e * e < 0.04) }' || { cat err >&2; die "the line of $3 shows $1, the epoch's result is $2"; }; }
close "$(line train)" "$(result train)" training
close "$(line val)" "$(result val)" validation
[ ! -e one/logs/resnet18/version_0/ranks.csv ] || die "ranks.csv of one rank"
run 0 "$LINNET" info two/checkpoints/resnet18/last.ckpt

# the benchmark counts the images of all ranks, and says what the exchange costs
ASAN_OPTIONS=$no_leaks run 0 "$LINNET" bench train --devices 2 --arch resnet18 --image-size 32 --batch-size 4 --device cpu --trainer.threads 1 --steps 2 --warmup 1 --json
tr -d '\n' <out >bench.json
[ "$(value bench.json ranks)" = 2 ] && [ "$(value bench.json images)" = 16 ] || { cat out >&2; die "not 16 images of 2 ranks"; }
awk -v waited="$(value bench.json communication_seconds)" -v step="$(value bench.json seconds)" 'BEGIN { exit !(waited >= 0 && waited <= step) }' ||
  { cat out >&2; die "communication_seconds"; }

# gradients in 16 bits: another rounding, the same training. At 64 px: at 16 px batch norm has 4 values in the last maps,
# which turns rounding into another loss
half=("${fast[@]}" --image-size 64 --precision bf16-mixed --lr 0.01 --batch-size 4 --trainer.limit_train_batches 4 --trainer.limit_val_batches 0
  --json)
if [ "$("$LINNET" doctor | grep -c 'auto is bf16-mixed')" != 0 ]; then
  run 0 ranks 2 "${half[@]}" --out full
  cp out one.json
  run 0 ranks 2 "${half[@]}" --out half --dist.gradients compute
  near "$(value out train_loss)" "$(value one.json train_loss)" 1e-2
  cmp -s full/checkpoints/resnet18/last.ckpt half/checkpoints/resnet18/last.ckpt && die "dist.gradients changes nothing"
fi
run 0 ranks 2 bench allreduce --type bf16 --bytes 4096 --steps 1 --json
[ "$(value out bytes)" = 4096 ] || { cat out >&2; die "not one size"; }
says out '"type": "bf16"'
run 2 ranks 2 bench allreduce --type int8

# a step that does not come out even, data that are not there: said once
run 2 "$LINNET" "${fast[@]}" --lr 0.01 --out wrong --batch-size 2 --trainer.global_batch 7
says err 'not a multiple of data.batch_size 2'
run 1 ranks 2 "${fast[@]}" --data nowhere --lr 0.01
says err nowhere
