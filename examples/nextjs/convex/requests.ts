/** Checks for the bodies that a bot sends. */

const MOST_WORDS_CHARACTERS = 500;
const MOST_ID_CHARACTERS = 128;
const MOST_TURNS = 1000;
const MOST_TURN_CHARACTERS = 100_000;
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const SESSION_ID = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/;
// Joiners are not printable by themselves, but they are part of words in Persian and in the scripts of India.
const PRINTABLE = /^(?:[^\p{C}\p{Z}]|[ \u200c\u200d])+$/u;

/** An invalid body; the message says why. */
export class BadBody extends Error {}

type Fields = Record<string, unknown>;

export function readSearch(body: Fields) {
  return {
    query: text(body, "query", MOST_WORDS_CHARACTERS),
    category: optionalText(body, "category"),
    priceRange: optionalText(body, "priceRange"),
  };
}

export function readChange(body: Fields) {
  return { userId: userId(body), productNumber: whole(body, "productNumber", 1) };
}

export function readTranscript(body: Fields) {
  const { turns } = body;
  insist(Array.isArray(turns) && turns.length <= MOST_TURNS, `turns: a list of at most ${MOST_TURNS}`);
  return { sessionId: sessionId(body), userId: userId(body), turns: turns.map(readTurn) };
}

/** Read a body and check it. Throws BadBody. */
export async function readBody<Body>(request: Request, check: (body: Fields) => Body): Promise<Body> {
  let body: unknown;
  try {
    body = await request.json();
  } catch {
    throw new BadBody("The body is not JSON.");
  }
  return check(fields(body));
}

function readTurn(value: unknown) {
  const turn = fields(value);
  const { role } = turn;
  insist(role === "user" || role === "assistant", "role: user or assistant");
  const at = text(turn, "at", 64);
  insist(RFC_3339.test(at), "at: a time as in RFC 3339");
  return {
    index: whole(turn, "index", 0),
    role,
    text: text(turn, "text", MOST_TURN_CHARACTERS),
    at,
  } as const;
}

function userId(body: Fields): string {
  const id = text(body, "userId", 2 * MOST_ID_CHARACTERS);
  insist(PRINTABLE.test(id) && [...id].length <= MOST_ID_CHARACTERS, "userId: 1 to 128 printable characters");
  return id;
}

function sessionId(body: Fields): string {
  const id = text(body, "sessionId", MOST_ID_CHARACTERS);
  insist(SESSION_ID.test(id), "sessionId: 1 to 128 of A-Z a-z 0-9 . _ ~ -");
  return id;
}

function text(body: Fields, name: string, most: number): string {
  const value = body[name];
  insist(typeof value === "string" && value.length <= most, `${name}: a text of at most ${most} characters`);
  return value;
}

function optionalText(body: Fields, name: string): string | null {
  return body[name] === undefined || body[name] === null ? null : text(body, name, MOST_WORDS_CHARACTERS);
}

function whole(body: Fields, name: string, least: number): number {
  const value = body[name];
  insist(
    Number.isSafeInteger(value) && (value as number) >= least,
    `${name}: a whole number from ${least} on`,
  );
  return value as number;
}

function fields(value: unknown): Fields {
  insist(typeof value === "object" && value !== null && !Array.isArray(value), "a JSON object is expected");
  return value as Fields;
}

function insist(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BadBody(what);
}
