import type { PropertyMap } from "../../../lab/pulumi/engine/values.ts";
import type { ContractCase, TypeCases } from "../format.ts";

const labels = { "berth/resource": "main" };
const publicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlcGxveWtleWRlcGxveWtleWRlcGxveWtleWRlcGxv deploy@example";
const anotherKey = publicKey.replace("GxvZ", "GxwZ");

const hcloud = (type: string, cases: readonly ContractCase[], varies: readonly string[] = []): TypeCases => ({
  plugin: "hcloud",
  type: `hcloud:index/${type.charAt(0).toLowerCase()}${type.slice(1)}:${type}`,
  varies,
  cases,
});

const everywhere = ["0.0.0.0/0", "::/0"];
const tcp = (port: string, sourceIps: string[], description: string) => ({
  direction: "in",
  protocol: "tcp",
  port,
  sourceIps,
  description,
});
const rules = [tcp("666", ["203.0.113.7/32"], "SSH"), tcp("443", everywhere, "HTTPS")];

export const sshKey = hcloud("SshKey", [
  {
    name: "of an operator",
    inputs: () => ({ publicKey, labels }),
    changes: {
      "other labels": (inputs) => ({ ...inputs, labels: { "berth/resource": "other" } }),
      "no labels": ({ labels, ...inputs }) => inputs,
      "a name": (inputs) => ({ ...inputs, name: "operator" }),
      "another key": (inputs) => ({ ...inputs, publicKey: anotherKey }),
      "another comment": (inputs) => ({ ...inputs, publicKey: publicKey.replace("deploy@", "ci@") }),
      "a line end": (inputs) => ({ ...inputs, publicKey: `${publicKey}\n` }),
    },
    carriedOut: ["other labels"],
  },
  {
    name: "under a name of its own",
    inputs: () => ({ name: "own", publicKey }),
    changes: {
      "another name": (inputs) => ({ ...inputs, name: "other" }),
      "another key": (inputs) => ({ ...inputs, publicKey: anotherKey }),
      "no name": ({ name, ...inputs }) => inputs,
    },
    carriedOut: ["another name"],
  },
  { name: "without a key", inputs: () => ({ name: "own" }) },
  { name: "that is no key", inputs: () => ({ publicKey: "hello" }) },
  { name: "with labels that are no texts", inputs: () => ({ publicKey, labels: ["a"] }) },
]);

export const primaryIp = hcloud("PrimaryIp", [
  {
    name: "of a host",
    inputs: () => ({
      type: "ipv4",
      assigneeType: "server",
      location: "nbg1",
      autoDelete: false,
      deleteProtection: true,
      labels,
    }),
    changes: {
      unprotected: (inputs) => ({ ...inputs, deleteProtection: false }),
      "other labels": (inputs) => ({ ...inputs, labels: { other: "label" } }),
      "another location": (inputs) => ({ ...inputs, location: "fsn1" }),
      "version 6": (inputs) => ({ ...inputs, type: "ipv6" }),
      "deleted with the server": (inputs) => ({ ...inputs, autoDelete: true }),
      "no protection named": ({ deleteProtection, ...inputs }) => inputs,
      "no assignee type": ({ assigneeType, ...inputs }) => inputs,
    },
    carriedOut: ["other labels", "unprotected"],
  },
  { name: "of no type", inputs: () => ({ assigneeType: "server", location: "nbg1" }) },
  { name: "without a location", inputs: () => ({ type: "ipv4", assigneeType: "server", autoDelete: false }) },
  { name: "of a wrong type", inputs: () => ({ type: "ipv5", assigneeType: "server", location: "nbg1" }) },
]);

