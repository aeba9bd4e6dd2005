#!/usr/bin/env bash
# What can be checked on a machine with a GPU, and perhaps nothing else, in stages: ./dev gpu-check --help
# A failing stage does not stop the next. Needs bash and coreutils; the rest is skipped where it is absent.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

stages=(doctor engine parity shapes resume throughput profile sanitizer)
build=build/gpu out=gpu-check from=doctor only='' dry=

usage() {
  cat <<HELP
usage: ./dev gpu-check [--build DIR] [--out DIR] [--from STAGE | --only STAGE] [--dry-run]

  --build DIR   the build to check [build/gpu]; made here by ./dev gpu-build when it is not there
  --out DIR     raw output of every stage, results.json [gpu-check]
  --from STAGE  go on with this stage;  --only STAGE  this one alone
  --dry-run     print every command; change nothing
stages: ${stages[*]}
HELP
}

refuse() { echo "gpu-check: $*; ./dev gpu-check --help" >&2; exit 2; }

is_stage() { [[ " ${stages[*]} " == *" $1 "* ]]; }

while [ $# -gt 0 ]; do
  case "$1" in
    --dry-run) dry=1 ;;
    --help | -h) usage; exit 0 ;;
    --build | --out | --from | --only)
      [ $# -ge 2 ] && [ -n "$2" ] || refuse "$1 needs a value"
      declare "${1#--}=$2"
      shift ;;
    *) refuse "no option '$1'" ;;
  esac
  shift
done
is_stage "$from" || refuse "--from: no stage '$from' (${stages[*]})"
[ -z "$only" ] || is_stage "$only" || refuse "--only: no stage '$only' (${stages[*]})"

linnet=$build/linnet
data=$out/shapes
names=() states=() times=() notes=() # of the stages that ran
figures=()                           # JSON objects of stage throughput

# step SECONDS NAME COMMAND...: the command under a time limit, its output in $dir/NAME.txt (standard error: NAME.err)
step() {
  local limit=$1 name=$2 rc=0
  shift 2
  if [ -n "$dry" ]; then
    printf '  %4s s  %s\n' "$limit" "$*"
    return 0
  fi
  timeout -k 10 "$limit" "$@" >"$dir/$name.txt" 2>"$dir/$name.err" </dev/null || rc=$?
  case $rc in
    0) ;;
    77) skipped+=("$name") ;;
    124 | 137) failed+=("$name: not done in $limit s") ;;
    *) failed+=("$name: exit $rc: $(tail -n 1 "$dir/$name.err" | cut -c 1-200)") ;;
  esac
  [ $rc -eq 0 ]
}

# have COMMAND: whether it is there; a missing one is noted, and in a dry run all are supposed to be there
have() {
  [ -n "$dry" ] || command -v "$1" >/dev/null || { skipped+=("no $1"); return 1; }
}

# check NAME COMMAND...: an assertion of a stage, after a step
check() {
  local what=$1
  shift
  if [ -n "$dry" ]; then echo "  assert  $what"; else "$@" || failed+=("$what: it is not so"); fi
}

# value FILE KEY: a string or number of JSON text
value() { sed -nE "s/.*\"$2\": *\"?([^\",}]*).*/\1/p" "$1" | head -n 1; }

stage_doctor() {
  step 60 doctor "$linnet" doctor
  step 60 doctor-json "$linnet" doctor --json
  have nvidia-smi && step 60 nvidia-smi nvidia-smi -q
}

test_programs() { # PATTERN [-v]: test programs of the cuda engine whose name has the pattern, or has not
  if [ -n "$dry" ] && ! ls "$build"/tests/engine_test_*cuda* >/dev/null 2>&1; then
    [ "${2:-}" = -v ] && echo "$build/tests/engine_test_cuda_*" || echo "$build/tests/engine_test_parity_cuda"
    return
  fi
  find "$build/tests" -maxdepth 1 -name 'engine_test_*cuda*' -perm -u+x | grep ${2:+"$2"} -- "$1" | sort
}

run_programs() {
  local program n=0
  for program in $(test_programs "$@"); do
    n=$((n + 1))
    step 240 "${program##*/}" env LINNET_SOURCE="$PWD" "$program"
  done
  [ $n -gt 0 ] || failed+=("no test program of the cuda engine in $build/tests")
}

stage_engine() { run_programs parity -v; }
stage_parity() { run_programs parity; }

train=(--arch resnet18 --image-size 64 --device cuda --batch-size 32 --workers 4)

make_shapes() { [ -d "$data/train" ] || step 60 shapes "$linnet" shapes "$data"; }

accurate() { awk -v a="$(value "$dir/eval.txt" top1)" 'BEGIN { exit !(a > 0.95) }'; }

stage_shapes() {
  make_shapes
  [ -n "$dry" ] || rm -rf "$out/run"
  step 480 train "$linnet" train --config configs/demo.yaml --data "$data" --out "$out/run" --device cuda \
    --precision 16-mixed
  step 120 eval "$linnet" eval "$out/run/checkpoints/resnet18/last.ckpt" --data "$data" --device cuda --json
  check "accuracy in validation over 0.95" accurate
}

digest() { "$linnet" info "$out/$1/checkpoints/resnet18/last.ckpt" --json 2>/dev/null | sed -nE 's/.*"digest": "([0-9a-f]+)".*/\1/p'; }

same_digest() { local a; a=$(digest whole) && [ -n "$a" ] && [ "$a" = "$(digest halves)" ]; }

