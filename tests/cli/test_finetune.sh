#!/usr/bin/env bash
# Fine-tuning: frozen parameters and the statistics of frozen batch norms stay the same byte for byte; a resume in the
# middle of an epoch is exact.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
small+=(--arch resnet18)
small+=(--monitor.report false)
run 0 "$LINNET" train "${small[@]}" --max-steps 3 --out first
first=first/checkpoints/resnet18/last.ckpt

same=("${small[@]}" --init "$first" --model.freeze layer2 --schedule.step_size 1 --max-epochs 2)
tune=("${same[@]}" --optimizer.head_lr 0.1)
run 0 "$LINNET" train "${tune[@]}" --out reference
says err "weights from $first"
reference=reference/checkpoints/resnet18/last.ckpt

# tensor FILE NAME: its line without the name's prefix
tensor() { "$LINNET_BUILD/tests/checkpoint_tool_show" "$1" | grep "^state model.$2 "; }
for name in conv1.weight bn1.running_mean layer2.1.conv2.weight layer2.0.downsample.1.running_var layer2.1.bn2.bias; do
  [ "$(tensor $first $name)" = "$(tensor $reference $name)" ] || die "$name is frozen and has changed"
done
for name in layer3.0.conv1.weight layer3.0.bn1.running_mean layer3.0.bn1.weight fc.bias; do
  [ "$(tensor $first $name)" != "$(tensor $reference $name)" ] || die "$name has not changed"
done

run 0 "$LINNET" train "${tune[@]}" --out parts --max-steps 3
run 0 "$LINNET" train "${same[@]}" --out parts --resume auto # the classifier's LR is read from the file
[ "$(digest $reference)" = "$(digest parts/checkpoints/resnet18/last.ckpt)" ] || die "the resumed run has other weights"

run 0 "$LINNET" train "${small[@]}" --model.freeze backbone --max-steps 1 --out random
says err "without --init: the frozen layers keep their random initial weights"
run 2 "$LINNET" train "${small[@]}" --model.freeze layer9 --out none
says err "none, stem, layer1, layer2, layer3, layer4, backbone, not 'layer9'"
