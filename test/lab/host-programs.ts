import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PostgresTestServer } from "./postgres-server.ts";

/** What tests of an operator's database commands put in the place of a host. */

/** Puts a script in a folder of the PATH, in the place of a program. */
export async function program(folder: string, name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/bash\nset -euo pipefail\n${text}`);
  await chmod(join(folder, name), 0o755);
}

/** Names of a system's databases on a server: the running one, copies, and what was replaced. */
export async function databasesOf(server: PostgresTestServer, system: string): Promise<string[]> {
  const found = await server.query(
    `SELECT datname FROM pg_database WHERE datname LIKE '${system}%' ORDER BY 1`,
  );
  return found.map(({ datname }) => String(datname));
}
