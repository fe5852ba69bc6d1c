import { afterEach, beforeEach, expect } from "vitest";
import { type Json, startCloud, type TestCloud } from "./cloud-recording.ts";

export const publicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlcGxveWtleWRlcGxveWtleWRlcGxveWtleWRlcGxv deploy@example";

export let cloud: TestCloud;

export async function createServer(fields: Json = {}): Promise<Json> {
  const answer = await cloud.call("POST", "/servers", {
    name: "web-1",
    server_type: "cx23",
    image: "debian-12",
    location: "nbg1",
    user_data: "#cloud-config\n",
    ...fields,
  });
  expect(answer.body.error).toBeUndefined();
  expect(answer.status).toBe(201);
  expect(await cloud.settle(answer.body.action)).toMatchObject({
    status: "success",
    progress: 100,
    error: null,
  });
  for (const next of answer.body.next_actions) {
    expect(await cloud.settle(next)).toMatchObject({ status: "success" });
  }
  return (await cloud.call("GET", `/servers/${answer.body.server.id}`)).body.server;
}

/** Starts a cloud with the machines and the state file of the closed one. */
export async function restartCloud(): Promise<void> {
  cloud = await startCloud(cloud.machines, cloud.stateFile);
}

/** An empty cloud before each test of a file. */
export function withCloud(): void {
  beforeEach(async () => {
    cloud = await startCloud();
  });

  afterEach(async () => {
    await cloud.close();
  });
}
