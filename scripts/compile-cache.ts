import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Node keeps what it has compiled, TypeScript's types stripped, in the user's cache folder: `node --import ./scripts/compile-cache.ts`. A
 * command needs half the processor time to start, and so does every process that it starts (nodejs.org/api/module.html, "Module compile
 * cache").
 */
process.env.NODE_COMPILE_CACHE ??= join(
  process.env.BERTH_LAB_HOME ?? join(homedir(), ".cache", "berth"),
  "compiled",
);
enableCompileCache(process.env.NODE_COMPILE_CACHE);
