#!/usr/bin/env bash
# Help: the same with -h, --help and `linnet help COMMAND`, a command's own options first, each of them explained.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${LINNET_SOURCE:?the source folder}"

commands=(train find-lr eval predict export info report preview bench 'bench train' 'bench data' 'bench allreduce' shapes
  prepare pack audit doctor)
for command in "${commands[@]}"; do
  read -ra words <<<"$command"
  run 0 "$LINNET" "${words[@]}" --help
  cp out help.txt
  [ ! -s err ] || { cat err >&2; die "$command --help: something on standard error"; }
  head -n 1 help.txt | grep -qE "^usage: (mpirun -n N )?linnet $command( |\$)" || { cat help.txt >&2; die "$command: its first line"; }
  run 0 "$LINNET" "${words[@]}" -h
  cmp -s out help.txt || die "$command -h differs"
  run 0 "$LINNET" help "${words[@]}"
  cmp -s out help.txt || die "help $command differs"
  run 0 "$LINNET" "${words[@]}" something --json -h # whatever stands before it
  cmp -s out help.txt || die "$command something -h differs"
  [ "$(wc -L <help.txt)" -le 120 ] || die "$command --help: a line of $(wc -L <help.txt) columns"

  # every option that the command takes off its arguments has a line, and they come before the shared ones
  source=$LINNET_SOURCE/src/cli/commands/cmd_$(tr ' -' __ <<<"$command").c
  [ "$command" = bench ] || [ -e "$source" ] || die "no $source"
  sed '/^data: /,$d' help.txt >own.txt
  grep cli_take_ "$source" | grep -oE '"--[a-z0-9-]+"' | tr -d '"' | sort -u >taken || true # bench has none of its own
  while read -r option; do
    grep -qE "^  $option( |\$)" own.txt || { cat own.txt >&2; die "$command --help does not explain $option"; }
  done <taken
  [ "$command" = bench ] || [ -s taken ] || die "no options are found in $source"
  sed -nE 's/^  (--[a-z0-9-]+).*/\1/p' own.txt | sort >explained
  [ -z "$(uniq -d explained)" ] || die "$command --help explains twice: $(uniq -d explained)"
done

run 0 "$LINNET" eval --help
awk '/^  --worst/ { own = NR } /^data: / { shared = NR } END { exit !(own && shared && own < shared) }' out ||
  { cat out >&2; die "eval --help: its own options do not come first"; }
for command in train find-lr eval predict export preview 'bench train' 'bench data'; do
  read -ra words <<<"$command"
  run 0 "$LINNET" "${words[@]}" -h
  says out --data.batch_size
done
run 0 "$LINNET" help
says out 'usage: linnet COMMAND'
run 2 "$LINNET" help trian
says err "did you mean 'train'"
run 0 "$LINNET" help train extra
# a file may be called --help
run 1 "$LINNET" predict none.ckpt -- --help
says err none.ckpt
