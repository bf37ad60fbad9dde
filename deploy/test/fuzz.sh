#!/usr/bin/env bash
# Builds every fuzz target and runs each for FUZZ_SECONDS (default 5) from a fixed seed.
# cargo-fuzz asks for nightly options; RUSTC_BOOTSTRAP lets the stable toolchain take them.
set -eu
cd "$(dirname "$0")/../.."
export RUSTC_BOOTSTRAP=1
seconds=${FUZZ_SECONDS:-5}
command -v cargo-fuzz >/dev/null 2>&1 || cargo install -q --locked cargo-fuzz@0.13.2
for crate in packager sfu; do
  [ -d "$crate/fuzz" ] || continue
  for target in $(cargo fuzz list --fuzz-dir "$crate/fuzz"); do
    echo "fuzz $crate/$target for $seconds s"
    cargo fuzz run --fuzz-dir "$crate/fuzz" "$target" -- \
      -max_total_time="$seconds" -seed=1 -max_len=4096 -print_final_stats=0 -verbosity=0
  done
done
