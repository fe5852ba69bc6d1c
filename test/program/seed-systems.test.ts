import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { System } from "../../components/system.ts";
import { generateSecret } from "../../lab/stack/generated-secrets.ts";
import { connectedRepo } from "../../stacks/connected-repo.ts";
import { gadgetbot } from "../../stacks/gadgetbot.ts";
import { systems } from "../../stacks/index.ts";
import { mfa } from "../../stacks/mfa.ts";
import { microservices, sertantai } from "../../stacks/sertantai.ts";
import { routesOfTheSeeds } from "../unit/routes-of-the-seeds.ts";
import { completeConfig } from "./committed-config.ts";
import { runProgram } from "./support.ts";

/** The systems besides Togather, with their owners' values: services, secrets and routes of their files, and their registration. */
interface Seed {
  readonly definition: System;
  readonly routes: string;
  readonly domain: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly secrets: readonly string[];
  /** Name, image and memory limit of all tasks in MiB. */
  readonly services: readonly (readonly [name: string, image: string, memoryMebibytes: number])[];
}

/** Microservices that Sertantai got after its seed was written. */
const added = Object.keys(microservices).filter((name) => !["auth", "enforcement"].includes(name));
const seeds: readonly Seed[] = [
  {
    ...{ definition: mfa, routes: "mfa", domain: "mfa.drvn.be" },
    settings: {
      app: {
        version: "v1.0.0",
        programsBackend: "postgres_shadow_read",
        cacheAllowedFrom: ["203.0.113.0/24"],
      },
      postgres: { version: "16-alpine" },
      redis: { version: "7-alpine" },
    },
    secrets: [
      ...["airtableAccessToken", "airtableBaseId", "jwtSecret", "openaiApiKey", "smtpServer"],
      ...["smtpPort", "smtpUser", "smtpPassword", "smtpFrom"],
    ],
    services: [
      ["app", "mfa/app", 512],
      ["worker", "mfa/app", 256],
      ["postgres", "mfa/postgres", 512],
      ["redis", "mfa/redis", 256],
    ],
  },
  {
    ...{ definition: connectedRepo, routes: "connected-repo", domain: "api.connected-repo.example" },
    settings: {
      api: {
        version: "v1.0.0",
        googleClientId: "1234.apps.googleusercontent.com",
        allowedOrigins: ["https://app.connected-repo.example"],
        webappUrl: "https://app.connected-repo.example",
      },
      postgres: { version: "16" },
    },
    secrets: ["sessionSecret", "googleClientSecret"],
    services: [
      ["api", "connected-repo/api", 2048],
      ["postgres", "connected-repo/postgres", 512],
    ],
  },
  {
    ...{ definition: sertantai, routes: "sertantai", domain: "legal.sertantai.com" },
    settings: {
      ...Object.fromEntries(
        added.map((name) => [
          name,
          { version: "v1.0.0", domain: `${name}.sertantai.com`, databaseTls: "require" },
        ]),
      ),
      ...{ frontend: { version: "v1.0.0" }, electric: { version: "1.4.0" } },
      backend: { version: "v1.0.0", databaseTls: "require" },
      auth: { version: "v1.0.0", domain: "auth.sertantai.com", databaseTls: "require" },
      enforcement: { version: "v1.0.0", domain: "ehs-enforcement.sertantai.com", databaseTls: "require" },
      ...{ postgres: { version: "16" }, redis: { version: "7" } },
    },
    secrets: [
      ...["backendSecretKeyBase", "electricSecret", "authSecretKeyBase", "enforcementSecretKeyBase"],
      ...["enforcementGithubClientId", "enforcementGithubClientSecret", "enforcementTokenSigningSecret"],
      ...Object.keys(sertantai.secrets).filter((key) => added.some((name) => key.startsWith(name))),
    ],
    services: [
      ["frontend", "sertantai/frontend", 128],
      ["backend", "sertantai/backend", 384],
      ["electric", "sertantai/electric", 384],
      ["auth", "sertantai/auth", 384],
      ["enforcement", "sertantai/enforcement", 384],
      ...added.map((name) => [name, `sertantai/${name}`, 384] as const),
      ["postgres", "sertantai/postgres", 1024],
      ["redis", "sertantai/redis", 64],
    ],
  },
  {
    ...{ definition: gadgetbot, routes: "gadgetbot", domain: "gadgetbot.vellandi.net" },
    settings: {
      app: { version: "v1.0.0" },
      zitadel: { version: "v4.17.3", domain: "gadgetbot-auth.vellandi.net" },
      login: { version: "v4.17.3" },
      ...{ postgres: { version: "17" }, zitadeldb: { version: "17" } },
    },
    secrets: ["betterAuthSecret", "zitadelMasterkey", "zitadelAdminPassword"],
    services: [
      ["app", "gadgetbot/app", 512],
      ["zitadel", "gadgetbot/zitadel", 800],
      ["login", "gadgetbot/login", 256],
      ["postgres", "gadgetbot/postgres", 400],
      ["zitadeldb", "gadgetbot/postgres", 400],
    ],
  },
];

