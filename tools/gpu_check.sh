#!/usr/bin/env bash
# Checks a machine with a GPU in stages: ./dev gpu-check --help
# A failing stage does not stop the next. The result of each stage is kept in its folder (stage.json), as is each figure
# of stage throughput, so that a check may be made in several calls. Needs bash and coreutils. Steps that need other
# programs are skipped if these are missing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

stages=(doctor engine parity shapes resume gpus throughput profile sanitizer)
build=build/gpu out=gpu-check from=doctor only='' minutes='' dry=

usage() {
  cat <<HELP
usage: ./dev gpu-check [--build DIR] [--out DIR] [--from STAGE | --only STAGE] [--minutes N]
       [--dry-run]

  --build DIR   build to check [build/gpu]; if it does not exist, ./dev gpu-build makes it
  --out DIR     folder for results.json and the raw output of all stages [gpu-check]
  --from STAGE  continue with this stage (throughput: measure only the results that are missing in --out)
  --only STAGE  run only this stage, from its start
  --minutes N   stop after at most N minutes, with the results so far
  --dry-run     print all commands without running them
stages: ${stages[*]}
HELP
}

refuse() { echo "gpu-check: $*; ./dev gpu-check --help" >&2; exit 2; }

is_stage() { [[ " ${stages[*]} " == *" $1 "* ]]; }

while [ $# -gt 0 ]; do
  case "$1" in
    --dry-run) dry=1 ;;
    --help | -h) usage; exit 0 ;;
    --build | --out | --from | --only | --minutes)
      [ $# -ge 2 ] && [ -n "$2" ] || refuse "$1 needs a value"
      declare "${1#--}=$2"
      shift ;;
    *) refuse "unknown option '$1'" ;;
  esac
  shift
done
is_stage "$from" || refuse "--from: unknown stage '$from' (${stages[*]})"
[ -z "$only" ] || is_stage "$only" || refuse "--only: unknown stage '$only' (${stages[*]})"
[[ $minutes =~ ^([1-9][0-9]{0,4})?$ ]] || refuse "--minutes: '$minutes' is not a number of minutes"

linnet=$build/linnet
data=$out/shapes
states=() # of the stages that ran
stopped='' # 1 after the time of --minutes

# room SECONDS: the time limit, reduced to the time that --minutes leaves; fails if none is left
room() {
  local left=$((${minutes:-0} * 60 - SECONDS - 10)) # a command that ignores its limit is killed 10 s later
  [ -n "$minutes" ] || left=$1
  [ "$left" -gt 0 ] && [ -z "$stopped" ] && echo $((left < $1 ? left : $1))
}

# step SECONDS NAME COMMAND...: runs the command with a time limit, its output in $dir/NAME.txt (standard error:
# NAME.err)
step() {
  local limit=$1 name=$2 rc=0
  shift 2
  if [ -n "$dry" ]; then
    printf '  %4s s  %s\n' "$limit" "$*"
    return 0
  fi
  limit=$(room "$limit") || { stopped=1; return 1; }
  timeout -k 10 "$limit" "$@" >"$dir/$name.txt" 2>"$dir/$name.err" </dev/null || rc=$?
  case $rc in
    0) ;;
    77) skipped+=("$name") ;;
    124 | 137) if room 1 >/dev/null; then failed+=("$name: timed out after $limit s"); else stopped=1; fi ;;
    *) failed+=("$name: exit $rc: $(tail -n 1 "$dir/$name.err" | cut -c 1-200)") ;;
  esac
  [ $rc -eq 0 ]
}

# have COMMAND: whether it is installed; a missing one is listed as skipped; a dry run assumes that all are installed
have() {
  [ -n "$dry" ] || command -v "$1" >/dev/null || { skipped+=("no $1"); return 1; }
}

# check NAME COMMAND...: an assertion of a stage, after a step
check() {
  local what=$1
  shift
  if [ -n "$dry" ]; then echo "  assert  $what"; else [ -n "$stopped" ] || "$@" || failed+=("$what: failed"); fi
}

# value FILE KEY: a string or number of JSON text
value() { sed -nE "s/.*\"$2\": *\"?([^\",}]*).*/\1/p" "$1" | head -n 1; }

stage_doctor() {
  step 60 doctor "$linnet" doctor
  step 60 doctor-json "$linnet" doctor --json
  have nvidia-smi && step 60 nvidia-smi nvidia-smi -q
}

test_programs() { # PATTERN [-v]: test programs of only the cuda engine whose names contain the pattern, or with -v do not
  if [ -n "$dry" ] && ! ls "$build"/tests/engine_test_*cuda* >/dev/null 2>&1; then
    [ "${2:-}" = -v ] && echo "$build/tests/engine_test_cuda_*" || echo "$build/tests/engine_test_parity_cuda"
    return
  fi
  find "$build/tests" -maxdepth 1 -name '*_test_*cuda*' -perm -u+x | grep ${2:+"$2"} -- "$1" | sort
}

