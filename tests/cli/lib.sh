# Functions shared by the end-to-end tests: a temporary folder, a tiny dataset, assertions. To be sourced.
# shellcheck shell=bash
set -euo pipefail
: "${LINNET:?the path of the program}"
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-cli-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

die() { echo "FAILED: $*" >&2; exit 1; }

# tiny [N]: shapes in $work/data, N training images of each class
tiny() { "$LINNET" shapes data --train "${1:-8}" --val 4 --size 40 --seed 1 >/dev/null; }

# easy FOLDER: two classes, dark and light, 40 gray images each. The LR finder's loss decreases in any rounding.
easy() {
  local split class i level
  for split in train val; do
    for class in dark light; do
      mkdir -p "$1/$split/$class"
      for i in {0..39}; do
        level=$i
        [ $class = dark ] || level=$((255 - i))
        printf 'P5 40 40 255\n' >"$1/$split/$class/$i.pgm"
        head -c 1600 /dev/zero | tr '\0' "\\$(printf %03o $level)" >>"$1/$split/$class/$i.pgm"
      done
    done
  done
}

# Options of a run that takes seconds; deterministic by a fixed thread count.
# shellcheck disable=SC2034
small=(--data data --arch resnet20 --image-size 32 --batch-size 16 --workers 1 --trainer.threads 2
  --precision 32-true --lr 0.02 --trainer.log_every_n_steps 1)

# ASAN_OPTIONS of several ranks: Open MPI keeps some of its memory until the process ends, which is not a leak of linnet
# shellcheck disable=SC2034
no_leaks="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# run EXIT_CODE COMMAND...: output in $work/out and $work/err
run() {
  local want=$1 got=0
  shift
  "$@" >out 2>err || got=$?
  [ "$got" = "$want" ] || { cat out err >&2; die "exit code $got, expected $want: $*"; }
}

# says FILE TEXT
says() { grep -qF -- "$2" "$1" || { cat "$1" >&2; die "$1 lacks '$2'"; }; }

# digest CHECKPOINT: of weights, statistics and momentum
digest() { "$LINNET" info "$1" --json | sed -E 's/.*"digest": "([0-9a-f]+)".*/\1/'; }

# same_metrics A B: the same rows, except for the measured times
same_metrics() {
  local drop='{ NF -= 2; print }' # images_per_second, data_wait
  diff <(awk -F, -v OFS=, "$drop" "$1") <(awk -F, -v OFS=, "$drop" "$2") >&2 || die "metrics differ: $1 $2"
}
