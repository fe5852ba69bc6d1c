/**
 * Loaded before every command and before the program (`node --import ./scripts/fast-start.ts`), so that they start in half the time.
 *
 * - Node keeps what it has compiled, TypeScript's types stripped, in the user's cache folder; so does every process that a command starts
 *   (nodejs.org/api/module.html, "Module compile cache").
 * - Pulumi's SDK imports the TypeScript compiler and npm's dependency resolver, and uses them only to serialize the functions of a dynamic
 *   provider (`@pulumi/pulumi/runtime/closure`). Here each is loaded when it is first used.
 * - The SDK's runner maps every stack trace through source maps, and the SDK takes a trace for each promise. Node removes types in place,
 *   so the lines of a trace are right without.
 */
import { createRequire, enableCompileCache, Module } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

process.env.NODE_COMPILE_CACHE ??= join(
  process.env.BERTH_LAB_HOME ?? join(homedir(), ".cache", "berth"),
  "compiled",
);
enableCompileCache(process.env.NODE_COMPILE_CACHE);

const requireOfSdk = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));
for (const specifier of ["./typescript-shim.js", "@npmcli/arborist"])
  loadWhenUsed(requireOfSdk.resolve(specifier));
putInPlaceOf(requireOfSdk.resolve("source-map-support/register"), {});

/** Whoever requires the module gets an object that loads it when one of its properties is read. */
function loadWhenUsed(path: string): void {
  let real: object | undefined;
  const load = (): object => {
    if (real === undefined) {
      delete requireOfSdk.cache[path];
      real = requireOfSdk(path) as object;
    }
    return real;
  };
  // The SDK's helper for imports returns a module that has `__esModule` as it is, and copies the properties of any other.
  putInPlaceOf(
    path,
    new Proxy({}, { get: (_, name) => (name === "__esModule" ? true : Reflect.get(load(), name)) }),
  );
}

function putInPlaceOf(path: string, exports: object): void {
  const module = new Module(path);
  module.exports = exports;
  module.loaded = true;
  requireOfSdk.cache[path] = module;
}
