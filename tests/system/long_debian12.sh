#!/usr/bin/env bash
# Debian 12 (GCC 12, oneDNN 2.6, Open MPI 4) with packages of Debian only: ./dev test, and a training with two ranks.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
in_debian bookworm
