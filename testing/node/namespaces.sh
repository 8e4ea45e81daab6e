#!/usr/bin/env bash
# testing/node/namespaces.sh COMMAND...: run a command as root in network, mount and process namespaces of its
# own, with an empty TMPDIR, and leave nothing behind: no process, mount, interface, file or control group.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
  directory=$(mktemp -d -t podline-node.XXXXXX)
  clean_up() {
    rm -rf "$directory"
    # The kubelet's groups are empty by now; each has to go before the one it is in.
    find /sys/fs/cgroup -depth -type d -path "*/$(basename "$directory")-*" -exec rmdir {} + 2> /dev/null || true
  }
  trap clean_up EXIT
  status=0
  TMPDIR=$directory unshare --net --mount --pid --fork --kill-child --mount-proc --propagation=slave \
    bash "${BASH_SOURCE[0]}" --inside "$@" || status=$?
  exit "$status"
fi

shift
# The kubelet insists on it; it ends with this namespace.
mount --make-rshared /
ip link set lo up
# Not `exec`: as the first process of its namespace, bash takes in the orphans of containerd.
status=0
"$@" || status=$?
exit "$status"
