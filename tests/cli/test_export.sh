#!/usr/bin/env bash
# linnet export: the written files are read back to the same weights; checkpoints that cannot be exported are refused.
# long_export.py tests the rest.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
small+=(--arch resnet18)
run 0 "$LINNET" train "${small[@]}" --max-steps 1 --out run
ckpt=run/checkpoints/resnet18/last.ckpt
predict=(data/val/ring --json --top 3 --precision 32-true --image-size 32)
run 0 "$LINNET" predict $ckpt "${predict[@]}"
sed -E 's/"class": "[a-z0-9]*"//g' out >expected

# every format that linnet reads: the same predictions, the same architecture, and class names if the format has them
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

# ONNX by default: batch norm folded, normalisation included, a description of the input; --raw: the unchanged model
run 0 "$LINNET" export $ckpt --format onnx --out w.onnx
says err 'batch norm folded; input RGB in [0, 1]'
! grep -aqF BatchNormalization w.onnx || die "w.onnx has batch norm"
grep -aqF centred w.onnx || die "w.onnx has no normalisation"
grep -aqF 'RGB image: resize the shorter side to 37 (bilinear, antialiased as by Pillow), crop the central 32 x 32, divide by 255' w.onnx ||
  die "w.onnx does not explain its input"
for flags in "--fold" "--normalise" "--fold --normalise"; do # the default; still accepted as options
  IFS=' ' read -ra words <<<"$flags"
  run 0 "$LINNET" export $ckpt --format onnx "${words[@]}" --out same.onnx
  cmp w.onnx same.onnx || die "$flags changes the default"
done
run 0 "$LINNET" export $ckpt --format onnx --raw --out raw.onnx
says err 'input RGB, normalised'
grep -aqF 'divide by 255, subtract mean, divide by std' raw.onnx || die "raw.onnx does not explain its input"
grep -aqF BatchNormalization raw.onnx || die "raw.onnx has no batch norm"
! grep -aqF centred raw.onnx || die "raw.onnx has the normalisation"
run 2 "$LINNET" export $ckpt --format pth --raw --out no.pth
says err '--raw is for --format onnx'
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
for file in no.*; do [ ! -e "$file" ] || die "$file was written"; done
