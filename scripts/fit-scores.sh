#!/usr/bin/env bash
# Fits the table that scores are looked up in (src/engine/risk/scores.csv) to simulated organisations: an ordinary one, on
# seeds that `make bench-quality` does not use. Build again afterwards.
#
# FIT_SEEDS, FIT_USERS   seeds, separated by blanks, and the size of each organisation
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seeds=${FIT_SEEDS:-$(seq -s ' ' 2001 2012)}
QUALITY_POPULATIONS=ordinary QUALITY_SEEDS=$seeds QUALITY_USERS=${FIT_USERS:-400} QUALITY_KEEP=$work \
    QUALITY_FIT=src/engine/risk/scores.csv scripts/bench-quality.sh >"$work/report.txt"
sed -n '/^## Farsign in every population/,$p' "$work/report.txt"
