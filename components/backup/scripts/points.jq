# What is in the store of one Postgres server's point in time, as points() lists it:
#   data  a copy of the data folder
#   base  its label, without which it does not count: `data`, `segment` (the first of the log that it needs), `from` (it is whole from then on)
#   wal   the log from segment `first` to `last`: all that was written before `until`
# All of one `chain` has no hole in it. Segments' names and times sort as text.

# Times that can be brought back, oldest first. $known is what was recorded of the server: while nothing is written, its time goes on
# without anything being sent.
def windows($known):
  group_by(.chain)
  | map(
      select(any(.kind == "base") and any(.kind == "wal"))
      | { chain: .[0].chain, from: ([.[] | select(.kind == "base").from] | min), until: ([.[] | select(.kind == "wal").until] | max) }
      | if $known.chain == .chain and $known.until > .until then .until = $known.until else . end)
  | map(select(.from <= .until))
  | sort_by(.from);

# The log of a chain. A backup that begins where an earlier one does has all of that, and more.
def log_of($chain):
  [.[] | select(.kind == "wal" and .chain == $chain)] | group_by(.first) | map(max_by(.until));

# What leads to $at, nothing outside the windows: `base`, `log`, and `target`, where a recovery ends; null when no transaction came after $at.
def way($at; $known):
  . as $all
  | windows($known) | map(select(.from <= $at and $at <= .until)) | last | values
  | .chain as $chain
  | ($all | map(select(.kind == "base" and .chain == $chain and .from <= $at)) | max_by(.from)) as $base
  | ($all | log_of($chain) | map(select(.last >= $base.segment))) as $log
  | (($log | map(select(.until >= $at)) | first) // ($log | last)) as $final
  | { base: $base, log: ($log | map(select(.first <= $final.first))), target: (if $final.until >= $at then $at else null end) };

# Ids of what no time since $since needs. The newest of everything stays.
def superfluous($since; $known):
  . as $all
  | ([.[] | select(.kind == "base")] | max_by(.from)) as $newest
  | [ (windows($known)[] | select(.until >= $since or .chain == $newest.chain) | .chain) as $chain
      | ([$all[] | select(.kind == "base" and .chain == $chain)] | sort_by(.from)) as $bases
      | (([$bases[] | select(.from <= $since)] | last) // $bases[0]) as $first
      | ($bases[] | select(.from >= $first.from) | .id, .data),
        ($all | log_of($chain)[] | select(.last >= $first.segment) | .id) ] as $kept
  | .[] | select(.id as $id | $kept | index($id) | not) | .id;
