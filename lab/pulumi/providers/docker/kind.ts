import type { CheckFailure, DiffResult, Properties } from "../provider.ts";
import type { DockerApi } from "./transport.ts";

/** One resource type of the provider; naming is handled by the caller. */
export interface Kind {
  readonly type: string;
  check(news: Properties): { inputs: Properties; failures: CheckFailure[] };
  /** `state`: the properties last read from Docker. */
  diff(oldInputs: Properties, state: Properties, news: Properties): DiffResult;
  create(api: DockerApi, inputs: Properties): Promise<{ id: string; outputs: Properties }>;
  read(
    api: DockerApi,
    id: string,
    inputs: Properties,
    outputs: Properties,
  ): Promise<{ id: string; outputs: Properties } | undefined>;
  update(api: DockerApi, id: string, olds: Properties, news: Properties): Promise<Properties>;
  remove(api: DockerApi, id: string, outputs: Properties): Promise<void>;
}
