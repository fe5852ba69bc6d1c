import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** The documentation names commands and files; each of them has to exist. What the commands do is tested in test/lab. */
const root = new URL("../../", import.meta.url);
const whole = (path: string) => readFileSync(new URL(path, root), "utf8");
const dockerfile = /^```dockerfile\n([\s\S]*?)^```/gm;
/** Without what an image's build runs. */
const read = (path: string) => whole(path).replaceAll(dockerfile, "");
const documents = [
  "README.md",
  "docs/adopting.md",
  "docs/images.md",
  ...["decisions", "runbooks"].flatMap((folder) =>
    readdirSync(new URL(`docs/${folder}/`, root)).map((file) => `docs/${folder}/${file}`),
  ),
];
const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

const helps = new Map<string, string>();

/** What a command of the lab or of ops says of itself; asked once. */
function helpOf(room: string, name: string): string {
  const key = `${room} ${name}`;
  const known = helps.get(key);
  if (known !== undefined) return known;
  const args = [`${room}/cli.ts`, name, "--help"];
  const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  helps.set(key, stdout);
  return stdout;
}

/** Every command in a code span or a shell block, one to a line. */
function commands(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  const spans = [...markdown.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
  return [...blocks.flatMap((block) => block.split("\n")), ...spans]
    .flatMap((line) => line.split(/&&|\\?\|/))
    .map((command) => command.trim())
    .filter((command) => /^(npm|npx) /.test(command));
}

describe.each(documents)("%s", (document) => {
  test("every command that it shows stands where the tests below see it", () => {
    const shown = read(document).match(/\b(npm (ci|start|test|run)|npx )\b/g) ?? [];
    expect(commands(read(document))).toHaveLength(shown.length);
  });

  test("every npm command is one", () => {
    for (const command of commands(read(document))) {
      const script = /^npm (?:run )?([a-z:]+)/.exec(command)?.[1];
      if (command.startsWith("npx "))
        expect(command).toMatch(/^npx pulumi (preview|up|refresh|config (set|rm))( |$)/);
      else if (script !== "ci") expect(Object.keys(scripts), command).toContain(script);
    }
  });

  test("every lab and ops command takes the options that it is shown with", () => {
    for (const command of commands(read(document))) {
      const [, room, name = "", rest = ""] = /^npm run (lab|ops) -- (\S+)(.*)$/.exec(command) ?? [];
      if (room === undefined) continue;
      const help = helpOf(room, name);
      expect(help, command).toContain(`npm run ${room} -- ${name}`);
      // What stands behind a second `--` is for another program.
      const [own = ""] = rest.split(" -- ");
      for (const flag of own.match(/--[a-z-]+/g) ?? []) expect(help, command).toContain(flag);
    }
  });

  test("every file that it links to is there", () => {
    for (const [, path = ""] of read(document).matchAll(/\]\(([^)#]+)\)/g)) {
      if (!path.startsWith("http"))
        expect(existsSync(new URL(path, new URL(document, root))), path).toBe(true);
    }
  });
});

/** Each keeps what the page itself asks for; that a build of theirs works is not tried. */
describe("the Dockerfiles of docs/images.md", () => {
  const files = [...whole("docs/images.md").matchAll(dockerfile)].map((match) => match[1] ?? "");

  test("are one each for Go, Node and Phoenix", () => {
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
