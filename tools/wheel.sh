#!/usr/bin/env bash
# tools/wheel.sh BUILD OUT: makes the Python wheel in the folder OUT from the library in the folder of a build (target
# linnet_shared). $PYTHON (/usr/bin/python3) must have pip, setuptools and wheel; nothing is downloaded.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --component library --strip --prefix "$work/prefix" >/dev/null
cp -r "$source/python" "$work/python"
cp -L "$(find "$work/prefix" -name liblinnet.so.0)" "$source/include/linnet/linnet.h" "$work/python/linnet/"
cp "$source/LICENSE" "$work/python/"
rm -rf "$work/python/linnet/__pycache__"
LINNET_VERSION=$(sed -n 's/^Version: //p' "$build/linnet.pc")
export LINNET_VERSION
mkdir -p "$out"
rm -f "$out"/linnet-*.whl
"${PYTHON:-/usr/bin/python3}" -m pip wheel -q --no-deps --no-build-isolation -w "$out" "$work/python"
(cd "$out" && echo "$PWD"/linnet-*.whl)
