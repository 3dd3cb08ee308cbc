#!/usr/bin/env bash
# Everything a machine can judge about style: format, clippy, documentation, shell scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --lint
cargo fmt --all --check
cargo clippy --locked --all-targets -- --deny warnings
RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --document-private-items
if command -v shellcheck >/dev/null 2>&1; then
    shellcheck scripts/*.sh .ci/run
else
    echo "lint: shellcheck is not installed; shell scripts are not checked" >&2
fi
