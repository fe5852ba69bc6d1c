import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EdgeKind, edgeKindNames } from "../../components/edge/kinds.ts";
import { runOnHost, script } from "./host-script.ts";

/** A host's certificates of several domains; certbot, DNS and the edge are replaced by scripts. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-certificates-"));
  mkdirSync(join(folder, "edge/tls"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const address = "203.0.113.10";
const certificate = (domain: string) => join(folder, "edge/tls", `${domain}.pem`);
const functionsOf = (kind: EdgeKind) =>
  script("edge/scripts/functions.sh") + script(`edge/${kind}/scripts/functions.sh`);
const places = (kind: EdgeKind) => ({
  EDGE_KIND: kind,
  EDGE_KINDS: edgeKindNames.join("\n"),
  EDGE_DIRECTORY: join(folder, "edge"),
  TLS_DIRECTORY: "tls",
  CHALLENGES_DIRECTORY: join(folder, "challenges"),
  CONTAINER_DIRECTORY: "/etc/nginx/berth",
  WORKER_DEADLINE_SECONDS: 1,
  GRACE_SECONDS: 1,
});

describe.each(edgeKindNames)("renewal on %s", (kind) => {
  const store = () => join(folder, "store");
  const asked = () =>
    existsSync(join(folder, "asked")) ? readFileSync(join(folder, "asked"), "utf8").trim().split("\n") : [];
  /** @param leads where each domain leads */
  function renew(leads: Readonly<Record<string, string>>, address6?: string) {
    const programs = {
      mountpoint: "exit 0",
      docker: "exit 0",
      openssl: "echo subject=CN=the one before",
      getent: `case "$2 $1" in
${Object.entries(leads)
  .flatMap(([domain, where]) =>
    where
      .split(" ")
      .map((each) => `"${domain} ahostsv${each.includes(":") ? 6 : 4}") echo "${each} STREAM $2" ;;`),
  )
  .join("\n")}
*) exit 2 ;;
esac`,
      // Like the edge, which serves the file of a challenge.
      curl: `echo "$*" >>${join(folder, "curl")}
cat ${join(folder, "challenges/.well-known/acme-challenge")}/*`,
      certbot: `while [ $# -gt 0 ]; do [ "$1" = --cert-name ] && name=$2; shift; done
echo "$name" >>${join(folder, "asked")}
mkdir -p ${store()}/live/$name
echo "key of $name" >${store()}/live/$name/privkey.pem
echo "chain of $name" >${store()}/live/$name/fullchain.pem`,
    };
    for (const domain of Object.keys(leads)) writeFileSync(certificate(domain), "the one before\n");
    const parameters = {
      ...places(kind),
      DOMAINS: Object.keys(leads).join("\n"),
      ADDRESS: address,
      ...(address6 === undefined ? {} : { ADDRESS6: address6 }),
      DIRECTORY_URL: "https://acme.example/directory",
      EMAIL: "ops@example.org",
      AUTHORITY: "",
      STORE: store(),
      DATA_VOLUME: "/mnt/data",
      DNS_WAIT_SECONDS: 0,
    };
    return runOnHost(folder, programs, parameters, functionsOf(kind) + script("edge/scripts/renew.sh"));
  }

  test("each domain has its own certificate, key in front", () => {
    expect(renew({ "a.example": address, "b.example": address })).toMatchObject({ status: 0, stderr: "" });
    expect(asked()).toEqual(["a.example", "b.example"]);
    for (const domain of asked())
      expect(readFileSync(certificate(domain), "utf8")).toBe(`key of ${domain}\nchain of ${domain}\n`);
  });

  test("a host with IPv6 takes domains with records of both families or one, asks the edge over both, and no domain that leads elsewhere", () => {
    const both = "2001:db8::1";
    const { status, stderr } = renew(
      {
        "both.example": `${address} ${both}`,
        "one.example": address,
        "stray.example": `${address} 2001:db8::bad`,
      },
      both,
    );
    expect(status).toBe(1);
    expect(asked()).toEqual(["both.example", "one.example"]);
    expect(stderr).toContain(`must lead to this host (${address} ${both})`);
    expect(stderr).toContain(`stray.example leads to 2001:db8::bad ${address}`);
    expect(stderr).toContain("Correct the A and AAAA records");
    expect(readFileSync(join(folder, "curl"), "utf8")).toMatch(
      /both.example:80:203.*\n.*both.example:80:\[2001:db8::1\]/,
    );
  });

  test("a host without IPv6 takes no domain that has an AAAA record", () => {
    const { stderr } = renew({ "a.example": `${address} 2001:db8::1` });
    expect(asked()).toEqual([]);
    expect(stderr).toContain("Correct the A records (and remove AAAA records)");
  });

  test("a domain that points elsewhere does not prevent the renewal of others, whatever the order, and its address is reported", () => {
    for (const order of [
      { "gone.example": "198.51.100.1", "here.example": address },
      { "here.example": address, "gone.example": "198.51.100.1" },
    ]) {
      const { status, stderr } = renew(order);
      expect(status).toBe(1);
      expect(stderr).toContain("gone.example leads to 198.51.100.1");
      expect(stderr).not.toContain("here.example leads");
      expect(readFileSync(certificate("here.example"), "utf8")).toBe(
        "key of here.example\nchain of here.example\n",
      );
      expect(readFileSync(certificate("gone.example"), "utf8")).toBe("the one before\n");
    }
    expect(new Set(asked())).toEqual(new Set(["here.example"]));
  });
});

describe.each(edgeKindNames)("the first certificate of a domain on %s", (kind) => {
  function configure(given = "") {
    const parameters = {
      ...places(kind),
      DOMAINS: "a.example\nb.example",
      SITE_0: "site a",
      SITE_1: "site b",
      MAIN: "main",
      SITES: "{}",
      FILES: "traefik.yml\nplugins/src/one/edge.go",
      FILE_0: "{}",
      FILE_1: "package one",
      CERTIFICATE: given,
      PRIVATE_KEY: given === "" ? "" : "given key",
      RENEWAL_SCRIPT: join(folder, "none"),
      RENEWAL_UNIT: "none",
    };
    // The folder of backups is the host's.
    const scripts = script("edge/scripts/certificate-files.sh") + script(`edge/${kind}/scripts/configure.sh`);
    const body = functionsOf(kind) + scripts.replaceAll("/var/lib/berth/", `${folder}/`);
    return runOnHost(folder, { docker: "exit 0" }, parameters, body);
  }

  test("is the common one on a host of an earlier version", () => {
    writeFileSync(join(folder, "edge/tls/edge.pem"), "common key and chain\n");
    expect(configure()).toMatchObject({ status: 0, stderr: "" });
    for (const domain of ["a.example", "b.example"])
      expect(readFileSync(certificate(domain), "utf8")).toBe("common key and chain\n");
  });

  test("is a placeholder on a new host, and an existing one is kept", () => {
    expect(configure()).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(certificate("a.example"), "utf8")).toContain("-----BEGIN CERTIFICATE-----");
    writeFileSync(certificate("a.example"), "issued meanwhile\n");
    expect(configure()).toMatchObject({ status: 0 });
    expect(readFileSync(certificate("a.example"), "utf8")).toBe("issued meanwhile\n");
  });

  test("is replaced by a given one", () => {
    writeFileSync(certificate("a.example"), "issued meanwhile\n");
    expect(configure("given chain")).toMatchObject({ status: 0 });
    expect(readFileSync(certificate("a.example"), "utf8")).toBe("given key\ngiven chain\n");
  });
});
