import { readDeclaration } from "../../server/declaration.ts";
import { createPool } from "../../server/pool.ts";

/** `npm run db:seed` (the seed's L426): sample data. It reads DATABASE_URL alone. */
const pool = createPool(
  { connectionString: process.env.DATABASE_URL ?? "" },
  `${readDeclaration().name} seed`,
);
const { rowCount } = await pool.query(
  "INSERT INTO gadgetbots (name, type) VALUES ('Washer', 'cleaning'), ('Mower', 'gardening'), ('Watch', 'security')",
);
console.log(`Seeded ${rowCount} gadgetbots`);
await pool.end();
