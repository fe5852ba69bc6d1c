import { Registry, registryRoutes } from "../components/data/registry.ts";
import { registrySettings } from "../components/data/settings.ts";
import { defineSystem } from "../components/declaration.ts";

/** A registry for the images of the other systems: they are `<its domain>/<name>` in `berth:images`. */
export const registry = defineSystem({
  name: "registry",
  secrets: {},
  settings: { server: registrySettings({ image: "registry", memoryMebibytes: 256 }) },
  servesImages: true,
  routes: (domain, { server }) => ({ server: registryRoutes(domain, server) }),
  build({ domain, services }) {
    const server = new Registry(services.server);
    return {
      services: { server: server.released },
      healthUrl: `https://${domain}/`,
      registry: server.served,
    };
  },
});
