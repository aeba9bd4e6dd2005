#!/usr/bin/env bash
# examples/serving/classify.c, compiled and run with Debian 13's ONNX Runtime: the classes and probabilities are those of
# `linnet predict`.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
: "${LINNET:?the path of the program}"
debian_open trixie serving
serving=$root/serving
mkdir "$serving"
cp "$LINNET_SOURCE/examples/serving/classify.c" "$serving/"
cd "$serving"

"$LINNET" shapes data --train 10 --val 1 --size 40 --seed 1 >/dev/null
"$LINNET" train --data data --arch resnet20 --image-size 32 --batch-size 10 --max-epochs 2 --lr 0.02 --out run \
  --monitor.report false >/dev/null
checkpoint=run/checkpoints/resnet20/last.ckpt
"$LINNET" export $checkpoint --format onnx --out model.onnx
for i in {0..4}; do # of the input's size: neither resizing nor a decoder has an effect
  { printf 'P6 32 32 255\n' && head -c 3072 <(seq "$i" 7 9999); } >$i.ppm
done
"$LINNET" predict $checkpoint {0..4}.ppm --csv --top 1 --precision 32-true --data.resize_size 32 |
  awk -F, -v OFS='\t' 'NR > 1 { print $1, $3, $5 }' >expected

debian_run bash -euc '
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends gcc libc6-dev pkg-config libonnxruntime-dev libjansson-dev >/dev/null
  cd /serving
  cc -Wall -Wextra -Werror -o classify classify.c $(pkg-config --cflags --libs libonnxruntime jansson) -lm
  ./classify model.onnx {0..4}.ppm >classified 2>message || { tail -n 5 message; exit 1; }
  head -c 3000 0.ppm >short.ppm
  if ./classify model.onnx short.ppm 2>message; then echo "a truncated image was accepted"; exit 1; fi
  grep -q "short.ppm: is incomplete" message'
paste expected classified | awk -F'\t' '
  { print $1, $2, $3, $6 }
  $1 != $4 || $2 != $5 || ($3 - $6) ^ 2 > 1e-10 { wrong = 1 }
  END { exit wrong || NR != 5 }' || { echo "FAILED: ONNX Runtime and linnet predict differ" >&2; exit 1; }
cd /
debian_close
debian_remove "$root"
