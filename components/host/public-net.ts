import { log, type ResourceHookFunction } from "@pulumi/pulumi";

/** What a host's addresses are to Hetzner, `public_net`, and what powers a server off. */

/**
 * Hook before the server is updated, in a preview too: says that it will be powered off. The provider does that for another type and for
 * every change of `public_net`, without a shutdown (terraform-provider-hcloud, internal/server/resource.go, resourceServerUpdate and
 * updatePublicNet). What runs there is back when the gate of the host is through.
 */
export function announcePowerOff(
  host: string,
  warn: (message: string) => Promise<void> = log.warn,
): ResourceHookFunction {
  return async ({ name, oldInputs, newInputs }) => {
    const families = (inputs: Record<string, unknown> | undefined) =>
      JSON.stringify((Array.isArray(inputs?.publicNets) ? inputs.publicNets : []).map(publicNetText));
    const reasons = [
      ...(families(oldInputs) === families(newInputs) ? [] : ["its addresses change"]),
      ...(oldInputs?.serverType === newInputs?.serverType
        ? []
        : [`it becomes a ${newInputs?.serverType} instead of a ${oldInputs?.serverType}`]),
    ];
    if (reasons.length === 0) return;
    await warn(
      `${host}: ${name} is powered off in this run, without a shutdown, and on again, because ${reasons.join(" and ")}: Hetzner's provider does that. ` +
        "All that runs there stops for a minute or two, as in a power cut. Choose the time; to spare the databases that, shut it down right before " +
        "the run, on the host: sudo systemctl poweroff",
    );
  };
}

/** What of it a change powers off for; an id that a preview does not know yet is another one. */
function publicNetText(net: {
  ipv4Enabled?: unknown;
  ipv4?: unknown;
  ipv6Enabled?: unknown;
  ipv6?: unknown;
}) {
  return [net.ipv4Enabled, net.ipv4, net.ipv6Enabled, net.ipv6].map(String);
}

/** `2001:db8::` as Hetzner gives it, of a network that ends in zeros (terraform-provider-hcloud, internal/primaryip/model.go). */
export function firstAddress(network: string): string {
  return `${network}1`;
}
