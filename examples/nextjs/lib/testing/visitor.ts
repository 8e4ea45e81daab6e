/** A browser that asks this app's routes: it keeps its cookie, and says where its page is from. */

import { NextRequest } from "next/server";

let visitors = 0;

export class Visitor {
  /** Each has an address of its own, since newcomers of one address share a limit. */
  address = `192.0.2.${(visitors += 1)}`;
  cookie: string | null = null;

  request(path: string, method: string, headers: Record<string, string> = {}): NextRequest {
    const sent = new Headers({
      "sec-fetch-site": "same-origin",
      "x-forwarded-for": `203.0.113.9, ${this.address}`,
      ...headers,
    });
    if (this.cookie !== null) sent.set("cookie", this.cookie);
    return new NextRequest(`http://localhost:3000${path}`, { method, headers: sent });
  }

  /** Keep the cookie that came, as a browser does. */
  keep(response: Response): void {
    const [cookie] = response.headers.getSetCookie();
    if (cookie !== undefined) this.cookie = cookie.split(";")[0]!;
  }
}
