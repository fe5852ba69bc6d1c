/** An `up` of the program without a resource, as a command of its own: what an engine costs by itself. The argument is the engine. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPulumiEngine } from "../../commands/pulumi-engine.ts";
import { createEngine } from "../../pulumi/engine/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bench-empty-"));
const home = { name: "bench", cacheDir: folder, stateDir: folder, subnet: "", gateway: "" };
const engine =
  process.argv[2] === "pulumi"
    ? createPulumiEngine(home, [])
    : createEngine({
        launch: () => {
          throw new Error("the empty program asks for no provider");
        },
      });
try {
  const { ok, diagnostics } = await engine.up({
    projectDir: join(import.meta.dirname, "program"),
    project: "empty",
    stack: "dev",
    config: {},
    secretKeys: [],
    stateFile: join(folder, "state.json"),
    passphrase: "bench",
    owner: "bench@lab",
  });
  if (!ok) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
} finally {
  rmSync(folder, { recursive: true });
}
