import { renderTable } from "../components/table.ts";
import { renderBackupRecords } from "./backups.ts";
import { renderCertificates, renderDisks, renderMemory } from "./host-facts.ts";
import type { StackStatus } from "./status.ts";
import { renderWatch } from "./watch.ts";

/** The status for a terminal; ./status-page.ts shows the same in a browser. */
export function renderStatus(status: StackStatus): string {
  const parts = [
    `deploy lock: ${status.lock ?? "free"}; interrupted operations: ${status.pendingOperations}`,
    renderTable(
      ["host", "service", "image", "version", "age", "in state", "takes requests", "memory", "processor"],
      status.services.map((each) => [
        each.host,
        each.service,
        each.image,
        each.version,
        each.age,
        each.inState,
        each.routed ? "yes" : "no",
        each.memory,
        each.processor,
      ]),
    ),
    renderTable(
      ["service", "version", "deployment", "by", "age", "outcome", "slot", "note"],
      status.deployments.map((each) => [
        each.service,
        each.version,
        each.deployment,
        each.by,
        each.age,
        each.outcome,
        each.slot,
        each.note,
      ]),
    ),
    renderTable(
      ["host", "secret", "age"],
      status.secrets.map(({ host, secret, age: old, rotateAfterDays }) => [
        host,
        secret,
        rotateAfterDays === undefined ? old : `${old}: ROTATE IT, due after ${rotateAfterDays} days`,
      ]),
    ),
    renderTable(
      ["system", "health"],
      status.health.map(({ system, answer }) => [system, answer]),
    ),
    ...(status.answers.length === 0
      ? []
      : [
          renderTable(
            ["system", "of itself", "says"],
            status.answers.map(({ system, question, answer }) => [system, question, answer]),
          ),
        ]),
    renderMemory(status.memory),
    renderDisks(status.disks),
    renderCertificates(status.certificates),
    renderBackupRecords(status.backups, status.backupProblems),
    renderWatch(status.watch),
    ...status.dockerRestarts.map(
      (host) =>
        `${host}: Docker's settings have changed. Docker reads them when it restarts, which stops every service of the host for some ten seconds. When that is acceptable: npm run ops -- restart-docker ${host}`,
    ),
    ...(status.replaced.length === 0
      ? []
      : [
          renderTable(
            ["system", "database that a restore replaced, kept for 7 days"],
            status.replaced.map(({ system, database }) => [system, database]),
          ),
        ]),
    ...(status.sshAccess.length === 0
      ? []
      : [
          renderTable(
            ["SSH is open", "from", "for"],
            status.sshAccess.map(({ name, from, age: old, stale }) => [
              name,
              from,
              stale ? `${old}: FORGOTTEN, close it: npm run ops -- ssh-close` : old,
            ]),
          ),
        ]),
  ];
  return parts.join("\n\n");
}
