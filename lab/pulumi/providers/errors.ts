import { type handleUnaryCall, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import statusPb from "@pulumi/pulumi/proto/status_pb.js";
import type * as anyTypes from "google-protobuf/google/protobuf/any_pb.js";
import { encodeProperties, pulumiRequire } from "./property-values.ts";
import { PartialFailure } from "./provider.ts";

const { Any } = pulumiRequire("google-protobuf/google/protobuf/any_pb.js") as typeof anyTypes;

/** Errors travel in HTTP/2 trailers, percent-encoded; Node takes at most 64 KiB of them. */
const errorBytesMax = 32_000;
/** Smaller, because the message is sent three times, twice beside the outputs. */
const partialFailureBytesMax = 6_000;

/** Turns a function into a handler; only the message of an error reaches the engine. */
export function answer<Request, Response>(
  run: (request: Request) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    run(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(grpcError(error)),
    );
  };
}

/**
 * A provider's error, reduced to its message; a {@link PartialFailure} also contains the resource's id and outputs, encoded
 * as by real providers.
 */
function grpcError(error: unknown): Partial<ServiceError> {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof PartialFailure)) {
    return { code: status.UNKNOWN, details: shorten(message, errorBytesMax) };
  }
  const short = shorten(message, partialFailureBytesMax);
  const failure = new pb.ErrorResourceInitFailed()
    .setId(error.id)
    .setProperties(encodeProperties(error.outputs))
    .setReasonsList([short]);
  const detail = new Any();
  detail.pack(failure.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const answered = new statusPb.Status().setCode(status.UNKNOWN).setMessage(short).setDetailsList([detail]);
  const metadata = new Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(answered.serializeBinary()));
  return { code: status.UNKNOWN, details: short, metadata };
}

/** Keeps the beginning, which usually contains what failed, and the end, which usually contains why. */
function shorten(message: string, bytesMax: number): string {
  let short = message;
  for (
    let half = Math.floor(message.length / 2);
    trailerBytes(short) > bytesMax;
    half = Math.floor(half * 0.9)
  ) {
    const leftOut = message.length - 2 * half;
    short = `${message.slice(0, half)}\n… ${leftOut} characters left out …\n${message.slice(message.length - half)}`;
  }
  return short;
}

/** The size of a text in a trailer, where every byte that is not printable ASCII takes three. */
function trailerBytes(message: string): number {
  const bytes = Buffer.from(message);
  return bytes.reduce((sum, byte) => sum + (byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? 1 : 3), 0);
}
