#!/usr/bin/env bash
# Fine-tuning: what is frozen stays byte for byte, its batch norms too; a resume in the middle of an epoch goes on exactly.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
small+=(--monitor.report false)
run 0 "$LINNET" train "${small[@]}" --max-steps 3 --out first
first=first/checkpoints/resnet18/last.ckpt

same=("${small[@]}" --init "$first" --model.freeze layer2 --schedule.step_size 1 --max-epochs 2)
tune=("${same[@]}" --optimizer.head_lr 0.1)
run 0 "$LINNET" train "${tune[@]}" --out whole
says err "weights from $first"
whole=whole/checkpoints/resnet18/last.ckpt

# tensor FILE NAME: its line without the name's prefix
tensor() { "$LINNET_BUILD/tests/checkpoint_tool_show" "$1" | grep "^state model.$2 "; }
for name in conv1.weight bn1.running_mean layer2.1.conv2.weight layer2.0.downsample.1.running_var layer2.1.bn2.bias; do
  [ "$(tensor $first $name)" = "$(tensor $whole $name)" ] || die "$name is frozen and has changed"
done
for name in layer3.0.conv1.weight layer3.0.bn1.running_mean layer3.0.bn1.weight fc.bias; do
  [ "$(tensor $first $name)" != "$(tensor $whole $name)" ] || die "$name has not changed"
done

run 0 "$LINNET" train "${tune[@]}" --out parts --max-steps 3
run 0 "$LINNET" train "${same[@]}" --out parts --resume auto # the classifier's rate is the file's second group's
[ "$(digest $whole)" = "$(digest parts/checkpoints/resnet18/last.ckpt)" ] || die "a resumed run is another"

run 0 "$LINNET" train "${small[@]}" --model.freeze backbone --max-steps 1 --out random
says err "without --init: the frozen layers keep their random initial weights"
run 2 "$LINNET" train "${small[@]}" --model.freeze layer9 --out none
says err "none, stem, layer1, layer2, layer3, layer4, backbone, not 'layer9'"