stage_resume() { # steps 1 to 40 in one run, and as 1 to 23, 24 to 40
  local options=("${train[@]}" --data "$data" --precision 16-mixed --max-epochs 9 --schedule.name none)
  make_shapes
  [ -n "$dry" ] || rm -rf "$out/whole" "$out/halves"
  step 120 whole "$linnet" train "${options[@]}" --out "$out/whole" --max-steps 40
  step 120 half "$linnet" train "${options[@]}" --out "$out/halves" --max-steps 23
  step 120 resumed "$linnet" train "${options[@]}" --out "$out/halves" --max-steps 40 --resume auto
  check "weights, statistics and momentum are byte-equal" same_digest
}

bench() { # NAME, options
  local name=$1
  shift
  step 120 "$name" "$linnet" bench train --arch resnet50 --device cuda --steps 50 --warmup 10 --json "$@" || return 0
  [ -n "$dry" ] || figures+=("{\"by\": \"linnet\", \"name\": \"$name\", \"result\": $(cat "$dir/$name.txt")}")
}

peer() { # NAME, options
  local name=$1
  shift
  step 240 "$name" python3 bench/peer_torch.py --steps 50 --warmup 10 "$@" || return 0
  [ -n "$dry" ] || figures+=("{\"by\": \"pytorch\", \"name\": \"$name\", \"result\": $(tail -n 1 "$dir/$name.txt")}")
}

stage_throughput() {
  local p b torch=
  if [ -n "$dry" ] || timeout 120 python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then torch=1
  else skipped+=("no PyTorch with CUDA")
  fi
  for p in 16-mixed bf16-mixed 32-true tf32; do
    for b in 256 128 64 32; do
      if [ $p = tf32 ]; then bench "linnet-$p-$b" --precision 32-true --trainer.tf32 true --batch-size $b
      else bench "linnet-$p-$b" --precision $p --batch-size $b
      fi
      [ -z "$torch" ] || peer "torch-$p-$b" --precision $p --batch-size $b
      [ -z "$torch" ] || [ $b != 256 ] || peer "torch-compiled-$p-$b" --precision $p --batch-size $b --compile
    done
  done
}

stage_profile() {
  step 180 profile "$linnet" bench train --arch resnet50 --device cuda --precision 16-mixed --batch-size 256 --steps 20 \
    --profile --json
}

stage_sanitizer() {
  local program tool
  have compute-sanitizer || return 0
  for program in $(test_programs parity -v); do
    for tool in memcheck racecheck; do
      step 300 "$tool-${program##*/}" env LINNET_SOURCE="$PWD" compute-sanitizer --tool $tool --error-exitcode 1 \
        "$program"
    done
  done
}

quote() { printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"; }

results() { # results.json, written anew after every stage
  local i comma=
  {
    printf '{"build": %s, "date": "%s", "stages": [' "$(quote "$build")" "$(date -u +%FT%TZ)"
    for i in "${!names[@]}"; do
      printf '%s\n  {"stage": "%s", "state": "%s", "seconds": %d, "note": %s}' "$comma" "${names[i]}" "${states[i]}" \
        "${times[i]}" "$(quote "${notes[i]}")"
      comma=,
    done
    printf '],\n"throughput": ['
    comma=
    for i in "${!figures[@]}"; do
      printf '%s\n  %s' "$comma" "$(tr -d '\n' <<<"${figures[i]}")"
      comma=,
    done
    printf ']}\n'
  } >"$out/results.json.new" && mv "$out/results.json.new" "$out/results.json"
}

table() {
  local i
  printf '\n%-11s %-8s %6s  %s\n' stage state s note
  for i in "${!names[@]}"; do
    printf '%-11s %-8s %6d  %s\n' "${names[i]}" "${states[i]}" "${times[i]}" "${notes[i]}"
  done
  for i in "${figures[@]}"; do
    printf '%-30s %s images/s\n' "$(value <(echo "$i") name)" "$(tr -d '\n' <<<"$i" | value /dev/stdin images_per_second)"
  done
  printf 'raw output and results.json: %s\n' "$out"
}

run_stage() {
  local name=$1 start=$SECONDS state=passed
  local failed=() skipped=() dir=$out/$name
  echo "== $name"
  [ -n "$dry" ] || mkdir -p "$dir"
  "stage_$name"
  [ -z "$dry" ] || return 0
  [ ${#skipped[@]} -eq 0 ] || state=partly
  # nothing was run: skipped as a whole
  [ ${#skipped[@]} -eq 0 ] || [ -n "$(find "$dir" -name '*.txt' -size +0c -print -quit)" ] || state=skipped
  [ ${#failed[@]} -eq 0 ] || state=failed
  names+=("$name") states+=("$state") times+=($((SECONDS - start)))
  notes+=("$(printf '%s; ' "${failed[@]}" "${skipped[@]/#/skipped: }" | sed 's/^\(; \)*//; s/\(; \)*$//')")
  results
  printf '   %s %s\n' "$state" "${notes[-1]}"
}

if [ -n "$dry" ]; then
  [ -x "$linnet" ] || echo "== build: ./dev gpu-build (there is no $linnet)"
elif [ ! -x "$linnet" ]; then
  [ "$build" = build/gpu ] || refuse "--build $build: no program 'linnet' there"
  timeout 600 ./dev gpu-build || { echo "gpu-check: no $linnet, and it cannot be built here: carry one along" >&2; exit 1; }
fi
[ -n "$dry" ] || mkdir -p "$out"
begun=
for stage in "${stages[@]}"; do
  [ "$stage" != "$from" ] || begun=1
  [ -n "$begun" ] || continue
  [ -z "$only" ] || [ "$stage" = "$only" ] || continue
  run_stage "$stage"
done
[ -z "$dry" ] || exit 0
table
[[ " ${states[*]} " != *" failed "* ]]
