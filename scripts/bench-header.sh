#!/bin/sh
# The head of a file of benchmark results: when, on what, of which commit.
set -eu
printf '# Benchmarks of %s\n\n' "$(date -u +%F)"
# shellcheck disable=SC2016 # the backticks are Markdown
printf 'Commit `%s`; %s cores, %s; %s; profile `%s`. Load average at the start: %s.\n' \
    "$(git describe --always --dirty)" "$(nproc)" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    "$(rustc --version)" "${PROFILE:-release}" "$(cut -d ' ' -f 1 /proc/loadavg)"
