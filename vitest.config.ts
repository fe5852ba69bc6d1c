import { defineConfig } from "vitest/config";
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
          include: ["test/{unit,program,conformance,bad-input}/**/*.test.ts"],
          // Most take milliseconds; the engine's scenarios start some ten processes each, several at once.
          testTimeout: 180_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // What boots machines: one file at a time, because they share the outer engine, two cores and ports.
        extends: true,
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
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
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
