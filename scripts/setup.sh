#!/usr/bin/env bash
# Checks what build and tests need and installs the system packages that are missing, on Debian and Ubuntu.
# --build: what the tests alone need is left out. --lint: also what `make lint` needs.
# Exit code 0: everything is there. 2: something is missing that this script may not or cannot install; it says
# exactly what to run.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# Kafka's broker needs this or newer; the tests run one.
JAVA_MIN=17

has() { command -v "$1" >/dev/null 2>&1; }

# Whether a C program may include header $1. False without a compiler.
has_header() { has cc && echo "#include <$1>" | cc -E - >/dev/null 2>&1; }

has_java() {
    local version
    has java || return 1
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge "$JAVA_MIN" ]
}

# The names under which the tests look for it (and $CHROME).
has_chromium() {
    local name
    for name in google-chrome-stable chromium chromium-browser google-chrome; do
        if has "$name"; then return; fi
    done
    [ -x "${CHROME:-}" ]
}

# What must be there → Debian package that brings it. zstd and librdkafka are C, and Rust links with the C compiler.
missing_packages() {
    has cc || echo gcc
    # A compiler without the C library's headers cannot build zstd.
    has_header stdlib.h || echo libc6-dev
    # librdkafka: its own build, TLS, gzip.
    has c++ || echo g++
    has make || echo make
    has pkg-config || echo pkg-config
    has_header openssl/ssl.h || echo libssl-dev
    has_header zlib.h || echo zlib1g-dev
    if [ "$1" = --build ]; then return; fi
    # The broker of the tests: scripts/kafka.sh.
    has_java || echo java
    has mvn || echo maven
    has openssl || echo openssl
    # The alert rules are checked with promtool, and a Prometheus scrapes a running Farsign.
    { has promtool && has prometheus; } || echo prometheus
    # The pages of --report are opened in it.
    has_chromium || echo chromium
}

# The package that brings Java to this release: they differ in which versions they have.
java_package() {
    local version
    for version in 17 21 25; do
        if apt-cache show "openjdk-$version-jre-headless" >/dev/null 2>&1; then
            echo "openjdk-$version-jre-headless"
            return
        fi
    done
    echo default-jre-headless
}

# Ubuntu's name for it is another.
chromium_package() {
    if apt-cache show chromium >/dev/null 2>&1; then echo chromium; else echo chromium-browser; fi
}

install_packages() {
    local packages=("$@") as_root=()
    if ! has apt-get; then
        say "missing: ${packages[*]} (names of Debian packages; java: version $JAVA_MIN or newer); this machine has no apt-get, install them by its own means"
        exit 2
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if has sudo && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            mapfile -t packages < <(by_name "${packages[@]}")
            say "missing system packages; run as root: apt-get install --yes --no-install-recommends ${packages[*]}"
            exit 2
        fi
    fi
    apt_get update >&2 || say "apt-get update failed; going on with the lists there are"
    mapfile -t packages < <(by_name "${packages[@]}")
    say "installing ${packages[*]}"
    keep_services_down
    local output
    # dpkg tells every package twice; that is of interest only when it fails.
    if ! output=$(apt_get install --yes --no-install-recommends "${packages[@]}" 2>&1); then
        printf '%s\n' "$output" >&2
        say "apt-get could not install: ${packages[*]}"
        exit 2
    fi
    forget_service "${packages[@]}"
}

# `as_root` is install_packages's: empty, or sudo.
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 "$@"; }

by_name() {
    local package
    for package in "$@"; do
        case "$package" in
            java) java_package ;;
            chromium) chromium_package ;;
            *) echo "$package" ;;
        esac
    done
}

# Debian starts the services it installs. Here they are tools of the tests, so nothing is started …
keep_services_down() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then return; fi
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    # shellcheck disable=SC2064 # as_root is gone when it runs
    trap "${as_root[*]} rm -f $policy" EXIT
}

# … now or at the next boot.
forget_service() {
    if [[ " $* " != *" prometheus "* ]]; then return; fi
    if has systemctl; then
        "${as_root[@]}" systemctl disable --quiet prometheus.service >&2 || say "could not disable prometheus.service"
    elif has update-rc.d; then
        "${as_root[@]}" update-rc.d prometheus disable >&2 || say "could not disable the service prometheus"
    fi
}

# Whether version $1 is at least $2, both as MAJOR.MINOR[.PATCH].
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1)" = "$2" ]; }

check_rust() {
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! has cargo; then
        say "no Rust toolchain; Rust $needed or newer is needed: https://rustup.rs, or the packages cargo and rustc where they are new enough"
        exit 2
    fi
    # With rustup, this also fetches the toolchain that rust-toolchain.toml names.
    found=$(rustc --version | cut -d ' ' -f 2)
    if ! at_least "${found%%-*}" "$needed"; then
        say "Rust $found is too old; $needed or newer is needed"
        if has rustup; then say "run: rustup update stable"; else say "get it from https://rustup.rs"; fi
        exit 2
    fi
}

# Only the lint command needs them, so that a distribution's plain rustc is enough to build and test.
check_components() {
    local component
    for component in rustfmt clippy; do
        if cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then continue; fi
        if has rustup; then
            rustup component add "$component" >&2
        else
            say "missing: $component; without rustup it comes as a package of the distribution"
            exit 2
        fi
    done
}

main() {
    local packages
    mapfile -t packages < <(missing_packages "${1:-}")
    if [ "${#packages[@]}" -gt 0 ]; then install_packages "${packages[@]}"; fi
    check_rust
    if [ "${1:-}" = "--lint" ]; then check_components; fi
}

main "$@"