run_programs() {
  local program n=0
  for program in $(test_programs "$@"); do
    n=$((n + 1))
    step 240 "${program##*/}" env LINNET_SOURCE="$PWD" "$program"
  done
  [ $n -gt 0 ] || failed+=("no test program of the cuda engine in $build/tests")
}

# several ranks share the GPU and exchange gradients through host memory; a build without MPI lacks this program
stage_engine() {
  local ranks=engine_test_ranks
  run_programs parity -v
  if [ -n "$dry" ] || [ -x "$build/tests/$ranks" ]; then
    have mpirun && step 240 $ranks env LINNET_SOURCE="$PWD" "$build/tests/$ranks"
  else
    skipped+=("no $ranks in the build")
  fi
}
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
  check "validation accuracy over 0.95" accurate
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

gpus() { # number of GPUs that linnet would use
  local named=${CUDA_VISIBLE_DEVICES-}
  if [ -n "$named" ]; then tr , '\n' <<<"$named" | grep -c .; else nvidia-smi -L 2>/dev/null | grep -c '^GPU '; fi
}

# losses and gradient norms of all steps agree within 1%
same_course() {
  local csv=logs/resnet18/version_0/metrics.csv
  awk -F, '
    FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["train_loss_step"] == "" { next }
    NR == FNR { loss[++one] = $at["train_loss_step"]; norm[one] = $at["grad_norm"]; next }
    { n++; if (!near($at["train_loss_step"], loss[n]) || !near($at["grad_norm"], norm[n])) differ = 1 }
    function near(a, b) { return a > 0 && b > 0 && a < 1.01 * b && b < 1.01 * a }
    END { exit !(one == steps && n == steps && !differ) }' steps="$1" "$out/one/$csv" "$out/each/$csv"
}

stage_gpus() { # a rank on each GPU, with NCCL, compared to one rank that accumulates the same batches
  local n steps=5 options=("${train[@]}" --data "$data" --precision 32-true --max-epochs 9 --schedule.name none --lr 0.01)
  n=$(gpus)
  [ -z "$dry" ] || n=$((n > 2 ? n : 2))
  [ "$n" -gt 1 ] || { skipped+=("only one GPU: ranks with NCCL need two") && return 0; }
  have mpirun || return 0
  options+=(--trainer.global_batch $((32 * n)) --trainer.log_every_n_steps 1 --max-steps "$steps")
  make_shapes
  [ -n "$dry" ] || rm -rf "$out/one" "$out/each"
  step 120 one "$linnet" train "${options[@]}" --out "$out/one"
  step 120 each "$linnet" train "${options[@]}" --devices "$n" --out "$out/each"
  check "gradients are exchanged with NCCL" grep -q '^engine .*NCCL' "$dir/each.err"
  check "losses and gradient norms equal those of one rank" same_course "$steps"
}

# figure BY NAME SECONDS COMMAND...: kept as JSON; an existing figure is not measured again
figure() {
  local by=$1 name=$2 limit=$3 last=1 # line of JSON: PyTorch may print other lines before it
  shift 3
  [ -n "$dry" ] || [ ! -s "$dir/$name.json" ] || return 0
  step "$limit" "$name" "$@" || return 0
  [ "$by" = pytorch ] || last=+1
  [ -n "$dry" ] || {
    printf '{"by": "%s", "name": "%s", "result": %s}\n' "$by" "$name" "$(tail -n $last "$dir/$name.txt" | tr -d '\n')" \
      >"$dir/$name.new" && mv "$dir/$name.new" "$dir/$name.json"
  }
}

figure_names() { # most important first: BATCH PRECISION
  local p b
  for b in 256 128 64 32; do
    for p in 16-mixed bf16-mixed tf32 32-true; do echo $b $p; done
  done
}

has_torch() {
  local limit
  limit=$(room 120) || { stopped=1; return 1; }
  timeout "$limit" python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null
}

