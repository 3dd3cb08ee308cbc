#!/usr/bin/env bash
# Checks what the build needs and installs the system packages that are missing, on Debian and Ubuntu.
# Exit code 0: everything is there. 2: something is missing that this script may not or cannot install; it says
# exactly what to run.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# Command that must work → Debian package that brings it. zstd is C, and Rust links with the C compiler.
missing_packages() {
    command -v cc >/dev/null 2>&1 || { echo gcc; }
    # A compiler without the C library's headers cannot build zstd.
    if ! command -v cc >/dev/null 2>&1 || ! echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1; then
        echo libc6-dev
    fi
}

install_packages() {
    local packages=("$@") as_root=()
    if ! command -v apt-get >/dev/null 2>&1; then
        say "missing: ${packages[*]} (names of Debian packages); this machine has no apt-get, install them by its own means"
        exit 2
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            say "missing system packages; run as root: apt-get install --yes --no-install-recommends ${packages[*]}"
            exit 2
        fi
    fi
    say "installing ${packages[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update --quiet=2 >&2 || say "apt-get update failed; going on with the lists there are"
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends "${packages[@]}" >&2; then
        say "apt-get could not install: ${packages[*]}"
        exit 2
    fi
}

# Whether version $1 is at least $2, both as MAJOR.MINOR[.PATCH].
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1)" = "$2" ]; }

check_rust() {
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null 2>&1; then
        say "no Rust toolchain; Rust $needed or newer is needed: https://rustup.rs, or the packages cargo and rustc where they are new enough"
        exit 2
    fi
    # With rustup, this also fetches the toolchain that rust-toolchain.toml names.
    found=$(rustc --version | cut -d ' ' -f 2)
    if ! at_least "${found%%-*}" "$needed"; then
        say "Rust $found is too old; $needed or newer is needed"
        if command -v rustup >/dev/null 2>&1; then say "run: rustup update stable"; else say "get it from https://rustup.rs"; fi
        exit 2
    fi
}

# Only the lint command needs them, so that a distribution's plain rustc is enough to build and test.
check_components() {
    local component
    for component in rustfmt clippy; do
        if cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then continue; fi
        if command -v rustup >/dev/null 2>&1; then
            rustup component add "$component" >&2
        else
            say "missing: $component; without rustup it comes as a package of the distribution"
            exit 2
        fi
    done
}

main() {
    local packages
    mapfile -t packages < <(missing_packages)
    if [ "${#packages[@]}" -gt 0 ]; then install_packages "${packages[@]}"; fi
    check_rust
    if [ "${1:-}" = "--lint" ]; then check_components; fi
}

main "$@"
