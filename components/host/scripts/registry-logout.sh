# shellcheck shell=bash disable=SC2154
# Forgets the login to a registry. SERVER is a parameter.
only_one registries 60
said=$(docker logout "$SERVER" 2>&1) || fail "cannot log out of $SERVER: $said"
