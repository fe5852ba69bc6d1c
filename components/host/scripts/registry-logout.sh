# shellcheck shell=bash disable=SC2154
# Forgets the login to a registry, and the authority that it was trusted by. REGISTRY and SERVER are parameters.
only_one registries 60
said=$(docker logout "$SERVER" 2>&1) || fail "cannot log out of $SERVER: $said"
[ ! -e "/etc/docker/certs.d/$REGISTRY/berth.crt" ] || sudo rm -f "/etc/docker/certs.d/$REGISTRY/berth.crt"
