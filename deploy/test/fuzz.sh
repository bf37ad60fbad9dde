#!/usr/bin/env bash
# Builds every fuzz target and runs each FUZZ_RUNS times (default 10000) from a fixed seed: the
# same inputs each time, so that a test run tells of the change and not of luck. To search for
# faults, give FUZZ_SECONDS: each target then runs that long from a seed of its own.
# cargo-fuzz asks for nightly options; RUSTC_BOOTSTRAP lets the stable toolchain take them.
set -eu
cd "$(dirname "$0")/../.."
export RUSTC_BOOTSTRAP=1
# Development builds without a sanitizer: the crates forbid unsafe code, so panics and failed
# checks are what there is to find, and the build takes a fraction of the time.
if [ -n "${FUZZ_SECONDS:-}" ]; then
  limits=(-max_total_time="$FUZZ_SECONDS" -seed="$RANDOM")
else
  # The time is a cap for a machine that is very slow, not the measure.
  limits=(-runs="${FUZZ_RUNS:-10000}" -max_total_time=60 -seed=1)
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log
command -v cargo-fuzz >/dev/null 2>&1 || cargo install -q --locked cargo-fuzz@0.13.2
for crate in packager sfu; do
  [ -d "$crate/fuzz" ] || continue
  targets=$(cargo fuzz list --fuzz-dir "$crate/fuzz")
  [ -n "$targets" ] || { echo "no fuzz targets in $crate" >&2; exit 1; }
  for target in $targets; do
    corpus=()
    # An empty corpus of its own: what an earlier search left behind would change the inputs.
    [ -n "${FUZZ_SECONDS:-}" ] || { corpus=("$scratch/$target"); mkdir "${corpus[0]}"; }
    # libFuzzer tells a lot; its words matter only when it found something.
    if cargo fuzz run --dev --sanitizer none --fuzz-dir "$crate/fuzz" "$target" "${corpus[@]}" -- \
      "${limits[@]}" -max_len=4096 >"$log" 2>&1; then
      echo "fuzz $crate/$target: $(grep -o 'Done [0-9]* runs in [0-9]* second' "$log" || echo done)"
    else
      tail -n 60 "$log"
      echo "fuzz $crate/$target failed" >&2
      exit 1
    fi
  done
done
