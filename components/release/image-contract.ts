import { getStack } from "@pulumi/pulumi";
import type { ResolvedImage } from "../../config.ts";
import { readScript } from "../host/command.ts";
import type { ImagePullArgs } from "../host/image-pull.ts";

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
  readonly secretsAs: "files" | "variables";
  readonly healthcheck: readonly string[];
}): ImageNeed[] {
  const program = (name: string | undefined, reason: string): ImageNeed[] =>
    name === undefined ? [] : [{ kind: "program", name, reason }];
  const [how, tool] = service.healthcheck;
  return [
    ...program(service.command[0], "the service's command"),
    ...(service.secretsAs === "variables"
      ? ["/bin/sh", "cat"].flatMap((name) =>
          program(name, "makes variables of the secret files; an image without it reads the files itself"),
        )
      : []),
    ...(how === "CMD" ? program(tool, "Docker's health check") : []),
    ...(how === "CMD-SHELL" ? program("/bin/sh", "Docker's health check") : []),
  ];
}

/** What migrations by golang-migrate ask of the image that they run in. */
export function golangMigrateNeeds(folder: string): ImageNeed[] {
  return [
    { kind: "program", name: "migrate", reason: "golang-migrate, which runs the migrations" },
    { kind: "folder", name: folder, reason: "the migrations" },
  ];
}

/** The check of an image against what a service asks of it, as a part of its pull. */
export function imageCheck(
  service: string,
  image: ResolvedImage,
  needs: readonly ImageNeed[],
): NonNullable<ImagePullArgs["check"]> {
  const lines = needs.map(({ kind, name, reason }) => `${kind}\t${name}\t${reason}`);
  return {
    script: readScript(import.meta.url, "./scripts/check-image.sh"),
    parameters: {
      SERVICE: service,
      NEEDS: [...new Set(lines)].join("\n"),
      ALLOW_ROOT: image.allowRoot ? "yes" : "no",
      ACKNOWLEDGE_ROOT: `npx pulumi config set --path 'berth:images["${image.name}"].allowRoot' true --stack ${getStack()}`,
    },
  };
}
