import * as pulumi from "@pulumi/pulumi";

/** Inputs of a {@link Thing}: those that steer the provider (see testing-provider.ts) and any others, which it echoes. */
export interface ThingInputs {
  readonly replaceKeys?: pulumi.Input<pulumi.Input<string>[]>;
  readonly deleteBeforeReplace?: pulumi.Input<boolean>;
  readonly failCheck?: pulumi.Input<string>;
  readonly failCreate?: pulumi.Input<string>;
  readonly failUpdate?: pulumi.Input<string>;
  readonly failDelete?: pulumi.Input<string>;
  readonly failPartially?: pulumi.Input<string>;
  readonly delayMilliseconds?: pulumi.Input<number>;
  readonly [echoed: string]: pulumi.Input<unknown> | undefined;
}

/** The one resource type of the provider `testing`. */
export class Thing extends pulumi.CustomResource {
  /** Which thing of its logical name this is, from 1: a replacement has the next number. */
  declare readonly serial: pulumi.Output<number>;
  /** `name-serial`. */
  declare readonly label: pulumi.Output<string>;
  /** Echoed. */
  declare readonly value: pulumi.Output<string>;

  constructor(name: string, inputs: ThingInputs = {}, options: pulumi.CustomResourceOptions = {}) {
    super(
      "testing:index:Thing",
      name,
      { value: undefined, ...inputs, serial: undefined, label: undefined },
      { version: "1.0.0", ...options },
    );
  }
}

/** An ordinary component, its children made by `children`. */
export class Component extends pulumi.ComponentResource {
  constructor(
    name: string,
    children: (self: Component) => pulumi.Inputs,
    options: pulumi.ComponentResourceOptions = {},
  ) {
    super("testing:index:Component", name, {}, options);
    this.registerOutputs(children(this));
  }
}

/** An explicit provider `testing`. */
export class Testing extends pulumi.ProviderResource {
  constructor(name: string, inputs: pulumi.Inputs, options: pulumi.ResourceOptions = {}) {
    super("testing", name, inputs, { version: "1.0.0", ...options });
  }
}

/** Asks the provider whether a thing of that logical name exists. */
export function lookup(
  args: { readonly name: pulumi.Input<string>; readonly failLookup?: pulumi.Input<string> },
  options: pulumi.InvokeOutputOptions = {},
): pulumi.Output<{ found: boolean; label: string }> {
  return pulumi.runtime.invokeOutput("testing:index:lookup", args, { version: "1.0.0", ...options });
}
