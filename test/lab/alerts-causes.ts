import { recordScript } from "../../components/release/record.ts";
import type { AlertsHost } from "./alerts-host.ts";

/** What goes wrong on a host of the lab, and ends again. */
export function causesOn(lab: AlertsHost, domain: string) {
  const { host } = lab;

  /** A command of a release, with its record. */
  const record = (step: "probe" | "switch", body: string) => {
    const values = {
      ...{
        SYSTEM: "lab",
        SERVICE: "lab_app",
        ENVIRONMENT: "production",
        IMAGE: lab.image,
        VERSION: "v1.1.0",
      },
      ...{ SLOT: "lab_app-1a2b3c4", KEEP_MINUTES: 0, RECORDS: "/var/lib/berth/deployments" },
      ...{ LOGS: "/var/log/lab/deployments", ROUTES: "/var/lib/berth/edge", SAVES: "RELEASE_SYSTEM" },
      ...{ STEP: step, ACCEPTED: "yes" },
    };
    const parameters = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [`RELEASE_${name}`, value]),
    );
    const script = `${recordScript}\nslot_timer_install() { :; }\nstep() {\n${body}\n}\nrelease_run`;
    return lab.command(script, parameters);
  };

  const backupRecord = (of: string, record: object) =>
    host(`install -d /var/lib/berth/backups; cat >/var/lib/berth/backups/${of}.json`, JSON.stringify(record));
  const now = () => new Date().toISOString().replace(/\.\d+/, "");
  const attempt = (ok: string, problem = "") => ({ ok, attempt: ok, problem });
  const database = "database lab_postgres/lab";

  return {
    record,

    psql: (sql: string) => host(`docker exec lab-postgres psql -U postgres -qAtc "${sql}"`),

    service: (name: string, more: string, command: string) =>
      host(
        `docker service create --detach --no-resolve-image --endpoint-mode dnsrr --name ${name}-1a2b3c4 --container-label berth.resource=${name} ${more} ${lab.image} ${command}`,
      ),

    /** Serves a certificate that is good for so many days, of which the last is not whole any more: it is a second old. */
    serves: (days: number) =>
      host(`systemctl stop served 2>/dev/null || true
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days ${days} -subj /CN=${domain} -keyout /root/k.pem -out /root/c.pem 2>/dev/null
sleep 1
systemd-run --quiet --unit=served openssl s_server -quiet -accept 443 -cert /root/c.pem -key /root/k.pem`),

    /** The last good backup of the host's repositories was then. */
    backup: (ok = now()) =>
      backupRecord("host-lab", { backup: attempt(ok), sources: { "folder /mnt/data/git": attempt(ok) } }),

    /** The last drill found that. */
    drill: (problem: string) =>
      backupRecord("lab", {
        sources: { [database]: attempt(now()) },
        drills: { [database]: attempt(now(), problem) },
      }),
  };
}
