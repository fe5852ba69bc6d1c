import { describe, expect, test } from "vitest";
import { parseConfiguration } from "../../ops/zitadel-file.ts";

/** Which files an import into Zitadel refuses, and in which words. */

const parse = (content: object) => parseConfiguration(JSON.stringify(content), "export.json");
const project = { id: "1", name: "GadgetBot" };
const web = { id: "2", name: "GadgetBot Web", projectId: "1", oidcConfig: { clientId: "3" } };

describe("a file is refused", () => {
  const role = { key: "admin", displayName: "Administrator" };
  test.each([
    ["that has no projects", {}, "projects: missing; use a list, [] for none"],
    ["of another kind", [], "it is no object; use one with projects, applications and roles"],
    ["with a list that is none", { projects: [], roles: {} }, "roles: is no list; use a list, [] for none"],
    ["without a name", { projects: [{ id: "1" }] }, "projects[0].name: missing; use a string"],
    ["with an empty name", { projects: [{ id: "1", name: " " }] }, 'projects[0].name: "" is empty'],
    [
      "with a control character",
      { projects: [{ id: "1", name: "a\u001b[2J" }] },
      'projects[0].name: "a\\u001b[2J" has a control character',
    ],
    [
      "with a number for a flag",
      { projects: [{ ...project, projectRoleCheck: 1 }] },
      "projects[0].projectRoleCheck: 1 has the wrong type; use a boolean",
    ],
    [
      "with an unknown method",
      { projects: [project], applications: [{ ...web, oidcConfig: { authMethodType: "None" } }] },
      'applications[0].oidcConfig.authMethodType: "None" is not known; use one of: OIDC_AUTH_METHOD_TYPE_BASIC, OIDC_AUTH_METHOD_TYPE_POST, OIDC_AUTH_METHOD_TYPE_NONE, OIDC_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT',
    ],
    [
      "with more clock skew than Zitadel takes",
      { projects: [project], applications: [{ ...web, oidcConfig: { clockSkew: "6s" } }] },
      'applications[0].oidcConfig.clockSkew: "6s" is not 0s to 5s',
    ],
    [
      "with an application of no kind",
      { projects: [project], applications: [{ name: "a", projectId: "1" }] },
      'applications[0]: "a" has not exactly one of oidcConfig, apiConfig, samlConfig; keep the one that it is',
    ],
    [
      "with an application of nowhere",
      { projects: [project], applications: [{ name: "a", oidcConfig: { clientId: "344936354465016579" } }] },
      "applications[0].projectId: missing, and the client id does not name a project behind an @; use the id of one of the file's projects: 1 (GadgetBot)",
    ],
    [
      "with a project that is not there",
      { projects: [project], applications: [{ ...web, projectId: "8" }] },
      `applications[0].projectId: "8" is not in projects; use the id of one of the file's projects: 1 (GadgetBot)`,
    ],
    [
      "with a role of one of two projects",
      { projects: [project, { id: "2", name: "b" }], roles: [role] },
      "roles[0].projectId: missing, and the file has 2 projects; use the id of one of the file's projects: 1 (GadgetBot), 2 (b)",
    ],
    [
      "with a role twice",
      { projects: [project], roles: [role, role] },
      "roles[1].key: is the one, in the same project, of roles[0]; remove one of the two",
    ],
    [
      "with a project twice",
      { projects: [project, project] },
      [
        "projects[1].id: is the one of projects[0]; remove one of the two",
        "projects[1].name: is the one of projects[0]; remove one of the two",
      ].join("\n  "),
    ],
  ])("%s", (_what, content, problem) => {
    expect(() => parse(content)).toThrow(
      new Error(`export.json is refused; nothing was changed:\n  ${problem}`),
    );
  });

  test("with every problem at once", () => {
    const content = {
      projects: [{ id: 1, name: "a" }, project],
      applications: [
        { ...web, projectId: "8" },
        { ...web, oidcConfig: { devMode: "yes", appType: "web" } },
      ],
      roles: [{ key: "", displayName: "b" }],
    };
    expect(() => parse(content)).toThrow(
      /projects\[0\]\.id: 1 has[\s\S]*applications\[1\]\.oidcConfig\.appType: "web"[\s\S]*devMode: "yes"[\s\S]*applications\[0\]\.projectId[\s\S]*roles\[0\]\.key: "" is empty/,
    );
  });

  test("that is no JSON", () => {
    expect(() => parseConfiguration("{", "export.json")).toThrow(/^export\.json is no JSON: /);
  });
});
