/** `npm run new-service -- sertantai controls`: writes a further microservice of a system, with its stand-in and its test. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseDocument } from "yaml";
import { projectDir } from "./program.ts";

/** In a system's file, above which the block goes. */
const marker = (system: string) =>
  `  // \`npm run new-service -- ${system} <name>\` adds a service above this line.\n`;
const stackFile = /^Pulumi\.(\w+)\.yaml$/;

export interface NewService {
  /** Texts by path, of files that are new or change. */
  readonly files: ReadonlyMap<string, string>;
  /** The block in the system's file. */
  readonly block: string;
  /** What is left to do, by its lines. */
  readonly next: readonly string[];
}

/**
 * What a further microservice takes. Reads the project and writes nothing.
 * @throws with what is wrong with the names, or when the system's file has no list of microservices
 */
export function newService(folder: string, system: string, name: string): NewService {
  const read = (path: string) => readFileSync(join(folder, path), "utf8");
  const path = `stacks/${system}.ts`;
  const able = readdirSync(join(folder, "stacks"))
    .map((file) => file.replace(/\.ts$/, ""))
    .filter((each) => read(`stacks/${each}.ts`).includes(marker(each)));
  if (!able.includes(system))
    throw new Error(`no system "${system}" with a list of microservices; use one of: ${able.join(", ")}`);
  if (!/^[a-z][a-z0-9]{1,20}$/.test(name))
    throw new Error(`"${name}" is not a name; use 2 to 21 lower-case letters and digits, as in controls`);
  const text = read(path);
  const taken = [`lab/apps/${system}/${name}.ts`, testOf(system, name)].filter((file) =>
    existsSync(join(folder, file)),
  );
  const declared = new RegExp(`^ {2,4}${name}(: |,$)`, "m").test(text);
  if (declared || taken.length > 0)
    throw new Error(
      `${system} has "${name}" already${taken.map((file) => `, ${file}`).join("")}; use another name`,
    );

  const [list = ""] = text.split(marker(system));
  const ports = [...list.matchAll(/\bport: (\d+)/g)].map(([, port]) => Number(port));
  const port = Math.max(4000, ...ports) + 1;
  const release = `${system}_${name}`;
  const module = `${capital(system)}${capital(name)}`;
  const block = [
    `  ${name}: {`,
    `    ...{ port: ${port}, memoryMebibytes: 384 },`,
    `    ...{ release: "${release}", migrates: "${module}.Release" },`,
    `    health: { tool: "wget", path: "/health" },`,
    `    extensions: ["uuid-ossp", "citext"],`,
    "    secrets: {},",
    "  },",
  ].join("\n");
  const files = new Map([
    [path, text.replace(marker(system), `${block}\n${marker(system)}`)],
    [`lab/apps/${system}/${name}.ts`, standIn({ system, name, port, release })],
    [
      `lab/apps/${system}/${name}/migrations/20260101000000_create_${name}.sql`,
      `CREATE TABLE ${name} (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name citext NOT NULL);\n`,
    ],
    [
      `lab/apps/${system}/${name}/migrations/20260401000000_broken.sql`,
      `ALTER TABLE ${name} ADD COLUMN author text;\nUPDATE ${name} SET author = nobody_made_this_column;\n`,
    ],
  ]);
  const stacks: { readonly stack: string; readonly domain: string }[] = [];
  for (const file of readdirSync(folder)) {
    const [, stack] = stackFile.exec(file) ?? [];
    if (stack === undefined) continue;
    const document = parseDocument(read(file));
    const placed = document.getIn(["config", "berth:systems", system, "domain"]);
    if (typeof placed !== "string") continue;
    const domain = placed.replace(/^[^.]+/, name);
    const images = Object.entries(
      document.toJS().config["berth:images"] as Record<string, { repository: string }>,
    );
    const own = images.find(([image]) => image.startsWith(`${system}/`))?.[1].repository ?? "";
    const image = `    ${system}/${name}: { repository: ${dirname(own)}/${system}-${name} }`;
    const settings = `  ${system}:${name}: { version: v1.0.0, domain: ${domain}, databaseTls: require }`;
    files.set(file, withLine(withLine(read(file), `    ${system}/`, image), `  ${system}:`, settings));
    stacks.push({ stack, domain });
  }
  const production = stacks.find(({ stack }) => stack === "production") ?? stacks[0];
  if (production === undefined) throw new Error(`${system} is in no stack file; place it in one first`);
  files.set(testOf(system, name), programTest({ system, name, port, ...production }));
  return {
    files,
    block,
    next: [
      `fill in the block in ${path}, image and version in the stack files, and what the stand-in keeps of the real image`,
      ...stacks
        .filter(({ stack }) => stack !== "development")
        .map(
          ({ stack }) =>
            `openssl rand -base64 64 | npx pulumi config set --secret ${system}:${name}SecretKeyBase --stack ${stack}`,
        ),
      `npx vitest run --project unit ${testOf(system, name)}`,
      "npx vitest run --project unit test/program -u   # accepts the new resources in test/program/registered",
      `npm run lab -- up ${system}`,
      "npx pulumi preview --stack production",
    ],
  };
}

