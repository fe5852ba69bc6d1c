import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parse } from "yaml";

/**
 * The program `/app/zitadel`: `setup` and `start`, with settings by variables or by files (cmd/key/master_key.go, cmd/start/flags.go,
 * cmd/setup/setup.go).
 */

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    masterkeyFile: { type: "string" },
    tlsMode: { type: "string", default: "enabled" },
    config: { type: "string", multiple: true, default: [] },
    steps: { type: "string", multiple: true, default: [] },
  },
});

function fail(message: string): never {
  console.error(`zitadel: ${message}`);
  process.exit(1);
}

/** A setting of files by its path, of the last one that has it. */
function fromFiles(files: readonly string[], ...path: readonly string[]): unknown {
  return files
    .map((file) =>
      path.reduce<unknown>(
        (value, key) => (value as Record<string, unknown> | undefined)?.[key],
        parse(readFileSync(file, "utf8")),
      ),
    )
    .findLast((value) => value !== undefined);
}

const part = (name: string) => process.env[`ZITADEL_DATABASE_POSTGRES_${name}`] ?? "";

function connection(): string {
  const url = new URL(`postgresql://${part("HOST")}:${part("PORT")}/${part("DATABASE")}`);
  url.username = encodeURIComponent(part("USER_USERNAME"));
  const password = fromFiles(values.config, "Database", "postgres", "User", "Password");
  url.password = encodeURIComponent(String(password ?? part("USER_PASSWORD")));
  url.searchParams.set("sslmode", part("USER_SSL_MODE"));
  if (part("USER_SSL_ROOTCERT") !== "") url.searchParams.set("sslrootcert", part("USER_SSL_ROOTCERT"));
  return url.href;
}

const [phase = ""] = positionals;
if (!["setup", "start"].includes(phase)) fail(`unknown command "${phase}"`);
if (values.masterkeyFile === undefined) fail("no master key: --masterkeyFile");
const masterKey = readFileSync(values.masterkeyFile, "utf8");
if (Buffer.byteLength(masterKey) !== 32)
  fail(`masterkey must be 32 bytes, but is ${Buffer.byteLength(masterKey)}`);
process.env.ZITADEL_MASTERKEY = masterKey;
process.env.ZITADEL_DATABASE_POSTGRES_DSN ??= connection();

if (phase === "setup") {
  await import("../../server/migrations.ts");
  if (!process.exitCode) {
    const { firstInstance } = await import("./first-instance.ts");
    await firstInstance((...path) => fromFiles(values.steps, "FirstInstance", ...path)).catch(
      (error: unknown) => fail(`setup: ${error instanceof Error ? error.message : String(error)}`),
    );
  }
} else {
  if (values.tlsMode !== "external")
    fail(`--tlsMode ${values.tlsMode}: the stand-in has no certificate; use external`);
  process.env.PORT = process.env.ZITADEL_PORT ?? "8080";
  await import("../../server/main.ts");
}
