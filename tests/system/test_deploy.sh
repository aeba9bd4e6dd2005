#!/usr/bin/env bash
# The files of deploy by the tools of their kind: systemd-analyze, and bash for the Slurm job. cli/services checks their commands,
# interop/kubernetes (long) the manifests, system/container (long) the image.
set -euo pipefail
: "${LINNET:?the path of the program}" "${LINNET_SOURCE:?the folder of the source}"
die() { echo "FAILED: $*" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-deploy-XXXXXX")
trap 'rm -rf "$work"' EXIT

bash -n "$LINNET_SOURCE/deploy/slurm/linnet.sbatch"

command -v systemd-analyze >/dev/null || { echo "the unit was not checked: no systemd-analyze"; exit 0; }
unit=$work/linnet@.service
sed "s|^ExecStart=linnet |ExecStart=$LINNET |" "$LINNET_SOURCE/deploy/systemd/linnet@.service" >"$unit"
check() { # prints what systemd-analyze says about the unit in $unit
  systemd-analyze verify --man=no "$work/linnet@run1.service" 2>&1 || true
}
said=$(check)
[ -z "$said" ] || die "systemd-analyze verify: $said"
exposure=$(systemd-analyze security --offline=yes --no-pager "$unit" | sed -nE 's/.*Overall exposure level[^:]*: ([0-9.]+) .*/\1/p')
awk "BEGIN { exit !($exposure > 0 && $exposure <= 2) }" || die "systemd-analyze security: exposure $exposure, more than 2"
echo 'KillMod=mixed' >>"$unit"
[ -n "$(check)" ] || die "systemd-analyze verify accepts an unknown key"
