import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createPool } from "../../server/pool.ts";
import { decrypt, encrypt, hashOf, hashPassword, newId, newToken } from "./crypto.ts";

/** Keys, the first organisation's users and the console's application, once (cmd/setup/03.go, internal/command/instance.go). */

/** DefaultInstance.PasswordComplexityPolicy of cmd/defaults.yaml. */
const complexity: readonly [RegExp, string][] = [
  [/.{8}/, "has fewer than 8 characters"],
  [/[A-Z]/, "has no upper case letter"],
  [/[a-z]/, "has no lower case letter"],
  [/[0-9]/, "has no digit"],
  [/[^A-Za-z0-9]/, "has no symbol"],
];

/** @param setting one of `FirstInstance` in the files of `--steps` */
export async function firstInstance(setting: (...path: readonly string[]) => unknown): Promise<void> {
  const text = (fallback: string, ...path: readonly string[]) => String(setting(...path) ?? fallback);
  const masterKey = process.env.ZITADEL_MASTERKEY ?? "";
  const domain = process.env.ZITADEL_EXTERNALDOMAIN;
  if (!domain) throw new Error("ExternalDomain is not set");
  const pool = createPool(
    { connectionString: process.env.ZITADEL_DATABASE_POSTGRES_DSN ?? "" },
    "zitadel setup",
  );
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ encrypted: Buffer }>("SELECT encrypted FROM keys");
    if (rows[0] !== undefined) {
      decrypt(rows[0].encrypted, masterKey);
      console.log("migration 03_default_instance is already done");
      return;
    }
    const password = text("Password1!", "Org", "Human", "Password");
    for (const [pattern, problem] of complexity)
      if (!pattern.test(password)) throw new Error(`the password of the first user ${problem}`);
    await client.query("BEGIN");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = JSON.stringify({ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" });
    await client.query("INSERT INTO keys VALUES ('oidc', $1)", [encrypt(key, masterKey)]);
    const org = text("ZITADEL", "Org", "Name").toLowerCase();
    const loginName = `${text("zitadel-admin", "Org", "Human", "UserName")}@${org}.${domain}`;
    await client.query("INSERT INTO users VALUES ($1, $2, $3, $2, $4, 'IAM_OWNER')", [
      ...[newId(), loginName, "ZITADEL Admin", hashPassword(password)],
    ]);
    // Beside the person, a machine user for each that the file names (setupAdmins, setupLoginClient).
    const written: [file: string, token: string][] = [];
    for (const [section, role, path] of [
      [["Org", "Machine"], "IAM_OWNER", "PatPath"],
      [["Org", "LoginClient"], "IAM_LOGIN_CLIENT", "LoginClientPatPath"],
    ] as const) {
      const machine = text("", ...section, "Machine", "Username");
      if (machine === "") continue;
      const [id, token] = [newId(), newToken()];
      await client.query("INSERT INTO users VALUES ($1, $2, $3, NULL, NULL, $4)", [
        ...[id, machine, text(machine, ...section, "Machine", "Name"), role],
      ]);
      await client.query("INSERT INTO access_tokens VALUES ($1, $2, $3)", [
        ...[hashOf(token), id, text("", ...section, "Pat", "ExpirationDate")],
      ]);
      if (text("", path) !== "") written.push([text("", path), token]);
    }
    const project = newId();
    await client.query("INSERT INTO projects VALUES ($1, 'ZITADEL')", [project]);
    await client.query("INSERT INTO apps VALUES ($1, $2, $3, 'Console', NULL, $4, $5, $6)", [
      ...[newId(), newId(), project, [`https://${domain}/ui/console/auth/callback`]],
      [`https://${domain}/ui/console/signedout`],
      {
        ...{ responseTypes: ["OIDC_RESPONSE_TYPE_CODE"], grantTypes: ["OIDC_GRANT_TYPE_AUTHORIZATION_CODE"] },
        ...{ appType: "OIDC_APP_TYPE_USER_AGENT", authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE" },
      },
    ]);
    for (const [file, token] of written) writeFileSync(file, `${token}\n`);
    await client.query("COMMIT");
    console.log(`migration 03_default_instance done: ${loginName}`);
  } finally {
    client.release(true);
    await pool.end();
  }
}
