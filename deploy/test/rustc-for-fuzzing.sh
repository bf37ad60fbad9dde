#!/usr/bin/env bash
# Stands before rustc in fuzz builds and makes our crates count what libFuzzer steers by. The
# dependencies count nothing, and build scripts are programs without libFuzzer.
set -eu
counts=(
  --cfg=fuzzing
  -Cpasses=sancov-module
  -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares
)
case " $* " in
  *" --crate-name packager "* | *" --crate-name relay "* | *" --crate-name sfu "*) exec "$@" "${counts[@]}" ;;
  *) exec "$@" ;;
esac
