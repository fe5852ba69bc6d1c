import { readFileSync } from "node:fs";
import { authorityFile } from "../../../lab/stack/certificate.ts";
import { followShape } from "../../lab/shape-client.ts";
import { home, service } from "../support.ts";

/** ElectricSQL's own client on the register's table, through the backend, as the pages read it. */
export async function followRegister(): Promise<ReturnType<typeof followShape>> {
  const { address, domain } = await service();
  return followShape({
    address,
    ca: readFileSync(authorityFile(home), "utf8"),
    url: `https://${domain}/api/electric/v1/shape`,
    params: { table: "uk_lrt", columns: ["id", "name", "year"] },
  });
}
