#!/usr/bin/env bash
# Debian 13 (GCC 14, oneDNN 3): ./dev test, its own compiler warnings as errors, and a run of two ranks.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
in_debian trixie '
. /etc/os-release; echo "$PRETTY_NAME"
./dev test
./dev build
build/linnet doctor | grep oneDNN
rm -rf /tmp/two; build/linnet shapes /tmp/two/data --train 20 --val 4
build/linnet train --data /tmp/two/data --out /tmp/two --arch resnet18 --image-size 64 --batch-size 8 --max-epochs 1 --devices 2
find /tmp/two -name "*.ckpt" -size +1M | grep -q last.ckpt
'
