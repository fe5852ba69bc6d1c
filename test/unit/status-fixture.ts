import type { StackStatus } from "../../ops/status.ts";

/** A status with something in each part. */

export const saved = { ok: "2026-11-26T02:00:30Z", attempt: "2026-11-26T02:00:31Z", problem: "" };

export const status: StackStatus = {
  lock: "anna@laptop, process 17",
  pendingOperations: 3,
  disks: [{ host: "main", mountPoint: "/mnt/data", sizeMebibytes: 40960, freeMebibytes: 30720 }],
  memory: [{ host: "main", sizeMebibytes: 3814, usedMebibytes: 1200, limitsMebibytes: 2560 }],
  certificates: [{ host: "main", domain: "togather.example", expires: "2027-01-20T00:00:00Z" }],
  dockerRestarts: ["main"],
  services: [
    {
      ...{ host: "main-docker", service: "togather_app-1a2b3c4", image: "registry/togather/app@sha256:12" },
      ...{
        version: "v1.2.0 (0123456)",
        age: "3 h 2 min",
        inState: "yes",
        routed: true,
        memory: "181MiB / 512MiB",
        processor: "12.50%",
      },
    },
  ],
  deployments: [
    {
      ...{
        service: "togather_app",
        version: "v1.2.0",
        deployment: "dep-42",
        by: "anna@laptop",
        age: "5 min",
      },
      ...{ outcome: "success", slot: "togather_app-1a2b3c4", note: "" },
    },
  ],
  secrets: [{ host: "main-docker", secret: "togather-jwt", age: "400 days", rotateAfterDays: 35 }],
  answers: [{ system: "mfa", question: "queue", answer: "12 jobs" }],
  health: [{ system: "togather", answer: '{"status":"ok"}' }],
  replaced: [{ system: "togather", database: "togather_replaced_1" }],
  backups: [
    {
      of: "togather",
      host: "main",
      problems: [],
      backup: { attempt: "2026-11-26T02:00:32Z", problem: "" },
      sources: { "database togather_postgres/togather": { ...saved, id: "1a2b3c4d", bytes: 204877 } },
      drills: {
        "database togather_postgres/togather": {
          ...saved,
          id: "5e6f7a8b",
          rows: 19318,
          rpoSeconds: 7201,
          rtoSeconds: 13,
        },
      },
    },
  ],
  backupProblems: ["backup of the state of production is STALE"],
  watch: [
    {
      ...{ host: "main", runs: true, tells: ["slack"], undelivered: null },
      alerts: [
        { alert: "memory", of: "main", value: "91 %", threshold: "85 %", since: "2026-11-26T04:00:00Z" },
      ],
    },
  ],
  sshAccess: [{ name: "ssh-production-1", from: "203.0.113.7/32", age: "2 h 0 min", stale: true }],
};
