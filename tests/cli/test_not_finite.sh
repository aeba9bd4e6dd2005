#!/usr/bin/env bash
# Weights and losses that are not finite: a file with such weights is refused with the tensor's name, and an epoch with such
# a validation loss is never among the best. The progress line of an evaluation has no epoch.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
small+=(--arch resnet18)
run 0 "$LINNET" train "${small[@]}" --max-steps 1 --out run
ckpt=run/checkpoints/resnet18/last.ckpt
run 0 "$LINNET" export $ckpt --format safetensors --out good.safetensors

# edit TENSOR VALUE OUT: the file with VALUE as the tensor's first element
edit() {
  python3 - "$@" <<'END'
import json, struct, sys
tensor, value, out = sys.argv[1:]
b = bytearray(open("good.safetensors", "rb").read())
n = struct.unpack("<Q", b[:8])[0]
at = 8 + n + json.loads(b[8 : 8 + n])[tensor]["data_offsets"][0]
b[at : at + 4] = struct.pack("<f", float(value))
open(out, "wb").write(b)
END
}

edit layer2.0.conv1.weight nan nan.safetensors
edit bn1.running_var inf inf.safetensors
wrong="nan.safetensors: layer2.0.conv1.weight contains NaN (value 1 of 73728)"
run 1 "$LINNET" train "${small[@]}" --max-steps 1 --out init --init nan.safetensors
says err "$wrong"
! grep -q "lower" err || die "the message mentions the learning rate"
run 1 "$LINNET" train "${small[@]}" --max-steps 1 --out init --init inf.safetensors
says err "inf.safetensors: bn1.running_var contains an infinite value (value 1 of 64)"
run 1 "$LINNET" eval nan.safetensors data --workers 1 --image-size 32
says err "$wrong"
run 1 "$LINNET" predict nan.safetensors data/val/ring --workers 1 --image-size 32
says err "$wrong"
run 1 "$LINNET" export nan.safetensors --format onnx --out model.onnx
says err "$wrong"
[ ! -e model.onnx ] || die "model.onnx was written"
# a classifier that is not used may contain any value
edit fc.weight nan head.safetensors
"$LINNET" shapes five --train 4 --val 2 --size 40 --seed 2 >/dev/null
for split in train val; do (cd five/$split && rm -r checkerboard circle cross ring square); done
run 0 "$LINNET" train five "${small[@]:2}" --batch-size 4 --max-steps 1 --out five_run --init head.safetensors

# finite weights whose validation overflows: the run continues, and no checkpoint is among the best
edit bn1.running_mean -3e38 overflows.safetensors
run 0 "$LINNET" train "${small[@]}" --max-epochs 2 --out over --init overflows.safetensors --json
says err "warning: epoch 1: val_loss is nan, so its checkpoint is not among the best"
says out '"best": ""'
[ -s over/checkpoints/resnet18/last.ckpt ] || die "no last.ckpt"
! ls over/checkpoints/resnet18/epoch=* 2>/dev/null || die "a checkpoint with NaN is kept"
! grep -qi "nan\.ckpt" over/viewlogs.md || die "the report lists a checkpoint with NaN"
# the same within an epoch: the state of the last validation is saved
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --trainer.val_check_interval 1 --out within --init overflows.safetensors
[ "$(grep -c "warning: epoch 1: val_loss is nan" err)" = "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "val_loss") k = i; next }
  $k != ""' within/logs/resnet18/version_0/metrics.csv | wc -l)" ] || die "not one warning per validation"

run 0 "$LINNET" eval $ckpt data --workers 1
grep -q '^val 2/2 ' err || { cat err; die "no progress line"; }
! grep -q epoch err || die "an evaluation has no epochs"
