import { createHash } from "node:crypto";
import { SshKey } from "@pulumi/hcloud/sshKey.js";
import { createUrn, type Output } from "@pulumi/pulumi";
import { type Adoptions, adoption } from "../adoption.ts";
import { labels } from "../labels.ts";

/** The first 12 hex digits of the SHA-256 of a public key without its comment. */
export function keyFingerprint(publicKey: string): string {
  const [, key = ""] = publicKey.trim().split(/\s+/);
  return createHash("sha256").update(Buffer.from(key, "base64")).digest("hex").slice(0, 12);
}

/** Name of the resource of a public key. */
export function sshKeyName(publicKey: string): string {
  return `ssh-key-${keyFingerprint(publicKey)}`;
}

/**
 * The stack's public keys at Hetzner, which refuses the same key twice in a project: one for all hosts. A server takes them at its
 * creation only, so that Hetzner mails no root password; who may come in later is the host's `authorized_keys`.
 * @param hosts names of the hosts, whose own resources these were, by index
 * @returns their ids
 */
export function sshKeys(
  authorizedKeys: readonly string[],
  hosts: readonly string[],
  adopt: Adoptions,
): Output<string>[] {
  return authorizedKeys.map((publicKey, index) => {
    const name = sshKeyName(publicKey);
    const aliases = hosts.map((host) => ({
      name: `${host}-ssh-key-${index}`,
      parent: createUrn(host, "berth:host:Host"),
    }));
    const args = { publicKey, labels: labels(name) };
    return new SshKey(name, args, { aliases, ...adoption(adopt, name, args) }).id;
  });
}
