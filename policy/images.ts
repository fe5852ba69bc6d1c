import { registryOf } from "../components/host/registries.ts";
import type { ConfigurationRule, SystemConfig } from "../config.ts";
import { services } from "./services.ts";

/** Every image that is used is configured. In production it has a digest, so that a rollback deploys the same image again. */
export const imagesAreKnown: ConfigurationRule = ({ stack, berth, systems }) => {
  const needed = [
    ...Object.entries(berth.hosts).map(([host, { edge }]) => ({
      path: `berth:hosts.${host}.edge.version`,
      image: edge.kind,
      version: edge.version,
    })),
    ...versioned(systems).map(({ system, service }) => ({
      path: `${system}:${service.name}.version`,
      ...service,
    })),
  ];
  return needed.flatMap(({ path, image, version }) => {
    const entry = berth.images[image];
    if (entry === undefined) {
      return [`berth:images.${image}: missing, needed by ${path}; add its repository and digests`];
    }
    if (berth.environment !== "production" || entry.digests[version] !== undefined) return [];
    const known = Object.keys(entry.digests).join(", ") || "none yet";
    return [
      `${path}: "${version}" of ${image} has no digest, and production deploys images only by digest; known: ${known}. ` +
        `Find it: docker buildx imagetools inspect ${entry.repository}:${version} --format '{{.Manifest.Digest}}', then set it: ` +
        `npx pulumi config set --path 'berth:images["${image}"].digests["${version}"]' sha256:… --stack ${stack}`,
    ];
  });
};

/** A version always identifies the same image; a tag such as latest does not. */
export const versionsAreFixed: ConfigurationRule = ({ berth, systems }) =>
  [
    ...Object.entries(berth.hosts).map(([host, { edge }]) => [
      `berth:hosts.${host}.edge.version`,
      edge.version,
    ]),
    ...versioned(systems).map(({ system, service }) => [
      `${system}:${service.name}.version`,
      service.version,
    ]),
  ]
    .filter(([, version]) => /^(latest|stable|main|master|edge|nightly)$/.test(String(version)))
    .map(
      ([path, version]) => `${path}: "${version}" can be another image tomorrow; use a version, as in v1.2.0`,
    );

/** Each registry with a login has an image. */
export const registriesAreUsed: ConfigurationRule = ({ stack, berth }) => {
  const used = new Set(Object.values(berth.images).map(({ repository }) => registryOf(repository)));
  return Object.keys(berth.registries)
    .filter((address) => !used.has(address))
    .map(
      (address) =>
        `berth:registries.${address}: no image of berth:images comes from it; use one of: ${[...used].sort().join(", ")}. ` +
        `Remove it: npx pulumi config rm --path 'berth:registries["${address}"]' --stack ${stack}`,
    );
};

/**
 * A registry that the stack runs is logged in to by Berth itself, and what it needs to run does not come from it: a host that starts from
 * nothing has neither.
 */
export const ownRegistryIsIndependent: ConfigurationRule = ({ stack, berth, systems }) =>
  Object.entries(systems)
    .filter(([, { definition }]) => definition.servesImages)
    .flatMap(([name, { definition, domain, settings }]) => {
      const own = [
        ...Object.values(berth.hosts).map(({ edge }) => edge.kind),
        ...definition.services(settings).map(({ image }) => image),
      ].filter((image) => registryOf(berth.images[image]?.repository ?? "") === domain);
      return [
        ...(berth.registries[domain] === undefined
          ? []
          : [
              `berth:registries.${domain}: is the domain of the system ${name}, whose login Berth makes itself. ` +
                `Remove it: npx pulumi config rm --path 'berth:registries["${domain}"]' --stack ${stack}`,
            ]),
        ...[...new Set(own)].map(
          (image) =>
            `berth:images.${image}.repository: "${berth.images[image]?.repository}" is in the registry of the system ${name}, which cannot start without it; use a repository elsewhere, as in docker.io/library/${image}`,
        ),
      ];
    });

/** A build has a host, an image whose registry that host may push to, and a setting that takes the image's version. */
export const buildsFit: ConfigurationRule = ({ stack, berth, systems }) =>
  Object.entries(berth.builds).flatMap(([name, { host, image, setting, repository }]) => {
    const path = `berth:builds.${name}`;
    const problems: string[] = [];
    if (berth.hosts[host] === undefined) {
      const known = Object.keys(berth.hosts).join(", ");
      problems.push(`${path}.host: no host "${host}" in berth:hosts; use one of: ${known}`);
    }
    const entry = berth.images[image];
    if (entry === undefined) {
      const known = Object.keys(berth.images).join(", ");
      problems.push(`${path}.image: no image "${image}" in berth:images; use one of: ${known}`);
    } else {
      const address = registryOf(repository ?? entry.repository);
      const own = Object.values(systems).some(
        ({ definition, domain }) => definition.servesImages && domain === address,
      );
      if (!own && berth.registries[address] === undefined) {
        problems.push(
          `${path}.${repository === undefined ? "image" : "repository"}: "${repository ?? image}" is in ${address}, where the host cannot push: there is no login in berth:registries. ` +
            `Set it: npx pulumi config set --path 'berth:registries["${address}"].user' USER --stack ${stack}`,
        );
      }
    }
    const [system = "", service = ""] = setting.split(":");
    const placed = systems[system];
    const spec = placed?.definition.services(placed.settings).find((each) => each.name === service);
    if (placed !== undefined && spec?.image !== image) {
      problems.push(
        spec === undefined
          ? `${path}.setting: "${setting}" is no service of ${system}`
          : `${path}.setting: "${setting}" takes its image from ${spec.image}, not from ${image}`,
      );
    }
    return problems;
  });

/** The services that have a version of their own. */
function versioned(systems: Readonly<Record<string, SystemConfig>>) {
  return services(systems).filter(({ service }) => service.releasedWith === undefined);
}
