import { type Output, output, type Resource } from "@pulumi/pulumi";
import { z } from "zod";
import type { ConnectionNames } from "../declaration.ts";
import { domainSchema, portSchema } from "../schema.ts";
import { type ClientConnection, clientConnection } from "./client-connection.ts";
import type { ClientTls } from "./client-tls.ts";

/** A database on a server that Berth does not run, as a system's settings; its password is a secret of the system. */
export const externalDatabaseSettings = z.strictObject({
  /** As it stands in the server's certificate. */
  host: domainSchema,
  port: portSchema.default(5432),
  name: z.string().min(1),
  user: z.string().min(1),
  /** What the server's certificate is checked against: the authority that its operator publishes. */
  authorityPem: z
    .string()
    .regex(
      /^-----BEGIN CERTIFICATE-----\n[\s\S]+-----END CERTIFICATE-----\n?$/,
      "is not a certificate; use the PEM file of the authority that the database's operator publishes",
    ),
});

/**
 * A database on a host name of its own, outside Berth. Its clients are told of it, and check it, as of one of Berth's; snapshots, migrations and
 * rotation of its password are its operator's, so a service with a `schema` cannot use it.
 */
export class ExternalDatabase {
  readonly ready: readonly Resource[] = [];
  readonly #settings: z.output<typeof externalDatabaseSettings>;
  readonly #password: Output<string>;

  constructor(settings: z.output<typeof externalDatabaseSettings>, password: Output<string>) {
    this.#settings = settings;
    this.#password = password;
  }

  /** What a container needs to connect, under the names by which its image knows it, and what it trusts. */
  connection(names: ConnectionNames, tls: ClientTls): ClientConnection {
    const { authorityPem, ...parts } = this.#settings;
    return clientConnection(
      { ...parts, password: this.#password, authorityPem: output(authorityPem) },
      names,
      tls,
    );
  }
}
