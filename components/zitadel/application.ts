import {
  CustomResource,
  type CustomResourceOptions,
  type Input,
  mergeOptions,
  type Output,
  secret,
} from "@pulumi/pulumi";
import type { ApplicationInputs } from "./application-provider.ts";

/** The resource's type in the state. */
export const applicationType = "pulumi-nodejs:dynamic/zitadel:Application";

/** Where the first setup writes Berth's personal access token: see `writtenSecret`. */
export const berthTokenFile = "berth.pat";

/**
 * Pulumi's host for dynamic providers evaluates this text and calls `handler` (`@pulumi/pulumi/cmd/dynamic-provider`; it starts in the
 * program's folder). What `dynamic.Resource` would put here is the provider's own code, serialized by the TypeScript compiler; this names
 * the file instead, so that another version of it is no change of the resource.
 */
export const applicationProvider = `exports.handler = () => require(require("node:path").join(process.cwd(), "components/zitadel/application-provider.ts")).provider;`;

/**
 * An application of Zitadel for a public client: authorization code with PKCE, no secret. Its project is made where there is none, and an
 * application that has the name already is taken over. Zitadel keeps it when it is no longer declared, since a removed one signs
 * everybody out for good.
 * @throws in the run: what Zitadel says, or that it does not answer within a minute
 */
export class ZitadelApplication extends CustomResource {
  /** The client id, by which the app says who it is. */
  declare readonly clientId: Output<string>;

  constructor(
    name: string,
    args: { readonly [Key in keyof ApplicationInputs]: Input<ApplicationInputs[Key]> },
    opts: CustomResourceOptions,
  ) {
    super(
      applicationType,
      name,
      {
        ...args,
        token: secret(args.token),
        projectId: undefined,
        clientId: undefined,
        __provider: applicationProvider,
      },
      mergeOptions(opts, { retainOnDelete: true }),
    );
  }
}
