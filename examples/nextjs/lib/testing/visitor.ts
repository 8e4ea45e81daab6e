/** A browser that asks this app's routes: it keeps its cookie, and says where its page is from. */

import { NextRequest } from "next/server";

import { header } from "@/lib/server/address";

let visitors = 0;

export class Visitor {
  /** Each has an address of its own, since all visitors of one address share a limit. */
  address = `192.0.2.${(visitors += 1)}`;
  cookie: string | null = null;

  /** A header that is "" is left out. */
  request(path: string, method: string, headers: Record<string, string> = {}): NextRequest {
    const sent = new Headers({
      host: "localhost:3000",
      "sec-fetch-site": "same-origin",
      "content-type": "application/json",
      [header()]: this.address,
      ...headers,
    });
    for (const [name, value] of Object.entries(headers)) if (value === "") sent.delete(name);
    if (this.cookie !== null) sent.set("cookie", this.cookie);
    return new NextRequest(`http://localhost:3000${path}`, { method, headers: sent });
  }

  /** Keep the cookie that came, as a browser does. */
  keep(response: Response): void {
    const [cookie] = response.headers.getSetCookie();
    if (cookie !== undefined) this.cookie = cookie.split(";")[0]!;
  }
}
