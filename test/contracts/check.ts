/** Compares the lab's providers with the recordings where Docker or PostgreSQL is needed: see README.md. */
import { Command } from "commander";
import { isAccepted, said } from "./accepted.ts";
import { openBackend, type Places } from "./backends.ts";
import { contracts } from "./cases/index.ts";
import { readRecording } from "./files.ts";
import { compareLives } from "./lab.ts";

async function check(places: Places): Promise<void> {
  for (const type of contracts) {
    const backend = await openBackend(type.plugin, places);
    if (backend === undefined) {
      console.log(`left out: ${type.type} (say where its backend is)`);
      continue;
    }
    try {
      const found = await compareLives(type, readRecording(type.type), backend);
      const open = found.filter((each) => !isAccepted(each)).map(said);
      console.log(`${type.type}: ${open.length} differences, ${found.length - open.length} accepted`);
      for (const line of open) console.log(`  ${line}`);
      if (open.length > 0) process.exitCode = 1;
    } finally {
      await backend.close();
    }
  }
}

await new Command()
  .option("--docker <host>", "a Docker engine of its own that manages a Swarm: unix:///…")
  .option("--postgres <url>", "a PostgreSQL server of its own, as superuser: postgresql://…")
  .action(check)
  .parseAsync();
