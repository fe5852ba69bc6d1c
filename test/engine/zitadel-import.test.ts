import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applicationType } from "../../components/zitadel/application.ts";
import type { ZitadelAccess } from "../../components/zitadel/management-api.ts";
import { stackCertificate } from "../../lab/stack/certificate.ts";
import type { Backend } from "../../ops/backend.ts";
import type { RunCommand } from "../../ops/run.ts";
import { applyPlan, readInstance, renderMade, systemZitadel } from "../../ops/zitadel.ts";
import { planImport } from "../../ops/zitadel-plan.ts";
import { home } from "../unit/cloud-recording.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";

/** How an import asks Zitadel where answers come in pages or fail; that they are Zitadel's is test/lab/gadgetbot.test.ts. */

const domain = "auth.example.test";
const token = "canary-of-the-token";
let server: Server;
let access: ZitadelAccess;
let authority: string;
/** Names of the projects, and what was asked with which size of page. */
let projects: string[];
let asked: string[];
/** How many projects Zitadel says that there are beside those that it lists. */
let hidden: number;

beforeEach(async () => {
  const { chainPem, privateKeyPem } = await stackCertificate(home, "zitadel-import", [domain]);
  [projects, asked, hidden, authority] = [[], [], 0, chainPem];
  server = createServer({ cert: chainPem, key: privateKeyPem }, (request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      body += part;
    });
    request.on("end", () => {
      const path = (request.url ?? "").replace("/management/v1", "");
      const { name, query } = JSON.parse(body) as {
        name?: string;
        query?: { offset: string; limit: number };
      };
      const reply = (value: object, status = 200) => response.writeHead(status).end(JSON.stringify(value));
      asked.push(query === undefined ? path : `${path} ${query.offset}+${query.limit}`);
      if (name === "refused") return reply({ code: 3, message: "Errors.Project.Invalid" }, 400);
      if (path === "/projects") return reply({ id: String(projects.push(name ?? "")) });
      if (!path.endsWith("/_search"))
        return reply({ appId: "7", clientId: "77", clientSecret: "canary-secret" });
      const found =
        path === "/projects/_search" ? projects.map((each, id) => ({ id: `${id}`, name: each })) : [];
      const [offset, limit] = [Number(query?.offset), query?.limit ?? 0];
      const details = { totalResult: String(found.length + (found.length > 0 ? hidden : 0)) };
      reply({ details, result: found.slice(offset, offset + limit) });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  access = { ...{ domain, address: "127.0.0.1", port, authorityPem: chainPem, token } };
});
afterEach(() => server.close());

const empty = { projects: [], applications: [], roles: [], grants: [] };
const project = (name: string, id = name) => ({ id, name }) as (typeof empty.projects)[number];
const application = {
  ...{ name: "web", projectId: "a", state: "APP_STATE_ACTIVE", oidcConfig: {} },
} as unknown as (typeof empty.applications)[number];
const declared = { project: "GadgetBot", application: "GadgetBot Web" };

test("a list is read to its end, page by page; one that is not whole is refused", async () => {
  projects = Array.from({ length: 101 }, (_, index) => `p${index}`);
  expect((await readInstance(access)).projects).toHaveLength(101);
  expect(asked.filter((each) => each.startsWith("/projects/_search"))).toEqual([
    ...["/projects/_search 0+100", "/projects/_search 100+100"],
  ]);
  hidden = 1;
  await expect(readInstance(access)).rejects.toThrow(/projects: 101 of 102 could be read\. Run the command/);
});

test("what is made is told with its client id, and never with the secret that Zitadel answers", async () => {
  const plan = planImport(
    { ...empty, projects: [project("a")], applications: [application] },
    empty,
    declared,
  );
  const made = await applyPlan(access, plan, empty);
  expect(asked).toEqual(["/projects", "/projects/1/apps/oidc"]);
  expect(renderMade(made)).toBe("made: project a\nmade: application web of a, client id 77");
  expect(JSON.stringify(made)).not.toContain("canary");
});

test("an import that Zitadel refuses in the middle says what, and what stays", async () => {
  const plan = planImport({ ...empty, projects: [project("a"), project("refused")] }, empty, declared);
  await expect(applyPlan(access, plan, empty)).rejects.toThrow(
    /^the project refused of refused could not be made: POST \S+\/projects: 400 .*Errors\.Project\.Invalid.*\n1 were made before it and stay/,
  );
});

const stack = resource("pulumi:pulumi:Stack", "berth-production", {
  outputs: { systems: { gadgetbot: { host: "main" } } },
});
const backendOf = (...more: Parameters<typeof deployment>[0]) =>
  ({
    ...{ stack: "production", description: "the stack production (pulumi)" },
    read: async () => deployment([stack, ...more]),
  }) as unknown as Backend;
const commands: string[] = [];
const onHost: RunCommand = async (command, args, { input }) => {
  commands.push([command, ...args, input].join(" "));
  return `${token}\n`;
};

test("where Zitadel is follows from the state; its token comes from the host and is on no argument list", async () => {
  const { port, authorityPem, ...rest } = access;
  const inputs = { ...rest, ...declared, port: Number(port), authorityPem: authority, token: "sealed" };
  const backend = backendOf(resource(applicationType, "gadgetbot-application", { inputs }));
  expect(await systemZitadel(backend, "gadgetbot", onHost)).toEqual({ access, declared });
  expect(commands.join("\n")).toContain("/var/lib/berth/written/gadgetbot_zitadel/berth.pat");
  expect(commands.join("\n")).not.toContain("canary");
  await expect(systemZitadel(backend, "mfa", onHost)).rejects.toThrow('no system "mfa" is deployed');
});

test("a stack that declares no application says why it cannot be asked, and what to do", async () => {
  await expect(systemZitadel(backendOf(), "gadgetbot", onHost)).rejects.toThrow(
    /the stack production \(pulumi\) declares no application at Zitadel for gadgetbot.*gadgetbot:app\.clientId.*Pulumi\.production\.yaml/,
  );
});
