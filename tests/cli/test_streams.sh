#!/usr/bin/env bash
# Standard streams that are closed or full: no output is written to another file, and no command reports success.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
csv=logs/resnet20/version_0/metrics.csv
last=checkpoints/resnet20/last.ckpt
options=("${small[@]}" --image-size 16 --max-epochs 2)
run 0 "$LINNET" train "${options[@]}" --out open

# closed CODE NAME REDIRECTIONS
closed() {
  local code=0
  bash -c "exec \"\$@\" $3" _ "$LINNET" train "${options[@]}" --out "$2" || code=$?
  [ $code = "$1" ] || die "$2: exit code $code"
  [ "$(digest "$2/$last")" = "$(digest open/$last)" ] || die "$2: the checkpoint differs"
  same_metrics "open/$csv" "$2/$csv"
  grep -rlE 'epoch [0-9]+/|top-1 [0-9.]+%, |^best ' "$2"/logs/*/*/*.csv "$2"/logs/*/*/*.log && die "$2: terminal lines in a file"
  return 0
}
closed 0 no-stdout '>&- 2>err'
closed 0 no-stderr '2>&- >out'
closed 0 none '<&- >&- 2>&-'

# standard output is full
for command in "eval open/$last data" 'audit data' 'audit data --json' 'report open' 'info data' "info open/$last --json" doctor \
  'train --help' help --version "predict open/$last data/val/circle --csv" 'preview data --images 4' \
  'bench data data --images 4 --workers 1' "train data ${options[*]:2} --max-epochs 1 --out full"; do
  read -ra words <<<"$command"
  code=0
  "$LINNET" "${words[@]}" >/dev/full 2>err || code=$?
  [ $code = 1 ] || { cat err >&2; die "$command to a full disk: exit code $code"; }
  says err 'to standard output'
done
[ -s full/$last ] || die "a full standard output lost the training"
