import { getStack } from "@pulumi/pulumi";
import { readScript } from "../host/command.ts";
import type { ImagePullArgs } from "../host/image-pull.ts";
import type { ResolvedImage } from "../image.ts";
import type { MigrationStep } from "./migration-steps.ts";

/** What an image must have: a program, by path or by name in its PATH, or a folder. */
export interface ImageNeed {
  readonly kind: "program" | "folder";
  readonly name: string;
  /** For whoever builds the image. */
  readonly reason: string;
}

/** What a service asks of its image; docs/images.md says it in words. */
export function imageNeeds(service: {
  readonly command: readonly string[];
  readonly secretsAs: "files" | "fileVariables" | "variables";
  readonly healthcheck: readonly string[];
  /** The steps of its migrations; those in images of their own are those images'. */
  readonly steps?: readonly MigrationStep[] | undefined;
}): ImageNeed[] {
  const [how, tool] = service.healthcheck;
  return [
    ...program(service.command[0], "the service's command"),
    ...(service.secretsAs === "variables"
      ? shim("makes variables of the secret files; an image without it reads the files itself")
      : []),
    ...(how === "CMD" ? program(tool, "Docker's health check") : []),
    ...(how === "CMD-SHELL" ? program("/bin/sh", "Docker's health check") : []),
    ...migrationNeeds((service.steps ?? []).filter((step) => step.image === undefined)),
  ];
}

/** What the steps of migrations ask of the image that they run in. */
export function migrationNeeds(steps: readonly MigrationStep[]): ImageNeed[] {
  return steps.flatMap((step) => [
    ...(step.kind === "command" && !step.shell
      ? []
      : shim("makes a variable of the database's password, for the migrations")),
    ...(step.kind === "golang-migrate"
      ? [
          ...program(step.command[0], "golang-migrate, which runs the migrations"),
          { kind: "folder" as const, name: step.folder, reason: "the migrations" },
        ]
      : [
          step.command,
          step.upToDate,
          step.version && "command" in step.version ? step.version.command : undefined,
        ].flatMap((command) => program(command?.[0], `the migrations' step ${step.name}`))),
  ]);
}

function program(name: string | undefined, reason: string): ImageNeed[] {
  return name === undefined ? [] : [{ kind: "program", name, reason }];
}

function shim(reason: string): ImageNeed[] {
  return ["/bin/sh", "cat"].flatMap((name) => program(name, reason));
}

/** The check of an image against what a service asks of it, as a part of its pull. */
export function imageCheck(
  service: string,
  image: ResolvedImage,
  needs: readonly ImageNeed[],
): NonNullable<ImagePullArgs["check"]> {
  const distinct = needs.filter(
    ({ kind, name }, at) => needs.findIndex((other) => other.kind === kind && other.name === name) === at,
  );
  const lines = distinct.map(({ kind, name, reason }) => `${kind}\t${name}\t${reason}`);
  return {
    script: readScript(import.meta.url, "./scripts/check-image.sh"),
    parameters: {
      SERVICE: service,
      NEEDS: lines.join("\n"),
      ALLOW_ROOT: image.allowRoot ? "yes" : "no",
      ACKNOWLEDGE_ROOT: `npx pulumi config set --path 'berth:images["${image.name}"].allowRoot' true --stack ${getStack()}`,
    },
  };
}
