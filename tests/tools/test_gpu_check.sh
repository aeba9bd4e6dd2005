#!/usr/bin/env bash
# ./dev gpu-check without a GPU: the commands of a dry run, its options, and its results for a stand-in build.
set -euo pipefail
: "${LINNET_SOURCE:?the source folder}"
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-gpu-check-XXXXXX")
trap 'rm -rf "$work"' EXIT

die() { echo "FAILED: $*" >&2; exit 1; }
mkdir "$work/bin" # a Python without PyTorch, an mpirun, $GPUS simulated GPUs
unset CUDA_VISIBLE_DEVICES
printf '#!/bin/sh\nexit 1\n' >"$work/bin/python3"
printf '#!/bin/sh\n' >"$work/bin/mpirun"
printf '#!/bin/sh\nfor i in $(seq "${GPUS:-1}"); do echo "GPU $i: stand-in"; done\n' >"$work/bin/nvidia-smi"
chmod +x "$work"/bin/*
gpu_check() { (cd "$work" && PATH=$work/bin:$PATH "$LINNET_SOURCE/dev" gpu-check "$@"); }

# a dry run prints every stage and writes nothing
gpu_check --build "$work/none" --out "$work/plan" --dry-run >"$work/out"
for stage in doctor engine parity shapes resume gpus throughput profile sanitizer; do
  grep -qx "== $stage" "$work/out" || die "the dry run lacks $stage"
done
for text in 'bench train .*--precision bf16-mixed --batch-size 32' '--trainer.tf32 true' 'peer_torch.py .*--compile' \
  'compute-sanitizer' '--resume auto' '--devices 2' 'gradients are exchanged with NCCL' 'tests/engine_test_ranks$' 'assert  validation accuracy'; do
  grep -q -- "$text" "$work/out" || die "the dry run lacks '$text'"
done
[ ! -e "$work/plan" ] || die "the dry run wrote a file"
gpu_check --dry-run --from profile >"$work/out"
[ "$(grep -c '^== [a-z]*$' "$work/out")" = 2 ] || die "--from profile: not two stages"

# one line and exit 2
for wrong in --nonsense '--minutes 0' '--minutes x' '--only nothing' '--from nothing' --out "--build $work/none"; do
  code=0
  # shellcheck disable=SC2086
  gpu_check $wrong >"$work/out" 2>&1 || code=$?
  [ $code = 2 ] || die "$wrong: exit $code"
  [ "$(wc -l <"$work/out")" = 1 ] || die "$wrong: not one line"
done

# a stand-in build: one stage passes, one fails, and the next one runs
mkdir -p "$work/build/tests"
printf '#!/bin/sh\necho "{\\"images_per_second\\": 12.5}"\n' >"$work/build/linnet"
printf '#!/bin/sh\necho bad "\\"value\\"" >&2; exit 3\n' >"$work/build/tests/engine_test_cuda_layers"
printf '#!/bin/sh\nexit 0\n' >"$work/build/tests/engine_test_parity_cuda"
printf '#!/bin/sh\necho several ranks\n' >"$work/build/tests/engine_test_ranks"
chmod +x "$work/build/linnet" "$work"/build/tests/*
gpu_check --build "$work/build" --out "$work/result" --only profile >"$work/out" || die "a passing stage failed"
code=0
gpu_check --build "$work/build" --out "$work/result" >"$work/out" 2>&1 || code=$?
[ $code = 1 ] || die "a failing stage: exit $code"
grep -Eq '^engine +failed .*exit 3: bad' "$work/out" || { cat "$work/out" >&2; die "engine did not fail"; }
grep -Eq '^parity +passed ' "$work/out" || die "parity was not run after it"
grep -Eq '^shapes +failed .*0.95' "$work/out" || die "a missing accuracy did not fail"
grep -Eq '^linnet-16-mixed-256 +12.5 images/s' "$work/out" || { cat "$work/out" >&2; die "no throughput"; }
grep -q 'bad' "$work/result/engine/engine_test_cuda_layers.err" || die "raw output is not kept"
python3 -m json.tool "$work/result/results.json" >/dev/null || die "results.json is not valid JSON"

[ "$(cat "$work/result/engine/engine_test_ranks.txt")" = 'several ranks' ] || die "the ranks' program was not run"

# the most important figures are measured first; a call that continues measures only missing ones, and results.json
# keeps the results of earlier calls
calls=$work/calls
printf '#!/bin/sh\necho "$*" >>"%s"\necho "{\\"images_per_second\\": 7.5}"\n' "$calls" >"$work/build/linnet"
rm "$work/result/throughput/linnet-bf16-mixed-256.json"
gpu_check --build "$work/build" --out "$work/result" --from throughput >"$work/out" 2>&1 || true
[ "$(grep -vc -e --profile "$calls")" = 1 ] || { cat "$calls" >&2; die "more than the missing figure was measured"; }
grep -Eq '^linnet-16-mixed-256 +12.5 images/s' "$work/out" || die "a kept figure is not in the table"
grep -Eq '^linnet-bf16-mixed-256 +7.5 images/s' "$work/out" || die "the missing figure was not measured"
grep -Eq '^engine +failed ' "$work/out" || die "an earlier call's stage is not in the table"
python3 - "$work/result/results.json" <<'PY' || die "results.json: stages or figures are missing"
import json, sys
r = json.load(open(sys.argv[1]))
names = [f["name"] for f in r["throughput"]]
assert [s["stage"] for s in r["stages"]][:3] == ["doctor", "engine", "parity"], r["stages"]
assert names[0] == "linnet-16-mixed-256" and names.count("linnet-bf16-mixed-256") == 1, names
PY

# several GPUs: the same steps as one rank, with NCCL; one GPU: skipped
cat >"$work/build/linnet" <<'END'
#!/bin/sh
norm=2.5 out=
while [ $# -gt 0 ]; do
  [ "$1" != --out ] || out=$2
  if [ "$1" = --devices ]; then norm=$NORM && echo "engine  stand-in, $BY; 32-true" >&2; fi
  shift
done
[ -n "$out" ] || exit 0
mkdir -p "$out/logs/resnet18/version_0"
{ echo step,grad_norm,train_loss_step; for i in 0 1 2 3 4; do echo "$i,$norm,2.3"; done; } >"$out/logs/resnet18/version_0/metrics.csv"
END
gpus() { # GPUS BY NORM PATTERN
  GPUS=$1 BY=$2 NORM=$3 gpu_check --build "$work/build" --out "$work/gpus" --only gpus >"$work/out" 2>&1 || true
  grep -Eq "^gpus +$4" "$work/out" || { cat "$work/out" >&2; die "$1 GPUs by $2, norm $3: not '$4'"; }
}
gpus 1 none 0 'skipped .*one GPU'
gpus 2 'NCCL 2.28.9' 2.51 'passed '
gpus 2 'the host' 2.51 'failed .*with NCCL: failed'
gpus 2 'NCCL 2.28.9' 1.7 'failed .*gradient norms equal those of one rank: failed'

# the time is over: the existing results are printed, without a failure, and the stage to continue with; later stages
# do not
# run
rm "$calls"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "$*" >>"%s"\n[ "$(wc -l <"%s")" -gt 1 ] && exec sleep 60\necho "{\\"images_per_second\\": 8.5}"\n' \
  "$calls" "$calls" >"$work/build/linnet"
SECONDS=48 gpu_check --build "$work/build" --out "$work/short" --from throughput --minutes 1 >"$work/out" 2>&1 ||
  { cat "$work/out" >&2; die "a call that reaches its time limit failed"; }
grep -Eq '^throughput +partial .*because 1 minutes are over: continue with --from throughput' "$work/out" || die "it did not stop"
grep -Eq '^linnet-16-mixed-256 +8.5 images/s' "$work/out" || die "the first figure was lost"
if grep -Eq '^(profile|linnet-bf16)' "$work/out"; then die "it continued after its time limit"; fi
