# Sourced: sets Podline up in a cluster with the sandbox, and has a scripted caller make a call there. Needs kubectl
# and openssl on the PATH; the cluster is the one that kubectl talks to, or the one whose context site_context names.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2154 # lib.sh says where the root is
site_overlay="$root/deploy/overlays/kind"
site_patience=${site_patience:-180}

kube() {
  kubectl ${site_context:+"--context=$site_context"} --namespace=podline "$@"
}

# Fails with a sentence where the cluster does not answer, or is older than what Podline is made for.
check_cluster() {
  local said minor
  said=$(kube get --raw /version 2>&1) || fail "The cluster does not answer: $said"
  minor=$(sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' <<< "$said")
  [ "${minor:-0}" -ge 31 ] ||
    fail "This cluster is Kubernetes 1.${minor:-?}, and Podline needs 1.31 or later: docs/deploying.md says why."
}

# Makes the Secrets that are not there yet. Those that are stay as they are: bots that run were started with them.
make_site_secrets() {
  has secret podline-controller ||
    make_secret generic podline-controller --from-literal=PODLINE_SECRET="$(openssl rand -hex 32)" \
      --from-literal=PODLINE_STORE_SECRET="$(openssl rand -hex 32)"
  # One of before there were tokens for the store gets what signs them, and keeps the rest.
  [ -n "$(kube get secret podline-controller -o 'jsonpath={.data.PODLINE_STORE_SECRET}')" ] ||
    kube patch secret podline-controller \
      -p "{\"stringData\": {\"PODLINE_STORE_SECRET\": \"$(openssl rand -hex 32)\"}}" > /dev/null ||
    fail "The Secret podline-controller could not be given a PODLINE_STORE_SECRET; what kubectl said is above."
  has secret podline-admin-key ||
    make_secret generic podline-admin-key --from-literal=key="$(openssl rand -hex 24)"
  has secret podline-web ||
    make_secret generic podline-web --from-literal=PODLINE_API_KEY="$(openssl rand -hex 24)" \
      --from-literal=SESSION_SECRET="$(openssl rand -hex 32)"
  if ! has secret podline-keys; then
    make_secret generic podline-keys --from-literal=keys.json="[
      {\"name\": \"admin\", \"sha256\": \"$(digest_of podline-admin-key key)\", \"scopes\": [\"admin\"]},
      {\"name\": \"web\", \"sha256\": \"$(digest_of podline-web PODLINE_API_KEY)\", \"scopes\": [\"start\", \"read\", \"stop\"]}]"
  fi
  has secret podline-livekit ||
    make_secret generic podline-livekit --from-literal=LIVEKIT_API_KEY=podline \
      --from-literal=LIVEKIT_API_SECRET="$(openssl rand -hex 32)" \
      --from-literal=LIVEKIT_PUBLIC_URL=ws://localhost:30780
  has secret podline-bot ||
    make_secret generic podline-bot \
      --from-literal=GOOGLE_API_KEY="sandbox-$(openssl rand -hex 24)" \
      --from-literal=CONVEX_URL=http://podline-sandbox:8080 \
      --from-literal=GOOGLE_GEMINI_BASE_URL=https://podline-sandbox:8443 \
      --from-literal=SSL_CERT_FILE=/etc/podline/authorities/ca.crt
  has secret podline-sandbox-certificate || make_site_certificate
  kube get secret podline-sandbox-certificate -o 'jsonpath={.data.tls\.crt}' | base64 -d |
    kube create configmap podline-authorities --from-file=ca.crt=/dev/stdin --dry-run=client -o yaml |
    kube apply -f - > /dev/null || fail "The ConfigMap podline-authorities could not be made."
}

# digest_of SECRET KEY: what the controller knows a caller's key by.
digest_of() {
  local digest
  digest=$(kube get secret "$1" -o "jsonpath={.data.$2}" | base64 -d | openssl dgst -sha256)
  echo "${digest##* }"
}

has() {
  kube get "$1" "$2" > /dev/null 2>&1
}

make_secret() {
  kube create secret "$@" > /dev/null || fail "The Secret $2 could not be made; what kubectl said is above."
}

# For the sandbox's model, by its name in the cluster and for who forwards its port.
make_site_certificate() {
  local directory
  directory=$(mktemp -d)
  cat > "$directory/request" << 'REQUEST'
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = podline sandbox
[extensions]
subjectAltName = DNS:podline-sandbox, DNS:localhost, IP:127.0.0.1
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
REQUEST
  if ! { openssl ecparam -name prime256v1 -genkey -noout -out "$directory/tls.key" &&
    openssl req -x509 -new -sha256 -days 3650 -config "$directory/request" \
      -key "$directory/tls.key" -out "$directory/tls.crt" &&
    kube create secret tls podline-sandbox-certificate \
      --cert="$directory/tls.crt" --key="$directory/tls.key" > /dev/null; }; then
    rm -rf "$directory"
    fail "The sandbox's certificate could not be made; what openssl or kubectl said is above."
  fi
  rm -rf "$directory"
}

# Secrets, then all of the overlay, then patience until it is up.
install_site() {
  check_cluster
  # Never applied by itself: that would take away the label by which the overlay's admission rules are in force.
  has namespace podline || kube create --save-config -f "$root/deploy/base/namespace.yaml" > /dev/null ||
    fail "The namespace podline could not be made."
  make_site_secrets
  kube apply -k "$site_overlay" || fail "The cluster did not take $site_overlay; what it said is above."
  until_up podline-sandbox podline-sandbox
  until_up podline-livekit podline-livekit
  until_up podline podline-controller
  until_up podline-web podline-web
}

# until_up DEPLOYMENT NAME: wait until the Deployment's newest pods are ready; NAME is the pods' label.
until_up() {
  local deadline=$((SECONDS + site_patience)) state printed=
  until kube rollout status "deployment/$1" --timeout=2s > /dev/null 2>&1; do
    state=$(state_of "$1" "$2")
    if [ "$state" != "$printed" ]; then
      echo "Waiting for $1: $state"
      printed=$state
    fi
    if is_hopeless "$state" || [ $SECONDS -ge $deadline ]; then
      break
    fi
  done
  if ! kube rollout status "deployment/$1" --timeout=1s > /dev/null 2>&1; then
    kube logs "$(newest_pod "$2")" --tail=10 >&2 2> /dev/null || true
    fail "$1 did not come up: $(state_of "$1" "$2"). Above are the last lines of its log, if it has any.
More: kubectl -n podline describe deployment/$1, and describe pods -l app.kubernetes.io/name=$2"
  fi
  echo "$1 is up."
}

# Whether waiting will not mend it.
is_hopeless() {
  case $1 in
    *ErrImage* | *ImagePullBackOff* | *InvalidImageName* | *ConfigError* | *CrashLoopBackOff*) return 0 ;;
    *) return 1 ;;
  esac
}

# What the cluster says of a Deployment that is not up yet.
state_of() {
  local refused
  refused=$(kube get "deployment/$1" -o 'jsonpath={.status.conditions[?(@.type=="ReplicaFailure")].message}' 2> /dev/null)
  if [ -n "$refused" ]; then
    echo "no pod can be made ($refused)"
  else
    pod_state "$2"
  fi
}

newest_pod() {
  kube get pods -l "app.kubernetes.io/name=$1" --sort-by=.metadata.creationTimestamp -o name 2> /dev/null | tail -n 1
}

# What the cluster says of the newest pod with this name as its label.
pod_state() {
  local pod state
  pod=$(newest_pod "$1")
  if [ -z "$pod" ]; then
    echo "there is no pod"
    return
  fi
  state=$(kube get "$pod" -o 'jsonpath={.status.phase}{range .status.containerStatuses[*]}{range .state.*} {.reason} {.message}{end}{end}{range .status.conditions[?(@.type=="PodScheduled")]} {.message}{end}' 2> /dev/null)
  state=$(tr -s ' \n' ' ' <<< "$state")
  echo "$pod is ${state% }"
}

# Has the scripted caller call, and prints what was said and when the session got how far.
make_call() {
  local said session
  kube delete job podline-caller --ignore-not-found > /dev/null || fail "The last call's Job could not be removed."
  kube create -f "$site_overlay/caller-job.yaml" > /dev/null || fail "The caller's Job could not be made."
  echo "A caller is calling ..."
  if ! until_caller_ends; then
    kube logs job/podline-caller --tail=50 >&2 || true
    print_last_bot >&2
    fail "The call failed. The caller: $(pod_state podline-caller)"
  fi
  said=$(kube logs job/podline-caller) || fail "The call went well, but the caller's account of it could not be read."
  session=$(sed -n 's/^session //p' <<< "$said")
  printf '%s\n' "$said"
  print_timeline "$session"
}

# Returns 1 where its Job has failed or can't begin. The Job has a deadline of its own.
until_caller_ends() {
  local deadline=$((SECONDS + 300)) conditions
  while [ $SECONDS -lt $deadline ]; do
    conditions=$(kube get job podline-caller -o 'jsonpath={range .status.conditions[?(@.status=="True")]}{.type} {end}' || true)
    case " $conditions" in
      *" Complete "*) return 0 ;;
      *" Failed "*) return 1 ;;
    esac
    if is_hopeless "$(pod_state podline-caller)"; then
      return 1
    fi
    sleep 1
  done
  return 1
}

