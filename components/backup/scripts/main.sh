# shellcheck shell=bash disable=SC2154,SC2034
# What the timers and the operator's commands call: take, first (what has no backup yet), drill, list, fetch, state; of point in time wal, base and
# recover. Runs after recover.sh.

# One at a time on a host: each may use a processor, and the way to the store, to itself. WAL alone is sent beside them.
one_backup_at_a_time() {
  exec 8>/run/lock/berth-backups
  flock --wait "$WAIT_SECONDS" 8 || fail "another backup or drill of this host still runs after $WAIT_SECONDS seconds"
}

verb=${1:-}
case $verb in
  take-one) back_up_"$3" "$2" "${@:4}" ;;
  wal-one) send_wal "${@:2}" ;;
  base-one) take_base "${@:2}" ;;
  forget-points) forget_points "$2" ;;
  drill-one)
    FEWER_ROWS=$2
    drill_"$3" "${@:4}"
    ;;
  drill-point)
    FEWER_ROWS=$2
    drill_point_in_time "${@:3}"
    ;;
  list) backups ;;
  wal) keep_points wal ;;
  end-point-in-time) end_point_in_time ;;
  take | first | drill | fetch | state | base | recover)
    one_backup_at_a_time
    case $verb in
      take) back_up_all ;;
      first)
        if all_have_one; then
          require_kept_versions
          open_repository
        else
          back_up_all
        fi
        if [ "$WAL_MINUTES" -gt 0 ]; then keep_points first; else end_point_in_time; fi
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
      base) keep_points base ;;
      recover) recover "${@:2}" ;;
    esac
    ;;
  *) fail "use one of: take, first, drill, list, fetch, state, wal, base, recover" ;;
esac
