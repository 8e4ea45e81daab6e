/** Whether a request comes from a page of ours, as far as browsers say: other sites must not act for a visitor. */

import "server-only";

/** A browser's own word first, which no page can write; else the page's origin, where there is one. */
export function isFromAnotherSite(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !ownHosts(request).includes(hostOf(origin));
}

/** A page of another site would have to ask this server first, with a preflight, before a browser sends this. */
export function isJson(request: Request): boolean {
  const type = request.headers.get("content-type") ?? "";
  return type.split(";", 1)[0]!.trim().toLowerCase() === "application/json";
}

/** Behind a proxy the browser's host may be in X-Forwarded-Host. Another site's page can write neither. */
function ownHosts(request: Request): (string | null)[] {
  return ["host", "x-forwarded-host"].map((name) => request.headers.get(name)?.toLowerCase() ?? null);
}

/** Host and port of an origin; empty where it is none, such as `null`. */
function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : "";
}
