import type { Registered } from "./context.ts";
import type { ProviderHints } from "./monitor.ts";
import { defaultProviderGoal, type Goal, providerPackage, Unsupported } from "./registration.ts";
import { packageOf, providerType } from "./urn.ts";
import { type PropertyMap, Secret } from "./values.ts";

/** What the choice of providers needs from the run. */
interface DefaultProviderOptions {
  /** Configuration values by full key; `<package>:<key>` configures the package's default provider. */
  readonly config: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
  readonly register: (goal: Goal) => Promise<Registered>;
}

/**
 * Chooses the provider of each resource and invoke, as Pulumi does: the provider that the resource names, else the one
 * that the parent component was given for the package, else the parent's provider if it belongs to the package, else a default provider
 * made from the stack's configuration, one per package and version.
 */
export class ProviderChoice {
  readonly #options: DefaultProviderOptions;
  readonly #defaults = new Map<string, Promise<string>>();
  /** Providers that components were given, by the component's URN. */
  readonly #ofComponents = new Map<string, ReadonlyMap<string, string>>();

  constructor(options: DefaultProviderOptions) {
    this.#options = options;
  }

  /** Records the providers that a component passes to its children. */
  remember(component: string, hints: ProviderHints): void {
    const inherited = this.#ofComponents.get(hints.parent) ?? new Map<string, string>();
    this.#ofComponents.set(component, new Map([...inherited, ...hints.providers]));
  }

  /** The provider reference for a resource type or function token. */
  async choose(token: string, hints: ProviderHints, parentProvider: string): Promise<string> {
    const packageName = packageOf(token);
    if (packageName === "pulumi") throw new Unsupported(`${token}, which is Pulumi's own`);
    const named =
      hints.provider ||
      hints.providers.get(packageName) ||
      this.#ofComponents.get(hints.parent)?.get(packageName);
    if (named) return named;
    if (parentProvider !== "" && providerPackage(parentProvider) === packageName) return parentProvider;
    return this.#default(packageName, hints.version);
  }

  #default(packageName: string, version: string): Promise<string> {
    const key = `${packageName}@${version}`;
    const known = this.#defaults.get(key);
    if (known) return known;
    const reference = this.#registerDefault(packageName, version);
    this.#defaults.set(key, reference);
    return reference;
  }

  async #registerDefault(packageName: string, version: string): Promise<string> {
    const denied = this.#options.config["pulumi:disable-default-providers"];
    if (denied) throw new Unsupported("the configuration pulumi:disable-default-providers");
    const inputs: Record<string, PropertyMap[string]> = {};
    for (const [key, value] of Object.entries(this.#options.config)) {
      if (!key.startsWith(`${packageName}:`)) continue;
      inputs[key.slice(packageName.length + 1)] = this.#options.secretKeys.includes(key)
        ? new Secret(value)
        : value;
    }
    if (version !== "") inputs.version = version;
    const name = version === "" ? "default" : `default_${version.replace(/[.+-]/g, "_")}`;
    const { state } = await this.#options.register(
      defaultProviderGoal(providerType(packageName), name, inputs),
    );
    return `${state.urn}::${state.id}`;
  }
}
