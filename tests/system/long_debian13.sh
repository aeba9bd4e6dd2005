#!/usr/bin/env bash
# Debian 13 (GCC 14, oneDNN 3.7, Open MPI 5) without any package of ours: ./dev test, and a training of two ranks.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
in_debian trixie
