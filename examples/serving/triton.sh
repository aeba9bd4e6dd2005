#!/usr/bin/env bash
# Adds a checkpoint to a model repository of NVIDIA's Triton Inference Server, as the ONNX file of `linnet export`:
#
#   triton.sh CHECKPOINT REPOSITORY NAME [OPTIONS OF linnet export]
#   tritonserver --model-repository REPOSITORY
#
# Writes REPOSITORY/NAME/{config.pbtxt,labels.txt,1/model.onnx}. A client sends `images`, FP32 of (batch, 3, size, size), RGB from
# 0 to 1, prepared as model.onnx describes (docs/formats.md), and receives `logits`; labels.txt serves Triton's classification
# extension. Needs jq. No Triton has run it.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: triton.sh CHECKPOINT REPOSITORY NAME [OPTIONS OF linnet export]" >&2; exit 2; }
checkpoint=$1 name=$3 model=$2/$3 linnet=${LINNET:-linnet}
command -v jq >/dev/null || { echo "triton.sh: jq is missing: apt install jq" >&2; exit 1; }
[ ! -e "$model" ] || { echo "triton.sh: $model exists already: remove it, or choose another name" >&2; exit 1; }
shift 3
info=$("$linnet" info "$checkpoint" --json)
size=$(jq '.image_size // 224' <<<"$info")
classes=$(jq '.class_names | length' <<<"$info")
[ "$classes" -gt 0 ] || { echo "triton.sh: $checkpoint has no class names" >&2; exit 1; }
mkdir -p "$model/1"
"$linnet" export "$checkpoint" --format onnx --out "$model/1/model.onnx" --image-size "$size" "$@"
jq -r '.class_names[] | gsub("\n"; " ")' <<<"$info" >"$model/labels.txt"
cat >"$model/config.pbtxt" <<CONFIG
name: "$name"
backend: "onnxruntime"
max_batch_size: 32
input [{ name: "images", data_type: TYPE_FP32, dims: [3, $size, $size] }]
output [{ name: "logits", data_type: TYPE_FP32, dims: [$classes], label_filename: "labels.txt" }]
dynamic_batching {}
CONFIG
echo "$model is ready"