# What became of the newest session, where a call has failed.
print_last_bot() {
  local job
  job=$(kube get jobs -l app.kubernetes.io/name=podline-bot --sort-by=.metadata.creationTimestamp -o name | tail -n 1)
  if [ -z "$job" ]; then
    echo "No bot was launched."
  else
    kube get "$job" -o 'jsonpath=Session {.metadata.name} is {.metadata.labels.podline\.dev/phase} {.metadata.labels.podline\.dev/reason}: {.metadata.annotations.podline\.dev/message}{"\n"}'
    echo "The bot: $(pod_state podline-bot)"
  fi
}

# print_timeline JOB: the session's own account, as it stands on its Job once its end is recorded.
print_timeline() {
  local deadline=$((SECONDS + 60)) reason
  until reason=$(kube get job "$1" -o 'jsonpath={.metadata.labels.podline\.dev/reason}') && [ -n "$reason" ]; do
    [ $SECONDS -lt $deadline ] ||
      fail "The end of session $1 was not recorded within a minute. Look at: kubectl -n podline describe job $1"
    sleep 1
  done
  kube get job "$1" -o 'jsonpath={.metadata.name} ended as {.metadata.labels.podline\.dev/reason}: {.metadata.annotations.podline\.dev/message}{"\n"}'
  kube get job "$1" -o 'jsonpath={.metadata.annotations.podline\.dev/request}{"\n"}{.metadata.annotations.podline\.dev/timeline}{"\n"}' |
    awk '
      function seconds(moment,  parts) {
        split(moment, parts, /[T:Z+]/)
        return parts[2] * 3600 + parts[3] * 60 + parts[4]
      }
      function show(name, moment) {
        if (start == "") start = seconds(moment)
        since = seconds(moment) - start
        if (since < -43200) since += 86400  # past midnight
        printf "%7.2f s  %s\n", since, name
      }
      NR == 1 { match($0, /"accepted":"[^"]*"/); show("accepted", substr($0, RSTART + 12, RLENGTH - 13)) }
      NR == 2 {
        gsub(/[{}]/, "")
        for (count = split($0, marks, ","); done < count;) { split(marks[++done], mark, "\""); show(mark[2], mark[4]) }
      }'
}
