import { describe, expect, test } from "vitest";
import { renderMain, renderSite } from "../../components/edge/nginx/render-main.ts";
import {
  checkPaths,
  renderChecks,
  renderLimits,
  renderLocations,
  renderUpstream,
} from "../../components/edge/nginx/render-routes.ts";

const site = { domain: "app.example", headers: { hstsIncludeSubDomains: true, frames: "deny" } } as const;

describe("routes", () => {
  const route = { domain: "app.example", path: "/", port: 8080, bodyLimitMebibytes: 10 };

  test("an upstream follows its slot", () => {
    expect(renderUpstream("togather_app-1a2b3c4", [route])).toBe(
      `upstream togather_app-1a2b3c4_8080 {
  zone togather_app-1a2b3c4_8080 64k;
  server togather_app-1a2b3c4:8080 resolve max_fails=0;
  keepalive 64;
  keepalive_timeout 30s;
}
`,
    );
  });

  test("a location is in its domain's server block, with its own limits", () => {
    const limited = { ...route, rateLimit: { requestsPerSecond: 5, burst: 10 } };
    expect(renderLocations("togather_app", "slot", "other.example", [limited])).toBe("");
    const location = renderLocations("togather_app", "slot", "app.example", [limited]);
    expect(location).toContain("limit_req zone=togather_app_0 burst=10 nodelay;");
    expect(location).toContain("client_max_body_size 10m;");
    expect(location).toContain("proxy_pass http://slot_8080;");
    expect(renderLimits("togather_app", [limited])).toBe(
      "limit_req_zone $binary_remote_addr zone=togather_app_0:10m rate=5r/s;\n",
    );
  });

  test("a restricted location allows the listed networks, and nobody when none is listed", () => {
    const admin = { ...route, path: "/api/v1/admin/" };
    const locations = (allowFrom: string[]) =>
      renderLocations("togather_app", "slot", "app.example", [{ ...admin, allowFrom }]);
    expect(locations(["203.0.113.7/32", "2001:db8::/32"])).toContain(
      "location /api/v1/admin/ {\n  allow 203.0.113.7/32;\n  allow 2001:db8::/32;\n  deny all;\n",
    );
    expect(locations([])).toContain("location /api/v1/admin/ {\n  deny all;\n");
    expect(renderLocations("togather_app", "slot", "app.example", [admin])).not.toContain("deny");
  });

  test("headers in which a client claims an address are replaced", () => {
    const location = renderLocations("togather_app", "slot", "app.example", [route]);
    for (const [header, value] of [
      ["X-Forwarded-For", "$remote_addr"],
      ["X-Real-IP", "$remote_addr"],
      ["X-Forwarded-Proto", "$scheme"],
      ["X-Forwarded-Host", "$host"],
      ["Forwarded", '""'],
    ]) {
      expect(location).toContain(`  proxy_set_header ${header} ${value};\n`);
    }
  });

  // A location with an add_header of its own would lose the site's.
  test("only the site sets the security headers", () => {
    expect(renderLocations("togather_app", "slot", "app.example", [route])).not.toContain("add_header");
    expect(renderSite(site).match(/add_header \S+/g)).toEqual([
      "add_header Strict-Transport-Security",
      "add_header X-Content-Type-Options",
      "add_header X-Frame-Options",
      "add_header Referrer-Policy",
      "add_header Retry-After",
    ]);
  });

  test("subdomains and framing are settings of the site, time-outs of the route, the grace period of WebSockets of the host", () => {
    const own = renderSite({
      domain: "app.example",
      headers: { hstsIncludeSubDomains: false, frames: "sameOrigin" },
    });
    expect(own).toContain('Strict-Transport-Security "max-age=31536000" always;');
    expect(own).toContain("X-Frame-Options SAMEORIGIN always;");
    expect(renderSite({ ...site, headers: { ...site.headers, frames: "everybody" } })).not.toContain(
      "X-Frame",
    );
    expect(renderLocations("togather_app", "slot", "app.example", [route])).toContain(
      "proxy_read_timeout 60s;",
    );
    const slow = { ...route, readTimeoutSeconds: 600 };
    expect(renderLocations("togather_app", "slot", "app.example", [slow])).toContain(
      "proxy_read_timeout 600s;",
    );
    expect(renderMain(120)).toContain("worker_shutdown_timeout 120s;");
  });

  test("a challenge is served before the redirect to TLS and every route", () => {
    expect(renderSite(site)).toContain(`  listen 80;
  server_name app.example;
  set $berth_ban_on "";
  location ^~ /.well-known/acme-challenge/ {
    root /var/www/challenges;
    default_type text/plain;
  }
  location / {
    return 301 https://$host$request_uri;
  }
`);
  });

  test("a slot can be requested before any route uses it", () => {
    const twice = [route, { ...route, path: "/api/" }, { ...route, path: "/electric/", port: 3000 }];
    expect(checkPaths("slot", twice)).toEqual(["/slot_8080", "/slot_3000"]);
    for (const path of checkPaths("slot", twice)) {
      expect(renderChecks("slot", twice)).toContain(`location = ${path} {\n  proxy_pass http:/${path}/;`);
    }
  });

  test("a site answers on both ports and redirects HTTP to HTTPS", () => {
    expect(renderSite(site)).toContain("return 301 https://$host$request_uri;");
    expect(renderSite(site)).toContain("listen 443 ssl;");
  });
});
