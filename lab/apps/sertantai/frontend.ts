import { standIn } from "../application.ts";

/**
 * Sertantai's frontend, a SvelteKit page that the npm package `serve` serves. Source: the seed `sertantai-legal.md`, and
 * github.com/shotleybuilder/sertantai-legal at b7e02d9: frontend/Dockerfile (user, command, port), frontend/src/lib/electric/client.ts (the
 * page reads its shapes at /api/electric, which frontend/.env.production says when it is built).
 */
export const declaration = standIn({
  standsInFor: "Sertantai's frontend",
  workingDirectory: "/app",
  user: "1000:1000",
  entrypoint: ["serve"],
  command: ["-s", "build", "-l", "3000", "--no-request-logging"],
  files: {
    "/app/start": { runs: "server" },
    // Its options as vercel/serve takes them (its README): -l is the port.
    "/usr/local/bin/serve": {
      text: '#!/bin/sh\nwhile [ $# -gt 0 ]; do\n  if [ "$1" = -l ]; then PORT=$2 && export PORT; fi\n  shift\ndone\nexec /app/start\n',
      executable: true,
    },
  },
  variables: {},
  http: {
    port: 3000,
    // The page itself; serve has no other answer.
    health: { path: "/", fields: {} },
    // `-s`: every path is the page.
    routes: { "GET /": page(), "GET *": page() },
  },
  load: [{ method: "GET", path: "/", expect: [200], weight: 4 }],
});

function page() {
  return { html: '<!doctype html><title>Sertantai Legal</title><script src="/_app/start.js"></script>' };
}