test("each of them can be configured", () => {
  const known = systems.map(({ name }) => name);
  for (const { definition } of seeds) expect(known).toContain(definition.name);
});

describe.each(seeds)("$routes", ({ definition, routes, domain, settings, secrets, services }) => {
  const parsed = definition.settings.parse(settings);

  test("consists of its services, images and memory", () => {
    const found = definition.services(parsed).map((each) => [each.name, each.image, each.memoryMebibytes]);
    expect(found).toEqual(services);
  });

  test("requires its secrets", () => {
    expect(Object.keys(definition.secrets)).toEqual(secrets);
  });

  // Limits are set by this file; paths, domains, ports and options come from the seeds.
  test("has the routes that its owner describes", () => {
    const bare = (list: readonly object[]) =>
      list.map((route) => {
        const { bodyLimitMebibytes, rateLimit, readTimeoutSeconds, ...rest } = route as Record<
          string,
          unknown
        >;
        return rest;
      });
    const described = Object.values(routesOfTheSeeds[routes] ?? {}).flat();
    const byPath = (one: Record<string, unknown>, other: Record<string, unknown>) =>
      `${one.domain}${one.path}`.localeCompare(`${other.domain}${other.path}`);
    const declared = definition
      .routes(domain, parsed)
      .filter((route) => !added.some((name) => route.domain === `${name}.sertantai.com`));
    expect(bare(declared).toSorted(byPath)).toEqual(bare(described).toSorted(byPath));
  });

  test("registers, with each secret in its envelope", async () => {
    const { name } = definition;
    const made = secrets.map((key): [string, string] => {
      const { format } = definition.secrets[key] ?? { format: { kind: "hex" as const, bytes: 1 } };
      if (format.kind === "host" || format.kind === "port" || format.kind === "address")
        return [`${name}:${key}`, generateSecret(format)];
      if (format.kind === "password") return [`${name}:${key}`, "Canary-password-1"];
      if (format.kind === "base64")
        return [`${name}:${key}`, Buffer.alloc(format.bytes, key).toString("base64")];
      return [
        `${name}:${key}`,
        `canary${key}`.padEnd(64, "0").slice(0, format.kind === "characters" ? format.length : 64),
      ];
    });
    const images = Object.fromEntries(
      services.map(([, image]) => [image, { repository: `registry.example/${image}` }]),
    );
    const { values } = completeConfig("staging");
    const hosts = JSON.parse(values["berth:hosts"] ?? "{}") as { main: object };
    // HTTP/2 to services depends on the kind of edge, which this test leaves out.
    const anyEdge: System = {
      ...definition,
      routes: (...about) => definition.routes(...about).map(({ protocol, ...route }) => route),
    };
    vi.doMock("../../stacks/index.ts", () => ({ systems: [anyEdge] }));
    try {
      const program = await runProgram(
        "staging",
        {
          ...Object.fromEntries(
            Object.keys(values)
              .filter((key) => key.startsWith("togather:"))
              .map((key) => [key, undefined]),
          ),
          "togather:jwtSecret": undefined,
          "togather:adminApiKey": undefined,
          "berth:dns": undefined,
          "berth:hosts": JSON.stringify({ main: { ...hosts.main, serverType: "cx33" } }),
          // Production has its own already.
          "berth:systems": JSON.stringify({ [name]: { host: "main", domain: `staging.${domain}` } }),
          "berth:images": JSON.stringify({ ...JSON.parse(values["berth:images"] ?? "{}"), ...images }),
          ...Object.fromEntries(
            Object.entries(settings).map(([key, value]) => [`${name}:${key}`, JSON.stringify(value)]),
          ),
          ...Object.fromEntries(made),
        },
        made.map(([key]) => key),
      );
      expect(program.error).toBeUndefined();
      const registered = program.registrations.filter(({ type }) => type === "docker:index/service:Service");
      const names = registered.map((each) => each.name).filter((each) => each !== "edge_nginx");
      expect(names.toSorted()).toEqual(services.map(([service]) => `${name}_${service}`).toSorted());
      const specifications = JSON.stringify(registered.map(({ inputs }) => inputs));
      for (const [, value] of made) if (value.length > 5) expect(specifications).not.toContain(value);
      // Zitadel keeps the application whatever becomes of its declaration, and the token is an envelope.
      const applications = program.registrations.filter(({ type }) => type.startsWith("pulumi-nodejs:"));
      expect(applications.map((each) => [each.name, each.retainOnDelete])).toEqual(
        name === "gadgetbot" ? [["gadgetbot-application", true]] : [],
      );
      for (const { inputs } of applications) {
        expect(inputs).toMatchObject({
          ...{ domain: "gadgetbot-auth.vellandi.net", project: "GadgetBot", application: "GadgetBot Web" },
          redirectUris: [`https://staging.${domain}/api/auth/callback/zitadel`],
          postLogoutRedirectUris: [`https://staging.${domain}`],
        });
        expect(JSON.stringify(inputs.token)).toContain("4dabf18193072939515e22adb298388d");
      }
    } finally {
      vi.doUnmock("../../stacks/index.ts");
    }
  });
});

