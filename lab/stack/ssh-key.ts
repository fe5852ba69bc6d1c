import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface SshKey {
  /** One line, OpenSSH's format. */
  readonly publicKey: string;
  readonly identityFile: string;
}

/** The file of the private key that the lab deploys with. */
export function identityFile(stateDir: string): string {
  return join(stateDir, "id_ed25519");
}

/**
 * The lab's key, generated on first use.
 * @throws when ssh-keygen is missing or fails.
 */
export async function labSshKey(stateDir: string): Promise<SshKey> {
  const path = identityFile(stateDir);
  if (!existsSync(`${path}.pub`)) {
    try {
      const { execa } = await import("execa");
      const { stderr } = await execa(
        "ssh-keygen",
        ["-q", "-t", "ed25519", "-N", "", "-C", "berth-lab", "-f", path],
        { timeout: 30_000, input: "y\n" },
      );
      if (stderr !== "") throw new Error(stderr);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        throw new Error("ssh-keygen is missing. Install it: sudo apt-get install openssh-client");
      }
      throw new Error(`ssh-keygen could not make the lab's key: ${(error as Error).message}`);
    }
  }
  return { publicKey: readFileSync(`${path}.pub`, "utf8").trim(), identityFile: path };
}
