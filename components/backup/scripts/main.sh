# shellcheck shell=bash disable=SC2154,SC2034
# What the timers and the operator's commands call: take, first (what has no backup yet), drill, list, fetch, state. Runs after redis.sh. One at a
# time on a host: each may use a processor, and the way to the store, to itself.
verb=${1:-}
case $verb in
  take-one) back_up_"$3" "$2" "${@:4}" ;;
  drill-one)
    FEWER_ROWS=$2
    drill_"$3" "${@:4}"
    ;;
  list) backups ;;
  take | first | drill | fetch | state)
    exec 8>/run/lock/berth-backups
    flock --wait "$WAIT_SECONDS" 8 || fail "another backup or drill of this host still runs after $WAIT_SECONDS seconds"
    case $verb in
      take) back_up_all ;;
      first)
        if all_have_one; then
          require_kept_versions
          open_repository
        else
          back_up_all
        fi
        ;;
      drill)
        FEWER_ROWS=${2:-no}
        drill_all
        ;;
      fetch) fetch "${@:2}" ;;
      state)
        # Standard input is the state's.
        require_kept_versions </dev/null
        open_repository </dev/null
        back_up_source "state $2" state "$2" "$3"
        [ "$code" = 0 ] || fail "the state of $2 was not backed up"
        ;;
    esac
    ;;
  *) fail "use one of: take, first, drill, list, fetch, state" ;;
esac
