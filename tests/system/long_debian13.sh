#!/usr/bin/env bash
# Debian 13 (GCC 14, oneDNN 3.7, Open MPI 5) with packages of Debian only: ./dev test, and a training with two ranks.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
in_debian trixie
