# shellcheck shell=bash
# In front of every script that Berth runs on a host.
set -euo pipefail
umask 077

# Says what is wrong and ends the script; the text becomes Pulumi's diagnostic.
fail() {
  printf '%s\n' "$*" | redact >&2
  exit 1
}

# Says in a deployment's log what happens, where there is one: note <DEBUG|INFO|WARN|ERROR|SUCCESS> <message>
note() { :; }

# Takes credentials out of text from elsewhere (application logs, task errors), by the patterns of the systems' owners.
redact() {
  # Quotes may be escaped: logs in JSON quote what others said.
  sed -E ${redact_at_once:+--unbuffered} \
    -e 's#([A-Za-z][A-Za-z0-9+.-]*://[^:/@[:space:]]*:)[^@[:space:]]+@#\1***REDACTED***@#g' \
    -e 's#(([A-Z0-9_]*(PASSWORD|SECRET|TOKEN|API_KEY|PRIVATE_KEY)|DATABASE_URL)\\*["'\'']?[=:][[:space:]]*\\*["'\'']?)[^"'\''\\[:space:],}]+#\1***REDACTED***#g' \
    -e 's#(password\\*["'\'']?[=:][[:space:]]*\\*["'\'']?)[^"'\''\\[:space:],}]+#\1***REDACTED***#gi' \
    -e 's#(authorization\\*["'\'']?[=:] *\\*["'\'']?(Bearer|Basic) +)[^"'\''\\[:space:],}]+#\1***REDACTED***#gi'
}

# service_containers SERVICE: those that run, one a line.
service_containers() {
  docker ps --quiet --filter "label=com.docker.swarm.service.name=$1" --filter status=running
}

# container_fails CONTAINER: true when it does not run, or is unhealthy; container_state says what it is.
container_fails() {
  container_state=$(docker inspect --format '{{.State.Status}}{{with .State.Health}}, {{.Status}}{{end}}' "$1" 2>/dev/null) || container_state="gone"
  case $container_state in running | "running, healthy" | "running, starting") return 1 ;; esac
}

# service_tasks SERVICE: the newest, with what Swarm says of each.
service_tasks() {
  docker service ps --no-trunc --format '{{.CurrentState}}  {{.Error}}' "$1" 2>&1 | head -n 5
}

# service_log SERVICE: last lines of its containers' logs. `docker service logs` shows nothing of a task that has not been healthy yet.
service_log() {
  timeout 10 docker ps --all --quiet --filter "label=com.docker.swarm.service.name=$1" | head -n 3 | tac |
    while read -r container; do timeout 10 docker logs --tail 20 "$container" 2>&1; done | tail -n 20
}

# service_report SERVICE: both, with their titles.
service_report() {
  printf 'Its tasks:\n'
  service_tasks "$1" | sed 's/^/  /'
  printf 'Last lines of its log:\n'
  service_log "$1" | sed 's/^/  /'
}

# service_tasks_wanted SERVICE: how many tasks it is to have; nothing where there is no such service.
service_tasks_wanted() {
  docker service inspect --format '{{with .Spec.Mode.Replicated}}{{.Replicas}}{{end}}' "$1" 2>/dev/null || true
}

# scale_service SERVICE TASKS: in place. One that is not there, or is to have as many, stays as it is.
scale_service() {
  local wanted
  wanted=$(service_tasks_wanted "$1")
  [ -z "$wanted" ] || [ "$wanted" = "$2" ] || docker service scale --detach "$1=$2" >/dev/null
}

# await_stop SERVICE SECONDS: until nothing of it runs; false when something still does then.
await_stop() {
  local began=$SECONDS
  while [ -n "$(service_containers "$1")" ]; do
    [ $((SECONDS - began)) -lt "$2" ] || return 1
    sleep 0.2
  done
}

# write_file PATH MODE TEXT: unless the file has that text. Sets `changed` when it is written.
write_file() {
  if ! sudo cmp -s "$1" - <<<"$3"; then
    # shellcheck disable=SC2034 # The caller's.
    changed=yes
    sudo install -D -m "$2" /dev/stdin "$1" <<<"$3"
  fi
}

# install_packages PACKAGE...: those that are missing, from the distribution's sources. Another run of apt is waited for.
install_packages() {
  local package missing=() said
  for package in "$@"; do
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  said=$(sudo env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -o DPkg::Lock::Timeout=120 update && apt-get -o DPkg::Lock::Timeout=120 install --yes "$@"' install "${missing[@]}" 2>&1) ||
    fail "the packages ${missing[*]} cannot be installed: $(tail -n 5 <<<"$said")"
}

# Waits until no other script works on the same thing, and keeps others out until this one ends. A script goes on when the
# connection that started it breaks, so the next run may meet it.
only_one() {
  local name=$1 wait_seconds=$2
  exec 9>"/run/lock/berth-$name"
  flock --wait "$wait_seconds" 9 ||
    fail "another run still works on $name after $wait_seconds seconds: $(pgrep --full --list-name 'bash -s' | tr '\n' ' ')"
}
