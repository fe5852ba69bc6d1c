import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { labProgram } from "../../lab/cli.ts";
import { program as operatorProgram } from "../../ops/cli.ts";

/** The documentation names commands and files; each of them has to exist. What the commands do is tested in test/lab. */
const root = new URL("../../", import.meta.url);
const whole = (path: string) => readFileSync(new URL(path, root), "utf8");
const dockerfile = /^```dockerfile\n([\s\S]*?)^```/gm;
/** Without what an image's build runs. */
const read = (path: string) => whole(path).replaceAll(dockerfile, "");
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "docs/adopting.md",
  "docs/images.md",
  "docs/security.md",
  "test/conformance/README.md",
  "test/contracts/README.md",
  ...["decisions", "runbooks"].flatMap((folder) =>
    readdirSync(new URL(`docs/${folder}/`, root)).map((file) => `docs/${folder}/${file}`),
  ),
];
const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

const testFiles = readdirSync(new URL("test/", root), { recursive: true }).map(String);

const programs = {
  lab: labProgram(() => {
    throw new Error("no command runs here");
  }),
  ops: operatorProgram,
};

/** What `--help` prints of a command of the lab or of ops. */
function helpOf(folder: keyof typeof programs, name: string): string {
  return programs[folder].commands.find((command) => command.name() === name)?.helpInformation() ?? "";
}

/** Every command in a code span or a shell block, one to a line. */
function commands(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  const spans = [...markdown.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
  return [...blocks.flatMap((block) => block.split("\n")), ...spans]
    .flatMap((line) => line.split(/&&|\\?\|/))
    .map((command) => command.trim())
    .filter((command) => /^(npm|npx|node) /.test(command));
}

describe.each(documents)("%s", (document) => {
  test("every documented command is where the tests below find it", () => {
    const shown = read(document).match(/\b(npm (ci|start|test|run)|npx |node test\/)\b/g) ?? [];
    expect(commands(read(document))).toHaveLength(shown.length);
  });

  test("every npm command exists", () => {
    for (const command of commands(read(document))) {
      const script = /^npm (?:run )?([a-z:-]+)/.exec(command)?.[1];
      if (command.startsWith("node ")) continue;
      if (command.startsWith("npx "))
        expect(command).toMatch(/^npx (pulumi (preview|up|refresh|config (set|rm))|vitest run)( |$)/);
      else if (script !== "ci") expect(Object.keys(scripts), command).toContain(script);
    }
  });

  test("every lab and ops command accepts its documented options", () => {
    for (const command of commands(read(document))) {
      const [, folder, name = "", rest = ""] = /^npm run (lab|ops) -- (\S+)(.*)$/.exec(command) ?? [];
      if (folder !== "lab" && folder !== "ops") continue;
      const help = helpOf(folder, name);
      expect(help, command).toContain(`npm run ${folder} -- ${name}`);
      // What stands behind a second `--` is for another program.
      const [own = ""] = rest.split(" -- ");
      for (const flag of own.match(/--[a-z-]+/g) ?? []) expect(help, command).toContain(flag);
    }
  });

  test("every recorder accepts its documented options", () => {
    for (const command of commands(read(document))) {
      const [, file = "", rest = ""] = /^node (\S+)(.*)$/.exec(command) ?? [];
      if (file === "") continue;
      const { stdout: help } = spawnSync(process.execPath, [file, "--help"], { cwd: root, encoding: "utf8" });
      expect(help, command).toContain("Usage:");
      for (const flag of rest.match(/--[a-z-]+/g) ?? []) expect(help, command).toContain(flag);
    }
  });

  test("every command that runs tests names an existing project and files", () => {
    const projects = [...whole("vitest.config.ts").matchAll(/name: "(\w+)"/g)].map(([, name = ""]) => name);
    for (const command of commands(read(document))) {
      const [, project = "", file = ""] = /^npx vitest run --project (\S+) (\S+)$/.exec(command) ?? [];
      const [, part] = /^npm run test:(?:unit|full) -- (\S+)$/.exec(command) ?? [];
      if (command.startsWith("npx vitest")) {
        expect(projects, command).toContain(project);
        expect(existsSync(new URL(file, root)), command).toBe(true);
      } else if (part !== undefined) {
        expect(
          testFiles.some((path) => path.includes(part)),
          command,
        ).toBe(true);
      }
    }
  });

  test("every linked file exists", () => {
    for (const [, path = ""] of read(document).matchAll(/\]\(([^)#]+)\)/g)) {
      if (!path.startsWith("http"))
        expect(existsSync(new URL(path, new URL(document, root))), path).toBe(true);
    }
  });
});

describe("CONTRIBUTING.md", () => {
  const text = whole("CONTRIBUTING.md");

  test("names only paths that exist", () => {
    const paths =
      text.match(/\b(components|stacks|config|policy|ops|lab|test|docs|scripts)\/[\w./-]*/g) ?? [];
    expect(paths.length).toBeGreaterThan(60);
    for (const path of paths) expect(existsSync(new URL(path.replace(/\.$/, ""), root)), path).toBe(true);
  });

  test("names every folder, and every folder of the lab", () => {
    const folders = (path: string) =>
      readdirSync(new URL(path, root), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
        .map((entry) => `\`${path}${entry.name}/\``);
    for (const folder of [...folders(""), ...folders("lab/")]) expect(text, folder).toContain(folder);
  });

  test("names only scripts that exist", () => {
    const scripts = fileNames("components");
    for (const [script] of text.matchAll(/\b[a-z-]+\.(sh|jq)\b/g)) expect(scripts, script).toContain(script);
  });
});

function fileNames(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, root), { recursive: true }).map((path) => basename(String(path)));
}

/** Each keeps what the page itself asks for; that a build of theirs works is not tried. */
describe("the Dockerfiles of docs/images.md", () => {
  const files = [...whole("docs/images.md").matchAll(dockerfile)].map((match) => match[1] ?? "");

  test("there is one for each of Go, Node and Phoenix", () => {
    expect(files.map((text) => /^FROM (\w+):\d/.exec(text)?.[1])).toEqual(["golang", "node", "elixir"]);
  });

  test.each(files)("%#: runs as a user other than root, with labels, by a command in JSON", (text) => {
    const final = text.slice(text.lastIndexOf("FROM "));
    expect(final).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(final).toMatch(/^ENTRYPOINT \[".*"\]$/m);
    for (const label of ["version", "revision", "created"])
      expect(final).toContain(`org.opencontainers.image.${label}=$${label.toUpperCase()}`);
    for (const [, from = ""] of text.matchAll(/^FROM (\S+)/gm)) expect(from).toMatch(/:(\d|trixie)/);
    // The health check's tool.
    expect(final).toMatch(/\bwget\b|^FROM node:/m);
  });
});
