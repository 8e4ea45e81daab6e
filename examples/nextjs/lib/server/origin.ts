import "server-only";

/** Whether a page of another site made the browser ask. Such a page must not start calls in a visitor's name. */
export function isFromAnotherSite(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  return site !== null && site !== "same-origin" && site !== "none";
}
