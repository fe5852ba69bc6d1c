import { createRequire, Module } from "node:module";
import type Dockerode from "dockerode";

/**
 * dockerode, without what takes half of its time to load and is needed by builds with BuildKit (gRPC) and engines over ssh alone: that is
 * loaded when it is called.
 */
const requireHere = createRequire(import.meta.url);
const requireOfDockerode = createRequire(requireHere.resolve("dockerode"));
for (const specifier of ["./session", "docker-modem/lib/ssh"])
  loadWhenCalled(requireOfDockerode.resolve(specifier));

export const Docker = requireHere("dockerode") as typeof Dockerode;

/** Of a module that is one function. */
function loadWhenCalled(path: string): void {
  let real: ((...args: unknown[]) => unknown) | undefined;
  const module = new Module(path);
  module.loaded = true;
  module.exports = (...args: unknown[]) => {
    if (real === undefined) {
      delete requireOfDockerode.cache[path];
      real = requireOfDockerode(path) as (...args: unknown[]) => unknown;
    }
    return real(...args);
  };
  requireOfDockerode.cache[path] = module;
}