/** The text with a line after the last one that begins so, and what belongs to that. Not by a YAML document, which would write every list anew. */
function withLine(text: string, beginning: string, line: string): string {
  const lines = text.split("\n");
  const last = lines.findLastIndex((each) => each.startsWith(beginning));
  const indent = beginning.search(/\S/);
  const rest = lines.slice(last + 1).findIndex((each) => each.search(/\S/) <= indent);
  return lines.toSpliced(last + 1 + Math.max(rest, 0), 0, line).join("\n");
}

const capital = (word: string) => word[0]?.toUpperCase() + word.slice(1);
const testOf = (system: string, name: string) => `test/program/${system}-${name}.test.ts`;

interface About {
  readonly system: string;
  readonly name: string;
  readonly port: number;
}

function standIn({ system, name, port, release }: About & { readonly release: string }) {
  return `import { standIn } from "../application.ts";
import { phoenixProgram, phoenixRelease, phoenixVariables } from "../phoenix.ts";

const release = "${release}";

/** ${system}-${name}, a Phoenix app. Source: to be named, with the file from which each part of this comes. */
export const declaration = standIn({
  standsInFor: "${system}-${name}",
  workingDirectory: "/app",
  user: "1000:1000",
  entrypoint: [phoenixProgram(release), "start"],
  ...phoenixRelease(release, [
    { name: "20260101000000_create_${name}" },
    { name: "20260401000000_broken", only: "broken-migration" },
  ]),
  variables: phoenixVariables,
  http: {
    port: ${port},
    health: {
      path: "/health",
      fields: { status: { from: "status", as: { healthy: "ok", degraded: "ok", unhealthy: "error" } } },
    },
  },
  load: [{ method: "GET", path: "/health", expect: [200], weight: 1 }],
});
`;
}

function programTest({
  system,
  name,
  port,
  stack,
  domain,
}: About & { readonly stack: string; readonly domain: string }) {
  return `import { expect, test } from "vitest";
import { runProgram } from "./support.ts";

/** What ${name} adds to ${capital(system)}: its database, role and secrets, its release, its route and its DNS record. */
test("${name} of ${system} is registered", async () => {
  const program = await runProgram("${stack}", {}, [], ["${system}"]);
  expect(program.error).toBeUndefined();
  const role = program.find("postgresql:index/role:Role", "${system}_${name}-database-role");
  expect(role.inputs).toMatchObject({ name: "${system}_${name}", superuser: false });
  expect(program.find("postgresql:index/database:Database", "${system}_${name}-database-database").protect).toBe(true);
  for (const secret of ["secret-key-base", "database-url"])
    program.find("docker:index/secret:Secret", \`${system}_${name}-\${secret}\`);
  program.find("hcloud:index/zoneRrset:ZoneRrset", "dns-${domain}");
  const routes = program.find("command:local:Command", "${system}_${name}-switch").inputs.stdin;
  expect(routes).toContain("${domain}");
  expect(routes).toContain("${port}");
});
`;
}

if (import.meta.main) {
  try {
    const [system, name, ...more] = process.argv.slice(2);
    if (system === undefined || name === undefined || more.length > 0)
      throw new Error(
        "use: npm run new-service -- <system> <name>, as in: npm run new-service -- sertantai controls",
      );
    const { files, block, next } = newService(projectDir, system, name);
    for (const [path, text] of files) {
      mkdirSync(dirname(join(projectDir, path)), { recursive: true });
      writeFileSync(join(projectDir, path), text);
    }
    process.stdout.write(
      `${[...files.keys()].map((path) => `wrote ${path}`).join("\n")}\n\n${block}\n\nThen:\n${next.map((line) => `  ${line}`).join("\n")}\n`,
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
