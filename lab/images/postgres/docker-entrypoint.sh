#!/usr/bin/env bash
# Keeps the contract of the official postgres image: variables and *_FILE, first-run set-up, /docker-entrypoint-initdb.d,
# root at the door and postgres inside.
set -Eeuo pipefail

# file_env NAME [DEFAULT]: NAME from the variable or from the file that NAME_FILE names, never from both.
file_env() {
  local name="$1" default="${2:-}" file_name="$1_FILE"
  if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
    echo >&2 "error: both $name and $file_name are set (but are exclusive)"
    exit 1
  fi
  local value="$default"
  if [ -n "${!name:-}" ]; then
    value="${!name}"
  elif [ -n "${!file_name:-}" ]; then
    value="$(<"${!file_name}")"
  fi
  export "$name"="$value"
  unset "$file_name"
}

own_directories() {
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 00700 "$PGDATA" || true
  # Bind mounts arrive with the owner and mode they have on the host.
  chmod 03775 /var/run/postgresql || true
  if [ "$(id -u)" = 0 ]; then
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    chown postgres:postgres /var/run/postgresql
  fi
}

check_settings() {
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    cat >&2 <<'MESSAGE'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE to a non-empty value for the superuser.
       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all connections without a password.
       This is *not* recommended.
MESSAGE
    exit 1
  fi
}

initialize() {
  # initdb takes its arguments from a variable split on words, as the official image does.
  # shellcheck disable=SC2086
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
    --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} -D "$PGDATA"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
}

run_sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

create_database() {
  if [ "$POSTGRES_DB" != postgres ]; then
    run_sql --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
  fi
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh)
        if [ -x "$file" ]; then
          echo "running $file"
          "$file"
        else
          echo "sourcing $file"
          # shellcheck source=/dev/null
          . "$file"
        fi
        ;;
      *.sql) echo "running $file"; run_sql --dbname "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) echo "running $file"; gunzip -c "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      *.sql.xz) echo "running $file"; xzcat "$file" | run_sql --dbname "$POSTGRES_DB" ;;
    esac
  done
}

main() {
  if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi

  if [ "$1" = postgres ]; then
    export PGDATA="${PGDATA:-/var/lib/postgresql/data}"
    own_directories
    if [ "$(id -u)" = 0 ]; then
      exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
    fi
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
      file_env POSTGRES_PASSWORD
      file_env POSTGRES_USER postgres
      file_env POSTGRES_DB "$POSTGRES_USER"
      file_env POSTGRES_INITDB_ARGS
      : "${POSTGRES_HOST_AUTH_METHOD:=}"
      check_settings
      # As the official image: pg_hba.conf may ask for a password on the socket too.
      export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
      initialize
      # Set-up talks over the local socket only: nobody may connect to a database that is half made.
      PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -o "$(printf '%q ' "${@:2}" -c listen_addresses='' -p "${PGPORT:-5432}")" -w start
      create_database
      run_init_files
      PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
      unset POSTGRES_PASSWORD PGPASSWORD
      echo 'PostgreSQL init process complete; ready for start up.'
    else
      echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
    fi
  fi

  exec "$@"
}

main "$@"
