import { afterEach, beforeEach, expect } from "vitest";
import { hcloudPackage } from "../../lab/pulumi/providers/hcloud/index.ts";
import type { LabProvider, Properties } from "../../lab/pulumi/providers/provider.ts";
import { startCloud, type TestCloud, token } from "./cloud-recording.ts";

export const publicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlcGxveWtleWRlcGxveWtleWRlcGxveWtleWRlcGxv deploy@example";

export const seed = Buffer.from("a1b2c3d4", "hex");

export const secretData = "#cloud-config\n# canary-9d1c7e5f0b6a4c38\n";

export let cloud: TestCloud;

export let provider: LabProvider;

export const ref = (kind: string, name: string) => {
  const type = `hcloud:index/${kind}:${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  return { urn: `urn:pulumi:test::unit::${type}::${name}`, type, name };
};

export interface Made {
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
}

export async function make(kind: string, name: string, args: Properties): Promise<Made> {
  const { inputs, failures } = await provider.check(ref(kind, name), args, undefined, seed);
  expect(failures).toEqual([]);
  return { inputs, ...(await provider.create(ref(kind, name), inputs, 60)) };
}

export async function diff(kind: string, name: string, old: Made, args: Properties) {
  const { inputs } = await provider.check(ref(kind, name), args, old.inputs, seed);
  return {
    inputs,
    ...(await provider.diff(ref(kind, name), old.id, old.inputs, old.outputs, inputs)),
  };
}

/** A provider on an empty cloud before each test of a file. */
export function withHcloudProvider(): void {
  beforeEach(async () => {
    cloud = await startCloud();
    provider = hcloudPackage.create();
    await provider.configure({ token, endpoint: cloud.url, pollInterval: "20ms" });
  });

  afterEach(async () => {
    await cloud.close();
  });
}
