/** `bench:services` simulated services, each with the release graph of a real one; the first runs `bench:version`. */
import * as pulumi from "@pulumi/pulumi";

class Simulated extends pulumi.CustomResource {
  declare readonly label: pulumi.Output<string>;
  constructor(kind: string, name: string, inputs: pulumi.Inputs, options: pulumi.CustomResourceOptions) {
    super(`simulated:index:${kind}`, name, { ...inputs, label: undefined }, { version: "1.0.0", ...options });
  }
}

/** About as long as a host command's script. */
const script = "echo one line of a script that a host command hands over\n".repeat(36);

/** Snapshot, migration, slot, probe, switch, with a slot's dependencies, as in components/release. */
class Service extends pulumi.ComponentResource {
  constructor(name: string, version: string) {
    super("bench:index:Service", name);
    const parent = { parent: this };
    const network = new Simulated("Network", `${name}-network`, { driver: "overlay" }, parent);
    const secret = new Simulated(
      "Secret",
      `${name}-secret`,
      { data: pulumi.secret(`value of ${name}`) },
      parent,
    );
    const command = (step: string, inputs: pulumi.Inputs, dependsOn: pulumi.Resource[]) =>
      new Simulated("Command", `${name}-${step}`, { script, ...inputs }, { ...parent, dependsOn });
    const snapshot = command("snapshot", { version }, []);
    const migration = command("migration", { version }, [snapshot]);
    const slot = new Simulated(
      "Service",
      `${name}-slot`,
      { taskSpec: { image: version, networks: [network.label], secrets: [secret.label] } },
      { ...parent, dependsOn: [migration], replaceOnChanges: ["taskSpec"] },
    );
    const probe = command("probe", { slot: slot.label }, []);
    command("switch", { slot: slot.label }, [probe]);
    this.registerOutputs({ slot: slot.label });
  }
}

const config = new pulumi.Config();
for (let n = 1; n <= config.requireNumber("services"); n += 1) {
  new Service(`service-${n}`, n === 1 ? config.require("version") : "v1");
}
