import { defineConfig } from "vitest/config";
import "./scripts/fast-start.js";
import { ProgressReporter } from "./scripts/test-reporter.ts";

export default defineConfig({
  test: {
    globalSetup: "test/temporary-folder.ts",
    reporters: [["default", { summary: false }], new ProgressReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/{unit,program}/**/*.test.ts"],
          // Modules are loaded once per worker, not once per file: loading Pulumi's SDK takes longer than most files.
          isolate: false,
          // Vitest leaves one processor free by default: half of two.
          maxWorkers: "100%",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // What starts processes and boots nothing: the engine's scenarios (some ten each, several at once), the command lines, and the
        // hosts' scripts in a real bash.
        extends: true,
        test: {
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
          maxWorkers: "100%",
          testTimeout: 180_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // What boots machines: two files at a time, each with a lab of its own (test/lab/own-lab.ts), because one waits as often as it works.
        // A build server builds the images too, and has no time for a second look: one at a time.
        extends: true,
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          maxWorkers: process.env.CI === undefined ? 2 : 1,
          testTimeout: 900_000,
          hookTimeout: 900_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "full",
          include: ["test/full/**/*.test.ts"],
          testTimeout: 1_800_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
