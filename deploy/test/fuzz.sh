#!/usr/bin/env bash
# Builds every fuzz target and runs each FUZZ_RUNS times (default 10000) from a fixed seed: the
# same inputs each time, so that a test run tells of the change and not of luck. To search for
# faults, give FUZZ_SECONDS: each target then runs that long from a seed of its own, and keeps
# what it finds in CRATE/fuzz/corpus and CRATE/fuzz/artifacts.
#
# Development builds without a sanitizer: the crates forbid unsafe code, so panics and failed
# checks are what there is to find.
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log
targets_of() { sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"$/\1/p}' "$1/fuzz/Cargo.toml"; }
# Only our crates are compiled anew, by a wrapper that cargo uses for members of the workspace. The
# dependencies are those of the tests: they are chosen, with all features that tests ask for,
# where the same packages are selected and something (there are no examples) may need them.
bins=$(for crate in packager sfu; do targets_of "$crate" | sed 's/^/--bin /'; done)
# shellcheck disable=SC2086 # a list of words
RUSTC_WORKSPACE_WRAPPER=$PWD/deploy/test/rustc-for-fuzzing.sh \
  cargo build --locked --workspace --examples $bins
for crate in packager sfu; do
  targets=$(targets_of "$crate")
  [ -n "$targets" ] || { echo "no fuzz targets in $crate" >&2; exit 1; }
  for target in $targets; do
    if [ -n "${FUZZ_SECONDS:-}" ]; then
      corpus=$crate/fuzz/corpus/$target
      limits=(-max_total_time="$FUZZ_SECONDS" -seed="$RANDOM")
    else
      # An empty corpus: what an earlier search left behind would change the inputs. The time is
      # a cap for a machine that is very slow, not the measure.
      corpus=$scratch/$target
      limits=(-runs="${FUZZ_RUNS:-10000}" -max_total_time=60 -seed=1)
    fi
    artifacts=$crate/fuzz/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    # libFuzzer tells a lot; its words matter only when it found something.
    if "target/debug/$target" -artifact_prefix="$artifacts/" "${limits[@]}" -max_len=4096 "$corpus" >"$log" 2>&1 &&
      grep -q 'inline 8-bit counters' "$log"; then
      echo "fuzz $crate/$target: $(grep -o 'Done [0-9]* runs in [0-9]* second' "$log" || echo done)"
    else
      tail -n 60 "$log"
      echo "fuzz $crate/$target failed" >&2
      exit 1
    fi
  done
done
