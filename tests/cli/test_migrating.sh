#!/usr/bin/env bash
# The tables of docs/migrating.md: the options of every row are accepted, and set what its third column says. The names
# of other programs that linnet accepts are documented there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
page=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/docs/migrating.md

# The configuration as lines "group.field: value"
flat() { awk '/^[a-z_]+:$/ { group = substr($1, 1, length($1) - 1); next } { sub(/^ +/, ""); print group "." $0 }' "$1"; }

rows=0 tables=0 inside=
while IFS= read -r line; do
  case $line in
  '| '*' | command line | YAML | remark |') tables=$((tables + 1)) inside=1 && continue ;;
  '| '*) [ -n "$inside" ] || continue ;; # another table
  '|-'*) continue ;;
  *) inside='' && continue ;;
  esac
  IFS='|' read -r _ theirs options sets _ <<<"$line"
  options=${options//\`/}
  read -ra words <<<"$options"
  run 0 "$LINNET" train --print-config "${words[@]}"
  flat out >printed
  while IFS= read -r set; do
    grep -qxF -- "$set" printed || die "$theirs: linnet train$options gives '$(grep -F "${set%%:*}:" printed)', not '$set'"
  done < <(grep -oE '`[^`]+`' <<<"$sets" | tr -d '`')
  rows=$((rows + 1))
done <"$page"
[ $tables = 3 ] || die "$page has $tables tables, not 3"
[ $rows -ge 70 ] || die "only $rows rows of $page were understood"

# what each option is called elsewhere is listed in docs/options.md; a name whose values differ is only suggested
run 0 "$LINNET" train --print-config --trainer.accumulate_grad_batches 4
says out "accumulate: 4"
run 2 "$LINNET" train --print-config --gpus 2
says err "did you mean --devices?"
run 2 "$LINNET" train --print-config --norm-weight-decay 0.5
says err "optimizer.decay_norm must be true or false, not '0.5'"
run 2 "$LINNET" train --print-config --devices 0,0
says err "trainer.devices must be a whole number from 1 to 4096, auto, or GPU indices such as 0,2"

# an alias of the dataset's option counts as --data
run 2 "$LINNET" train one --data-path two
says err "the dataset is given twice"

# a list of GPUs needs GPUs; auto is 1 on a CPU
tiny 2
run 2 env -u CUDA_VISIBLE_DEVICES "$LINNET" train "${small[@]}" --device cpu --devices 0,1 --out none
says err "trainer.devices 0,1 lists GPUs, but the run uses the CPU: set trainer.devices to a number"
run 2 env CUDA_VISIBLE_DEVICES=3 "$LINNET" train "${small[@]}" --devices 0,1 --out none
says err "CUDA_VISIBLE_DEVICES is already set to 3"
run 0 "$LINNET" train "${small[@]}" --device cpu --devices auto --max-epochs 1 --out auto
