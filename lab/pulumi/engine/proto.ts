/**
 * The stubs of Pulumi's gRPC services as `@pulumi/pulumi` ships them, and the protobuf runtime they were generated for
 * (the package carries its own copy; messages of another version do not serialize with it).
 */
import { createRequire } from "node:module";
import callbackServices from "@pulumi/pulumi/proto/callback_grpc_pb.js";
import callbackMessages from "@pulumi/pulumi/proto/callback_pb.js";
import engineServices from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineMessages from "@pulumi/pulumi/proto/engine_pb.js";
import pluginMessages from "@pulumi/pulumi/proto/plugin_pb.js";
import providerServices from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import providerMessages from "@pulumi/pulumi/proto/provider_pb.js";
import resourceServices from "@pulumi/pulumi/proto/resource_grpc_pb.js";
import resourceMessages from "@pulumi/pulumi/proto/resource_pb.js";
import statusMessages from "@pulumi/pulumi/proto/status_pb.js";
import type emptyTypes from "google-protobuf/google/protobuf/empty_pb.js";
import type structTypes from "google-protobuf/google/protobuf/struct_pb.js";

const requireFromPulumi = createRequire(
  createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json"),
);
const struct = requireFromPulumi("google-protobuf/google/protobuf/struct_pb.js") as typeof structTypes;
const empty = requireFromPulumi("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyTypes;

export {
  callbackMessages,
  callbackServices,
  empty,
  engineMessages,
  engineServices,
  pluginMessages,
  providerMessages,
  providerServices,
  resourceMessages,
  resourceServices,
  statusMessages,
  struct,
};