stage_throughput() {
  local p b torch='' options
  local linnet_bench=("$linnet" bench train --arch resnet50 --device cuda --steps 50 --warmup 10 --json)
  local torch_bench=(python3 bench/peer_torch.py --steps 50 --warmup 10)
  [ -n "$dry" ] || [ "$from" = throughput ] || rm -f "$dir"/*.json
  while read -r b p; do
    options=(--precision "$p" --batch-size "$b")
    [ "$p" != tf32 ] || options=(--precision 32-true --trainer.tf32 true --batch-size "$b")
    figure linnet "linnet-$p-$b" 120 "${linnet_bench[@]}" "${options[@]}"
    [ -n "$dry$torch" ] || if has_torch; then torch=yes; else torch=no; fi # after the first figure, because it takes long
    [ "$torch" != no ] || continue
    figure pytorch "torch-$p-$b" 240 "${torch_bench[@]}" --precision "$p" --batch-size "$b"
    [ "$b" != 256 ] || figure pytorch "torch-compiled-$p-$b" 240 "${torch_bench[@]}" --precision "$p" --batch-size "$b" \
      --compile
  done < <(figure_names)
  [ "$torch" != no ] || [ -n "$stopped" ] || skipped+=("no PyTorch with CUDA")
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

# kept FILE...: those that exist, one JSON object per line
kept() {
  local f
  for f in "$@"; do [ ! -s "$f" ] || cat "$f"; done
}

kept_stages() {
  local s
  for s in "${stages[@]}"; do kept "$out/$s/stage.json"; done
}

kept_figures() {
  local p b
  while read -r b p; do
    kept "$out/throughput/linnet-$p-$b.json" "$out/throughput/torch-$p-$b.json" "$out/throughput/torch-compiled-$p-$b.json"
  done < <(figure_names)
}

joined() { sed '$!s/$/,/; s/^/  /'; }

results() { # results.json, rewritten after every stage
  {
    printf '{"build": %s, "date": "%s", "stages": [\n%s\n],\n"throughput": [\n%s\n]}\n' "$(quote "$build")" \
      "$(date -u +%FT%TZ)" "$(kept_stages | joined)" "$(kept_figures | joined)"
  } >"$out/results.json.new" && mv "$out/results.json.new" "$out/results.json"
}

table() { # includes stages and figures of earlier calls
  local line
  printf '\n%-11s %-8s %6s  %s\n' stage state s note
  while read -r line; do
    printf '%-11s %-8s %6d  %s\n' "$(value <(echo "$line") stage)" "$(value <(echo "$line") state)" \
      "$(value <(echo "$line") seconds)" "$(sed -E 's/.*"note": "(.*)"\}$/\1/; s/\\(.)/\1/g' <<<"$line")"
  done < <(kept_stages)
  while read -r line; do
    printf '%-30s %s images/s\n' "$(value <(echo "$line") name)" "$(value <(echo "$line") images_per_second)"
  done < <(kept_figures)
  printf 'raw output and results.json: %s\n' "$out"
}

run_stage() {
  local name=$1 start=$SECONDS state=passed note
  local failed=() skipped=() dir=$out/$name
  echo "== $name"
  [ -n "$dry" ] || mkdir -p "$dir"
  "stage_$name"
  [ -z "$dry" ] || return 0
  [ ${#skipped[@]} -eq 0 ] || state=partial
  # no command was run: the stage is skipped
  [ ${#skipped[@]} -eq 0 ] || [ -n "$(find "$dir" -name '*.txt' -size +0c -print -quit)" ] || state=skipped
  [ -z "$stopped" ] || { state=partial && skipped+=("the rest, because $minutes minutes are over: continue with --from $name"); }
  [ ${#failed[@]} -eq 0 ] || state=failed
  states+=("$state")
  note=$(printf '%s; ' "${failed[@]}" "${skipped[@]/#/skipped: }" | sed 's/^\(; \)*//; s/\(; \)*$//')
  printf '{"stage": "%s", "state": "%s", "seconds": %d, "note": %s}\n' "$name" "$state" $((SECONDS - start)) \
    "$(quote "$note")" >"$dir/stage.json"
  results
  printf '   %s %s\n' "$state" "$note"
}

if [ -n "$dry" ]; then
  [ -x "$linnet" ] || echo "== build: ./dev gpu-build ($linnet does not exist)"
elif [ ! -x "$linnet" ]; then
  [ "$build" = build/gpu ] || refuse "--build $build: the folder does not contain the program 'linnet'"
  timeout 600 ./dev gpu-build || { echo "gpu-check: $linnet does not exist and cannot be built here: copy a build to this machine" >&2; exit 1; }
fi
[ -n "$dry" ] || mkdir -p "$out"
[ -n "$dry$only" ] || [ "$from" != doctor ] || rm -f "$out"/*/stage.json # a new check
begun=
for stage in "${stages[@]}"; do
  [ "$stage" != "$from" ] || begun=1
  [ -n "$begun" ] || continue
  [ -z "$only" ] || [ "$stage" = "$only" ] || continue
  run_stage "$stage"
  [ -z "$stopped" ] || break
done
[ -z "$dry" ] || exit 0
table
[[ " ${states[*]} " != *" failed "* ]]
