import { hostPaths } from "./paths.ts";
import { readScript } from "./script.ts";

/** `list_files`, for what records files and what compares them. */
export const listFilesScript = readScript(import.meta.url, "./scripts/list-files.sh");

const recordScript = readScript(import.meta.url, "./scripts/record-files.sh");

/**
 * A command that also records the files it keeps on the host: their checksums, beside each other in {@link hostPaths.filesRecords}. Pulumi reads
 * nothing of a command back, so without that nobody would notice that somebody changed a file by hand.
 * @param name the command's resource, by which `ops drift` names it
 * @param files what the command writes and nothing else does: files, and folders with all that lies in them
 */
export function keepingFiles(name: string, files: readonly string[], body: string) {
  return {
    // In a shell of its own, which the command may leave early.
    body: `(\n${body}\n)\n${listFilesScript}${recordScript}`,
    parameters: { KEPT_FILES: files.join("\n"), KEPT_FILES_RECORD: hostPaths.filesRecord(name) },
    /** For the script that undoes it. */
    removal: '\nsudo rm -f "$KEPT_FILES_RECORD"',
  };
}
