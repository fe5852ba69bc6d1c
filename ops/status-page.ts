import { diskFloorMebibytes } from "../components/host/paths.ts";
import type { Json } from "./deployment.ts";
import { expiresSoon } from "./host-facts.ts";
import type { StackStatus } from "./status.ts";

type Cell = Json | undefined;
type Row = Readonly<Record<string, Cell>>;

/** What each part of the status is called, in the order of the page. A part that is not named here comes at the end, under its own name. */
const titles: Readonly<Record<string, string>> = {
  health: "Health",
  deployments: "Releases",
  services: "Services",
  answers: "What the systems say of themselves",
  memory: "Memory",
  disks: "Disks",
  certificates: "Certificates",
  backups: "Backups and drills",
  watch: "Alerts",
  secrets: "Secrets",
  replaced: "Databases that a restore replaced",
  sshAccess: "SSH is open",
};

/** Parts that are told in other places of the page. */
const told = new Set(["lock", "pendingOperations", "dockerRestarts", "backupProblems"]);

const style = `:root{color-scheme:light dark;--edge:#d5d8dd;--quiet:#5b6472;--bad:#b3261e;--card:#f6f7f9}
@media(prefers-color-scheme:dark){:root{--edge:#3a3f47;--quiet:#a0a8b4;--bad:#ff8a80;--card:#1f2328}}
*{box-sizing:border-box}body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}p{margin:.3rem 0}.quiet{color:var(--quiet)}
.bad{border-left:.3rem solid var(--bad);background:var(--card);margin:.6rem 0;padding:.5rem .8rem}.bad li{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid var(--edge);padding:.35rem .6rem .35rem 0;text-align:left;vertical-align:top;overflow-wrap:break-word}section{overflow-x:auto}
th{color:var(--quiet);font-weight:600}
@media(max-width:45rem){thead{display:none}tr{display:block;background:var(--card);margin:.5rem 0;padding:.4rem .7rem}
td{display:flex;gap:.8rem;justify-content:space-between;border:0;padding:.15rem 0;overflow-wrap:anywhere}td::before{content:attr(data-name);color:var(--quiet);flex:none}td:empty{display:none}}`;

/**
 * The status as one file that a browser shows: everything in it, nothing of elsewhere, no script. Its content is what `status --json` has, part by
 * part, so that a part which is added there is on the page too.
 */
export function statusPage(
  status: StackStatus,
  about: { readonly stack: string; readonly time: Date },
): string {
  const parts = Object.entries(status as unknown as Readonly<Record<string, Cell>>).filter(
    ([key]) => !told.has(key),
  );
  const place = (key: string) => [...Object.keys(titles), key].indexOf(key);
  const sections = parts
    .sort(([one], [other]) => place(one) - place(other))
    .map(([key, value]) =>
      section(titles[key] ?? words(key), key === "backups" ? backupRows(status) : rowsOf(value)),
    );
  const bad = problems(status, about.time);
  const time = about.time.toISOString().replace(/\.\d+Z$/, "Z");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Status of ${escaped(about.stack)}</title>
<style>${style}</style>
</head>
<body>
<h1>Status of ${escaped(about.stack)}</h1>
<p class="quiet">At <time datetime="${time}">${time}</time>. Deploy lock: ${escaped(status.lock ?? "free")}. Interrupted operations: ${escaped(String(status.pendingOperations))}.</p>
${bad.length === 0 ? "" : `<div class="bad"><ul>${bad.map((each) => `<li>${escaped(each)}</li>`).join("")}</ul></div>`}
${sections.join("\n")}
</body>
</html>
`;
}

/** What is wrong, in words; the sections have the rest. */
function problems(status: StackStatus, now: Date): string[] {
  return [
    ...status.backupProblems,
    ...status.watch.flatMap(({ host, runs, undelivered, alerts }) => [
      ...(runs ? [] : [`${host}: nothing looks at it, so nobody is told of anything`]),
      ...(undelivered === null ? [] : [`${host}: messages of alerts are not delivered`]),
      ...alerts.map(
        ({ alert, of, value, threshold }) =>
          `${host}: ${alert} of ${of}: ${value}, the threshold is ${threshold}`,
      ),
    ]),
    ...status.disks
      .filter(({ freeMebibytes }) => freeMebibytes < diskFloorMebibytes)
      .map(({ host, mountPoint, freeMebibytes }) => `${host}: ${mountPoint} has ${freeMebibytes} MiB left`),
    ...status.certificates
      .filter((each) => expiresSoon(each, now))
      .map(({ host, domain, expires }) => `${host}: the certificate of ${domain} expires at ${expires}`),
    ...status.dockerRestarts.map(
      (host) => `${host}: Docker's settings have changed, and wait for a restart of Docker`,
    ),
    ...status.sshAccess
      .filter(({ stale }) => stale)
      .map(({ name, from }) => `SSH is open for ${from} and was forgotten (${name})`),
    ...status.secrets
      .filter(({ rotateAfterDays }) => rotateAfterDays !== undefined)
      .map(({ secret, age }) => `${secret} is ${age} old: rotate it`),
  ];
}

function section(title: string, rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const head = names.map((name) => `<th scope="col">${escaped(words(name))}</th>`).join("");
  const body = rows.map((row) => {
    const cells = names.map((name) => `<td data-name="${escaped(words(name))}">${cell(row[name])}</td>`);
    return `<tr>${cells.join("")}</tr>`;
  });
  const table = `<table><thead><tr>${head}</tr></thead><tbody>\n${body.join("\n")}\n</tbody></table>`;
  return `<section><h2>${escaped(title)}</h2>\n${rows.length === 0 ? '<p class="quiet">none</p>' : table}</section>`;
}

/** Each backup and each drill is a row, since they differ in when they were and in what they say. */
function backupRows({ backups }: StackStatus): Row[] {
  return backups.flatMap(({ of, host, backup, sources = {}, drills = {} }) => {
    const rows = (kind: string, parts: Readonly<Record<string, object>>) =>
      Object.entries(parts).map(([what, values]): Row => ({ of, host, kind, what, ...values }));
    return [
      ...(backup === undefined ? [] : [{ of, host, kind: "whole run", what: "", ...backup }]),
      ...rows("backup", sources),
      ...rows("drill", drills),
    ];
  });
}

function rowsOf(value: Cell): Row[] {
  const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
  return list.map((each) =>
    typeof each === "object" && each !== null && !Array.isArray(each) ? (each as Row) : { value: each },
  );
}

function cell(value: Cell): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return escaped(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** `sizeMebibytes` as `size mebibytes`. */
function words(name: string): string {
  return name.replaceAll(
    /([a-z])([A-Z])/g,
    (_all, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "");
}