export const firewall = hcloud("Firewall", [
  {
    name: "of a host",
    inputs: () => ({ rules, labels }),
    changes: {
      "rules in another order": (inputs) => ({ ...inputs, rules: [...rules].reverse() }),
      "sources in another order": (inputs) => ({
        ...inputs,
        rules: [rules[0] ?? null, tcp("443", [...everywhere].reverse(), "HTTPS")],
      }),
      "one rule more": (inputs) => ({ ...inputs, rules: [...rules, tcp("80", everywhere, "HTTP")] }),
      "another source": (inputs) => ({
        ...inputs,
        rules: [tcp("666", ["198.51.100.7/32"], "SSH"), rules[1] ?? null],
      }),
      "another description": (inputs) => ({
        ...inputs,
        rules: [tcp("666", ["203.0.113.7/32"], "sshd"), rules[1] ?? null],
      }),
      "no rules": (inputs) => ({ ...inputs, rules: [] }),
      "other labels": (inputs) => ({ ...inputs, labels: { other: "label" } }),
    },
    carriedOut: ["one rule more", "other labels"],
  },
  { name: "without rules", inputs: () => ({}) },
  { name: "with a wrong direction", inputs: () => ({ rules: [{ ...rules[0], direction: "inwards" }] }) },
  { name: "with a source that is a host", inputs: () => ({ rules: [tcp("22", ["203.0.113.7"], "SSH")] }) },
  { name: "with host bits in a source", inputs: () => ({ rules: [tcp("22", ["203.0.113.7/24"], "SSH")] }) },
  {
    name: "without a port",
    inputs: () => ({ rules: [{ direction: "in", protocol: "tcp", sourceIps: everywhere }] }),
  },
]);

export const volume = hcloud("Volume", [
  {
    name: "of a host",
    inputs: () => ({ size: 20, location: "nbg1", format: "ext4", deleteProtection: true, labels }),
    changes: {
      larger: (inputs) => ({ ...inputs, size: 30 }),
      smaller: (inputs) => ({ ...inputs, size: 10 }),
      "another location": (inputs) => ({ ...inputs, location: "fsn1" }),
      "another format": (inputs) => ({ ...inputs, format: "xfs" }),
      "no format": ({ format, ...inputs }) => inputs,
      "no location": ({ location, ...inputs }) => inputs,
      unprotected: (inputs) => ({ ...inputs, deleteProtection: false }),
      "no protection named": ({ deleteProtection, ...inputs }) => inputs,
    },
    carriedOut: ["larger", "unprotected"],
  },
  {
    name: "under a name of its own",
    inputs: () => ({ name: "own", size: 10, location: "nbg1" }),
    changes: {
      "another location": (inputs) => ({ ...inputs, location: "fsn1" }),
      "no name": ({ name, ...inputs }) => inputs,
    },
  },
  { name: "without a size", inputs: () => ({ location: "nbg1" }) },
  { name: "too small", inputs: () => ({ size: 5, location: "nbg1" }) },
  { name: "of a wrong format", inputs: () => ({ size: 10, location: "nbg1", format: "ntfs" }) },
]);

export const server = hcloud("Server", [
  {
    name: "of a host",
    inputs: ({ sshKey = "", primaryIp = 0, firewall = 0 }) => ({
      serverType: "cx23",
      location: "nbg1",
      image: "debian-12",
      sshKeys: [String(sshKey)],
      publicNets: [{ ipv4Enabled: true, ipv4: primaryIp, ipv6Enabled: false }],
      firewallIds: [firewall],
      userData: "#cloud-config\n# canary-9d1c7e5f\n",
      keepDisk: true,
      deleteProtection: true,
      rebuildProtection: true,
      labels,
    }),
    changes: {
      "another type": (inputs) => ({ ...inputs, serverType: "cx33" }),
      "another location": (inputs) => ({ ...inputs, location: "fsn1" }),
      "another image": (inputs) => ({ ...inputs, image: "debian-13" }),
      "other user data": (inputs) => ({ ...inputs, userData: "#cloud-config\n" }),
      "no user data": ({ userData, ...inputs }) => inputs,
      "other keys": (inputs) => ({ ...inputs, sshKeys: ["other"] }),
      "no firewall": (inputs) => ({ ...inputs, firewallIds: [] }),
      "version 6 as well": (inputs) => ({
        ...inputs,
        publicNets: [{ ipv4Enabled: true, ipv6Enabled: true }],
      }),
      unprotected: (inputs) => ({ ...inputs, deleteProtection: false, rebuildProtection: false }),
      "half protected": (inputs) => ({ ...inputs, rebuildProtection: false }),
      "a name": (inputs) => ({ ...inputs, name: "main" }),
      "other labels": (inputs) => ({ ...inputs, labels: { other: "label" } }),
      backups: (inputs) => ({ ...inputs, backups: true }),
    },
    carriedOut: ["other labels", "unprotected"],
  },
  { name: "without a type", inputs: () => ({ image: "debian-12", location: "nbg1" }) },
  {
    name: "of a type that does not exist",
    inputs: () => ({ serverType: "cx999", image: "debian-12", location: "nbg1" }),
  },
  { name: "without an image", inputs: () => ({ serverType: "cx23", location: "nbg1" }) },
]);

