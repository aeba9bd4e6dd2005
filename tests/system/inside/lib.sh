# Functions shared by the scripts of this folder, which run in a root of a Debian release. To be sourced.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source=/dev/null
. /etc/os-release
trap 'echo "FAILED: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
set -o errtrace

die() { echo "FAILED: $*" >&2; exit 1; }
stage() { printf '== %s  %s: %s\n' "$(date -u '+%F %T')" "$PRETTY_NAME" "$*"; }
install() { apt-get -qq install -y --no-install-recommends "$@" >/dev/null; }

# stopped_and_resumed LINNET FOLDER OPTIONS...: SIGTERM in the middle of an epoch saves and ends with status 143; --resume auto
# continues; the weights are those of an uninterrupted run.
stopped_and_resumed() {
  local linnet=$1 folder=$2 code=0 run last=checkpoints/resnet18/last.ckpt options
  shift 2
  options=("$@" --arch resnet18 --image-size 64 --batch-size 8 --lr 0.02 --max-epochs 2 --workers 1 --trainer.threads 1
    --trainer.log_every_n_steps 1)
  "$linnet" train "${options[@]}" --out "$folder/whole"
  "$linnet" train "${options[@]}" --out "$folder/stopped" --resume auto &
  run=$!
  until [ "$(cat "$folder/stopped/logs/resnet18/version_0/metrics.csv" 2>/dev/null | wc -l)" -ge 3 ]; do
    kill -0 $run || die "the run ended before it was stopped"
    sleep 0.05
  done
  kill -TERM $run
  wait $run || code=$?
  [ $code = 143 ] || die "after SIGTERM the run ended with status $code"
  "$linnet" train "${options[@]}" --out "$folder/stopped" --resume auto
  [ "$("$linnet" info "$folder/stopped/$last" --json | grep -o '"digest": "[^"]*"')" = \
    "$("$linnet" info "$folder/whole/$last" --json | grep -o '"digest": "[^"]*"')" ] ||
    die "the resumed run has other weights"
}
