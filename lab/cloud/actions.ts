import type { Cloud } from "./cloud.ts";
import { ApiError, notFound } from "./errors.ts";
import { listPage, ok, type Routes } from "./router.ts";
import type { ActionRecord } from "./state.ts";

/** While an action runs, its progress grows with time; it measures nothing else. */
export function showAction(action: ActionRecord): object {
  const seconds = (Date.now() - Date.parse(action.started)) / 1000;
  return action.status === "running"
    ? { ...action, progress: Math.min(95, Math.floor(seconds * 10)) }
    : action;
}

const resourceTypes = {
  servers: "server",
  firewalls: "firewall",
  primary_ips: "primary_ip",
  volumes: "volume",
  zones: "zone",
} as const;

/** `/actions`, and `/<resource>/actions`, `/<resource>/:id/actions` of every resource that has actions. */
export function actionRoutes(cloud: Cloud): Routes {
  const one = (id: string | undefined) => {
    const action = cloud.store.state.actions.find((candidate) => String(candidate.id) === id);
    if (!action) {
      throw notFound("action", id ?? "");
    }
    return ok({ action: showAction(action) });
  };
  const list = (query: URLSearchParams, keep: (action: ActionRecord) => boolean) => {
    const ids = new Set(query.getAll("id"));
    const statuses = new Set(query.getAll("status"));
    return listPage(
      "actions",
      cloud.store.state.actions.filter(
        (action) =>
          keep(action) &&
          (ids.size === 0 || ids.has(String(action.id))) &&
          (statuses.size === 0 || statuses.has(action.status)),
      ),
      query,
      showAction,
    );
  };
  const routes: Record<string, Routes[string]> = {
    "GET /actions": ({ query }) => {
      if (query.getAll("id").length === 0) {
        throw new ApiError(
          410,
          "deprecated_api_endpoint",
          "listing all actions is not allowed; filter by id, or list a resource's own actions",
          { announcement: "https://docs.hetzner.cloud/changelog#2025-01-30-listing-arbitrary-actions" },
        );
      }
      return list(query, () => true);
    },
    "GET /actions/:id": ({ params }) => one(params.id),
  };
  for (const [path, type] of Object.entries(resourceTypes)) {
    routes[`GET /${path}/actions`] = ({ query }) =>
      list(query, (action) => action.resources.some((resource) => resource.type === type));
    routes[`GET /${path}/actions/:id`] = ({ params }) => one(params.id);
    routes[`GET /${path}/:resource/actions/:id`] = ({ params }) => one(params.id);
    routes[`GET /${path}/:resource/actions`] = ({ params, query }) =>
      list(query, (action) =>
        action.resources.some(
          (resource) => resource.type === type && String(resource.id) === params.resource,
        ),
      );
  }
  return routes;
}
