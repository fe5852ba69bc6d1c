import { clientPrefixBits } from "../../ip-network.ts";
import { type Site, tlsDirectory } from "../edge.ts";
import { edgePorts } from "../route.ts";

/** The edge's own port inside its container, on loopback. */
export const checkPort = 8081;

/** Where the configuration folder of the host appears in the edge's container. */
export const containerDirectory = "/etc/nginx/berth";

/** Where the answers to ACME's challenges appear in the edge's container. */
export const challengesDirectory = "/var/www/challenges";

/**
 * How long an idle keep-alive connection stays open, and a reload leaves it open, in seconds. One number for both: a reload
 * then closes none that would not have been closed anyway. Without the latter a client that is about to send gets a reset:
 * measured 3 of 20,000 requests, 0 with it (nginx 1.27.4 or newer).
 */
export const keepaliveSeconds = 10;

/** When clients are told to give up an idle connection themselves: before the edge does. */
const keepaliveHintSeconds = keepaliveSeconds - 2;

/**
 * What the edge itself answers to somebody who tries what is not for him: no key, not from there. Too often (429) is no such thing: a thousand
 * people may share one address, and a limit that they pass a little must not shut all of them out.
 */
const refusals = [401, 403];

/**
 * The main configuration: everything that does not depend on a route. A worker that was told to end serves streams for
 * `webSocketGraceSeconds`; a switch waits for it, and the old slot lives that much longer.
 * @param ipv6 clients come over IPv6 too
 */
export function renderMain(webSocketGraceSeconds: number, ipv6 = false): string {
  const network = ipv6 ? `"network":"$remote_addr/$berth_client_bits",` : "";
  return `user nginx;
worker_processes auto;
worker_rlimit_nofile 16384;
worker_shutdown_timeout ${webSocketGraceSeconds}s;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;

events {
  worker_connections 8192;
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  # What was refused goes to standard error, so that fail2ban reads that and no other request. It relies on the first fields.
  log_format berth escape=json '{"time":"$time_iso8601","client":"$remote_addr","status":$status,${network}"host":"$host","method":"$request_method",'
    '"path":"$uri","bytes":$body_bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr","upstreamSeconds":"$upstream_response_time"}';
  # Refused by the edge, which asked no upstream; or by a service on a route that counts this answer: "|,401,|401".
  map "$upstream_addr|,$berth_ban_on,|$status" $berth_refused {
    default 0;
    "~^[|].*[|](${refusals.join("|")})$" 1;
    "~,(?<berth_status>[0-9]+),.*[|]\\k<berth_status>$" 1;
  }
  map $berth_refused $berth_answered {
    default 1;
    1 0;
  }
  access_log /var/log/nginx/access.log berth if=$berth_answered;
  access_log /var/log/nginx/error.log berth if=$berth_refused;

  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout ${keepaliveSeconds}s ${keepaliveHintSeconds}s;
  keepalive_min_timeout ${keepaliveSeconds}s;
  client_header_timeout 15s;
  client_body_timeout 30s;
  send_timeout 30s;
  large_client_header_buffers 4 16k;

  # Docker's DNS. A restarted task has a new address, so names are looked up again while running.
  resolver 127.0.0.11 valid=1s ipv6=off;
  # Also how long nginx waits before it asks again when Docker's server says anything but "no such name": by default 30 s, in which a service
  # that has come back answers 502 (ngx_http_upstream_zone_module.c, ngx_http_upstream_zone_resolve_handler).
  resolver_timeout 1s;

  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_prefer_server_ciphers off;
  ssl_session_cache shared:tls:10m;
  ssl_session_timeout 1d;
  ssl_session_tickets off;

  map $http_upgrade $berth_connection {
    default upgrade;
    "" "";
  }

  # What is answered for a service that pauses for its releases: 503 where no task was sent anything, otherwise what the edge says anyway.
  map "$upstream_bytes_sent|$upstream_status" $berth_pause {
    default 502;
    "~^[-0, ]*[|]" 503;
    "~504$" 504;
  }

${clientNetworks}  # Default server: unknown host names.
  server {
${listen(edgePorts.http, " default_server", ipv6, "    ")}
    server_name _;
    set $berth_ban_on "";
    return 444;
  }
  server {
${listen(edgePorts.https, " ssl default_server", ipv6, "    ")}
    server_name _;
    ssl_reject_handshake on;
  }
  # For the container's own health check, and for a switch that asks whether the next slot can be reached.
  server {
    listen 127.0.0.1:${checkPort};
    access_log off;
    location / {
      return 204;
    }
    include ${containerDirectory}/checks/*.conf;
  }

  include ${containerDirectory}/limits/*.conf;
  include ${containerDirectory}/upstreams/*/*.conf;
  include ${containerDirectory}/sites/*.conf;
}
`;
}

/**
 * A client of IPv6 takes any address of its /64: that is what is limited and banned. Binary addresses have 4 bytes or 16. Always there: when a
 * host gives its IPv6 up, the services' limits name these until their switches write them anew.
 */
const clientNetworks = `  map $binary_remote_addr $berth_client {
    default $binary_remote_addr;
    "~(?s)^(?<berth_prefix>.{${clientPrefixBits / 8}}).{8}$" $berth_prefix;
  }
  map $remote_addr $berth_client_bits {
    default 32;
    "~:" ${clientPrefixBits};
  }

`;

function listen(port: number, parameters: string, ipv6: boolean, indent: string): string {
  return [port, ...(ipv6 ? [`[::]:${port}`] : [])]
    .map((at) => `${indent}listen ${at}${parameters};`)
    .join("\n");
}

const frameOptions = { deny: "DENY", sameOrigin: "SAMEORIGIN", everybody: undefined } as const;

/** The server of a domain. Its locations are files of their own, one for each service, written by the switches. */
export function renderSite({ domain, headers }: Site, ipv6 = false): string {
  const subDomains = headers.hstsIncludeSubDomains ? "; includeSubDomains" : "";
  const frames = frameOptions[headers.frames];
  const framing = frames === undefined ? "" : `\n  add_header X-Frame-Options ${frames} always;`;
  return `server {
${listen(edgePorts.http, "", ipv6, "  ")}
  server_name ${domain};
  set $berth_ban_on "";
  location ^~ /.well-known/acme-challenge/ {
    root ${challengesDirectory};
    default_type text/plain;
  }
  location / {
    return 301 https://$host$request_uri;
  }
}
server {
${listen(edgePorts.https, " ssl", ipv6, "  ")}
  http2 on;
  server_name ${domain};
  set $berth_ban_on "";
  set $berth_retry_after "";
  # Key and chain in one file, which is replaced as a whole.
  ssl_certificate ${containerDirectory}/${tlsDirectory}/${domain}.pem;
  ssl_certificate_key ${containerDirectory}/${tlsDirectory}/${domain}.pem;
  root /var/empty;

  add_header Strict-Transport-Security "max-age=31536000${subDomains}" always;
  add_header X-Content-Type-Options nosniff always;${framing}
  add_header Referrer-Policy strict-origin-when-cross-origin always;
  add_header Retry-After $berth_retry_after always;

  include ${containerDirectory}/locations/${domain}/*.conf;
}
`;
}
