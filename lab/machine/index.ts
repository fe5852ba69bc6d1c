/**
 * The servers of the lab's cloud: system containers of the outer engine, with systemd, sshd, cloud-init and a
 * Docker of their own. They keep running after the command that made them and are found by their labels.
 *
 * ```ts
 * const machines = createMachines(docker, home, progress);   // has no effect yet
 * await machines.boot(spec);            // builds the image on first use (about 2 minutes), then returns in about a second
 * await machines.setFirewall(spec.serverId, rules);          // inbound and outbound, enforced outside the machine's own configuration
 * await machines.createVolume(7, 10, "ext4");
 * await machines.attachVolume(7, spec.serverId);             // /dev/disk/by-id/scsi-0HC_Volume_7, running or not
 * await machines.remove(spec.serverId);                      // detaches its volumes and removes everything else
 * ```
 *
 * Firewall and volumes given to a machine before `boot` (or while it is off) are in place before its first process
 * starts: a server whose firewall is set at creation is never open. `ensureMachineImage` builds the image in advance.
 */

export { ensureMachineImage } from "./image.ts";
export { createMachines } from "./machines.ts";
