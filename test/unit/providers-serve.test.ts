import { type CallOptions, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import statusPb from "@pulumi/pulumi/proto/status_pb.js";
import { afterEach, describe, expect, test } from "vitest";
import {
  changedKeys,
  signatureKey,
  signatures,
  unknownString,
} from "../../lab/pulumi/providers/property-values.ts";
import {
  type LabProvider,
  PartialFailure,
  type Properties,
  type ProviderPackage,
  unknownValue,
} from "../../lab/pulumi/providers/provider.ts";
import type { ServedProvider } from "../../lab/pulumi/providers/serve.ts";
import { type SecretFollowingPackage, serveProvider } from "../../lab/pulumi/providers/serve.ts";
import { urn, wire } from "./wire-values.ts";

/** Records its calls and does the minimum. */
class Toy implements LabProvider {
  readonly asked: unknown[] = [];
  cancelled = 0;
  async configure(inputs: Properties) {
    this.asked.push(inputs);
  }
  async check(_ref: unknown, news: Properties, olds: Properties | undefined, seed: Buffer) {
    this.asked.push({ news, olds, seed: seed.toString("hex") });
    const failures = news.size === 0 ? [{ property: "size", reason: "must not be 0" }] : [];
    return { inputs: { ...news, colour: "red" }, failures };
  }
  async diff(_ref: unknown, _id: string, oldInputs: Properties, _outputs: Properties, news: Properties) {
    const changes = changedKeys(oldInputs, news);
    return { changes, replaces: changes.filter((key) => key === "size") };
  }
  async create(ref: unknown, inputs: Properties, timeoutSeconds: number) {
    this.asked.push({ ref, inputs, timeoutSeconds });
    if (inputs.fail === "at all") throw new Error("no rööm\n".repeat(10_000));
    if (inputs.fail === "half") throw new PartialFailure("not ready", "half-1", { size: 3 });
    return { id: "thing-1", outputs: { ...inputs, address: "10.0.0.1" } };
  }
  async read(_ref: unknown, id: string, inputs: Properties, outputs: Properties) {
    return id === "gone" ? undefined : { id, inputs, outputs };
  }
  async update(_ref: unknown, _id: string, _oldInputs: Properties, _outputs: Properties, news: Properties) {
    return { ...news, updated: true };
  }
  async delete(_ref: unknown, id: string, inputs: Properties) {
    this.asked.push({ deleted: id, inputs });
  }
  async invoke(token: string, args: Properties) {
    return { token, args };
  }
  async cancel() {
    this.cancelled += 1;
  }
}

const toy = new Toy();

const toyPackage: ProviderPackage = { name: "toy", version: "1.2.3", create: () => toy };

const open: { served: ServedProvider; client: { close(): void } }[] = [];

afterEach(async () => {
  for (const { served, client } of open.splice(0)) {
    client.close();
    await served.close();
  }
  toy.asked.length = 0;
});

async function connect(pkg: ProviderPackage | SecretFollowingPackage = toyPackage) {
  const served = await serveProvider(pkg);
  const client = new providerGrpc.ResourceProviderClient(served.address, credentials.createInsecure());
  open.push({ served, client });
  return client;
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

function call<Request, Response>(
  client: object,
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, new Metadata(), { deadline: Date.now() + 5_000 }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

describe("a served provider", () => {
  test("returns its name, version and features", async () => {
    const client = await connect();
    const hello = await call(client, client.handshake, new pb.ProviderHandshakeRequest());
    expect(hello.getAcceptSecrets()).toBe(false);
    const configured = await call(
      client,
      client.configure,
      new pb.ConfigureRequest().setArgs(
        wire({ token: { [signatureKey]: signatures.secret, value: "wrapped" } }),
      ),
    );
    expect(configured.toObject()).toMatchObject({ acceptsecrets: false, supportspreview: false });
    expect(toy.asked).toEqual([{ token: "wrapped" }]);
    await expect(call(client, client.parameterize, new pb.ParameterizeRequest())).rejects.toThrow(
      "the lab's toy provider is not parameterized",
    );
  });

  test("returns a provider's secret settings wrapped, for the state", async () => {
    const client = await connect();
    const news = { token: { [signatureKey]: signatures.secret, value: "wrapped" } };
    const checked = await call(client, client.checkConfig, new pb.CheckRequest().setNews(wire(news)));
    expect(checked.getInputs()?.toJavaScript()).toEqual(news);
  });

  test("adds the real plugin's metadata to the settings", async () => {
    const client = await connect({ ...toyPackage, settingsNotes: { "__toy-version": "7" } });
    const checked = await call(
      client,
      client.checkConfig,
      new pb.CheckRequest().setNews(wire({ size: "1" })),
    );
    expect(checked.getInputs()?.toJavaScript()).toEqual({ size: "1", "__toy-version": "7" });
  });

  test("a real plugin's metadata in the settings is not a change", async () => {
    const client = await connect();
    const request = (version: string) =>
      new pb.DiffRequest()
        .setOldInputs(wire({ version: "1.2.1", "__pulumi-go-provider-version": "1.3.0", __defaults: [] }))
        .setNews(wire({ version }));
    const taken = await call(client, client.diffConfig, request("1.2.1"));
    expect(taken.toObject()).toMatchObject({ changes: pb.DiffResponse.DiffChanges.DIFF_NONE, diffsList: [] });
    expect((await call(client, client.diffConfig, request("1.2.2"))).getDiffsList()).toEqual(["version"]);
  });

  test("checks and diffs", async () => {
    const client = await connect();
    const request = new pb.CheckRequest()
      .setUrn(urn)
      .setNews(wire({ size: 0, at: unknownString }))
      .setRandomseed(new Uint8Array([1, 255]));
    const checked = await call(client, client.check, request);
    expect(checked.getFailuresList().map((failure) => failure.toObject())).toEqual([
      { property: "size", reason: "must not be 0" },
    ]);
    expect(checked.getInputs()?.toJavaScript()).toEqual({ size: 0, at: unknownString, colour: "red" });
    expect(toy.asked).toEqual([{ news: { size: 0, at: unknownValue }, olds: undefined, seed: "01ff" }]);

    const diff = await call(
      client,
      client.diff,
      new pb.DiffRequest()
        .setUrn(urn)
        .setId("thing-1")
        .setOlds(wire({ size: 1, address: "10.0.0.1" }))
        .setOldInputs(wire({ size: 1, colour: "red" }))
        .setNews(wire({ size: 2, colour: "blue" })),
    );
    expect(diff.toObject()).toMatchObject({
      changes: pb.DiffResponse.DiffChanges.DIFF_SOME,
      diffsList: ["colour", "size"],
      replacesList: ["size"],
      deletebeforereplace: false,
    });
  });

  test("creates, reads, updates, deletes; the type and name come from the URN when not sent", async () => {
    const client = await connect();
    const made = await call(
      client,
      client.create,
      new pb.CreateRequest().setUrn(urn).setProperties(wire({ size: 1 })),
    );
    expect([made.getId(), made.getProperties()?.toJavaScript()]).toEqual([
      "thing-1",
      { size: 1, address: "10.0.0.1" },
    ]);
    expect(toy.asked).toEqual([
      { ref: { urn, type: "toy:index:Thing", name: "my::thing" }, inputs: { size: 1 }, timeoutSeconds: 1200 },
    ]);

    const gone = await call(client, client.read, new pb.ReadRequest().setUrn(urn).setId("gone"));
    expect(gone.getId()).toBe("");

    const preview = new pb.UpdateRequest()
      .setUrn(urn)
      .setNews(wire({ size: 2 }))
      .setPreview(true);
    expect((await call(client, client.update, preview)).getProperties()?.toJavaScript()).toEqual({ size: 2 });
    const updated = await call(client, client.update, preview.setPreview(false));
    expect(updated.getProperties()?.toJavaScript()).toEqual({ size: 2, updated: true });

    await call(
      client,
      client.delete,
      new pb.DeleteRequest()
        .setUrn(urn)
        .setId("thing-1")
        .setProperties(wire({ size: 2 })),
    );
    expect(toy.asked).toContainEqual({ deleted: "thing-1", inputs: { size: 2 } });
  });

  test("previews create nothing", async () => {
    const client = await connect();
    const request = new pb.CreateRequest()
      .setUrn(urn)
      .setProperties(wire({ at: unknownString }))
      .setPreview(true);
    const previewed = await call(client, client.create, request);
    expect([previewed.getId(), previewed.getProperties()?.toJavaScript()]).toEqual([
      "",
      { at: unknownString },
    ]);
    expect(toy.asked).toEqual([]);
  });

  test("an error is reduced to its message, shortened to the size of a trailer", async () => {
    const client = await connect();
    const request = new pb.CreateRequest().setUrn(urn).setProperties(wire({ fail: "at all" }));
    const error: ServiceError = await call(client, client.create, request).then(
      () => expect.fail("did not throw"),
      (thrown) => thrown,
    );
    expect(error.code).toBe(status.UNKNOWN);
    expect(error.details).toMatch(/^no rööm\nno rööm[\s\S]*\n… \d+ characters left out …\n[\s\S]*no rööm\n$/);
    expect(error.details.length).toBeGreaterThan(10_000);
  });

  test("a partial failure contains the id and the outputs, as from real providers", async () => {
    const client = await connect();
    const request = new pb.CreateRequest().setUrn(urn).setProperties(wire({ fail: "half" }));
    const error: ServiceError = await call(client, client.create, request).then(
      () => expect.fail("did not throw"),
      (thrown) => thrown,
    );
    const [bytes] = error.metadata.get("grpc-status-details-bin");
    const [detail] = statusPb.Status.deserializeBinary(bytes as Buffer).getDetailsList();
    expect(detail?.getTypeUrl()).toBe("type.googleapis.com/pulumirpc.ErrorResourceInitFailed");
    const failure = pb.ErrorResourceInitFailed.deserializeBinary(detail?.getValue_asU8() ?? new Uint8Array());
    expect([failure.getId(), failure.getReasonsList(), failure.getProperties()?.toJavaScript()]).toEqual([
      "half-1",
      ["not ready"],
      { size: 3 },
    ]);
  });

  test("where the real one does so, one secret input makes every output secret", async () => {
    const secret = (value: unknown) => ({ [signatureKey]: signatures.secret, value });
    const client = await connect({ ...toyPackage, outputsFollowSecrets: true });
    const hello = await call(client, client.handshake, new pb.ProviderHandshakeRequest());
    expect(hello.getAcceptSecrets()).toBe(true);

    const news = { size: 1, environment: { token: secret("wrapped"), colour: "red" } };
    const checked = await call(client, client.check, new pb.CheckRequest().setUrn(urn).setNews(wire(news)));
    expect(checked.getInputs()?.toJavaScript()).toEqual({ ...news, colour: "red" });

    const made = await call(
      client,
      client.create,
      new pb.CreateRequest().setUrn(urn).setProperties(wire(news)),
    );
    expect(toy.asked.at(-1)).toMatchObject({ inputs: { environment: { token: "wrapped" } } });
    expect(made.getProperties()?.toJavaScript()).toEqual({
      size: 1,
      environment: { token: secret("wrapped"), colour: "red" },
      address: secret("10.0.0.1"),
    });
    const outputs = made.getProperties();
    const read = new pb.ReadRequest().setUrn(urn).setId("1").setInputs(wire(news)).setProperties(outputs);
    const found = await call(client, client.read, read);
    expect([found.getInputs()?.toJavaScript(), found.getProperties()?.toJavaScript()]).toEqual([
      news,
      outputs?.toJavaScript(),
    ]);

    const plain = new pb.CreateRequest().setUrn(urn).setProperties(wire({ size: 1 }));
    expect((await call(client, client.create, plain)).getProperties()?.toJavaScript()).toEqual({
      size: 1,
      address: "10.0.0.1",
    });
  });

  test("closing it cancels running operations", async () => {
    const before = toy.cancelled;
    const served = await serveProvider(toyPackage);
    await served.close();
    expect(toy.cancelled).toBe(before + 1);
  });
});
