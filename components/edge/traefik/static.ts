import { createHash } from "node:crypto";
import { edgePorts } from "../route.ts";
import { checkPort, containerDirectory, json, plugin, pluginModule } from "./parts.ts";

/**
 * How long an idle connection of a client stays open, in seconds: Traefik's own default. A new configuration closes none, so that there
 * is no reason for a shorter time, within which a client might send a request just as the connection is closed.
 */
const idleSeconds = 180;

/**
 * How long a client may take to send a request with its body, in seconds. Go's HTTP server has this one limit for all of it, where nginx has
 * 15 s for the header and 30 s between two reads of the body; Traefik has it for an entry point alone (pkg/server/server_entrypoint_tcp.go,
 * ReadTimeout), and no writer that leads a plugin to the connection. So it is what the longest request needs: a layer of an image,
 * 4 GiB over 10 Mbit/s.
 */
const requestSeconds = 3600;

/**
 * What Traefik reads when it starts, as JSON, which is YAML too. The API answers on loopback alone, so that a switch can read what is
 * loaded. There is no dashboard, no other provider than the files, and nothing that calls home.
 */
export function renderStatic(): string {
  // Refused with 400: a prefix must not be got round by a slash that Traefik leaves alone and the service decodes.
  const http = {
    encodedCharacters: {
      allowEncodedSlash: false,
      allowEncodedBackSlash: false,
      allowEncodedNullCharacter: false,
    },
  };
  const entryPoint = (port: number) => ({
    address: `:${port}`,
    http,
    transport: {
      respondingTimeouts: { readTimeout: `${requestSeconds}s`, idleTimeout: `${idleSeconds}s` },
      // A stop waits for what is being answered, within the 10 s after which Docker kills.
      lifeCycle: { graceTimeOut: "8s" },
    },
  });
  const kept = [
    "ClientAddr",
    "DownstreamContentSize",
    "DownstreamStatus",
    "Duration",
    "OriginDuration",
    "OriginStatus",
    "RequestHost",
    "RequestMethod",
    "RequestPath",
    "RouterName",
    "ServiceAddr",
    "StartUTC",
  ];
  return json({
    global: { checkNewVersion: false, sendAnonymousUsage: false },
    entryPoints: {
      http: entryPoint(edgePorts.http),
      https: entryPoint(edgePorts.https),
      check: { address: `127.0.0.1:${checkPort}`, http, observability: { accessLogs: false } },
    },
    ping: { entryPoint: "check" },
    api: { dashboard: false },
    providers: {
      providersThrottleDuration: "100ms",
      file: { directory: `${containerDirectory}/dynamic`, watch: true },
    },
    log: { level: "WARN", noColor: true },
    // Written to standard output and sorted by name, which container/log.awk relies on.
    accessLog: {
      format: "json",
      fields: {
        defaultMode: "drop",
        names: Object.fromEntries(kept.map((name) => [name, "keep"])),
        headers: { defaultMode: "drop" },
      },
    },
    experimental: { abortOnPluginFailure: true, localPlugins: { [plugin]: { moduleName: pluginModule } } },
  });
}

/** Names what Traefik reads at its start alone: another digest is another edge. */
export function digestOf(...texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 12);
}
