# Sourced by the scripts: makes the Python environment from the lock, which needs Python 3.11 or later and a
# package registry, nothing else. Everything after that is Python, in scripts/commands.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$root/scripts/uv.txt")
job=           # the process group of the step under way
unfinished=()  # what to remove if this ends early
heartbeat=15   # seconds between two lines about one step where there is no terminal

fail() {
  clear_line
  echo "$*" >&2
  remove_unfinished
  exit 1
}

clear_line() {
  [ ! -t 2 ] || printf '\r\033[K' >&2
}

remove_unfinished() {
  local path
  for path in ${unfinished[@]+"${unfinished[@]}"}; do
    rm -rf "$path"
  done
}

# A copy of stderr for end_early: bash runs it inside the command that a signal interrupts, with that command's
# redirections.
exec 9>&2

# end_early CODE LINE: what a signal does, in any phase.
end_early() {
  trap '' INT TERM HUP
  set +e
  exec 2>&9
  clear_line
  # Without what bash says about the processes that are killed.
  exec 2> /dev/null
  if [ -n "$job" ]; then
    kill -TERM -- "-$job"
    # Not for long: nothing that is kept is written here.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      kill -0 -- "-$job" || break
      sleep 0.1
    done
    kill -KILL -- "-$job"
    wait "$job"
  fi
  echo "$2" >&9
  remove_unfinished
  exit "$1"
}

trap 'end_early 130 Interrupted.' INT
trap 'end_early 143 "Ended by a signal."' TERM
trap 'end_early 129 "Ended by a signal."' HUP

# run_step NAME LOG COMMAND...: run a command in a process group of its own with its output in a file, and show how
# long it has taken and how far it is.
run_step() {
  local name=$1 log=$2 began=$SECONDS shown=0 status=0
  shift 2
  [ -t 2 ] || echo "$name ..." >&2
  set -m
  "$@" < /dev/null > "$log" 2>&1 9>&- &
  job=$!
  set +m
  while kill -0 "$job" 2> /dev/null; do
    if [ -t 2 ]; then
      printf '\r\033[K%s: %d s%s' "$name" $((SECONDS - began)) "$(how_far "$log")" >&2
    elif [ $((SECONDS - began - shown)) -ge "$heartbeat" ]; then
      shown=$((SECONDS - began))
      echo "$name: $shown s so far$(how_far "$log") ..." >&2
    fi
    # Redirected, so that bash does not say that a signal has ended it.
    { sleep 0.2; } 2> /dev/null
  done
  wait "$job" || status=$?
  job=
  clear_line
  [ $status -ne 0 ] || echo "$name: $((SECONDS - began)) s" >&2
  return $status
}

# What uv's log tells: it names the larger packages as it downloads them.
how_far() {
  local begun ended
  begun=$(grep -c '^Downloading ' "$1" 2> /dev/null || true)
  ended=$(grep -c '^ Downloaded ' "$1" 2> /dev/null || true)
  if grep -q '^Installed ' "$1" 2> /dev/null; then
    echo ", compiling"
  elif grep -q '^Prepared ' "$1" 2> /dev/null; then
    echo ", installing"
  elif [ "${begun:-0}" -gt 0 ]; then
    echo ", $ended of $begun large downloads"
  fi
}

# explain LOG SENTENCE: end with what the machine or the network refused, as podline/machine_errors.py reads it from
# the log; else with the end of the log and the sentence.
explain() {
  local log=$1 sentence=$2 explained
  clear_line
  # A full disk may have left no room for the log to say so.
  head -c 65536 /dev/zero 2>> "$log" > "$root/.probe.$$" || true
  rm -f "$root/.probe.$$"
  if explained=$("$python" -P "$root/podline/machine_errors.py" "$log" 2> /dev/null); then
    rm -f "$log"
    fail "$explained"
  fi
  tail -n 20 "$log" >&2
  rm -f "$log"
  fail "$sentence"
}

# Set `python` to the first Python that is new enough.
find_python() {
  local candidate found=
  for candidate in python3.11 python3.12 python3.13 python3.14 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
      python=$(command -v "$candidate")
      return
    fi
    [ -n "$found" ] || found=$("$candidate" --version 2> /dev/null || true)
  done
  fail "Podline needs Python 3.11 or later, and the PATH has ${found:-none}:" \
    "install it from python.org or your system's packages, then run this again."
}

