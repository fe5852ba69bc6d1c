import { createHash } from "node:crypto";
import { z } from "zod";
import type { Cloud } from "./cloud.ts";
import { invalidInput, notUnique } from "./errors.ts";
import { findById, nameMustBeFree, update } from "./records.ts";
import {
  created,
  labelsField,
  listPage,
  nameField,
  noContent,
  ok,
  parseBody,
  type Routes,
} from "./router.ts";
import { checkLabels } from "./selector.ts";
import type { SshKeyRecord } from "./state.ts";

const keyTypes = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com) /;

/** MD5 in pairs, as Hetzner shows it. Throws `invalid_input` for text that is not a public key. */
function fingerprint(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
  if (!keyTypes.test(publicKey) || blob.length < 32) {
    throw invalidInput({ public_key: "is not an OpenSSH public key" });
  }
  return createHash("md5")
    .update(blob)
    .digest("hex")
    .replace(/..(?=.)/g, "$&:");
}

export function sshKeyRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const find = (id: string | undefined) => findById(store.state.sshKeys, "ssh_key", id);
  return {
    "GET /ssh_keys": ({ query }) => {
      const wanted = query.get("fingerprint");
      return listPage(
        "ssh_keys",
        store.state.sshKeys.filter((key) => wanted === null || key.fingerprint === wanted),
        query,
      );
    },
    "GET /ssh_keys/:id": ({ params }) => ok({ ssh_key: find(params.id) }),
    "POST /ssh_keys": ({ body }) => {
      const input = parseBody(
        z.strictObject({ name: nameField, public_key: z.string().trim(), labels: labelsField.default({}) }),
        body,
      );
      checkLabels(input.labels);
      const print = fingerprint(input.public_key);
      nameMustBeFree(store.state.sshKeys, "SSH key", input.name);
      if (store.state.sshKeys.some((key) => key.fingerprint === print)) {
        throw notUnique("public_key", "SSH key");
      }
      const key: SshKeyRecord = {
        id: store.nextId(),
        ...input,
        fingerprint: print,
        created: new Date().toISOString(),
      };
      store.state.sshKeys.push(key);
      return created({ ssh_key: key });
    },
    "PUT /ssh_keys/:id": ({ params, body }) => {
      const key = find(params.id);
      update(store.state.sshKeys, "SSH key", key, body);
      return ok({ ssh_key: key });
    },
    "DELETE /ssh_keys/:id": ({ params }) => {
      const key = find(params.id);
      store.state.sshKeys = store.state.sshKeys.filter((candidate) => candidate !== key);
      return noContent;
    },
  };
}
