import { Extension, Grant, Database as PostgresqlDatabase, Role } from "@pulumi/postgresql";
import {
  ComponentResource,
  type ComponentResourceOptions,
  mergeOptions,
  type Output,
  type Resource,
} from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import type { ConnectionNames, Place } from "../declaration.ts";
import { hostCommand, readScript } from "../host/command.ts";
import { authoritySecret, type ClientConnection, clientConnection } from "./client-connection.ts";
import { authorityFile, type ClientTls, urlQuery, verifyFull } from "./client-tls.ts";
import type { Postgres } from "./postgres.ts";

/** Symbols that mean nothing in a URL or a shell, so that every consumer can take the value as it is. */
const passwordRules = {
  ...{ length: 40, special: true, overrideSpecial: "-_.~" },
  ...{ minLower: 2, minUpper: 2, minNumeric: 2, minSpecial: 2 },
};

export interface DatabaseArgs {
  readonly postgres: Postgres;
  /** Database and its owner role. */
  readonly name: string;
  /** Made by the superuser, so that migrations need no special rights. */
  readonly extensions: readonly string[];
  /**
   * Another number is another role that logs in, with a new password; see docs/decisions/0009-roles-that-log-in.md. The server's
   * setting when left out.
   */
  readonly passwordGeneration?: number;
  /** Its clients may stream changes (logical replication), as ElectricSQL does; the server needs `wal_level: "logical"`. */
  readonly replication?: boolean;
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
 * A database with its owner role (no superuser), its extensions, and the role that clients log in as: the owner itself with a
 * generated password, and from the second generation on a role `<owner>_login_<generation>` that acts as the owner. The login
 * of before ends after the release, like the slot that used it. The database and the owner are protected.
 */
export class Database extends ComponentResource {
  readonly name: string;
  readonly postgres: Postgres;
  /** Who clients log in as. */
  readonly user: string;
  readonly password: Output<string>;
  /** What the connection strings trust: give it to every container that uses one, with its secrets. */
  readonly authority: Readonly<Record<string, Output<string>>>;
  /** Depend on these before using the database. */
  readonly ready: readonly Resource[];

  /** @param resource what its resource is called after the system: `database` for `togather_database` */
  constructor(place: Place, resource: string, args: DatabaseArgs) {
    const name = `${place.system}_${resource}`;
    super("berth:data:Database", name, {}, { parent: place.parent });
    const generation = args.passwordGeneration ?? args.postgres.passwordGeneration;
    this.name = args.name;
    this.postgres = args.postgres;
    const { service, provider, ready } = args.postgres;
    const child = { parent: this };
    const within = mergeOptions(child, { provider, dependsOn: [ready], deletedWith: service });

    const password = new RandomPassword(`${name}-password`, passwordRules, child);
    const role = new Role(
      `${name}-role`,
      {
        ...{ name: args.name, superuser: false, password: password.result },
        // When it is made; later it is the business of `login`.
        login: generation === 1,
        ...(args.replication ? { replication: true } : {}),
      },
      mergeOptions(within, { protect: true, ignoreChanges: ["login"] }),
    );
    const login = this.login(name, { place, args, generation }, { role, password }, within);
    const database = new PostgresqlDatabase(
      `${name}-database`,
      { name: args.name, owner: role.name, encoding: "UTF8" },
      mergeOptions(within, { protect: true }),
    );
    const { name: server, image, dataPath } = args.postgres;
    const kept = { kind: "database", of: place.system, server, name: args.name, image, dataPath } as const;
    // Before anything is in it: the restored database takes the empty one's place.
    const restored = place.host.restored(`${name}-restore`, kept, [database, login.ready], {
      parent: this,
      deletedWith: service,
    });
    const inside = mergeOptions(within, { dependsOn: [...restored] });
    const extensions = args.extensions.map(
      (extension) =>
        new Extension(`${name}-${extension}`, { name: extension, database: database.name }, inside),
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
          mergeOptions(inside, { dependsOn: extensions }),
        ),
    );

    this.user = login.user;
    this.password = login.password;
    this.authority = authoritySecret(args.postgres.certificatePem);
    this.ready = [database, login.ready, ...restored, ...extensions, ...grants];
    place.host.stored.push({ ...kept, after: this.ready });
    this.registerOutputs();
  }

  /** What a container needs to connect, under the names by which its image knows it, and what it trusts. */
  connection(names: ConnectionNames, tls: ClientTls): ClientConnection {
    const { user, name, password, postgres } = this;
    return clientConnection(
      { ...this.server(), user, name, password, authorityPem: postgres.certificatePem },
      names,
      tls,
    );
  }

  /** libpq's variables of a connection, without PGPASSWORD. */
  variables(databaseName = this.name, { mode }: ClientTls = verifyFull): Readonly<Record<string, string>> {
    const { host, port } = this.server();
    return {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: this.user,
      PGDATABASE: databaseName,
      PGSSLMODE: mode,
      PGSSLROOTCERT: authorityFile,
    };
  }

  private server() {
    const [host = "", port = ""] = this.postgres.address.split(":");
    return { host, port: Number(port) };
  }

  /** Who clients log in as in this generation. What it is made of ends with it: Pulumi deletes last what the program no longer has. */
  private login(
    name: string,
    { place, args, generation }: { place: Place; args: DatabaseArgs; generation: number },
    owner: { readonly role: Role; readonly password: RandomPassword },
    opts: ComponentResourceOptions,
  ) {
    if (generation === 1) {
      const script = (what: "LOGIN" | "NOLOGIN") =>
        `ROLE_LOGIN=${what}\n${readScript(import.meta.url, "./scripts/owner-login.sh")}`;
      const ready = hostCommand(
        `${name}-owner-login`,
        {
          connection: place.host.connection,
          script: script("LOGIN"),
          removeScript: script("NOLOGIN"),
          parameters: { SERVICE: args.postgres.name, ROLE: args.name },
          deadlineSeconds: 60,
          dependsOn: [owner.role],
        },
        { parent: this, deletedWith: args.postgres.service },
      );
      return { user: args.name, password: owner.password.result, ready };
    }
    const password = new RandomPassword(`${name}-login-${generation}-password`, passwordRules, {
      parent: this,
    });
    const user = `${args.name}_login_${generation}`;
    const ready = new Role(
      `${name}-login-${generation}`,
      {
        name: user,
        login: true,
        password: password.result,
        roles: [owner.role.name],
        assumeRole: owner.role.name,
        // Asked of who logs in, before the role is taken on.
        ...(args.replication ? { replication: true } : {}),
      },
      opts,
    );
    return { user, password: password.result, ready };
  }

  /** A connection string for programs that take the password from PGPASSWORD: it may stand in an argument list. */
  urlWithoutPassword(databaseName = this.name): string {
    return `postgresql://${this.user}@${this.postgres.address}/${databaseName}?${urlQuery(verifyFull)}`;
  }
}
