#!/usr/bin/env bash
# clang-tidy over the sources named, or else over those that changed: since origin/main, or, where that is HEAD itself, in the
# last 30 commits, newest first, tests last. Stops starting new files after BUDGET seconds (default 360) and says what it left out.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/dev}
budget=${BUDGET:-360}
[ -f "$build/compile_commands.json" ] || { echo "clang_tidy: no $build/compile_commands.json; cmake --preset dev" >&2; exit 2; }

changed() {
  local base
  base=$(git merge-base origin/main HEAD 2>/dev/null || true)
  if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
    git log -n 30 --name-only --format= -- '*.cpp' '*.hpp'
  else
    git diff --name-only "$base" -- '*.cpp' '*.hpp'
  fi
}

tests_last() { awk '!seen[$0]++ { if (/^tests\//) later[n++] = $0; else print } END { for (i = 0; i < n; i++) print later[i] }'; }

# A header is checked through its source, which has its name. Only what the build compiles can be checked.
sources() {
  local file
  if [ $# -gt 0 ]; then printf '%s\n' "$@"; else changed | sed 's/\.hpp$/.cpp/' | tests_last; fi |
    while read -r file; do
      [ -f "$file" ] && grep -qF "$PWD/$file\"" "$build/compile_commands.json" && echo "$file"
    done || true
}

failures=$(mktemp)
trap 'rm -f "$failures"' EXIT
export build failures deadline=$(($(date +%s) + budget))
check() {
  if [ "$(date +%s)" -ge "$deadline" ]; then echo "left out, no time: $1"; return 0; fi
  local output
  if output=$(timeout 300 clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*' "$1" 2>&1); then
    echo "clean: $1"
  else
    echo "not clean: $1"
    printf '%s\n' "$output" | grep -v 'warnings\? generated' >>"$failures"
    return 1
  fi
}
export -f check
# What was found comes last: whoever reads only the end of the log sees it.
# shellcheck disable=SC2016
sources "$@" | xargs -r -P "$(nproc)" -I{} bash -c 'check "$1"' _ {} || { status=$?; cat "$failures"; exit "$status"; }
