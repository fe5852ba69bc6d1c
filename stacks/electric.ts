import { z } from "zod";
import { postgresStatus } from "../components/data/postgres.ts";
import type { SettingsProblem } from "../components/declaration.ts";
import { appSettings } from "../components/release/settings.ts";

/** ElectricSQL, as a service of a system. Source of names and defaults: its packages/sync-service/config/runtime.exs. */

const streamNames =
  "is not read by ElectricSQL since 1.4, which names slot and publication by its stream; leave it out";

const stream = z.strictObject({ streamId: z.string() });

/** Settings of one ElectricSQL server; `streamId` names its replication slot (`electric_slot_<id>`), which is unique on a Postgres server. */
export function electricSettings(declared: {
  /** Key of its image in `berth:images`. */
  readonly image: string;
  readonly memoryMebibytes: number;
  /** Key of its ELECTRIC_SECRET among the system's secrets. */
  readonly secret: string;
  readonly streamId: string;
}) {
  const { image, memoryMebibytes, secret, streamId } = declared;
  const settings = appSettings(
    {
      ...{ image, memoryMebibytes, port: 3000 },
      variables: { ELECTRIC_PORT: "port", ELECTRIC_REPLICATION_STREAM_ID: "streamId" },
      refused: {
        ...{ ELECTRIC_SLOT_NAME: streamNames, ELECTRIC_PUBLICATION_NAME: streamNames },
        ELECTRIC_INSECURE: "lets everybody read every table without ELECTRIC_SECRET; leave it out",
        ELECTRIC_STORAGE_DIR: "is set by Berth, which keeps that folder; leave it out",
        HTTP_PORT: "is not read by ElectricSQL since 1.0, whose port follows the setting port; leave it out",
      },
      secrets: { ELECTRIC_SECRET: secret },
      // It knows no verify-full in a URL, and verifies by this file (lib/electric/config.ex, parse_url_query).
      connection: { DATABASE_URL: "url", ELECTRIC_DATABASE_CA_CERTIFICATE_FILE: "authorityFile" },
      databaseTls: { mode: "verify-full", urlParameters: { sslmode: "require" } },
      // While it waits for the replication slot it answers 202, which curl takes for healthy (lib/electric/plug/health_check_plug.ex).
      healthFields: { status: "active" },
    },
    {
      streamId: z
        .string()
        .regex(/^[a-z_][a-z0-9_]{0,40}$/, "is invalid; use lower-case letters, digits and _, as in legal")
        .default(streamId),
    },
  );
  return {
    ...settings,
    problems(own: { readonly streamId: string; readonly replicas: number }, key: string, all: object) {
      const problems: SettingsProblem[] = [
        ...(settings.problems?.(own as never, key as never, all as never) ?? []),
      ];
      const [, name] = key.split(":");
      const other = Object.entries(all).find(
        ([service, about]) =>
          service !== name && stream.loose().safeParse(about).data?.streamId === own.streamId,
      );
      if (other !== undefined)
        problems.push({
          ...{ path: ["streamId"], input: own.streamId },
          message: `is ${key.replace(/:.*/, "")}:${other[0]}'s too, and two servers would wait for one replication slot, electric_slot_${own.streamId}; use another one`,
        });
      if (own.replicas > 1)
        problems.push({
          ...{ path: ["replicas"], input: own.replicas },
          message: "is too many: one task holds the replication slot and the others would wait for it; use 1",
        });
      return problems;
    },
  } as typeof settings;
}

/** What the status says of a Postgres server's replication slots: one that nobody streams keeps the server's log, and fills its disk. */
export const replicationStatus = (postgres: string) =>
  postgresStatus(
    postgres,
    "replication slots",
    "SELECT slot_name || CASE WHEN active THEN ': streams' ELSE ': nobody streams it, it keeps ' || pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) END FROM pg_replication_slots WHERE slot_type = 'logical' ORDER BY slot_name",
  );

/** What WebService needs to know of it, beside database and networks. */
export const electric = {
  command: ["/app/bin/entrypoint", "start"],
  secretsAs: "variables",
  health: { tool: "curl", path: "/v1/health" },
  // Two of them would wait for one replication slot.
  order: "stop-first",
  // Its shapes stay when it is replaced, so that clients go on where they were. Its image runs as root, which may write there too.
  keeps: { path: "/app/persistent", uid: 65_534 },
  environment: { ELECTRIC_STORAGE_DIR: "/app/persistent" },
} as const;
