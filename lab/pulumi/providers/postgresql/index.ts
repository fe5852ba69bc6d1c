/**
 * The lab's `postgresql` provider: Role, Database, Extension and Grant of pulumi-postgresql 3.18.
 * Its user must be a superuser: otherwise the real provider temporarily grants itself memberships, which is not implemented here.
 */

import {
  autoName,
  checkInputs,
  diffInputs,
  isAutoNamed,
  notPartOfTheLab,
  withDefaults,
  withoutNotes,
} from "../inputs.ts";
import type { LabProvider, Properties, ProviderPackage, ResourceRef } from "../provider.ts";
import { PostgresServer, serverSettings } from "./connection.ts";
import { database } from "./database.ts";
import { extension } from "./extension.ts";
import { grant } from "./grant.ts";
import type { PostgresKind } from "./kind.ts";
import { role } from "./role.ts";

const kinds: Readonly<Record<string, PostgresKind>> = {
  "postgresql:index/role:Role": role,
  "postgresql:index/database:Database": database,
  "postgresql:index/extension:Extension": extension,
  "postgresql:index/grant:Grant": grant,
};

/** How long a refresh may take for one resource, in seconds: a read has no timeout of its own. */
const readTimeoutSeconds = 60;

class PostgresqlProvider implements LabProvider {
  #settings: Properties = {};

  async configure(inputs: Properties): Promise<void> {
    // Throws for unsupported settings; connects with the first operation.
    serverSettings(inputs);
    this.#settings = inputs;
  }

  async check(ref: ResourceRef, news: Properties, olds: Properties | undefined, randomSeed: Buffer) {
    const kind = kindOf(ref.type);
    const name =
      kind.named && (news.name ?? undefined) === undefined ? autoName(ref, olds, randomSeed) : undefined;
    const named = name === undefined ? news : { ...news, name };
    const { inputs, failures } = checkInputs(ref.type, kind.rules, named);
    return {
      inputs: name === undefined ? inputs : { ...inputs, __defaults: ["name"] },
      failures: failures.length > 0 ? failures : kind.failures(inputs),
    };
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, oldOutputs: Properties, news: Properties) {
    const kind = kindOf(ref.type);
    return {
      ...diffInputs(kind.rules, withoutNotes(oldInputs), oldOutputs, withoutNotes(news)),
      // As in every bridged provider: names are unique, and only a generated name differs each time.
      deleteBeforeReplace: kind.deleteBeforeReplace || (kind.named && !isAutoNamed(news)),
    };
  }

  async create(ref: ResourceRef, inputs: Properties, timeoutSeconds: number) {
    const kind = kindOf(ref.type);
    const server = this.#server(timeoutSeconds);
    const complete = withDefaults(kind.rules, withoutNotes(inputs));
    await kind.create(server, complete);
    const outputs = (await kind.read(server, complete)) ?? complete;
    return { id: kind.id(server, outputs), outputs };
  }

  async read(ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    const kind = kindOf(ref.type);
    const known = withDefaults(kind.rules, withoutNotes({ ...inputs, ...outputs }));
    if (kind.named && typeof known.name !== "string") {
      throw new Error(`${ref.type} ${ref.name}: importing "${id}" is not supported by the lab`);
    }
    const found = await kind.read(this.#server(readTimeoutSeconds), known);
    if (found === undefined) return undefined;
    // The inputs are set to the values that were found, so that the next run shows drift.
    const followed = Object.keys(inputs).map((key) => [key, found[key] ?? inputs[key]] as const);
    return { id, inputs: Object.fromEntries(followed), outputs: found };
  }

  async update(
    ref: ResourceRef,
    _id: string,
    oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
    timeoutSeconds: number,
  ): Promise<Properties> {
    const kind = kindOf(ref.type);
    const server = this.#server(timeoutSeconds);
    const olds = withDefaults(kind.rules, withoutNotes({ ...oldInputs, ...oldOutputs }));
    const complete = withDefaults(kind.rules, withoutNotes(news));
    await kind.update(server, olds, complete);
    return (await kind.read(server, complete)) ?? complete;
  }

  async delete(
    ref: ResourceRef,
    _id: string,
    inputs: Properties,
    outputs: Properties,
    timeoutSeconds: number,
  ): Promise<void> {
    const kind = kindOf(ref.type);
    const server = this.#server(timeoutSeconds);
    const known = withDefaults(kind.rules, withoutNotes({ ...inputs, ...outputs }));
    if ((await kind.read(server, known)) !== undefined) await kind.remove(server, known);
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(token, Object.keys(kinds));
  }

  #server(timeoutSeconds: number): PostgresServer {
    return new PostgresServer(serverSettings(this.#settings), timeoutSeconds);
  }
}

function kindOf(type: string): PostgresKind {
  const kind = kinds[type];
  if (kind === undefined) throw notPartOfTheLab(type, Object.keys(kinds));
  return kind;
}

/** `postgresql`, as pulumi-postgresql 3.18.1 behaves. */
export const postgresqlPackage: ProviderPackage = {
  name: "postgresql",
  version: "3.18.1",
  create: () => new PostgresqlProvider(),
};
