import { Secret } from "@pulumi/docker";
import type { CustomResourceOptions, Output } from "@pulumi/pulumi";
import { mergeOptions, secret } from "@pulumi/pulumi";
import type { Host } from "../host/host.ts";
import { dockerLabels } from "../labels.ts";

/**
 * A Swarm secret under a name that Pulumi makes up anew for each value: a new value is a new secret beside the old one,
 * and the old one goes when nothing uses it any more.
 */
export function swarmSecret(
  name: string,
  args: { readonly host: Host; readonly system: string; readonly value: Output<string> },
  opts: CustomResourceOptions,
): Secret {
  return new Secret(
    name,
    {
      data: secret(args.value).apply((value) => Buffer.from(value, "utf8").toString("base64")),
      labels: dockerLabels(name, args.system),
    },
    mergeOptions(opts, { provider: args.host.docker, additionalSecretOutputs: ["data"] }),
  );
}
