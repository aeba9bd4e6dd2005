# Functions shared by the tests of a resume: an uninterrupted run in reference/, and the comparison of a resumed run
# to it.
# To be sourced.
# shellcheck shell=bash
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
tiny 12

options=("${small[@]}" --arch resnet18 --max-epochs 2 --checkpoint.every_n_steps 2 --schedule.name plateau)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
run 0 "$LINNET" train "${options[@]}" --out reference

check() { # folder
  [ "$(digest "$1/$last")" = "$(digest reference/$last)" ] || die "$1: the weights differ from those of the uninterrupted run"
  same_metrics "reference/$csv" "$1/$csv"
  [ ! -e "$1/logs/resnet18/version_1" ] || die "$1: the resume created a new version"
}
