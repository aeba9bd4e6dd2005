#!/usr/bin/env bash
# Several ranks under mpirun: validation counts every image once, only rank 0 prints and writes, an error ends all
# ranks.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"

tiny 8
find data/val -type f | sort | head -n 3 | xargs rm # 37 images: not a multiple of 2, 3 or 32
fast=(train --data data --arch resnet20 --image-size 16 --device cpu --precision 32-true --workers 1 --max-epochs 1
  --monitor.report false)

# 3 ranks with SyncBN have the statistics of 1 rank with three times the batch; the LR is so small that weights are
# constant
still=("${fast[@]}" --lr 1e-30 --json)
run 0 "$LINNET" "${still[@]}" --out one --batch-size 6 --trainer.limit_train_batches 1 --data.val_batch_size 32
cp out one.json
run 0 ranks 3 "${still[@]}" --out three --batch-size 2 --trainer.limit_train_batches 3 --data.val_batch_size 5 \
  --trainer.sync_batchnorm true
for name in loss top1 top5 train_loss; do near "$(value out "$name")" "$(value one.json "$name")" 1e-6; done
says err '37 validation images'
[ "$(grep -c '^engine ' err)" = 1 ] || die "more than one rank printed its engine"
own=$(($(nproc) / 3)) # the cores of this machine are divided among the ranks
grep -q "^engine .*, $((own > 0 ? own : 1)) threads\?;" err || { cat err >&2; die "not $own threads for each of 3 ranks"; }
[ "$(wc -l <out)" = 1 ] || die "more than one rank printed its result"

# evaluation: the same sums on 3 ranks, and the same counts of classes and bins; an unreadable image of another rank
# is reported once
last=one/checkpoints/resnet20/last.ckpt
evaluate=(eval "$last" --data data --device cpu --workers 1 --data.val_batch_size 5 --json)
run 0 "$LINNET" "${evaluate[@]}"
cp out one.json
ASAN_OPTIONS=$no_leaks run 0 "$LINNET" "${evaluate[@]}" --devices 3
total() { sed 's/"classes".*//' "$1" >total.json && value total.json "$2"; } # the classes have a key "images" too
for name in loss top1 top5 calibration_error images; do near "$(total out "$name")" "$(total one.json "$name")" 1e-6; done
[ "$(total out images)" = 37 ] || die "$(total out images) images, not 37"
counts() { tr -d ' \n' <"$1" | sed 's/.*"classes"://'; }
[ "$(counts out)" = "$(counts one.json)" ] || die "the classes differ"
[ "$(grep -c '"loss"' out)" = 1 ] || die "more than one rank printed its evaluation"
near "$(sed -nE 's/(.* )?val +[0-9]+\/[0-9]+  loss ([0-9.]+).*/\2/p' err)" "$(total out loss)" 5e-4 # the progress line
damaged=$(find data/val -type f | sort | sed -n 6p) # in the second batch, that of rank 1
cp "$damaged" kept
echo no image >"$damaged"
run 0 ranks 3 "${evaluate[@]}" --data.max_bad 0.1
for want in "images 36" "bad_images 1"; do
  [ "$(total out "${want% *}")" = "${want#* }" ] || { cat out err >&2; die "not $want"; }
done
[ "$(grep -c "image omitted: .*$damaged" err)" = 1 ] || die "the bad image was not reported once"
mv kept "$damaged"
run 1 ranks 3 eval nowhere.ckpt --data data
[ "$(grep -c 'nowhere.ckpt' err)" = 1 ] || die "not reported once"

# 2 ranks and 3 batches: rank 1 has no batch in the last step. Rank 1 reads an unreadable image, and rank 0 lists it
bad=$(find data/train -type f | sort | sed -n 6p)
echo no image >"$bad"
run 0 ranks 2 "${fast[@]}" --lr 0.01 --out two --batch-size 4 --trainer.limit_train_batches 3 --json \
  --data.shuffle false --data.max_bad 0.1
says two/logs/resnet20/version_0/bad_images.txt "$bad"
[ "$(value out images)" = 12 ] || die "$(value out images) images, not 12"
for name in comm slowest excess slowest_data_wait; do # one row, at the end of the epoch
  column "$name" two/logs/resnet20/version_0/ranks.csv >row
  awk -v name="$name" '{ n++; if (!($1 >= 0 && (name == "excess" || $1 <= 1))) exit 1 } END { exit n != 1 }' row || { cat row >&2; die "ranks.csv: $name"; }
