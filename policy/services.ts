import type { SystemConfig } from "../config.ts";

/** Every service of the given systems, with its system and its host. */
export function services(systems: Readonly<Record<string, SystemConfig>>) {
  return Object.values(systems).flatMap(({ definition, host, settings }) =>
    definition.services(settings).map((service) => ({ system: definition.name, host, service })),
  );
}
