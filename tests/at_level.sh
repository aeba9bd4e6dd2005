#!/usr/bin/env bash
# at_level.sh LEVEL COMMAND...: runs the test with linnet limited to a CPU level below the machine's own; skipped if the
# machine's level is not higher.
set -u
levels=(sse41 avx2 avx512 avx512_bf16 amx)
machine=$("${LINNET_BUILD:?}/tests/base_tool_cpu_level")
for level in "${levels[@]}"; do
  if [ "$level" = "$machine" ]; then
    echo "skipped: this machine's own level is $machine"
    exit 77
  fi
  [ "$level" != "$1" ] || break
done
export LINNET_CPU=$1
shift
exec "$@"
