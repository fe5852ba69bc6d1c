import { execaSync } from "execa";
import { readScript } from "../components/host/script.ts";

/** What a host says is wrong with the backups of a record, by the real jq. @param now in milliseconds */
export function backupProblemsOf(
  record: object,
  now = Date.now(),
): { alert: string; of: string; says: string }[] {
  const rules = readScript(import.meta.url, "../components/backup/scripts/problems.jq");
  const { stdout } = execaSync("jq", ["--argjson", "now", String(now / 1000), `${rules} [problems]`], {
    input: JSON.stringify(record),
  });
  return JSON.parse(stdout);
}
