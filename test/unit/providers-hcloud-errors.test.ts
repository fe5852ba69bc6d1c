import { describe, expect, test } from "vitest";
import { hcloudPackage } from "../../lab/pulumi/providers/hcloud/index.ts";
import type { Properties } from "../../lab/pulumi/providers/provider.ts";
import { token } from "./cloud-recording.ts";
import { make, provider, ref, secretData, seed, withHcloudProvider } from "./hcloud-provider.ts";

withHcloudProvider();

describe("errors", () => {
  test.each<[Properties, string]>([
    [
      { token: "short", endpoint: "http://127.0.0.1:1/v1" },
      "hcloud:token: entered token is invalid (must be exactly 64 characters long)",
    ],
    [
      { token, endpoint: "https://api.hetzner.cloud/v1" },
      `hcloud:endpoint: "https://api.hetzner.cloud/v1" is not a lab's cloud (on loopback or in 198.18.0.0/15); the lab's provider speaks to nothing else`,
    ],
    [
      { token, endpoint: "http://127.0.0.1:1/v1", pollInterval: "fast" },
      `hcloud:pollInterval: "fast" is not a duration; use 500ms, 1s and the like`,
    ],
  ])("configuration %j", async (inputs, message) => {
    await expect(hcloudPackage.create().configure(inputs)).rejects.toThrow(message);
  });

  test("unsupported features are named", async () => {
    await expect(provider.check(ref("loadBalancer", "lb"), {}, undefined, seed)).rejects.toThrow(
      "hcloud:index/loadBalancer:LoadBalancer is not supported by the lab",
    );
    const { failures } = await provider.check(
      ref("server", "web"),
      { serverType: "cx23", rescue: "linux64", datacenter: "nbg1-dc3" },
      undefined,
      seed,
    );
    expect(failures).toEqual([
      { property: "rescue", reason: "is not supported by the lab: the lab's cloud does not have it yet" },
      {
        property: "datacenter",
        reason: "is not supported by the lab: the provider removed it; use location",
      },
    ]);
  });

  test("an unknown server type is Hetzner's error, without the user data", async () => {
    await expect(
      make("server", "web", { serverType: "cx99", image: "debian-12", userData: secretData }),
    ).rejects.toThrow(
      "POST /servers: invalid input in field 'server_type': 'cx99' does not exist (invalid_input, status 422)\n  server_type: 'cx99' does not exist",
    );
  });
});
