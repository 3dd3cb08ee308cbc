#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS seconds (60). Corpora and findings stay in fuzz/corpus and fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
case $seconds in
    '' | *[!0-9]*) echo "fuzz: FUZZ_SECONDS must be a whole number of seconds, not \`$seconds\`" >&2; exit 2 ;;
esac
if [ ! -f fuzz/Cargo.toml ]; then
    echo "fuzz: there is no fuzz/Cargo.toml" >&2
    exit 2
fi

# libFuzzer's instrumentation is behind unstable compiler flags.
if ! command -v rustup >/dev/null 2>&1; then
    echo "fuzz: needs rustup, for a nightly toolchain: https://rustup.rs" >&2
    exit 2
fi
rustup toolchain list | grep --quiet '^nightly' || rustup toolchain install nightly --profile minimal
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
# libFuzzer's runtime is C++.
if ! command -v c++ >/dev/null 2>&1; then
    echo "fuzz: needs a C++ compiler; run as root: apt-get install --yes --no-install-recommends g++" >&2
    exit 2
fi

# Rust's sanitizer is asked for in C code, too, which librdkafka's build then cannot link into its trial programs.
export CFLAGS="${CFLAGS:-} -fno-sanitize=address" CXXFLAGS="${CXXFLAGS:-} -fno-sanitize=address"

mapfile -t targets < <(cargo +nightly fuzz list)
for target in "${targets[@]}"; do
    echo "fuzz: $target for $seconds s" >&2
    # Each line of the format's example is a seed.
    corpus=fuzz/corpus/$target
    mkdir -p "$corpus"
    for example in examples/formats/"${target#decode_}".*; do
        if [ -f "$example" ]; then split --lines=1 --additional-suffix=.seed "$example" "$corpus/example-"; fi
    done
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10
done
echo "fuzz: ${#targets[@]} targets, nothing found" >&2
