#!/usr/bin/env bash
# linnet export: what it writes is read back to the same weights; what cannot be is refused. long_export.py has the rest.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
run 0 "$LINNET" train "${small[@]}" --max-steps 1 --out run
ckpt=run/checkpoints/resnet18/last.ckpt
predict=(data/val/ring --json --top 3 --precision 32-true --image-size 32)
run 0 "$LINNET" predict $ckpt "${predict[@]}"
sed -E 's/"class": "[a-z0-9]*"//g' out >expected

# every format that is read back: the same figures, the architecture found, class names where there is room for them
for format in safetensors pth; do
  run 0 "$LINNET" export $ckpt --format $format --out "w.$format"
  run 0 "$LINNET" predict "w.$format" "${predict[@]}"
  sed -E 's/"class": "[a-z0-9]*"//g' out | diff expected - || die "other predictions from $format"
done
run 0 "$LINNET" predict w.safetensors "${predict[@]}"
says out '"class": "ring"'
run 0 "$LINNET" export w.safetensors --format pth --out again.pth
cmp w.pth again.pth || die "safetensors and back changed the weights"
run 0 "$LINNET" train "${small[@]}" --max-steps 1 --out more --init w.safetensors
run 0 "$LINNET" export $ckpt --format onnx --fold --out w.onnx
run 0 "$LINNET" export $ckpt --format pth --fold --fp16 --out folded.pth

run 2 "$LINNET" export $ckpt --format pth --normalise --out no.pth
says err '--format onnx'
run 2 "$LINNET" export $ckpt --format pt --out no.pt
says err 'must be safetensors, pth or onnx'
run 2 "$LINNET" export $ckpt --format pth
run 2 "$LINNET" export $ckpt --format pth --out $ckpt
run 1 "$LINNET" export $ckpt --format pth --out none/a.pth
run 1 "$LINNET" export folded.pth --format onnx --out no.onnx
says err 'no supported ResNet'
for file in no.*; do [ ! -e "$file" ] || die "$file was left"; done
