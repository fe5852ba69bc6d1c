import { existsSync } from "node:fs";
import { join } from "node:path";
import { labHome } from "../../lab/home.ts";
import { traefikVersion } from "../../lab/images/tools.ts";

/**
 * The reason why the tests of Traefik are skipped, undefined if they run. A build server has 30 minutes for everything, of which Traefik's
 * first build takes 6 to 16; everywhere else it is built, once.
 */
export const traefikLeftOut: string | undefined =
  process.env.CI === undefined ||
  existsSync(join(labHome(process.env).cacheDir, "tools", `traefik-${traefikVersion}`))
    ? undefined
    : `Traefik ${traefikVersion} is not built on this build server; build it once: npx vitest run --project lab test/lab/images.test.ts`;
if (traefikLeftOut !== undefined) console.log(`skipped: ${traefikLeftOut}`);
