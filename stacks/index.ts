import type { System } from "../components/system.ts";
import { connectedRepo } from "./connected-repo.ts";
import { gadgetbot } from "./gadgetbot.ts";
import { mfa } from "./mfa.ts";
import { registry } from "./registry.ts";
import { sertantai } from "./sertantai.ts";
import { togather } from "./togather.ts";

/** Every system that Berth knows; a stack's `berth:systems` says which of them run. */
export const systems: readonly System[] = [togather, mfa, connectedRepo, sertantai, gadgetbot, registry];
