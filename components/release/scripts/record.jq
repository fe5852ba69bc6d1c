# The record of a service's deployments, as transitions between what its files hold. The first command of a release begins a
# deployment, the other commands of the same release continue it, its switch ends it; a command that fails ends it too.
#
#   command   found                                             open deployment    line of the history   state (what serves)
#   begins    none: on what serves already (scale, routes)      removed
#             continue: the same release is open                continued
#             begin: nothing is open, or only a tentative one   new
#             interrupt: another release is open                new                interrupted
#   ends      a failure                                         removed            failed
#             the switch                                        removed            success               the new slot
#             `ops back`                                        removed            back                  the slot before
#             any other command                                 with its seconds
#
# A transition is {state, line, open}: what to write. Without `open` the open deployment is removed; without the others nothing changes.
# $state and $open are what the files hold, {} when there is none; $now is in seconds since 1970; the other variables are the
# parameters of the command.

def serves: $state.image == $image and $state.version == $version;
def same_release: $open.image == $image and $open.version == $version and ($open.slot == $slot or $open.slot == "" or $slot == "");

# What serves already is probed or switched to again when its scale or its routes change: no deployment, unless one has not ended.
def found:
  if serves and $state.active_slot == $slot and ($open.tentative or (same_release | not)) then "none"
  elif same_release then "continue"
  elif $open.deployment_id == null or $open.tentative then "begin"
  else "interrupt" end;

# Somebody went back from this slot, or from every slot of this image: it does not get the requests again by itself.
def refused:
  $accepted != "yes" and ($step == "probe" or $step == "switch") and $state.outcome == "back" and $state.active_slot != $slot
  and ($state.previous_slot == $slot or $state.refused_image == $image);

# Tentative: snapshot and migration of what serves (a changed setting of theirs) are a deployment only if a new slot follows.
def new($id; $commit; $by):
  {deployment_id: $id, environment: $environment, service: $service, version: $version, git_commit: $commit,
   timestamp: ($now | floor | todate), deployed_by: $by, image: $image, slot: $slot, schema_version: null, began: $now,
   tentative: (serves and $slot == ""), token: $token, steps: {}};
def continued: $open | (if $slot == "" then . else .slot = $slot | .tentative = false end) | .token = $token;

# A deployment's line in the history.
def line($outcome):
  {deployment_id, environment, service, version, git_commit, timestamp, deployed_by, image, slot, schema_version,
   duration_seconds: (($now - .began) * 10 | round / 10), steps, outcome: $outcome};

def begins($id; $commit; $by):
  found as $found
  | if $found == "none" then {}
    elif $found == "continue" then {open: continued}
    elif $found == "begin" then {open: new($id; $commit; $by)}
    else {line: ($open | line("interrupted") + {error: "its run ended before it did"}), open: new($id; $commit; $by)} end;

# The slot that served before this one.
def previous: if $state.active_slot == $slot then $state.previous_slot else $state.active_slot end;
# Until when it stays to be gone back to. Where the same version is deployed again after going back, it takes the place of the slot before.
def stays_until($retained):
  if $step == "switch" and $keep_minutes > 0 and ($retained | any(. == previous)) and (($state.outcome == "back" and $state.image == $image) | not)
  then $now + 60 * $keep_minutes | floor | todate else null end;

# An image that was gone back from is refused until the configuration says otherwise; of one image, only its slot is.
def served($outcome; $retained):
  line($outcome) | {deployment_id, environment, system: $system, service, active_slot: $slot, version, git_commit, timestamp, deployed_by,
    schema_version, previous_slot: previous, previous_slot_until: stays_until($retained),
    duration_seconds, image, steps, outcome,
    refused_image: (if $outcome == "back" and $state.image != $image then $state.image else null end)};

# Nothing when another run has taken the open deployment over while this command still worked. $named is {} or the id and the commit that
# are known only now, $retained the slots that Pulumi leaves to the host.
def ends($status; $error; $seconds; $schema; $named; $retained):
  $open | select(.token == $token) + $named
  | .steps[$step] = $seconds | .schema_version = (($schema | tonumber?) // .schema_version)
  | if $status != 0 then {line: (line("failed") + {error: "\($step): \($error)"})}
    elif $step == "switch" then {line: line("success"), state: served("success"; $retained)}
    elif $step == "back" then {line: line("back"), state: served("back"; $retained)}
    else {open: .} end;

# A transition as three lines.
def written: .state, .line, .open;
