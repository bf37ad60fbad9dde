#!/usr/bin/env bash
# Builds every fuzz target and runs each for FUZZ_SECONDS (default 5) from a fixed seed.
# cargo-fuzz asks for nightly options; RUSTC_BOOTSTRAP lets the stable toolchain take them.
set -eu
cd "$(dirname "$0")/../.."
export RUSTC_BOOTSTRAP=1
# Development builds without a sanitizer: the crates forbid unsafe code, so panics and failed
# checks are what there is to find, and the build takes a fraction of the time.
seconds=${FUZZ_SECONDS:-5}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
command -v cargo-fuzz >/dev/null 2>&1 || cargo install -q --locked cargo-fuzz@0.13.2
for crate in packager sfu; do
  [ -d "$crate/fuzz" ] || continue
  targets=$(cargo fuzz list --fuzz-dir "$crate/fuzz")
  [ -n "$targets" ] || { echo "no fuzz targets in $crate" >&2; exit 1; }
  for target in $targets; do
    # libFuzzer tells a lot; its words matter only when it found something.
    if cargo fuzz run --dev --sanitizer none --fuzz-dir "$crate/fuzz" "$target" -- \
      -max_total_time="$seconds" -seed=1 -max_len=4096 >"$log" 2>&1; then
      echo "fuzz $crate/$target: $(grep -o 'Done [0-9]* runs in [0-9]* second' "$log" || echo done)"
    else
      tail -n 60 "$log"
      echo "fuzz $crate/$target failed" >&2
      exit 1
    fi
  done
done
