import { z } from "zod";
import { showAction } from "./actions.ts";
import { locations } from "./catalogue.ts";
import { type Cloud, mustBeFree, serverRef } from "./cloud.ts";
import { ApiError, invalidInput, isProtected, notInLab } from "./errors.ts";
import { findById, nameMustBeFree, update } from "./records.ts";
import {
  created,
  labelsField,
  listPage,
  nameField,
  noContent,
  ok,
  parseBody,
  type Routes,
} from "./router.ts";
import { checkLabels } from "./selector.ts";
import type { ActionRecord, ServerRecord, VolumeRecord } from "./state.ts";

const volumeRef = (id: number) => ({ id, type: "volume" });
const sizeField = z
  .number()
  .int()
  .min(10, "must be at least 10 (GB)")
  .max(10_240, "must be at most 10240 (GB)");

function find(cloud: Cloud, id: string | number | undefined): VolumeRecord {
  return findById(cloud.store.state.volumes, "volume", id);
}

/** Refuses automount, which needs Hetzner's guest tools: the lab's machines do not have them. */
export function refuseAutomount(automount: boolean | undefined): void {
  if (automount) {
    throw notInLab("automount (mount /dev/disk/by-id/scsi-0HC_Volume_<id> from user data instead)");
  }
}

/** Throws unless the volume is free and in the server's location. */
export function mustBeAttachable(volume: VolumeRecord, location: string): void {
  if (volume.server !== null) {
    throw new ApiError(
      422,
      "volume_already_attached",
      `volume with ID '${volume.id}' is already attached to server ${volume.server}`,
    );
  }
  if (volume.location !== location) {
    throw new ApiError(
      422,
      "invalid_input",
      `volume is in ${volume.location} and the server in ${location}: they must be in one location`,
    );
  }
}

/** Starts to attach a volume and reserves it at once, so that no other request can attach it. */
export function attachVolume(
  cloud: Cloud,
  volume: VolumeRecord,
  server: ServerRecord,
  after: () => Promise<unknown> = async () => {},
): ActionRecord {
  mustBeAttachable(volume, server.location);
  volume.server = server.id;
  return cloud.act({
    command: "attach_volume",
    resources: [serverRef(server.id), volumeRef(volume.id)],
    work: async () => {
      await after();
      await cloud.onServer(server.id, () => cloud.machines.attachVolume(volume.id, server.id));
    },
    failed: () => {
      find(cloud, volume.id).server = null;
    },
  });
}