test("what their images' drivers do not check of the database's server has to be acknowledged", () => {
  const { settings } = seeds[2] ?? {};
  const { error } = sertantai.settings.safeParse({ ...settings, backend: { version: "v1.0.0" } });
  expect(error && z.prettifyError(error)).toContain(
    "or acknowledge it: npx pulumi config set --path sertantai:backend.databaseTls require",
  );
});

test("variables that their images do not read are refused, with the alternative", () => {
  const problems = (definition: System, settings: object) => {
    const { error } = definition.settings.safeParse(settings);
    return error === undefined ? "" : z.prettifyError(error);
  };
  const [, , legal, bot] = seeds.map(({ settings }) => settings);
  const electric = { version: "1.4.0", environment: { ELECTRIC_SLOT_NAME: "x" } };
  expect(problems(sertantai, { ...legal, electric })).toContain(
    "is not read by ElectricSQL since 1.4, which names slot and publication by its stream; leave it out. Remove it: npx pulumi config rm --path sertantai:electric.environment.ELECTRIC_SLOT_NAME",
  );
  const app = { ...(bot?.app as object), clientId: "GadgetBot", environment: { ZITADEL_ISSUER: "x" } };
  const said = problems(gadgetbot, { ...bot, app });
  expect(said).toContain("is not what the app reads, which is ZITADEL_ISSUER_URL");
  expect(said).toContain("is not a client id; use the digits alone, as in 344936354465016579");
});
