/**
 * Hetzner's shared and dedicated server types with their memory, so that a typing error or a system that cannot fit is
 * refused in review, before anything is created. Source: Hetzner's server type list (GET /v1/server_types), 2026.
 */
export const serverTypeMemoryGibibytes = {
  cx22: 4,
  cx23: 4,
  cx32: 8,
  cx33: 8,
  cx42: 16,
  cx43: 16,
  cx52: 32,
  cx53: 32,
  cax11: 4,
  cax21: 8,
  cax31: 16,
  cax41: 32,
  cpx11: 2,
  cpx21: 4,
  cpx31: 8,
  cpx41: 16,
  cpx51: 32,
  ccx13: 8,
  ccx23: 16,
  ccx33: 32,
  ccx43: 64,
  ccx53: 128,
  ccx63: 192,
} as const;

export type ServerType = keyof typeof serverTypeMemoryGibibytes;

export const serverTypes = Object.keys(serverTypeMemoryGibibytes) as [ServerType, ...ServerType[]];

/** Hetzner's locations. Source: GET /v1/locations, 2026. */
export const locations = ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"] as const;

/**
 * Where a server type is sold. Arm and the cost-optimized Intel types are sold in the EU alone; the regular AMD types of 2025 (cpx12
 * and on) are not in this list. Source: prices by location in GET /v1/server_types, 2026.
 */
export function soldIn(serverType: ServerType): readonly (typeof locations)[number][] {
  return /^(cx|cax)/.test(serverType) ? ["fsn1", "nbg1", "hel1"] : locations;
}
