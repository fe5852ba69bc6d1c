import type { CustomResourceOptions, Output, Resource } from "@pulumi/pulumi";
import { hostCommand, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";

/** Puts a script on the host that a timer runs once a day, for at most so long, and takes both away with the resource. */
export function registryTimer(
  name: string,
  args: {
    readonly host: Host;
    readonly service: string;
    readonly script: Output<string>;
    readonly deadlineSeconds: number;
    readonly dependsOn: Resource[];
  },
  opts: CustomResourceOptions,
): void {
  const { host, service, script, deadlineSeconds, dependsOn } = args;
  const unit = `berth-collect-${service}`;
  const path = `/usr/local/lib/berth/collect-${service}`;
  const description = `Description=Removes what nothing needs from ${service}`;
  hostCommand(
    name,
    {
      connection: host.connection,
      script: readScript(import.meta.url, "./scripts/registry-timer.sh"),
      removeScript: readScript(import.meta.url, "./scripts/registry-timer-remove.sh"),
      parameters: {
        SCRIPT: script,
        SCRIPT_PATH: path,
        UNIT: unit,
        // A registry that was left paused, whatever ended the script.
        SERVICE_UNIT: `[Unit]
${description}
After=docker.service

[Service]
Type=oneshot
ExecStart=${path}
# Somebody pushes (sysexits.h, EX_TEMPFAIL): later again. \`Restart=\` would keep whoever starts it by hand waiting.
SuccessExitStatus=75
ExecStopPost=-/bin/sh -c '[ "$EXIT_STATUS" != 75 ] || systemd-run --quiet --on-active=20min systemctl start --no-block ${unit}.service'
ExecStopPost=-/bin/sh -c 'docker ps --quiet --filter label=berth.resource=${service} --filter status=paused | xargs --no-run-if-empty docker unpause'
TimeoutStartSec=${deadlineSeconds}s
`,
        TIMER_UNIT: `[Unit]
${description}

[Timer]
OnCalendar=*-*-* 04:00:00
RandomizedDelaySec=30min
Persistent=true

[Install]
WantedBy=timers.target
`,
      },
      files: [path, `/etc/systemd/system/${unit}.service`, `/etc/systemd/system/${unit}.timer`],
      deadlineSeconds: 60,
      dependsOn,
    },
    opts,
  );
}
