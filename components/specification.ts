import { createHash } from "node:crypto";
import { type Input, type Output, output } from "@pulumi/pulumi";

/**
 * Names a service's specification, for the command that waits for the service: whatever changes in it restarts the service in
 * place, and the wait must be done again before anything uses it. 12 hex digits of a SHA-256, so nothing of it can be read.
 */
export function specificationDigest(specification: Input<object>): Output<string> {
  return output(specification).apply((known) =>
    createHash("sha256").update(JSON.stringify(known)).digest("hex").slice(0, 12),
  );
}
