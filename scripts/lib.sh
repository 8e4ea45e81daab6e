# Sourced by the scripts: makes the Python environment from the lock, which needs Python 3.11 or later and a
# package registry, nothing else; and gets what more than one script wants beside it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$root/scripts/uv.txt")

fail() {
  echo "$*" >&2
  exit 1
}

# Print the first Python that is new enough.
find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3.14 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Podline needs Python 3.11 or later, and none is on the PATH: install it from python.org or your system's packages."
}

# Print a uv of the version that has made the lock: the one on the PATH, else one of our own under .tools.
find_uv() {
  if [ "$(uv --version 2>/dev/null | cut -d ' ' -f 2)" = "$uv_version" ]; then
    command -v uv
    return
  fi
  local python tools="$root/.tools/uv-$uv_version"
  if [ ! -x "$tools/bin/uv" ]; then
    echo "Getting uv $uv_version ..." >&2
    python=$(find_python) || exit 1
    "$python" -m venv "$tools" >&2 ||
      fail "Python could not make a virtual environment (on Debian: apt-get install python3-venv)."
    "$tools/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r "$root/scripts/uv.txt" >&2 ||
      fail "uv $uv_version could not be installed: is the package registry in reach, and is this platform in scripts/uv.txt?"
  fi
  echo "$tools/bin/uv"
}

# ensure_environment NAME UV_SYNC_OPTION...: bring .venv to what the lock says. At once where NAME was
# brought there before and the lock is the same.
ensure_environment() {
  local name=$1 stamp="$root/.venv/.podline-$1" wanted uv python
  shift
  wanted=$(cat "$root/uv.lock" "$root/pyproject.toml" | cksum)
  if [ -x "$root/.venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  uv=$(find_uv) || exit 1
  python="$root/.venv/bin/python"
  if [ ! -x "$python" ]; then
    python=$(find_python) || exit 1
  fi
  echo "Installing what the lock names (the first time: some minutes and about 1 GB) ..." >&2
  # Inexact: what another script has put there stays.
  (cd "$root" && "$uv" sync --quiet --frozen --inexact --compile-bytecode --group commands --python "$python" "$@") ||
    fail "The environment could not be installed; what uv said is above."
  echo "$wanted" > "$stamp"
}

# exec_command MODULE ARGUMENT...: become a command of scripts/commands. Signals wait until it can handle them, where
# env is GNU's; elsewhere, Ctrl-C during Python's first moments prints a traceback.
exec_command() {
  local hold=()
  if env --block-signal=INT true 2> /dev/null; then
    hold=(env --block-signal=INT --block-signal=TERM --block-signal=HUP)
  fi
  cd "$root" || exit 1
  exec "${hold[@]+"${hold[@]}"}" "$root/.venv/bin/python" -m "scripts.commands.$1" "${@:2}"
}

# Prometheus and promtool: on the PATH, else Debian's package, unpacked and not installed, so that no service starts.
# Fails where neither can be had.
ensure_prometheus() {
  local unpacked="$root/.tools/prometheus"
  if [ "$(type -P prometheus promtool | wc -l)" = 2 ] || [ -x "$unpacked/usr/bin/promtool" ]; then
    return
  fi
  if command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; then
    echo "Getting Prometheus ..." >&2
    mkdir -p "$unpacked"
    [ "$(id -u)" != 0 ] || apt-get update -qq > /dev/null || true
    (cd "$unpacked" && apt-get download -qq prometheus > /dev/null 2>&1 && dpkg-deb -x prometheus_*.deb .) || true
  fi
  [ -x "$unpacked/usr/bin/promtool" ]
}
