#!/usr/bin/env bash
# data.workers auto: the number of loader threads is chosen and logged, and has no other effect.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 10

small+=(--batch-size 10 --data.val_batch_size 4 --max-epochs 3)
run 0 "$LINNET" train "${small[@]}" --out fixed
says err '1 loader thread'
grep -q 'loading' err && die "a fixed number was changed"

run 0 "$LINNET" train "${small[@]}" --workers auto --out auto
for name in 'loader    ' 'val loader'; do
  grep -Eq "$name [0-9]+ threads?: loading [0-9.]+ CPU ms per image, model [0-9.]+ ms per image" err ||
    { cat err >&2; die "no line about $name"; }
done
n=$(grep -E '^.*loader     [0-9]+ thread' err | tail -1 | sed -E 's/.*loader     ([0-9]+) thread.*/\1/')
says auto/logs/resnet20/version_0/run.json "$n loader thread"
[ "$(digest auto/checkpoints/resnet20/last.ckpt)" = "$(digest fixed/checkpoints/resnet20/last.ckpt)" ] ||
  die "the number of threads changed the run"