export function volumeRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const findServer = (id: number): ServerRecord => findById(store.state.servers, "server", id);
  const show = (volume: VolumeRecord) => ({
    ...volume,
    status: "available",
    linux_device: `/dev/disk/by-id/scsi-0HC_Volume_${volume.id}`,
    location: locations.find((place) => place.name === volume.location),
  });
  return {
    "GET /volumes": ({ query }) => listPage("volumes", store.state.volumes, query, show),
    "GET /volumes/:id": ({ params }) => ok({ volume: show(find(cloud, params.id)) }),
    "POST /volumes": ({ body }) => {
      const input = parseBody(
        z.strictObject({
          name: nameField,
          size: sizeField,
          labels: labelsField.default({}),
          location: z.union([z.string(), z.number()]).optional(),
          server: z.number().int().optional(),
          automount: z.boolean().optional(),
          format: z.enum(["ext4", "xfs"]).optional(),
        }),
        body,
      );
      checkLabels(input.labels);
      nameMustBeFree(store.state.volumes, "volume", input.name);
      refuseAutomount(input.automount);
      const server = input.server === undefined ? undefined : findServer(input.server);
      const wanted = server?.location ?? input.location;
      const place = locations.find((candidate) => candidate.name === wanted || candidate.id === wanted);
      if (!place) {
        throw invalidInput({
          location: `'${wanted ?? ""}' is none of ${locations.map(({ name }) => name).join(", ")}`,
        });
      }
      const volume: VolumeRecord = {
        id: store.nextId(),
        name: input.name,
        labels: input.labels,
        created: new Date().toISOString(),
        size: input.size,
        location: place.name,
        server: null,
        format: input.format ?? null,
        protection: { delete: false },
      };
      store.state.volumes.push(volume);
      let ready: Promise<void> = Promise.resolve();
      const action = cloud.act({
        command: "create_volume",
        resources: [volumeRef(volume.id)],
        work: () => {
          ready = cloud.machines.createVolume(volume.id, volume.size, input.format);
          return ready;
        },
      });
      const answer = show(volume);
      // The attaching action runs after the creating one has started, so `ready` is set.
      const next = server ? [attachVolume(cloud, volume, server, () => ready)] : [];
      return created({ volume: answer, action: showAction(action), next_actions: next.map(showAction) });
    },
    "PUT /volumes/:id": ({ params, body }) => {
      const volume = find(cloud, params.id);
      update(store.state.volumes, "volume", volume, body);
      return ok({ volume: show(volume) });
    },
    "DELETE /volumes/:id": ({ params }) => {
      const volume = find(cloud, params.id);
      if (volume.protection.delete) {
        throw isProtected(`volume with ID '${volume.id}'`);
      }
      mustBeFree(cloud, "volume", volume.id);
      if (volume.server !== null) {
        throw new ApiError(
          422,
          "invalid_input",
          `volume with ID '${volume.id}' is still attached to server ${volume.server}`,
        );
      }
      store.state.volumes = store.state.volumes.filter((candidate) => candidate !== volume);
      // The API answers 204 without an action: no client can wait for the deletion.
      cloud.act({
        command: "delete_volume",
        resources: [],
        work: () => cloud.machines.removeVolume(volume.id),
      });
      return noContent;
    },
    "POST /volumes/:id/actions/attach": ({ params, body }) => {
      const volume = find(cloud, params.id);
      const input = parseBody(
        z.strictObject({ server: z.number().int(), automount: z.boolean().optional() }),
        body,
      );
      refuseAutomount(input.automount);
      const server = findServer(input.server);
      mustBeFree(cloud, "volume", volume.id);
      mustBeFree(cloud, "server", server.id);
      return created({ action: showAction(attachVolume(cloud, volume, server)) });
    },
    "POST /volumes/:id/actions/detach": ({ params }) => {
      const volume = find(cloud, params.id);
      const { server } = volume;
      if (server === null) {
        throw new ApiError(422, "invalid_input", `volume with ID '${volume.id}' is not attached`);
      }
      mustBeFree(cloud, "volume", volume.id);
      mustBeFree(cloud, "server", server);
      const action = cloud.act({
        command: "detach_volume",
        resources: [serverRef(server), volumeRef(volume.id)],
        work: () => cloud.onServer(server, () => cloud.machines.detachVolume(volume.id)),
        done: () => {
          find(cloud, volume.id).server = null;
        },
      });
      return created({ action: showAction(action) });
    },
    "POST /volumes/:id/actions/resize": ({ params, body }) => {
      const volume = find(cloud, params.id);
      const { size } = parseBody(z.strictObject({ size: sizeField }), body);
      if (size <= volume.size) {
        throw invalidInput({ size: `must be larger than the volume's ${volume.size} GB` });
      }
      const action = cloud.act({
        command: "resize_volume",
        resources: [volumeRef(volume.id)],
        work: () => cloud.machines.growVolume(volume.id, size),
        done: () => {
          find(cloud, volume.id).size = size;
        },
      });
      return created({ action: showAction(action) });
    },
    "POST /volumes/:id/actions/change_protection": ({ params, body }) => {
      const volume = find(cloud, params.id);
      const input = parseBody(z.strictObject({ delete: z.boolean() }), body);
      const action = cloud.act({
        command: "change_protection",
        resources: [volumeRef(volume.id)],
        done: () => {
          find(cloud, volume.id).protection.delete = input.delete;
        },
      });
      return created({ action: showAction(action) });
    },
  };
}
