#!/usr/bin/env bash
# fuzz/run.sh zip|pickle|safetensors [SECONDS]: builds a target of src/checkpoint with clang under ASan and UBSan in build/fuzz,
# gives it the golden checkpoints as seeds, and runs it (600 s unless told). What it finds is left in build/fuzz/NAME-found.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 seconds=${2:-600}
work=build/fuzz corpus=build/fuzz/$name-corpus found=build/fuzz/$name-found
mkdir -p "$corpus" "$found"

case $name in
  zip) cp tests/checkpoint/golden/*.ckpt tests/checkpoint/golden/*.pth "$corpus" ;;
  pickle)
    python3 - "$corpus" tests/checkpoint/golden/* <<'PYTHON'
import os, sys, zipfile
for path in filter(zipfile.is_zipfile, sys.argv[2:]):
    with zipfile.ZipFile(path) as z:
        pickle = next(n for n in z.namelist() if n.endswith("/data.pkl"))
        open(os.path.join(sys.argv[1], os.path.basename(path)), "wb").write(z.read(pickle))
PYTHON
    ;;
  safetensors)
    echo -n '{"__metadata__":{"arch":"resnet18","class_names":"[\"cat\",\"d\\u006fg\"]"},"w":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},"n":{"dtype":"I64","shape":[],"data_offsets":[48,56]},"e":{"dtype":"BF16","shape":[2,0],"data_offsets":[56,56]},"b":{"dtype":"U8","shape":[8],"data_offsets":[56,64]}}  ' >"$corpus/header"
    ;;
  *) echo "fuzz/run.sh: no target '$name'" >&2; exit 2 ;;
esac

clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Isrc -Ifuzz \
  "fuzz/fuzz_$name.c" src/checkpoint/[a-z]*.c src/base/[a-z]*.c -ljansson -lz -lm -lpthread -o "$work/fuzz_$name"
# 16 MiB is what a file of no size may claim in tensors, 64 MiB what no single claim of a small file may come near
export ASAN_OPTIONS=quarantine_size_mb=64
exec "$work/fuzz_$name" -dict="fuzz/$name.dict" -artifact_prefix="$found/" -max_len=65536 -timeout=10 -rss_limit_mb=512 \
  -malloc_limit_mb=64 -max_total_time="$seconds" -print_final_stats=1 "$corpus"
