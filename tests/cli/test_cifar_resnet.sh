#!/usr/bin/env bash
# A ResNet for CIFAR through the commands: train, resume to equal bytes, eval, export and back, --init with another
# number of classes, freezing.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
tiny
options=("${small[@]}" --arch resnet20)
last=checkpoints/resnet20/last.ckpt
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --out whole
says err 'resnet20, 269,722 parameters'
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --max-steps 7 --out parts
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --resume auto --out parts
[ "$(digest parts/$last)" = "$(digest whole/$last)" ] || die "the resumed run has other weights"

run 0 "$LINNET" eval whole/$last --data data
run 0 "$LINNET" info whole/$last
says out resnet20
for format in safetensors pth; do
  run 0 "$LINNET" export whole/$last --format $format --out "w.$format"
  run 0 "$LINNET" info "w.$format" --json
  says out '"arch": "resnet20"'
done

rm -r data/{train,val}/{ring,star}
run 0 "$LINNET" train "${options[@]}" --max-steps 1 --init w.pth --model.freeze layer2 --out tuned
says err '8 classes'
run 2 "$LINNET" train "${options[@]}" --max-steps 1 --model.freeze layer4 --out no
says err "resnet20 has no part 'layer4'"
run 1 "$LINNET" train "${options[@]}" --arch resnet32 --max-steps 1 --init w.pth --out no
says err 'w.pth does not match resnet32'
