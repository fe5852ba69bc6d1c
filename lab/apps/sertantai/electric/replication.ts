import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { LogicalReplicationService, PgoutputPlugin } from "pg-logical-replication";

/**
 * Changes of the tables of a publication, as the server commits them. One of a name at a time: the second one waits for the lock of
 * the first, which ends with its connection (lib/electric/postgres/replication_client/connection_setup.ex, acquire_lock).
 */

export type Row = Readonly<Record<string, string | null>>;

export interface Change {
  readonly table: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

export interface Transaction {
  readonly id: number;
  /** Where it was committed. */
  readonly position: bigint;
  readonly changes: readonly Change[];
}

export type State = "waiting" | "starting" | "active";

export interface ReplicationArgs {
  readonly connection: pg.ClientConfig;
  /** Replication slot and publication: `electric_slot_<id>`, `electric_publication_<id>`. */
  readonly streamId: string;
  /** Nothing of what was streamed before is left: the replication slot is new. */
  readonly onNewSlot: () => Promise<void>;
  readonly onTransaction: (transaction: Transaction) => Promise<void>;
  readonly log: (message: string) => void;
}

type Message = Parameters<PgoutputMessageHandler>[1];
type PgoutputMessageHandler = (
  lsn: string,
  message: {
    readonly tag: string;
    readonly xid?: number;
    readonly commitLsn?: string;
    readonly relation?: { readonly schema: string; readonly name: string };
    readonly columns?: { parser: (raw: string) => string }[];
    readonly schema?: string;
    readonly new?: Row;
    readonly old?: Row | null;
  },
) => Promise<void>;

/** Begins to stream, and again whenever the connection breaks. */
export function replicate(args: ReplicationArgs): {
  readonly state: () => State;
  readonly position: () => bigint;
  readonly publication: string;
  stop(): Promise<void>;
} {
  const slot = `electric_slot_${args.streamId}`;
  const publication = `electric_publication_${args.streamId}`;
  let state: State = "waiting";
  let seen = 0n;
  let ended = false;
  let stopStream: () => Promise<unknown> = async () => undefined;
  let lock: pg.Client | undefined;

  async function prepare(client: pg.Client): Promise<void> {
    args.log(`Acquiring lock from postgres with name ${slot}`);
    await client.query("SELECT pg_advisory_lock(hashtext($1))", [slot]);
    args.log(`Lock acquired from postgres with name ${slot}`);
    state = "starting";
    const has = async (sql: string, name: string) => ((await client.query(sql, [name])).rowCount ?? 0) > 0;
    const published = await has("SELECT 1 FROM pg_publication WHERE pubname = $1", publication);
    if (!published) await client.query(`CREATE PUBLICATION "${publication}"`);
    const there = await has("SELECT 1 FROM pg_replication_slots WHERE slot_name = $1", slot);
    if (there && published) return;
    // electric-sql/electric#2692: with a new publication the slot is made anew.
    if (there) await client.query("SELECT pg_drop_replication_slot($1)", [slot]);
    await client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await args.onNewSlot();
  }

  async function stream(): Promise<void> {
    const service = new LogicalReplicationService(args.connection, {
      acknowledge: { auto: false, timeoutSeconds: 0 },
      flowControl: { enabled: true },
    });
    let open: { readonly id: number; readonly position: bigint; readonly changes: Change[] } | undefined;
    const handle: PgoutputMessageHandler = async (lsn, message) => {
      const { tag, relation } = message;
      // Values stay the texts that PostgreSQL sends.
      for (const column of message.columns ?? []) column.parser = (raw) => raw;
      if (tag === "begin")
        open = { id: message.xid ?? 0, position: lsnNumber(message.commitLsn ?? lsn), changes: [] };
      if (relation !== undefined)
        open?.changes.push({
          table: `${relation.schema}.${relation.name}`,
          before: message.old ?? undefined,
          after: message.new,
        });
      if (tag !== "commit" || open === undefined) return;
      const transaction = open;
      open = undefined;
      await args.onTransaction(transaction);
      seen = transaction.position;
      await service.acknowledge(lsn);
    };
    service.on("data", handle as (lsn: string, message: Message) => Promise<void>);
    service.on("heartbeat", async (lsn: string) => {
      if (open !== undefined) return;
      seen = lsnNumber(lsn);
      await service.acknowledge(lsn);
    });
    service.on("start", () => {
      state = "active";
    });
    service.on("error", () => undefined);
    stopStream = () => service.stop();
    await service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication] }), slot);
  }

  async function once(): Promise<void> {
    state = "waiting";
    const client = new pg.Client({ ...args.connection, application_name: "electric lock" });
    const broken = new Promise<never>((_, reject) => client.on("error", reject));
    lock = client;
    try {
      await client.connect();
      await Promise.race([prepare(client).then(stream), broken]);
    } finally {
      await stopStream().catch(() => undefined);
      await client.end().catch(() => undefined);
    }
  }

  async function run(): Promise<void> {
    while (!ended) {
      await once().catch((error: unknown) => {
        if (!ended) args.log(`replication ended: ${error instanceof Error ? error.message : String(error)}`);
      });
      state = "waiting";
      if (!ended) await sleep(1_000);
    }
  }
  void run();

  return {
    state: () => state,
    position: () => seen,
    publication,
    async stop() {
      ended = true;
      await stopStream().catch(() => undefined);
      await lock?.end().catch(() => undefined);
    },
  };
}

/** `16/B374D848` as a number. */
export function lsnNumber(text: string): bigint {
  const [high = "0", low = "0"] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
