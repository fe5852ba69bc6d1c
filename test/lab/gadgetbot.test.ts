import { mkdtempSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  authDomain,
  Browser,
  domain,
  type Managed,
  managementApi,
  type Send,
  sender,
  sessionAtApp,
  signInAs,
  signInAtApp,
} from "./gadgetbot-lab.ts";
import { containerOf, leftOutOfCi, minutes, systemLab } from "./system-lab.ts";

/** GadgetBot and Zitadel once through the lab, on Traefik, as their owner's phases go: Zitadel, the application there, the app. */
const tunnels = ["gadgetbot:postgres.tunnelPort=15536", "gadgetbot:zitadeldb.tunnelPort=15537"];
const { home, captured, labOk, down, running, onMachine } = systemLab({
  ...{ system: "gadgetbot", host: "gadget" },
  options: tunnels.flatMap((each) => ["--set", each]),
});
const containers = (...services: readonly string[]) =>
  onMachine(
    `for each in ${services.join(" ")}; do docker ps --no-trunc --quiet --filter label=berth.resource=gadgetbot_$each; done`,
  );

let address = "";
let send: Send;
const browser = () => new Browser(send);
let person = { loginName: "", password: "" };

describe.skipIf(leftOutOfCi("GadgetBot"))("GadgetBot in the lab", () => {
  beforeAll(async () => {
    await down();
    await labOk("up", ["gadgetbot"]);
    const system = await running();
    address = system.address;
    send = sender(system);
    const made = JSON.parse(readFileSync(join(home.stateDir, "secrets-production.json"), "utf8"));
    person = {
      loginName: `admin@gadgetbot.${authDomain}`,
      password: made["gadgetbot:zitadelAdminPassword"],
    };
  }, 25 * minutes);

  afterAll(async () => {
    await labOk("down");
  }, 5 * minutes);

  test("nothing would change", async () => {
    await labOk("preview", ["--expect-no-changes"]);
  });

  const app = `https://${domain}`;
  const auth = `https://${authDomain}`;
  test.each([
    ["the app", `${app}/`, "gadgetbot/app", 200, "1.1"],
    ["a path of the app", `${app}/login`, "gadgetbot/app", 200, "1.1"],
    ["the app's sessions", `${app}/api/auth/get-session`, "gadgetbot/app", 200, "1.1"],
    ["an unknown path of the app", `${app}/nothing`, "gadgetbot/app", 404, "1.1"],
    ["Zitadel's console", `${auth}/ui/console`, "gadgetbot/zitadel", 200, "2.0"],
    ["Zitadel's discovery", `${auth}/.well-known/openid-configuration`, "gadgetbot/zitadel", 200, "2.0"],
    ["Zitadel's health", `${auth}/debug/healthz`, "gadgetbot/zitadel", 200, "2.0"],
    ["an unknown path of Zitadel", `${auth}/nothing`, "gadgetbot/zitadel", 404, "2.0"],
    ["login v2", `${auth}/ui/v2/login`, "gadgetbot/login", 200, "1.1"],
    ["a path of login v2", `${auth}/ui/v2/login/healthy`, "gadgetbot/login", 200, "1.1"],
  ])(
    "%s is answered by its service, encrypted, by its protocol",
    async (_what, url, service, status, protocol) => {
      const { status: code, headers } = await send(url);
      expect([headers["x-stand-in"], code, headers["x-stand-in-protocol"]]).toEqual([
        service,
        status,
        protocol,
      ]);
      expect(headers["strict-transport-security"]).toContain("max-age=");
    },
  );

  test("an unknown host name is not answered, nor a body of 20 MB; Coolify's ports are closed", async () => {
    await expect(send("https://gadgetbot-coolify.vellandi.net/")).rejects.toThrow();
    const large = { method: "POST", body: "x".repeat(20_000_000) };
    expect((await send(`${app}/api/auth/sign-in/social`, large)).status).toBe(413);
    for (const port of [6001, 6002, 8000, 3000, 8080]) expect(await opens(port), String(port)).toBe(false);
    expect(await opens(443)).toBe(true);
  });

  test("the app has migrated once; both databases are reached encrypted, by roles that are no superusers", async () => {
    const sql = async (server: string, name: string, text: string) =>
      onMachine(
        `docker exec ${containerOf(`gadgetbot_${server}`)} psql --username postgres --dbname ${name} -Atc "${text}"`,
      );
    expect(
      await sql("postgres", "gadgetbot", "SELECT hash FROM drizzle.__drizzle_migrations ORDER BY id"),
    ).toBe("0000_gadgetbots\n0001_auth");
    const sessions =
      "SELECT DISTINCT usename, ssl, rolsuper FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) JOIN pg_roles ON rolname = usename WHERE application_name LIKE 'gadgetbot/%'";
    await send(`${app}/api/gadgetbots`);
    expect(await sql("postgres", "gadgetbot", sessions)).toBe("gadgetbot|t|f");
    // What is idle for 30 s is closed.
    await send(`${auth}/debug/ready`);
    expect(await sql("zitadeldb", "zitadel", sessions)).toBe("zitadel|t|f");
  });

  test("the app's container reaches the issuer by its public name", async () => {
    const ask = `fetch("${auth}/.well-known/openid-configuration").then(async (r) => console.log(r.status, (await r.json()).issuer))`;
    expect(await labOk("ops", ["exec", "gadgetbot", "app", "--", "node", "--eval", ask])).toContain(
      `200 ${auth}`,
    );
  });

  test("Berth has declared the application: somebody signs in at the app, out, and in again", async () => {
    const visitor = browser();
    expect(await signInAtApp(visitor, person)).toBe(`${app}/admin`);
    expect(await sessionAtApp(visitor)).toEqual({
      user: { name: "ZITADEL Admin", email: person.loginName },
    });
    await visitor.post(`${app}/api/auth/sign-out`, {});
    expect(await sessionAtApp(visitor)).toBeNull();
    // Zitadel still knows who it is.
    expect(await signInAtApp(visitor, { ...person, password: "not asked for" })).toBe(`${app}/admin`);
    expect(await sessionAtApp(visitor)).toMatchObject({ user: { email: person.loginName } });
  });

  test("who signs in is who Zitadel says; a wrong password is refused", async () => {
    const { body } = await send(`${auth}/ui/console/assets/environment.json`);
    const { clientid } = JSON.parse(body) as { clientid: string };
    const operator = { ...person, clientId: clientid, redirectUri: `${auth}/ui/console/auth/callback` };
    await expect(signInAs(send, browser(), { ...operator, password: "wrong" })).rejects.toThrow("login: 400");
    const { person: who } = await signInAs(send, browser(), operator);
    expect(who).toMatchObject({ preferred_username: person.loginName, email_verified: true });
  });

  test("what somebody has changed of the application in the console is put back, and nothing else is touched", {
    timeout: 10 * minutes,
  }, async () => {
    const api = await managementApi(send, person);
    const all = async (path: string) =>
      (await api<{ result: Managed[] }>("POST", `${path}/_search`, { queries: [] })).result;
    const project = (await all("/projects")).find(({ name }) => name === "GadgetBot");
    const apps = `/projects/${project?.id}/apps`;
    const found = await all(apps);
    expect(found.map(({ name }) => name)).toEqual(["GadgetBot Web"]);
    const { id = "", oidcConfig = {} } = found[0] ?? {};
    expect(oidcConfig).toMatchObject({ authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE" });
    const callback = `${app}/api/auth/callback/zitadel`;
    await api("PUT", `${apps}/${id}/oidc_config`, {
      ...oidcConfig,
      redirectUris: ["https://elsewhere.example/"],
    });
    await labOk("refresh");
    // A preview cannot know that the client id stays, so it shows a release of the app too.
    expect(await labOk("up")).toMatch(/^Up in \S+ s: 1 update\./m);
    const { app: again } = await api<{ app: Managed }>("GET", `${apps}/${id}`);
    expect(again.oidcConfig).toMatchObject({ redirectUris: [callback], clientId: oidcConfig.clientId });
  });

  test("Zitadel's configuration is exported, and imported again after its project is gone; a dry run changes nothing", {
    timeout: 5 * minutes,
  }, async () => {
    const before = captured.length;
    const api = await managementApi(send, person);
    const file = join(mkdtempSync(join(tmpdir(), "zitadel-")), "export.json");
    const projects = async () => (await api<{ result: Managed[] }>("POST", "/projects/_search", {})).result;
    const names = async () => (await projects()).map(({ name }) => name).sort();
    const { id } = await api("POST", "/projects", { name: "Workshop", projectRoleCheck: true });
    await api("POST", `/projects/${id}/roles`, { roleKey: "admin", displayName: "Administrator" });
    await api("POST", `/projects/${id}/apps/api`, { name: "Reports" });
    await api("POST", `/projects/${id}/apps/oidc`, {
      ...{ name: "Workshop Web", redirectUris: ["https://workshop.example/callback"], devMode: true },
      authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE",
    });
    await labOk("ops", ["export-zitadel", "gadgetbot", "--to", file]);
    const importing = (...more: string[]) => labOk("ops", ["import-zitadel", "gadgetbot", file, ...more]);
    expect(await importing()).toMatch(/^0 to create, 6 kept as they are, 1 left out\nNothing to do\.$/m);
    await api("DELETE", `/projects/${id}`);

    const dry = await importing("--dry-run");
    expect(dry).toMatch(/^create +project +Workshop +Workshop$/m);
    expect(dry).toMatch(/^create +application +Workshop +Reports +make its secret in the console/m);
    expect(dry).toMatch(/^keep +application +GadgetBot +GadgetBot Web +declared by Berth$/m);
    expect(dry).toMatch(/^leave out +project +ZITADEL +ZITADEL +Zitadel's own/m);
    expect(await names()).toEqual(["GadgetBot", "ZITADEL"]);
    const real = await importing();
    const table = (said: string) => said.slice(0, said.indexOf("to create"));
    expect(table(real)).toBe(table(dry));
    expect(real).toMatch(/^made: application Workshop Web of Workshop, client id \d+$/m);
    expect(await names()).toEqual(["GadgetBot", "Workshop", "ZITADEL"]);
    const made = (await projects()).find(({ name }) => name === "Workshop");
    expect(made).toMatchObject({ projectRoleCheck: true });
    const apps = await api<{ result: Managed[] }>("POST", `/projects/${made?.id}/apps/_search`, {});
    expect(apps.result.find(({ name }) => name === "Workshop Web")?.oidcConfig).toMatchObject({
      ...{ redirectUris: ["https://workshop.example/callback"], devMode: true },
      authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE",
    });
    expect(await importing()).toMatch(/^Nothing to do\.$/m);

    const said = [...captured.slice(before), readFileSync(file, "utf8")].join("\n");
    const token = await onMachine("sudo cat /var/lib/berth/written/gadgetbot_zitadel/berth.pat");
    expect(token).toMatch(/^\S{40,}$/);
    expect(said).not.toContain(token);
    await api("DELETE", `/projects/${made?.id}`);
  });

  test("an application of somebody else's is used instead, Zitadel is left alone, and Berth's stays", {
    timeout: 10 * minutes,
  }, async () => {
    const others = () => containers("zitadel", "login", "zitadeldb", "postgres");
    const before = await others();
    const api = await managementApi(send, person);
    const { id } = await api("POST", "/projects", { name: "Another" });
    const { clientId, clientSecret } = await api("POST", `/projects/${id}/apps/oidc`, {
      ...{ name: "Another Web", redirectUris: [`${app}/api/auth/callback/zitadel`] },
      ...{ postLogoutRedirectUris: [app], authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE" },
    });
    expect([/^\d+$/.test(clientId), clientSecret]).toEqual([true, undefined]);
    await labOk("up", [], [`gadgetbot:app.clientId="${clientId}"`]);
    expect(await signInAtApp(browser(), person)).toBe(`${app}/admin`);
    // The way back finds the application by its name.
    await labOk("up");
    expect(await signInAtApp(browser(), person)).toBe(`${app}/admin`);
    await labOk("preview", ["--expect-no-changes"]);
    expect(await others()).toBe(before);
  });
});

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 2_000 });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket
      .on("connect", () => end(true))
      .on("error", () => end(false))
      .on("timeout", () => end(false));
  });
}
