/** Checks that a request comes from our own page, so that other sites can't act for a visitor. */

import "server-only";

/** Check the browser's own header first, which no page can set; otherwise the page's origin, if there is one. */
export function isFromAnotherSite(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !ownHosts(request).includes(hostOf(origin));
}

/** A browser sends this for another site's page only after a preflight request to this server. */
export function isJson(request: Request): boolean {
  const type = request.headers.get("content-type") ?? "";
  return type.split(";", 1)[0]!.trim().toLowerCase() === "application/json";
}

/** Behind a proxy the browser's host may be in X-Forwarded-Host. Another site's page can set neither. */
function ownHosts(request: Request): (string | null)[] {
  return ["host", "x-forwarded-host"].map((name) => request.headers.get(name)?.toLowerCase() ?? null);
}

/** Return the host and port of an origin; empty if it has none, such as `null`. */
function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : "";
}
