import { resolve } from "node:path";
import { buildsSchema } from "../../components/build/build-config.ts";
import { buildNamed, pushAndDeploy } from "../../ops/push.ts";
import { runCommand } from "../../ops/run.ts";
import { buildsOf, recordPush } from "../stack/pushes.ts";
import { objectAt } from "../stack/stack-file.ts";
import { type LabContext, planRun, type RunOptions, stateFile } from "./context.ts";
import { StateFileBackend } from "./state-file-backend.ts";
import { upCommand } from "./up.ts";

interface PushFlags extends RunOptions {
  readonly ref: string;
  readonly from: string;
}

/**
 * `npm run lab -- ops push`: as in production, but that version and digest are kept with the lab, for each later `up`, and no file of
 * the project is changed. Places the app's system beside those that run.
 * @returns the exit code
 * @throws as {@link pushAndDeploy}; when the image's registry does not run in this lab, which names the command that starts it
 */
export async function pushCommand(context: LabContext, name: string, options: PushFlags): Promise<number> {
  const { stack, ref, from } = options;
  const file = `Pulumi.${stack}.yaml`;
  const print = (line: string) => process.stderr.write(`${line}\n`);
  const planned = planRun(context, options, []);
  const builds = buildsSchema.parse(buildsOf(planned.values, planned.registries));
  if (builds[name] === undefined && planned.builds.includes(name)) {
    throw new Error(
      `${file}: berth:builds.${name}: the registry that it pushes to does not run in this lab; start it: npm run lab -- up registry`,
    );
  }
  const build = buildNamed(builds, name, file, planned.builds);
  const { image, repository = String(objectAt(objectAt(planned.values["berth:images"])[image]).repository) } =
    build;
  const [system = ""] = build.setting.split(":");
  return pushAndDeploy({
    ...{ stack, name, build, ref, folder: resolve(from), run: runCommand, print, file },
    backend: new StateFileBackend(stack, stateFile(context, stack)),
    record: (wanted) => recordPush(context.home, stack, { ...wanted, repository }),
    async up() {
      try {
        await upCommand(context, [system], options);
        return 0;
      } catch (error) {
        print(error instanceof Error ? error.message : String(error));
        return 1;
      }
    },
  });
}
