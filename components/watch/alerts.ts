import { ComponentResource, type ComponentResourceOptions, type Output } from "@pulumi/pulumi";
import { hostCommand, installedScript, readScript } from "../host/command.ts";
import { shellQuote } from "../host/connection.ts";
import type { Host } from "../host/host.ts";
import { hostPaths } from "../host/paths.ts";
import { type AlertSecret, type AlertsConfig, channels } from "./alerts-config.ts";

export interface AlertsArgs {
  readonly host: Host;
  readonly stack: string;
  readonly config: AlertsConfig;
  /** Those that the configuration needs. */
  readonly secrets: Readonly<Partial<Record<AlertSecret, Output<string>>>>;
  /** Whose certificates the host's edge serves. */
  readonly domains: readonly string[];
}

/** Installing monit, and one message on each way. */
const deadlineSeconds = 300;

/**
 * Watches a host and tells when something is wrong: memory, disks, services that restart or near their memory limit, failed deployments,
 * certificates, backups and drills, connections and replication slots of Postgres. monit runs the checks and says when one fails; what is
 * wrong is told once on each way (e-mail, Slack, Discord, ntfy), once a day while it lasts, and when it is over. A heartbeat tells the
 * outside that all of this still runs. An `up` that declares or changes it sends one message on each way, so that one that cannot be used
 * fails that run. Nothing listens on a port. Removing it takes everything but monit's package from the host.
 *
 * Why monit, and what it does not do: docs/decisions/0024-alerts.md. What to do when: docs/runbooks/alerts.md.
 */
export class Alerts extends ComponentResource {
  constructor(name: string, args: AlertsArgs, opts?: ComponentResourceOptions) {
    super("berth:watch:Alerts", name, {}, opts);
    const { host, config, secrets } = args;
    const parameters = watchParameters({ ...args, hostName: host.name });
    hostCommand(
      `${name}-watch`,
      {
        connection: host.connection,
        script: readScript(import.meta.url, "./scripts/install.sh"),
        removeScript: readScript(import.meta.url, "./scripts/remove.sh"),
        parameters: {
          SCRIPT: installedScript(parameters, watchScript(), "arguments and input"),
          SCRIPT_PATH: hostPaths.watchScript,
          SETTINGS: hostPaths.alerts,
          MONITRC: monitrc(config),
          UNIT_TEXT: unit,
          STATE: hostPaths.watch,
          AUTHORITY: config.trustedAuthorityPem ?? "",
        },
        secrets: {
          EMAIL_PASSWORD: secrets.alertsEmailPassword ?? "",
          SLACK_URL: secrets.alertsSlackUrl ?? "",
          DISCORD_URL: secrets.alertsDiscordUrl ?? "",
          NTFY_URL: secrets.alertsNtfyUrl ?? "",
          HEARTBEAT_URL: secrets.alertsHeartbeatUrl ?? "",
        },
        deadlineSeconds,
        dependsOn: [host.ready],
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** Body of the script on the host: scripts/main.sh says what can be asked of it. */
export function watchScript(): string {
  const own = ["checks", "send", "tell", "main"].map((file) =>
    readScript(import.meta.url, `./scripts/${file}.sh`),
  );
  const rules = { backup_rules: "../backup/scripts/problems.jq", tell_rules: "./scripts/tell.jq" };
  const texts = Object.entries(rules).map(
    ([name, path]) => `${name}=${shellQuote(readScript(import.meta.url, path))}`,
  );
  return [...texts, ...own].join("\n");
}

/** What that script is told. */
export function watchParameters({
  hostName,
  stack,
  config,
  domains,
}: Pick<AlertsArgs, "stack" | "config" | "domains"> & { readonly hostName: string }) {
  const { email } = config;
  return {
    HOST: hostName,
    STACK: stack,
    SETTINGS: hostPaths.alerts,
    STATE: hostPaths.watch,
    CHANNELS: channels.filter((channel) => config[channel]).join(" "),
    EMAIL_SERVER: email?.server ?? "",
    EMAIL_USER: email?.user ?? "",
    EMAIL_FROM: email?.from ?? "",
    EMAIL_TO: (email?.to ?? []).join("\n"),
    TRUSTS: config.trustedAuthorityPem === undefined ? "" : `${hostPaths.alerts}/authority.pem`,
    RUNBOOK: `${config.runbooks}/alerts.md`,
    MEMORY_PERCENT: config.memoryPercent,
    DISK_PERCENT: config.diskPercent,
    SERVICE_MEMORY_PERCENT: config.serviceMemoryPercent,
    RESTART_MINUTES: config.restartMinutes,
    CERTIFICATE_DAYS: config.certificateDays,
    CONNECTIONS_PERCENT: config.connectionsPercent,
    REPLICATION_MEBIBYTES: config.replicationMebibytes,
    REMIND_SECONDS: 86_400,
    DOMAINS: domains.join("\n"),
    DATA_VOLUME: hostPaths.dataVolume,
    DEPLOYMENTS: hostPaths.deployments,
    BACKUP_RECORDS: hostPaths.backupRecords,
    SOCKETS: hostPaths.socket(""),
  };
}

/** Programs of {@link watchScript} that monit runs, in this order, and in how many of its cycles each. */
const checks = { disks: 1, services: 1, deployments: 1, postgres: 1, certificates: 10, backups: 5 } as const;
/** monit kills what takes longer. */
const programSeconds = 50;

/**
 * The control file of monit. Its cycle is a minute; memory must be short for five of them, what a program says must hold for two, so that
 * a build or a server that restarts is no alert.
 * @param cycleSeconds shorter in tests
 */
export function monitrc(config: AlertsConfig, cycleSeconds = 60): string {
  const { memoryPercent, heartbeatMinutes } = config;
  const program = (name: string, verb: string, cycles: number, failures: number) => [
    `check program ${name} with path "${hostPaths.watchScript} ${verb}" with timeout ${programSeconds} seconds`,
    ...(cycles === 1 ? [] : [`  every ${cycles} cycles`]),
    `  if status != 0${failures === 1 ? "" : ` for ${failures} cycles`} then alert`,
  ];
  return [
    `set daemon ${cycleSeconds}`,
    "set pidfile /run/berth-watch/monit.pid",
    `set idfile ${hostPaths.watch}/monit.id`,
    `set statefile ${hostPaths.watch}/monit.state`,
    "set httpd unixsocket /run/berth-watch/monit.socket permission 0600 allow localhost",
    "check system host",
    `  if memory usage > ${memoryPercent} % for 5 cycles then alert`,
    ...Object.entries(checks).flatMap(([name, cycles]) =>
      program(name, `look ${name}`, cycles, cycles === 1 ? 2 : 1),
    ),
    ...program("messages", "tell", 1, 5),
    ...(heartbeatMinutes === undefined ? [] : program("heartbeat", "heartbeat", heartbeatMinutes, 1)),
    "",
  ].join("\n");
}

/** Of systemd. */
export const unit = `[Unit]
Description=Watches this host and tells when something is wrong
After=docker.service network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/bin/monit -I -c ${hostPaths.alerts}/monitrc
Restart=always
RestartSec=10
RuntimeDirectory=berth-watch
RuntimeDirectoryMode=0700
Nice=10

[Install]
WantedBy=multi-user.target
`;
