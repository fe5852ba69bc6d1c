import type { Scenario } from "../format.ts";
import { Thing } from "../things.ts";

/** Versions that never become healthy begin so, as in the lab. */
function slotGraph(variant: string): undefined {
  const slot = new Thing(
    "slot",
    { taskSpec: { image: variant }, mode: { replicas: variant.endsWith("scaled") ? 2 : 1 } },
    { replaceOnChanges: ["taskSpec"] },
  );
  const broken = variant.startsWith("broken") ? "not healthy at the deadline" : undefined;
  const probe = new Thing("probe", { slot: slot.label, failCreate: broken, failUpdate: broken });
  new Thing("switch", { slot: slot.label }, { dependsOn: [probe] });
  return undefined;
}

/** As {@link slotGraph}, but the probe of each slot is a probe of its own (a command with triggers). */
function slotGraphWithTriggers(variant: string): undefined {
  const slot = new Thing("slot", { taskSpec: { image: variant } }, { replaceOnChanges: ["taskSpec"] });
  const failCreate = variant.startsWith("broken") ? "not healthy at the deadline" : undefined;
  const probe = new Thing("probe", { slot: slot.label, replaceKeys: ["slot"], failCreate });
  new Thing("switch", { slot: slot.label, probe: probe.label });
  return undefined;
}

/** The release graph of the design: slot, probe, switch. */
export const releases: readonly Scenario[] = [
  {
    name: "slot-deploy-and-revert",
    about:
      "New slot, probe, switch, and only then the old slot goes; going back to a version is a new slot too.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", variant: "v1", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "slot-probe-fails-then-fixed",
    about:
      "A failed probe leaves the old slot and the switch; the next run, to a fixed version, switches and removes both old slots.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "broken", expect: "fail" },
      { run: "preview", variant: "v3", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "slot-probe-fails-then-back",
    about:
      "A failed probe, tried twice, then back to the previous version: a new slot of it, and all old ones go.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "broken", expect: "fail" },
      { run: "up", expect: "fail" },
      { run: "up", variant: "v1", expect: "ok" },
    ],
  },
  {
    name: "slot-probe-fails-continue-on-error",
    about: "With continue-on-error a failed probe still deletes no old slot.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "broken", continueOnError: true, expect: "fail" },
      { run: "up", variant: "v3", continueOnError: true, expect: "ok" },
    ],
  },
  {
    name: "slot-triggered-probe",
    about: "The probe is replaced with its slot: its failure, a fixed version, and going back.",
    program: slotGraphWithTriggers,
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", variant: "broken", expect: "fail" },
      { run: "up", variant: "v2", expect: "ok" },
    ],
  },
  {
    name: "slot-destroy-after-failure",
    about: "Destroying with an old slot still marked for deletion deletes both.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "broken", expect: "fail" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "slot-kill-create",
    about:
      "Killed while the new slot is being created: one orphan that nobody knows, a pending operation, and the next run converges.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "up",
        variant: "v2",
        kill: { during: "create", thing: "slot", when: "after" },
        expect: "killed",
      },
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "slot-kill-probe",
    about: "Killed while the probe runs: the new slot is known and kept.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "up",
        variant: "v2",
        kill: { during: "update", thing: "probe", when: "before" },
        expect: "killed",
      },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "slot-kill-switch",
    about:
      "Killed when the switch is done but not recorded: the next run switches again and removes the old slot.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "up",
        variant: "v2",
        kill: { during: "update", thing: "switch", when: "after" },
        expect: "killed",
      },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "slot-kill-delete",
    about: "Killed when the old slot is gone but still recorded: the next run deletes it again.",
    program: slotGraph,
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "up",
        variant: "v2",
        kill: { during: "delete", thing: "slot", when: "after" },
        expect: "killed",
      },
      { run: "up", expect: "ok" },
    ],
  },
];
