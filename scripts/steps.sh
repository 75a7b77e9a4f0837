# shellcheck shell=bash
# Sourced by ./run, ./test and .ci/run: runs the steps of a build one by one, quietly, each with its own log.
# The caller is in the project's root.
step_times=()   # "seconds name (result)" or "seconds of which: part of the next", in order
step_failures=0
log_folder=build/log

# step NAME COMMAND…: runs the command with its output in $log_folder/NAME.log. Says on stderr what runs and how long it took;
# on a terminal the log's last line is shown meanwhile. If the command fails, prints the end of the log and returns 1.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  mkdir -p "$log_folder"
  local log=$log_folder/${name//[ \/]/_}.log
  local watcher=
  if [ -t 2 ]; then
    watch_log "$name" "$log" &
    watcher=$!
  else
    printf '%s …\n' "$name" >&2
  fi
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ -n "$watcher" ]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    printf '\r\033[K' >&2
  fi
  note_step "$name" $((SECONDS - start)) "$status"
  [ "$status" = 0 ] && return 0
  tail -n "${STEP_LOG_LINES:-40}" "$log" >&2
  printf '%s: failed with exit code %s; the lines above are the end of %s\n' "$name" "$status" "$log" >&2
  return 1
}

# note_step NAME SECONDS STATUS: takes a step that ran otherwise into the table.
note_step() {
  local result=ok
  if [ "$3" != 0 ]; then
    result=FAILED
    step_failures=$((step_failures + 1))
  fi
  step_times+=("$2 $1 ($result)")
  printf '%s: %s in %s s\n' "$1" "$result" "$2" >&2
}

# Shows the last line of the log in place until it is killed or the script is gone.
watch_log() {
  local line
  while kill -0 $$ 2>/dev/null; do
    line=$(tail -n 1 "$2" 2>/dev/null | tr -d '\r')
    printf '\r\033[K%s … %.*s' "$1" $((${COLUMNS:-100} - ${#1} - 4)) "$line" >&2
    sleep 0.5
  done
}

print_step_times() {
  local entry total=0
  printf '%8s  step\n' seconds
  for entry in "${step_times[@]}"; do
    printf '%8s  %s\n' "${entry%% *}" "${entry#* }"
    [[ $entry = *"of which"* ]] || total=$((total + ${entry%% *}))
  done
  printf '%8s  all\n' "$total"
}

# build PRESET TARGET…: configures the preset and builds the targets. Extra cmake arguments in CONFIGURE.
build() {
  local preset=$1
  shift
  # shellcheck disable=SC2086
  step "configure $preset" cmake --preset "$preset" ${CONFIGURE:-} && step "build $preset" \
    cmake --build "build/$preset" -j "$(nproc)" --target "$@"
}
