#!/usr/bin/env bash
# tools/check_includes.sh accepts the tree, and finds every fault that is inserted into a copy of it.
set -euo pipefail
: "${LINNET_SOURCE:?the source folder}"
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-check-includes-XXXXXX")
trap 'rm -rf "$work"' EXIT

die() { echo "FAILED: $*" >&2; exit 1; }
check() { "$work/tools/check_includes.sh" >"$work/out" 2>&1; }
copy() {
  rm -rf "$work/src" "$work/tools"
  cp -r "$LINNET_SOURCE/src" "$work/src"
  mkdir "$work/tools"
  cp "$LINNET_SOURCE/tools/check_includes.sh" "$work/tools"
}
refused() { # WHAT: the copy is refused with a line that contains it
  ! check || die "accepted: $1"
  grep -qF -- "$1" "$work/out" || { cat "$work/out" >&2; die "no line contains: $1"; }
}

copy
check || { cat "$work/out" >&2; die "the tree itself is refused"; }

echo '#include "training/step.h"' >>"$work/src/base/text.c"
refused "src/base may not include from 'training'"

copy # siblings
echo '#include "backend/cpu/cpu.h"' >>"$work/src/backend/cuda/gpu.h"
refused "src/backend/cuda may not include from 'backend/cpu'"

copy # includes of CUDA kernels are checked too
echo '#include "engine/engine.h"' >>"$work/src/backend/cuda/kernels/load.cu"
refused "src/backend/cuda/kernels may not include from 'engine'"

copy # a circle that the list of folders allows
echo '#include "dataset/dataset.h"' >>"$work/src/image/png.c"
echo '#include "image/decoder.h"' >>"$work/src/dataset/tar.c"
sed -i -e 's/"image: base"/"image: dataset base"/' -e 's/"dataset: dataset\/transfer base"/"dataset: image dataset\/transfer base"/' "$work/tools/check_includes.sh"
refused "in a circle: "
grep -q 'in a circle: .*dataset' "$work/out" || die "the folders of the circle are not listed"
[ "$(wc -l <"$work/out")" = 1 ] || { cat "$work/out" >&2; die "more than the circle is refused"; }

copy
echo '#include "text.h"' >>"$work/src/base/file.c"
refused '"text.h" without its folder'

copy
mkdir "$work/src/new"
echo '#include "base/text.h"' >"$work/src/new/new.c"
refused "src/new is not in the order"

copy
for i in $(seq 26); do : >"$work/src/model/more$i.c"; done
refused "src/model: 32 .c files"

copy
for i in $(seq 451); do echo "/* $i */"; done >"$work/src/model/long.c"
refused "src/model/long.c: 451 lines"

copy # files that are short again must be removed from the list
sed -i 's|^longer=()|longer=(src/distributed/watchdog.c)|' "$work/tools/check_includes.sh"
: >"$work/src/distributed/watchdog.c"
refused "src/distributed/watchdog.c: 0 lines: remove it from the list"
echo "every inserted fault is found"