export const volumeAttachment = hcloud("VolumeAttachment", [
  {
    name: "of a host",
    inputs: ({ volume = 0, server = 0 }) => ({ volumeId: volume, serverId: server, automount: false }),
    changes: {
      "another server": (inputs) => ({ ...inputs, serverId: 424242 }),
      "another volume": (inputs) => ({ ...inputs, volumeId: 424242 }),
      mounted: (inputs) => ({ ...inputs, automount: true }),
      "automount left out": ({ automount, ...inputs }) => inputs,
    },
  },
  { name: "without a server", inputs: ({ volume = 0 }) => ({ volumeId: volume }) },
  { name: "with a text for a server", inputs: ({ volume = 0 }) => ({ volumeId: volume, serverId: "main" }) },
  {
    name: "to a server that does not exist",
    inputs: ({ volume = 0 }) => ({ volumeId: volume, serverId: 424242 }),
  },
]);

export const zone = hcloud("Zone", [
  {
    name: "of a domain",
    inputs: () => ({ name: "berth.example", mode: "primary", ttl: 3600, deleteProtection: true, labels }),
    changes: {
      "another name": (inputs) => ({ ...inputs, name: "other.example" }),
      "another time to live": (inputs) => ({ ...inputs, ttl: 600 }),
      "no time to live": ({ ttl, ...inputs }) => inputs,
      "another mode": (inputs) => ({ ...inputs, mode: "secondary" }),
      unprotected: (inputs) => ({ ...inputs, deleteProtection: false }),
      "no protection named": ({ deleteProtection, ...inputs }) => inputs,
      "other labels": (inputs) => ({ ...inputs, labels: { other: "label" } }),
    },
    carriedOut: ["another time to live", "unprotected"],
  },
  { name: "without a name", inputs: () => ({ mode: "primary" }) },
  { name: "without a mode", inputs: () => ({ name: "berth.example" }) },
  { name: "of a wrong mode", inputs: () => ({ name: "berth.example", mode: "tertiary" }) },
]);

const records: readonly PropertyMap[] = [
  { value: "203.0.113.7" },
  { value: "203.0.113.8", comment: "second" },
];

export const zoneRrset = hcloud("ZoneRrset", [
  {
    name: "of a route",
    inputs: ({ zone = "" }) => ({ zone, name: "www", type: "A", ttl: 300, records }),
    changes: {
      "another address": (inputs) => ({ ...inputs, records: [{ value: "203.0.113.9" }] }),
      "records in another order": (inputs) => ({ ...inputs, records: [...records].reverse() }),
      "another comment": (inputs) => ({
        ...inputs,
        records: [{ value: "203.0.113.7", comment: "first" }, records[1] ?? null],
      }),
      "another name": (inputs) => ({ ...inputs, name: "api" }),
      "another type": (inputs) => ({ ...inputs, type: "AAAA" }),
      "another time to live": (inputs) => ({ ...inputs, ttl: 600 }),
      "no time to live": ({ ttl, ...inputs }) => inputs,
      protected: (inputs) => ({ ...inputs, changeProtection: true }),
      labelled: (inputs) => ({ ...inputs, labels }),
    },
    carriedOut: ["another address", "labelled"],
  },
  {
    name: "of the domain itself",
    inputs: ({ zone = "" }) => ({ zone, name: "@", type: "A", records: [{ value: "203.0.113.7" }], labels }),
  },
  { name: "without records", inputs: ({ zone = "" }) => ({ zone, name: "www", type: "A" }) },
  { name: "with no record", inputs: ({ zone = "" }) => ({ zone, name: "www", type: "A", records: [] }) },
  { name: "of a wrong type", inputs: ({ zone = "" }) => ({ zone, name: "www", type: "WRONG", records }) },
]);
