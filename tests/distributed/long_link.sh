#!/usr/bin/env bash
# Two hosts whose link carries 1 Gbit/s in each direction: backward hides at least 70 % of the exchange of ResNet-50's
# gradients, measured by the time that ranks wait for it and by the additional time of a step.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
# shellcheck source=tests/distributed/hosts.sh
. "$(dirname "$0")/hosts.sh"
hosts 2
limit() { # add | del
  local i
  for i in 1 2; do
    # shellcheck disable=SC2046
    tc -n "$net-$i" qdisc "$1" dev eth0 root $([ "$1" = del ] || echo tbf rate 1gbit burst 128kb latency 50ms) 2>why ||
      { echo "skipped: tc cannot limit a link: $(head -n 1 why)"; exit 77; }
  done
}
value() { tr -d '\n' <"$1" | sed -E "s/.*\"$2\": ([-0-9.e+]+).*/\\1/"; }
train() { # NAME
  run 0 across 2 bench train --arch resnet50 --image-size 224 --batch-size 16 --precision bf16-mixed --trainer.threads 1 \
    --steps 4 --warmup 1 --json
  mv out "$1"
}
bytes=$((8 << 20)) # trainer.bucket_mb
train before
limit add
train limited
run 0 across 2 bench allreduce --bytes "$bytes" --steps 3 --json
mv out bucket
limit del
train after
awk -v before="$(value before step_seconds)" -v after="$(value after step_seconds)" -v step="$(value limited step_seconds)" \
  -v waited="$(value limited communication_seconds)" -v parameters=25557032 -v bytes=$bytes -v one="$(value bucket seconds)" 'BEGIN {
  alone = one * 4 * parameters / bytes
  by_wait = 1 - waited / alone; by_step = 1 - (step - (before + after) / 2) / alone
  printf "exchange alone %.3f s; step %.3f s, without the limit %.3f and %.3f s; ranks wait %.3f s of it\n", alone, step, before, after, waited
  printf "hidden: %.1f %% by the time that ranks wait, %.1f %% by the additional time of a step\n", 100 * by_wait, 100 * by_step
  exit !(alone > 0.7 && by_wait >= 0.7 && by_step >= 0.7) }' || die "less than 70 % is hidden, or the link was not limited"
