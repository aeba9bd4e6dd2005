# What the tests of a resume share: an undisturbed run in whole/, and a check of a resumed one against it. Source it.
# shellcheck shell=bash
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
tiny 12

options=("${small[@]}" --max-epochs 2 --checkpoint.every_n_steps 2 --schedule.name plateau)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
run 0 "$LINNET" train "${options[@]}" --out whole

check() { # folder
  [ "$(digest "$1/$last")" = "$(digest whole/$last)" ] || die "$1: other weights than the undisturbed run"
  same_metrics "whole/$csv" "$1/$csv"
  [ ! -e "$1/logs/resnet18/version_1" ] || die "$1: a resume began a new version"
}
