# shellcheck shell=bash
# Runs a system's integration tests once after the switch, from a container, on the public way: by the domain, through the edge
# and its certificate. SLOT, VERSION, DOMAIN, ADDRESS and GO_BACK are parameters, beside those of job.sh.

# What the edge shows is trusted for what it is (a private authority, Let's Encrypt's staging); that it is of this domain and in
# force is left to the tests, and who issued it to the checks from outside.
certificates=$(timeout 10 openssl s_client -connect "127.0.0.1:443" -servername "$DOMAIN" -showcerts </dev/null 2>/dev/null |
  sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p') || certificates=
[ -n "$certificates" ] || fail "the edge shows no certificate for $DOMAIN, so the integration tests of $SERVICE cannot run"

# The version that served before, where its slot is still there.
previous_version() {
  local old image
  for old in $(docker service ls --filter "label=berth.resource=$SERVICE" --format '{{.Name}}' | grep -vxF "$SLOT"); do
    image=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "$old")
    docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.version"}}' "$image" 2>/dev/null && return
  done
  echo '<the version before>'
}

run_job integration-tests --host "$DOMAIN:$ADDRESS" --env "BASE_URL=https://$DOMAIN" --env "TRUSTED_CERTIFICATES=$certificates" ||
  job_failed "the integration tests of $SERVICE failed after the switch: $VERSION takes the requests (slot $SLOT). Repair it and deploy again, or go back: ${GO_BACK/PREVIOUS_VERSION/$(previous_version)}."
