import type { HcloudApi, Json } from "./api.ts";
import {
  fields,
  labelsOf,
  locationName,
  protection,
  type ResourceKind,
  updateNameAndLabels,
} from "./kind.ts";

async function get(api: HcloudApi, id: string): Promise<Json | undefined> {
  return (await api.find(`/volumes/${id}`))?.volume as Json | undefined;
}

async function protect(api: HcloudApi, id: string, on: boolean): Promise<void> {
  await api.settle(await api.send("POST", `/volumes/${id}/actions/change_protection`, { delete: on }));
}

function attach(api: HcloudApi, id: string, server: unknown, automount: unknown): Promise<void> {
  return api.retry(["locked"], async () => {
    const body = { server, ...(automount === undefined ? {} : { automount }) };
    await api.settle(await api.send("POST", `/volumes/${id}/actions/attach`, body));
  });
}

async function detach(api: HcloudApi, id: string): Promise<void> {
  const volume = await get(api, id);
  if (volume && volume.server !== null) {
    await api.retry(["locked"], async () => {
      await api.settle(await api.send("POST", `/volumes/${id}/actions/detach`));
    });
  }
}

export const volumeKind: ResourceKind = {
  type: "hcloud:index/volume:Volume",
  autoNamed: true,
  rules: {
    name: { kind: "string", computed: true },
    size: { kind: "number", required: true, minimum: 10 },
    location: { kind: "string", computed: true, replaces: true },
    serverId: { kind: "number", computed: true },
    labels: { kind: "string map" },
    automount: { kind: "boolean" },
    format: { kind: "string", allowed: ["ext4", "xfs"] },
    deleteProtection: { kind: "boolean", default: false },
  },
  async create(api, inputs, exists) {
    const answer = await api.retry(["locked"], () =>
      api.send(
        "POST",
        "/volumes",
        fields(inputs, {
          name: "name",
          size: "size",
          location: "location",
          serverId: "server",
          labels: "labels",
          automount: "automount",
          format: "format",
        }),
      ),
    );
    const id = String((answer.volume as Json).id);
    exists(id);
    await api.settle(answer);
    if (inputs.deleteProtection) {
      await protect(api, id, true);
    }
  },
  async observe(api, id) {
    const volume = await get(api, id);
    return (
      volume && {
        name: String(volume.name),
        size: Number(volume.size),
        location: locationName(volume),
        serverId: Number(volume.server ?? 0),
        labels: labelsOf(volume),
        linuxDevice: String(volume.linux_device),
        deleteProtection: protection(volume).delete,
      }
    );
  },
  async update(api, id, changes, _olds, news) {
    await updateNameAndLabels(api, `/volumes/${id}`, changes, news);
    if (changes.includes("serverId")) {
      await detach(api, id);
      if (news.serverId) {
        await attach(api, id, news.serverId, news.automount);
      }
    }
    if (changes.includes("size")) {
      await api.settle(await api.send("POST", `/volumes/${id}/actions/resize`, { size: news.size }));
    }
    if (changes.includes("deleteProtection")) {
      await protect(api, id, Boolean(news.deleteProtection));
    }
  },
  async remove(api, id) {
    await detach(api, id);
    await api.retry(["locked"], () => api.send("DELETE", `/volumes/${id}`));
  },
};

/** A volume has at most one attachment, so the volume's id is the attachment's. */
export const volumeAttachmentKind: ResourceKind = {
  type: "hcloud:index/volumeAttachment:VolumeAttachment",
  autoNamed: false,
  rules: {
    volumeId: { kind: "number", required: true, replaces: true },
    serverId: { kind: "number", required: true, replaces: true },
    automount: { kind: "boolean", computed: true },
  },
  async create(api, inputs, exists) {
    const id = String(inputs.volumeId);
    await attach(api, id, inputs.serverId, inputs.automount);
    exists(id);
  },
  async observe(api, id, inputs) {
    const volume = await get(api, id);
    if (!volume || volume.server === null) {
      return undefined;
    }
    return {
      volumeId: Number(id),
      serverId: Number(volume.server),
      automount: inputs.automount ?? false,
    };
  },
  async update() {
    // Only `automount` can change in place, and it means something at the moment of attaching alone.
  },
  remove: (api, id) => detach(api, id),
};
