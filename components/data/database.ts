import { Extension, Grant, Database as PostgresqlDatabase, Role } from "@pulumi/postgresql";
import {
  ComponentResource,
  type ComponentResourceOptions,
  interpolate,
  mergeOptions,
  type Output,
  type Resource,
  secret,
} from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import type { Postgres } from "./postgres.ts";

/** File in /run/secrets of whoever connects. */
const authorityFile = "DATABASE_AUTHORITY";
const tls = `sslmode=verify-full&sslrootcert=/run/secrets/${authorityFile}`;

export interface DatabaseArgs {
  readonly postgres: Postgres;
  /** Database and its owner role. */
  readonly name: string;
  /** Made by the superuser, so that migrations need no special rights. */
  readonly extensions: readonly string[];
  /**
   * What migrations need beside: privileges of the owner role on tables that it does not own, as those of an extension. Given after
   * the extensions are made, no more than is named here.
   */
  readonly grants?: readonly TableGrant[];
}

const tablePrivileges = [
  "SELECT",
  "INSERT",
  "UPDATE",
  "DELETE",
  "TRUNCATE",
  "REFERENCES",
  "TRIGGER",
] as const;

export interface TableGrant {
  /** In the schema `public`, where extensions are made. */
  readonly table: string;
  readonly privileges: readonly (typeof tablePrivileges)[number][];
}

/**
 * A database with its owner role (no superuser, a generated password) and its extensions. The database and the role are
 * protected.
 */
export class Database extends ComponentResource {
  readonly name: string;
  readonly postgres: Postgres;
  readonly password: Output<string>;
  /** What the connection strings trust: give it to every container that uses one, with its secrets. */
  readonly authority: Readonly<Record<string, Output<string>>>;
  /** Connection string with the password: secret. */
  readonly url: Output<string>;
  /** Depend on these before using the database. */
  readonly ready: readonly Resource[];

  constructor(name: string, args: DatabaseArgs, opts?: ComponentResourceOptions) {
    super("berth:data:Database", name, {}, opts);
    this.name = args.name;
    this.postgres = args.postgres;
    const { service, provider, ready, address } = args.postgres;
    const child = { parent: this };
    const within = mergeOptions(child, { provider, dependsOn: [ready], deletedWith: service });

    const password = new RandomPassword(
      `${name}-password`,
      // Symbols that mean nothing in a URL or a shell, so that every consumer can take the value as it is.
      {
        length: 40,
        special: true,
        overrideSpecial: "-_.~",
        minLower: 2,
        minUpper: 2,
        minNumeric: 2,
        minSpecial: 2,
      },
      child,
    );
    const role = new Role(
      `${name}-role`,
      { name: args.name, login: true, password: password.result, superuser: false },
      mergeOptions(within, { protect: true }),
    );
    const database = new PostgresqlDatabase(
      `${name}-database`,
      { name: args.name, owner: role.name, encoding: "UTF8" },
      mergeOptions(within, { protect: true }),
    );
    const extensions = args.extensions.map(
      (extension) =>
        new Extension(`${name}-${extension}`, { name: extension, database: database.name }, within),
    );

    const grants = (args.grants ?? []).map(
      ({ table, privileges }) =>
        new Grant(
          `${name}-grant-${table.replaceAll("_", "-")}`,
          {
            database: database.name,
            role: role.name,
            schema: "public",
            objectType: "table",
            objects: [table],
            privileges: [...privileges],
          },
          mergeOptions(within, { dependsOn: extensions }),
        ),
    );

    this.password = password.result;
    this.authority = { [authorityFile]: args.postgres.certificatePem };
    this.url = secret(
      interpolate`postgresql://${role.name}:${password.result}@${address}/${database.name}?${tls}`,
    );
    this.ready = [database, ...extensions, ...grants];
    this.registerOutputs();
  }

  /** libpq's variables of a connection, without PGPASSWORD. */
  variables(databaseName = this.name): Readonly<Record<string, string>> {
    const [host = "", port = "5432"] = this.postgres.address.split(":");
    return {
      PGHOST: host,
      PGPORT: port,
      PGUSER: this.name,
      PGDATABASE: databaseName,
      PGSSLMODE: "verify-full",
      PGSSLROOTCERT: `/run/secrets/${authorityFile}`,
    };
  }

  /** A connection string for programs that take the password from PGPASSWORD: it may stand in an argument list. */
  urlWithoutPassword(databaseName = this.name): string {
    return `postgresql://${this.name}@${this.postgres.address}/${databaseName}?${tls}`;
  }
}
