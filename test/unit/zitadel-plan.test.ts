import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Configuration, parseConfiguration, writeConfiguration } from "../../ops/zitadel-file.ts";
import { type Plan, planImport, renderPlan } from "../../ops/zitadel-plan.ts";

/** What an import into Zitadel does; that Zitadel takes it is test/lab/gadgetbot.test.ts. */

const parse = (content: object) => parseConfiguration(JSON.stringify(content), "export.json");
const declared = { project: "GadgetBot", application: "GadgetBot Web" };
const empty: Configuration = { projects: [], applications: [], roles: [], grants: [] };
const project = { id: "1", name: "GadgetBot" };
const web = { id: "2", name: "GadgetBot Web", projectId: "1", oidcConfig: { clientId: "3" } };
const does = ({ steps }: Plan) => steps.map((step) => [step.does, step.kind, step.name, step.note].join("|"));

/** As zitadel/export.json of github.com/mvellandi/gadgetbot is: an older Zitadel's, with its own project, without project ids. */
const ownersFile = {
  exportedAt: "2025-10-29T11:36:11.717Z",
  projects: [
    { id: "344181831807167235", details: { sequence: "1" }, name: "ZITADEL", state: "PROJECT_STATE_ACTIVE" },
    {
      id: "344183668895410947",
      details: { sequence: "1" },
      name: "GadgetBot",
      state: "PROJECT_STATE_ACTIVE",
    },
  ],
  applications: [
    {
      ...{ id: "344181831807232771", state: "APP_STATE_ACTIVE", name: "Management-API" },
      apiConfig: {
        clientId: "344181833585421059@zitadel",
        authMethodType: "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT",
      },
    },
    {
      ...{ id: "344183822574709507", state: "APP_STATE_ACTIVE", name: "GadgetBot Web" },
      oidcConfig: {
        redirectUris: ["http://localhost:3000/api/auth/callback/zitadel"],
        responseTypes: ["OIDC_RESPONSE_TYPE_CODE"],
        grantTypes: ["OIDC_GRANT_TYPE_AUTHORIZATION_CODE", "OIDC_GRANT_TYPE_REFRESH_TOKEN"],
        ...{ clientId: "344183822574775043@gadgetbot", authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE" },
        postLogoutRedirectUris: ["http://localhost:3000"],
        ...{ devMode: true, clockSkew: "0s", allowedOrigins: ["http://localhost:3000"] },
      },
    },
  ],
  roles: [{ key: "admin", displayName: "Administrator" }],
  grants: [{ grantId: "1", grantedOrgId: "344181831807101699", grantedRoleKeys: ["admin"] }],
};

describe("an import", () => {
  test("of the owner's file makes the project, the role by its own field, and the application with its method", () => {
    const plan = planImport(parse(ownersFile), empty, { project: "Another", application: "Another Web" });
    expect(does(plan)).toEqual([
      "leave out|project|ZITADEL|Zitadel's own, which each instance has, with its 1 applications and roles",
      "create|project|GadgetBot|",
      "create|role|admin|",
      "create|application|GadgetBot Web|",
    ]);
    expect(plan.steps.map(({ creation }) => creation)).toEqual([
      undefined,
      expect.objectContaining({ path: "/projects" }),
      { path: "/roles", body: { roleKey: "admin", displayName: "Administrator", group: "" } },
      { path: "/apps/oidc", body: expect.objectContaining({ authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE" }) },
    ]);
    const sent = JSON.stringify(plan.steps.at(-1)?.creation);
    for (const left of ["details", "clientId", "allowedOrigins", "344183822574709507"])
      expect(sent).not.toContain(left);
    expect(renderPlan(plan)).toContain("3 to create, 0 kept as they are, 1 left out\n1 grant left out:");
  });

  test("never touches the application that Berth declares, nor changes what is there: it names the fields", () => {
    const other = { ...web, name: "Other", oidcConfig: { redirectUris: ["https://a/", "https://b/"] } };
    const role = { key: "admin", displayName: "Administrator", projectId: "1" };
    const file = parse({
      projects: [{ ...project, projectRoleCheck: true }],
      applications: [{ ...web, oidcConfig: { devMode: true } }, other],
      roles: [role],
    });
    const there = parse({
      projects: [{ ...project, id: "9" }],
      applications: [
        { ...web, projectId: "9" },
        {
          ...other,
          projectId: "9",
          oidcConfig: { redirectUris: ["https://b/", "https://a/"], clientId: "7" },
        },
      ],
      roles: [{ ...role, projectId: "9", displayName: "Admin" }],
    });
    expect(does(planImport(file, there, declared))).toEqual([
      "keep|project|GadgetBot|stays as it is; the file has another projectRoleCheck",
      "keep|role|admin|stays as it is; the file has another displayName",
      "keep|application|GadgetBot Web|declared by Berth",
      "keep|application|Other|",
    ]);
    const api = parse({
      projects: [project],
      applications: [{ ...other, oidcConfig: undefined, apiConfig: {} }],
    });
    expect(does(planImport(api, there, declared)).at(-1)).toMatch(
      /the file has another kind, authMethodType/,
    );
  });

  test("says what an application needs afterwards, and leaves out what it cannot make", () => {
    const app = (name: string, more: object) => ({ name, projectId: "1", ...more });
    const file = parse({
      projects: [project, { id: "5", name: "Old", state: "PROJECT_STATE_INACTIVE" }],
      applications: [
        app("Basic", { oidcConfig: {} }),
        app("Key", { apiConfig: { authMethodType: "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT" } }),
        app("SAML", { samlConfig: { metadataXml: "PHNhbWw+" } }),
        app("Gone", { oidcConfig: {}, state: "APP_STATE_INACTIVE" }),
        { ...app("Within", { oidcConfig: {} }), projectId: "5" },
      ],
    });
    expect(does(planImport(file, empty, declared))).toEqual([
      "create|project|GadgetBot|",
      "create|application|Basic|make its secret in the console, where it is shown once",
      "create|application|Key|give it a key in the console",
      "leave out|application|SAML|of SAML: make it in the console, with its metadata",
      "leave out|application|Gone|not active where it comes from",
      "leave out|project|Old|not active where it comes from, with its 1 applications and roles",
    ]);
  });

  test("a secret in a file, or in what Zitadel answers, is not written again", () => {
    const secret = { clientSecret: "canary-of-a-secret" };
    const file = parse({
      projects: [{ ...project, ...secret }],
      applications: [{ ...web, ...secret, oidcConfig: secret }],
      roles: [{ key: "a", displayName: "A", ...secret }],
      grants: [secret],
    });
    expect(writeConfiguration(file, new Date(0))).not.toContain("canary");
    expect(JSON.stringify(planImport(file, empty, declared))).not.toContain("canary");
  });
});

describe("laws", () => {
  const names = fc.uniqueArray(
    fc.constantFrom("GadgetBot", "GadgetBot Web", "ZITADEL", "a", "b c", "é", " d "),
    {
      ...{ maxLength: 4, selector: (each) => each.trim() },
    },
  );
  const uris = fc.array(fc.constantFrom("https://a/", "https://b/", " https://c/ "), { maxLength: 3 });
  const state = (of: string) => fc.constantFrom(`${of}_STATE_ACTIVE`, `${of}_STATE_INACTIVE`);
  const config = fc.oneof(
    fc
      .record(
        {
          ...{ redirectUris: uris, devMode: fc.boolean(), clientId: fc.constantFrom("1", "2") },
          authMethodType: fc.constantFrom("OIDC_AUTH_METHOD_TYPE_NONE", "OIDC_AUTH_METHOD_TYPE_POST"),
          loginVersion: fc.constantFrom({ loginV1: {} }, { loginV2: { baseUri: "https://login/" } }),
        },
        { requiredKeys: [] },
      )
      .map((oidcConfig) => ({ oidcConfig })),
    fc.constantFrom({ apiConfig: {} }, { samlConfig: {} }),
  );
  const instances = names.chain((projects) =>
    fc.tuple(
      ...projects.map((name, index) =>
        fc.record({
          project: fc.record({
            ...{ id: fc.constant(String(index)), name: fc.constant(name), state: state("PROJECT") },
            projectRoleCheck: fc.boolean(),
          }),
          applications: names.chain((apps) =>
            fc.tuple(...apps.map((app) => fc.tuple(fc.constant(app), state("APP"), config))),
          ),
          roles: names,
        }),
      ),
    ),
  );
  const configurations = instances.map((all) =>
    parse({
      projects: all.map((each) => each.project),
      applications: all.flatMap(({ project: { id }, applications }) =>
        applications.map(([name, of, kind]) => ({ name, projectId: id, state: of, ...kind })),
      ),
      roles: all.flatMap(({ project: { id }, roles }) =>
        roles.map((key) => ({ key, displayName: key, projectId: id })),
      ),
    }),
  );
  const creations = (plan: Plan) => plan.steps.filter(({ creation }) => creation !== undefined);

  /** What an instance has after an import: ids and client ids of its own. */
  function imported(plan: Plan, there: Configuration): Configuration {
    const after = structuredClone(there) as { -readonly [K in keyof Configuration]: object[] };
    const idOf = (name: string) =>
      (after.projects as { name: string; id: string }[]).find((each) => each.name === name)?.id;
    for (const [index, { kind, project: of, creation }] of plan.steps.entries()) {
      if (creation === undefined) continue;
      const { name, roleKey, ...rest } = creation.body as { name?: string; roleKey?: string };
      const projectId = idOf(of);
      if (kind === "project") after.projects.push({ id: `new ${index}`, name, ...rest });
      else if (kind === "role") after.roles.push({ projectId, key: roleKey, ...rest });
      else {
        const key = creation.path === "/apps/api" ? "apiConfig" : "oidcConfig";
        after.applications.push({ projectId, name, [key]: { ...rest, clientId: `${index}` } });
      }
    }
    return parse(after);
  }

  test("what was exported is written and read without a change", () => {
    fc.assert(
      fc.property(configurations, (there) => {
        expect(parseConfiguration(writeConfiguration(there, new Date(0)), "export.json")).toEqual(there);
      }),
    );
  });

  test("an import of an export into the same instance makes nothing, and finds nothing different", () => {
    fc.assert(
      fc.property(configurations, (there) => {
        const plan = planImport(there, there, declared);
        expect(creations(plan)).toEqual([]);
        for (const { does: action, note } of plan.steps)
          if (action === "keep") expect(["", "declared by Berth"]).toContain(note);
      }),
    );
  });

  test("a second import makes nothing; neither changes or removes what was there", () => {
    fc.assert(
      fc.property(configurations, configurations, (file, there) => {
        const plan = planImport(file, there, declared);
        const after = imported(plan, there);
        expect(creations(planImport(file, after, declared))).toEqual([]);
        expect(after.projects.slice(0, there.projects.length)).toEqual(there.projects);
        expect(after.applications.slice(0, there.applications.length)).toEqual(there.applications);
      }),
    );
  });
});
