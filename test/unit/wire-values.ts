import { pulumiRequire, type Struct } from "../../lab/pulumi/providers/property-values.ts";

export const urn = "urn:pulumi:test::berth::berth:index:Host$toy:index:Thing::my::thing";

const structPb = pulumiRequire("google-protobuf/google/protobuf/struct_pb.js");

export const wire = (value: unknown): Struct => structPb.Struct.fromJavaScript(value);
