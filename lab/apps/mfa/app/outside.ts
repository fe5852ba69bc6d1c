import { connect } from "node:net";
import { textOf } from "../../server/log.ts";

/** The services outside that MFA uses, each asked as its own clients ask it; answers what it said, or why it said nothing. */

type Values = Readonly<Record<string, string | undefined>>;
const patienceMilliseconds = 2_000;

/** One record of the base: `GET /v0/{baseId}/{table}` (airtable.com/developers/web/api/list-records). */
export function askAirtable(values: Values): Promise<string> {
  const { AIRTABLE_ENDPOINT_URL: endpoint, AIRTABLE_BASE_ID: base, AIRTABLE_ACCESS_TOKEN: token } = values;
  if (endpoint === undefined) return Promise.resolve("not asked");
  return get(`${endpoint}/v0/${base}/Programs?maxRecords=1`, token);
}

/** `GET /models` (platform.openai.com/docs/api-reference/models). */
export function askOpenAi({ OPENAI_BASE_URL: url, OPENAI_API_KEY: key }: Values): Promise<string> {
  return url === undefined ? Promise.resolve("not asked") : get(`${url}/models`, key);
}

/** The mail server's greeting (RFC 5321, 3.1). */
export function askMailServer({ SMTP_SERVER: host = "", SMTP_PORT: port }: Values): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: patienceMilliseconds });
    const end = (said: string) => {
      socket.destroy();
      resolve(said);
    };
    socket.on("data", (greeting: Buffer) => {
      socket.write("QUIT\r\n");
      end(greeting.toString().slice(0, 3));
    });
    socket.on("timeout", () => end("no answer")).on("error", (error) => end(textOf(error)));
  });
}

async function get(url: string, token: string | undefined): Promise<string> {
  try {
    const response = await fetch(url, {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(patienceMilliseconds),
    });
    await response.body?.cancel();
    return String(response.status);
  } catch (error) {
    return textOf(error);
  }
}
