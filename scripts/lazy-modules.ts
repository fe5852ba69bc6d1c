/**
 * What a command and the program need not load, look up or do:
 *
 * - A file of Berth is imported by its path, so Node need not look for it, its real path and the package.json that says its format.
 * - Pulumi's SDK imports what Berth does not use: the automation API, exporters of traces, and, to serialize functions of dynamic providers,
 *   the TypeScript compiler and npm's dependency resolver. Here each is loaded when it is first used.
 * - The SDK's runner attaches V8's debugger for its whole life, so that an error about a function that cannot be serialized names its file
 *   (`@pulumi/pulumi/runtime/closure/v8Hooks`). That sets a flag of V8, with which Node's compile cache is not valid. Here that happens when
 *   the first function is serialized, and the error lacks the file.
 * - The SDK takes a stack trace for each promise of its own, which it prints only where PULUMI_DEBUG_PROMISE_LEAKS asks for it.
 * - Its runner maps every stack trace through source maps. Node removes types in place, so the lines of a trace are right without.
 * - zod compiles every schema before it parses with it, which takes longer than the few values that each one sees (zod.dev, `jitless`).
 */
import { createRequire, Module, registerHooks } from "node:module";
import { config } from "zod";

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith(".") && specifier.endsWith(".ts") && context.parentURL !== undefined
      ? { url: new URL(specifier, context.parentURL).href, format: "module-typescript", shortCircuit: true }
      : next(specifier, context),
});

config({ jitless: true });

type Exports = Readonly<Record<string, (...args: unknown[]) => unknown>>;
const requireOfSdk = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));

/** A module of the SDK, or of a package that the SDK requires. */
class SdkModule {
  readonly #path: string;
  #real: Exports | undefined;

  constructor(specifier: string) {
    this.#path = requireOfSdk.resolve(specifier);
  }

  get isLoaded(): boolean {
    return this.#real !== undefined;
  }

  load(): Exports {
    if (this.#real === undefined) {
      delete requireOfSdk.cache[this.#path];
      this.#real = requireOfSdk(this.#path) as Exports;
    }
    return this.#real;
  }

  /** What is required from now on. The SDK's helper for imports copies the properties of a module, unless it has `__esModule`. */
  replaceBy(exports: object): void {
    const module = new Module(this.#path);
    module.exports = exports;
    module.loaded = true;
    requireOfSdk.cache[this.#path] = module;
  }

  /** Replaces its functions by ones that load it when they are called. */
  loadWhenCalled(names: readonly string[], others: Partial<Exports> = {}): void {
    const callers = names.map((name) => [name, (...args: unknown[]) => this.load()[name]?.(...args)]);
    this.replaceBy({ __esModule: true, ...Object.fromEntries(callers), ...others });
  }

  /** Replaces it by an object that loads it when a property is read. */
  loadWhenRead(): void {
    const get = (_: object, name: string | symbol) => name === "__esModule" || Reflect.get(this.load(), name);
    this.replaceBy(new Proxy({}, { get }));
  }
}

new SdkModule("./typescript-shim.js").loadWhenRead();
new SdkModule("./automation/index.js").loadWhenRead();
new SdkModule("./runtime/closure/serializeClosure.js").loadWhenCalled([
  "serializeFunction",
  "serializeFunctionAsync",
]);
new SdkModule("./runtime/closure/codePaths.js").loadWhenCalled(["computeCodePaths"]);
new SdkModule("./runtime/closure/v8Hooks.js").loadWhenCalled(["getSessionAsync", "getScriptUrl"], {
  isInitializedAsync: async () => undefined,
});
new SdkModule("source-map-support/register").replaceBy({});
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS) {
  const debuggable = new SdkModule("./runtime/debuggable.js");
  debuggable.loadWhenCalled(["errorString", "leakedPromises", "promiseDebugString"], {
    debuggablePromise(...promise) {
      const { stackTraceLimit } = Error;
      Error.stackTraceLimit = 0;
      try {
        return debuggable.load().debuggablePromise?.(...promise);
      } finally {
        Error.stackTraceLimit = stackTraceLimit;
      }
    },
  });
}
// It traces what comes after `start`, which the runner calls where it was asked to.
const tracing = new SdkModule("./cmd/run/tracing.js");
const noSpan = { addEvent() {}, setAttribute() {}, end() {} };
tracing.loadWhenCalled(["start", "stop"], {
  newSpan: (name) => (tracing.isLoaded ? tracing.load().newSpan?.(name) : noSpan),
});