# Print where the uv is that has made the lock: on the PATH, else under .tools. Fails where it has to be fetched.
known_uv() {
  if [ "$(uv --version 2> /dev/null | cut -d ' ' -f 2)" = "$uv_version" ]; then
    command -v uv
  elif [ -x "$root/.tools/uv-$uv_version/bin/uv" ]; then
    echo "$root/.tools/uv-$uv_version/bin/uv"
  else
    return 1
  fi
}

# Print where uv is, and fetch it before if need be.
find_uv() {
  known_uv || { fetch_uv && known_uv; }
}

# Fetch uv into .tools, where it appears only once it is whole.
fetch_uv() {
  local tools="$root/.tools/uv-$uv_version" making="$root/.tools/.uv-$uv_version.$$" log
  new_log
  find_python
  unfinished+=("$making")
  # shellcheck disable=SC2016 # the inner shell's variables
  run_step "Getting uv $uv_version (about 25 MB, once)" "$log" sh -c '
    mkdir -p "$1" && "$0" -m venv "$1" &&
      "$1/bin/python" -m pip install --quiet --disable-pip-version-check --retries 2 \
        --require-hashes --only-binary :all: -r "$2" && mkdir -p "$3/bin" && mv "$1/bin/uv" "$3/bin/uv"' \
    "$python" "$making" "$root/scripts/uv.txt" "$tools" ||
    explain "$log" "uv $uv_version could not be installed; pip's output is above (on Debian, venv is in a separate package: apt-get install python3-venv)."
  rm -rf "$making" "$log"
}

# Set `log` to a file for what a step says.
new_log() {
  log="${TMPDIR:-/tmp}/podline-install.$$.$RANDOM"
  unfinished+=("$log")
  (set -C && : > "$log") 2> /dev/null ||
    fail "Nothing can be written to ${TMPDIR:-/tmp}: free space there, or set TMPDIR to a folder that you may write to."
}

# ensure_environment NAME UV_SYNC_OPTION...: bring .venv to what the lock says. At once where NAME was
# brought there before and the lock is the same.
ensure_environment() {
  local name=$1 stamp="$root/.venv/.podline-$1" wanted made uv log
  shift
  wanted=$(cat "$root/uv.lock" "$root/pyproject.toml" | cksum)
  # The environment dev contains all others.
  for made in "$stamp" "$root/.venv/.podline-dev"; do
    if [ -x "$root/.venv/bin/python" ] && [ "$(cat "$made" 2> /dev/null)" = "$wanted" ]; then
      return
    fi
  done
  # Not in a substitution, where progress and signals would be another shell's.
  known_uv > /dev/null || fetch_uv
  uv=$(known_uv)
  python="$root/.venv/bin/python"
  local about="Bringing the environment up to date"
  if [ ! -x "$python" ]; then
    find_python
    unfinished+=("$root/.venv")
    about="Installing Podline's packages (1 GB of disk; 1 to 4 minutes the first time)"
  fi
  new_log
  # Inexact: what another script has put there stays.
  # shellcheck disable=SC2016 # the inner shell's variables
  run_step "$about" "$log" sh -c '
    cd "$1" && wanted=$2 stamp=$3 uv=$4 python=$0 && shift 4 &&
      "$uv" sync --frozen --inexact --compile-bytecode --group commands --python "$python" "$@" &&
      echo "$wanted" > "$stamp"' "$python" "$root" "$wanted" "$stamp" "$uv" "$@" ||
    explain "$log" "The environment could not be installed; the end of uv's output is above."
  rm -f "$log"
  unfinished=()
}

# exec_command MODULE ARGUMENT...: become a command of scripts/commands. Signals wait until it can handle them, where
# env is GNU's; elsewhere, Ctrl-C during Python's first moments prints a traceback.
exec_command() {
  local hold=()
  if env --block-signal=INT true 2> /dev/null; then
    hold=(env --block-signal=INT --block-signal=TERM --block-signal=HUP)
  fi
  cd "$root" || exit 1
  exec "${hold[@]+"${hold[@]}"}" "$root/.venv/bin/python" -m "scripts.commands.$1" "${@:2}" 9>&-
}