done
grep -qE 'communication [0-9.]+%, slowest rank [01] on ' err || die "the epoch's line does not contain the slowest rank"

# the progress lines show all ranks' loss and accuracy, as the epoch's result does
line() { sed -nE "s/.* $1 +[0-9]+\/[0-9]+  loss ([0-9.]+)  top-1 ([0-9.]+)%.*/\1 \2/p" err; }
result() { sed -nE "s/.*$1 loss ([0-9.]+), top-1 ([0-9.]+)%.*/\1 \2/p" err | awk '{ printf "%.3f %.1f\n", $1, $2 }'; }
close() { awk -v a="$1" -v b="$2" 'BEGIN { split(a, x); split(b, y); d = x[1] - y[1]; e = x[2] - y[2]
  exit !(a != "" && d * d < 4e-6 && e * e < 0.04) }' || { cat err >&2; die "the line of $3 shows $1, the epoch's result is $2"; }; }
close "$(line train)" "$(result train)" training
close "$(line val)" "$(result val)" validation
[ ! -e one/logs/resnet20/version_0/ranks.csv ] || die "one rank wrote ranks.csv"
run 0 "$LINNET" info two/checkpoints/resnet20/last.ckpt

# the benchmark counts the images of all ranks and measures the time of the exchange
ASAN_OPTIONS=$no_leaks run 0 "$LINNET" bench train --devices 2 --arch resnet20 --image-size 32 --batch-size 4 --device cpu --trainer.threads 1 --steps 2 --warmup 1 --json
tr -d '\n' <out >bench.json
[ "$(value bench.json ranks)" = 2 ] && [ "$(value bench.json images)" = 16 ] || { cat out >&2; die "not 16 images of 2 ranks"; }
awk -v waited="$(value bench.json communication_seconds)" -v step="$(value bench.json seconds)" 'BEGIN { exit !(waited >= 0 && waited <= step) }' ||
  { cat out >&2; die "communication_seconds"; }

# gradients in 16 bits: other rounding, but the same training. With 64 px, because at 16 px the last batch norms have 4
# values per channel, and rounding changes the loss
half=("${fast[@]}" --image-size 64 --precision bf16-mixed --lr 0.01 --batch-size 4 --trainer.limit_train_batches 4 --trainer.limit_val_batches 0
  --json)
if [ "$("$LINNET" doctor | grep -c 'auto: bf16-mixed')" != 0 ]; then
  run 0 ranks 2 "${half[@]}" --out full
  cp out one.json
  run 0 ranks 2 "${half[@]}" --out half --dist.gradients compute
  near "$(value out train_loss)" "$(value one.json train_loss)" 1e-2
  cmp -s full/checkpoints/resnet20/last.ckpt half/checkpoints/resnet20/last.ckpt && die "dist.gradients has no effect"
fi
run 0 ranks 2 bench allreduce --type bf16 --bytes 4096 --steps 1 --json
[ "$(value out bytes)" = 4096 ] || { cat out >&2; die "not one size"; }
says out '"type": "bf16"'
run 2 ranks 2 bench allreduce --type int8

# processes of an mpirun that this MPI cannot connect: each fails with one line
for lone in "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4" "PMIX_RANK=1"; do
  # shellcheck disable=SC2086
  ASAN_OPTIONS=$no_leaks run 2 env $lone "$LINNET" "${fast[@]}" --lr 0.01 --out lone
  says err "processes, but MPI has not connected them, so each of them would run separately"
  [ "$(wc -l <err)" = 1 ] || { cat err >&2; die "not one line"; }
done
! ranks 2 eval "$last" --data data --devices 3 >out 2>err || die "3 devices on 2 ranks" # the exit code of either rank
says err "trainer.devices is 3, but the run has 2 ranks"

# a global batch that is not a multiple, and missing data, are reported once
run 2 "$LINNET" "${fast[@]}" --lr 0.01 --out wrong --batch-size 2 --trainer.global_batch 7
says err 'not a multiple of data.batch_size 2'
run 1 ranks 2 "${fast[@]}" --data nowhere --lr 0.01
says err nowhere
