import { z } from "zod";
import { showAction } from "./actions.ts";
import { serverTypes } from "./catalogue.ts";
import { type Cloud, mustBeFree, serverRef } from "./cloud.ts";
import { ApiError, invalidInput, isProtected, notInLab } from "./errors.ts";
import { created, parseBody, type Routes } from "./router.ts";
import { powerOffServer, powerOnServer } from "./server-power.ts";
import { findServer } from "./servers.ts";

/** `POST /servers/:id/actions/…` */
export function serverActionRoutes(cloud: Cloud): Routes {
  const routes: Record<string, Routes[string]> = {};

  const simple = (name: string, command: string, work: (id: number) => Promise<void>) => {
    routes[`POST /servers/:id/actions/${name}`] = ({ params }) => {
      const { id } = findServer(cloud, params.id);
      mustBeFree(cloud, "server", id);
      const action = cloud.act({ command, resources: [serverRef(id)], work: () => work(id) });
      return created({ action: showAction(action) });
    };
  };
  const restart = async (id: number) => {
    await powerOffServer(cloud, id);
    await powerOnServer(cloud, id);
  };
  simple("poweron", "start_server", (id) => powerOnServer(cloud, id));
  simple("poweroff", "stop_server", (id) => powerOffServer(cloud, id));
  simple("shutdown", "shutdown_server", (id) => powerOffServer(cloud, id));
  simple("reboot", "reboot_server", restart);
  simple("reset", "reset_server", restart);

  routes["POST /servers/:id/actions/change_protection"] = ({ params, body }) => {
    const { id } = findServer(cloud, params.id);
    const input = parseBody(
      z.strictObject({ delete: z.boolean().optional(), rebuild: z.boolean().optional() }),
      body,
    );
    if ((input.delete ?? false) !== (input.rebuild ?? input.delete ?? false)) {
      throw invalidInput({ delete: "must be the same as rebuild", rebuild: "must be the same as delete" });
    }
    const action = cloud.act({
      command: "change_protection",
      resources: [serverRef(id)],
      done: () => {
        Object.assign(findServer(cloud, id).protection, input);
      },
    });
    return created({ action: showAction(action) });
  };

  routes["POST /servers/:id/actions/change_type"] = ({ params, body }) => {
    const server = findServer(cloud, params.id);
    const input = parseBody(
      z.strictObject({ server_type: z.union([z.string(), z.number()]), upgrade_disk: z.boolean() }),
      body,
    );
    const type = serverTypes.find(
      (candidate) => candidate.name === input.server_type || candidate.id === Number(input.server_type),
    );
    const old = serverTypes.find((candidate) => candidate.name === server.server_type);
    if (!type) {
      throw invalidInput({ server_type: `'${input.server_type}' does not exist` });
    }
    if (type.architecture !== old?.architecture) {
      throw new ApiError(
        422,
        "invalid_server_type",
        `${type.name} has another architecture than ${server.server_type}`,
      );
    }
    if (type.disk < server.primary_disk_size) {
      throw new ApiError(
        422,
        "invalid_server_type",
        `${type.name} has ${type.disk} GB of disk, the server needs ${server.primary_disk_size}`,
      );
    }
    if (server.status !== "off") {
      throw new ApiError(
        422,
        "server_not_stopped",
        `server with ID '${server.id}' must be stopped to change its type`,
      );
    }
    mustBeFree(cloud, "server", server.id);
    const action = cloud.act({
      command: "change_server_type",
      resources: [serverRef(server.id)],
      // Hetzner starts the server again afterwards.
      work: () => powerOnServer(cloud, server.id),
      done: () => {
        const changed = findServer(cloud, server.id);
        changed.server_type = type.name;
        if (input.upgrade_disk) {
          changed.primary_disk_size = type.disk;
        }
      },
    });
    return created({ action: showAction(action) });
  };

  routes["POST /servers/:id/actions/rebuild"] = ({ params }) => {
    const server = findServer(cloud, params.id);
    if (server.protection.rebuild) {
      throw isProtected(`server with ID '${server.id}'`);
    }
    throw notInLab("rebuilding a server");
  };
  return routes;
}
