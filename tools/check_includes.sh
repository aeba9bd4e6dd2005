#!/usr/bin/env bash
# Who may include whom: base < config, net, data, ckpt, monitor, dist < engine < train < cli.
set -u
cd "$(dirname "$0")/.." || exit 2
declare -A may=(
  [base]="base" [config]="config base" [net]="net base" [data]="data base" [ckpt]="ckpt base"
  [monitor]="monitor base" [dist]="dist base" [engine]="engine data net dist base"
  [train]="train engine config net data ckpt monitor dist base"
  [cli]="cli train engine config net data ckpt monitor dist base")
bad=0
while IFS=: read -r file line text; do
  from=${file#src/}; from=${from%%/*}
  to=$(printf '%s' "$text" | sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]*)".*/\1/'); to=${to%%/*}
  case " ${may[$from]} " in
    *" $to "*) ;;
    *) echo "$file:$line: src/$from may not include from '$to' (allowed: ${may[$from]})"; bad=1 ;;
  esac
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.c' --include='*.h' --include='*.cu')
[ $bad = 0 ] && echo "include order: ok"
exit $bad
