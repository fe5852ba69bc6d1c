import type Dockerode from "dockerode";

/** The outer Docker engine, as functions of the lab get it. */
export interface OuterDocker {
  readonly client: Dockerode;
  /** Unix socket of the engine, for the docker command line: `docker -H unix://…`. */
  readonly socketPath: string;
  /** True when the lab started this engine itself (and so stops it on `lab down`). */
  readonly own: boolean;
}
