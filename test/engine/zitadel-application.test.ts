import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applicationProvider } from "../../components/zitadel/application.ts";
import { type ApplicationInputs, provider } from "../../components/zitadel/application-provider.ts";
import { ProviderClient } from "../../lab/pulumi/engine/provider-client.ts";
import type { PropertyMap } from "../../lab/pulumi/engine/values.ts";
import { launchDynamicProvider } from "../../lab/pulumi/providers/plugin.ts";
import { stackCertificate } from "../../lab/stack/certificate.ts";
import { home } from "../unit/cloud-recording.ts";

/** What an application of Zitadel does where Zitadel's answers fail; that they are Zitadel's is test/lab/gadgetbot.test.ts. */

const domain = "auth.example.test";
let server: Server;
let inputs: ApplicationInputs;
/** Names by the path below which they were made, and what was asked. */
let made: string[];
let asked: string[];
/** What happens to the next requests, instead of their answer: `lost` acts first. */
let faults: ("lost" | 401 | 502)[];

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  const path = (request.url ?? "").replace("/management/v1", "");
  asked.push(`${request.method} ${path}`);
  const fault = faults.shift();
  if (typeof fault === "number") return void response.writeHead(fault).end("no");
  const reply = (value: object) =>
    fault === "lost" ? request.socket.destroy() : response.end(JSON.stringify(value));
  const wanted = JSON.parse(body || "{}") as { name?: string };
  if (path.endsWith("/_search")) {
    const kind = path.includes("/apps/") ? "app" : "project";
    const found = made
      .filter((each) => each.startsWith(`${kind} `))
      .map((each) => each.slice(kind.length + 1));
    return void reply({ result: found.map((name) => ({ id: "7", name, oidcConfig: { clientId: "77" } })) });
  }
  if (request.method !== "POST") {
    if (request.method === "PUT")
      return void response.writeHead(400).end('{"code":9,"message":"No changes"}');
    return void response.writeHead(404).end("{}");
  }
  made.push(`${path.endsWith("/oidc") ? "app" : "project"} ${wanted.name}`);
  reply({ id: "7", appId: "7", clientId: "77" });
}

beforeEach(async () => {
  const { chainPem, privateKeyPem } = await stackCertificate(home, "zitadel", [domain]);
  [made, asked, faults] = [[], [], []];
  server = createServer({ cert: chainPem, key: privateKeyPem }, (request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      body += part;
    });
    request.on("end", () => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  inputs = {
    ...{ domain, address: "127.0.0.1", port: (server.address() as AddressInfo).port, authorityPem: chainPem },
    ...{ token: "canary-of-the-token", project: "GadgetBot", application: "GadgetBot Web" },
    ...{ redirectUris: ["https://bot.example.test/callback"], postLogoutRedirectUris: [] },
  };
});
afterEach(() => server.close());

test("it is made once, though the answer is lost, and its project with it", async () => {
  faults = [502, "lost", "lost"];
  const { id, outs } = await provider.create(inputs);
  expect({ id, clientId: outs.clientId, projectId: outs.projectId }).toEqual({
    ...{ id: "7", clientId: "77", projectId: "7" },
  });
  expect(await provider.create(inputs)).toEqual({ id, outs });
  expect(made).toEqual(["project GadgetBot", "app GadgetBot Web"]);
});

test("one that has the name is taken over and told what is declared", async () => {
  made = ["project GadgetBot", "app GadgetBot Web"];
  expect((await provider.create(inputs)).outs.clientId).toBe("77");
  expect(made).toHaveLength(2);
  expect(asked.at(-1)).toBe("PUT /projects/7/apps/7/oidc_config");
});

test("one that is gone is made again; another redirect URI is an update, another name a replacement", async () => {
  const { outs } = await provider.create(inputs);
  expect(await provider.read("7", outs)).toEqual({ id: "", props: {} });
  expect(await provider.diff("7", outs, inputs)).toEqual({ changes: false, replaces: [] });
  expect(await provider.diff("7", outs, { ...inputs, redirectUris: [] })).toEqual({
    ...{ changes: true, replaces: [] },
  });
  const renamed = { ...inputs, application: "Another" };
  expect(await provider.diff("7", outs, renamed)).toEqual({ changes: true, replaces: ["application"] });
  expect((await provider.update("7", outs, inputs)).outs).toEqual(outs);
});

test("a token that is refused is named, and not shown", async () => {
  faults = [401];
  const said = await provider.create(inputs).catch(({ message }: Error) => message);
  expect(said).toMatch(/Zitadel refuses the token \(401 no\)\. Put another one in its place/);
  expect(said).not.toContain("canary");
});

test("Pulumi's host for dynamic providers finds it by the text that is registered", async () => {
  const folder = new URL("../..", import.meta.url).pathname;
  const client = new ProviderClient(await launchDynamicProvider(folder, () => undefined));
  try {
    const type = "pulumi-nodejs:dynamic/zitadel:Application";
    const target = { urn: `urn:pulumi:test::berth::${type}::application`, type, name: "application" };
    client.configure(target, "pulumi-nodejs", "id", {}, true);
    const { outs } = await provider.create(inputs);
    const registered = { ...inputs, __provider: applicationProvider };
    const kept = { ...outs, ...registered } as unknown as PropertyMap;
    const wanted = { ...registered, redirectUris: [] } as unknown as PropertyMap;
    const diff = await client.diff(
      target,
      "7",
      registered as unknown as PropertyMap,
      kept,
      wanted,
      [],
      false,
    );
    expect(diff?.changes).toBe("some");
  } finally {
    await client.close();
  }
});
