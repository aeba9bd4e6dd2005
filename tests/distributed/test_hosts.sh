#!/usr/bin/env bash
# Training across two hosts, which are network namespaces: each rank runs on its own host, and only rank 0 prints and
# writes.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
# shellcheck source=tests/distributed/hosts.sh
. "$(dirname "$0")/hosts.sh"
hosts 2
tiny 4
small+=(--arch resnet18)
# shellcheck disable=SC2154
run 0 across 2 train "${small[@]}" --batch-size 8 --trainer.threads 1 --max-epochs 1 --out shared
[ "$(grep -c '^1 epochs' out)" = 1 ] || die "more than rank 0 prints"
run 0 "$LINNET" info shared/checkpoints/resnet18/last.ckpt
no_processes_left hosts
