import { describe, expect, it } from "vitest";

import { describe as ending } from "./ending";
import { NO_PATH, notStarted, type Fault } from "./faults";
import { price } from "./shelf";
import { after, NO_CALL, type CallEvent, type CallState } from "./state";

const KETTLE = { number: 2, name: "Kettle", price: 89, currency: "USD" };

function played(...events: CallEvent[]): CallState {
  const start: CallEvent[] = [
    { type: "phase", phase: "microphone" },
    { type: "phase", phase: "live" },
  ];
  return [...start, ...events].reduce(after, NO_CALL);
}

function words({ conversation }: CallState) {
  return conversation.turns.map(({ side, text }) => `${side}: ${text}`);
}

const callerSays = (text: string, isFinal = true): CallEvent => ({ type: "caller-said", text, isFinal });
const botSays = (text: string): CallEvent => ({ type: "bot-said", text });
const tells = (data: unknown): CallEvent => ({ type: "server-message", data });

describe("the conversation", () => {
  it("keeps the caller's turn in order, though its words arrive after the answer began", () => {
    const state = played(
      { type: "caller-started" },
      botSays("I found"),
      callerSays("Shoes."),
      botSays(" two."),
    );
    expect(words(state)).toEqual(["you: Shoes.", "bot: I found two."]);
  });

  it("replaces interim words with final ones, and appends to those", () => {
    const state = played(
      { type: "caller-started" },
      callerSays("fine", false),
      callerSays("Find shoes."),
      callerSays("Under", false),
      callerSays("Under a hundred."),
    );
    expect(words(state)).toEqual(["you: Find shoes. Under a hundred."]);
  });

  it("starts a turn each time the bot speaks", () => {
    const state = played(botSays("Hello!"), { type: "bot-stopped" }, botSays("Still there?"));
    expect(words(state)).toEqual(["bot: Hello!", "bot: Still there?"]);
  });

  it("keeps a turn that was not understood, and takes words for it that come late", () => {
    const unclear = played({ type: "caller-started" }, { type: "caller-unclear" });
    expect(unclear.conversation.turns).toMatchObject([{ text: "", isUnclear: true }]);
    expect(after(unclear, callerSays("Shoes.")).conversation.turns).toMatchObject([
      { text: "Shoes.", isUnclear: false },
    ]);
    const again = [{ type: "caller-started" } as const, callerSays("Shoes.")].reduce(after, unclear);
    expect(again.conversation.turns.map(({ isUnclear }) => isUnclear)).toEqual([true, false]);
  });

  it("shows typed words at once, and spoken words in a separate turn", () => {
    const state = played({ type: "caller-typed", text: "shoes" }, callerSays("Red ones."));
    expect(words(state)).toEqual(["you: shoes", "you: Red ones."]);
    expect(state.conversation.turns.map(({ isTyped }) => isTyped)).toEqual([true, false]);
  });

  it("closes all turns when the call has ended", () => {
    const state = played(
      botSays("Good"),
      { type: "caller-started" },
      { type: "ended", by: "lost", fault: null },
    );
    expect(words(state)).toEqual(["bot: Good", "you: "]);
    expect(state.conversation.turns.every(({ isOpen }) => !isOpen)).toBe(true);
    expect(after(state, callerSays("too late"))).toEqual(state);
  });
});

describe("the shelf", () => {
  const found = tells({ type: "products_found", query: "kettle", products: [KETTLE], total: 17 });

  it("shows the last search", () => {
    const none = tells({ type: "products_found", query: "zeppelin", products: [], total: 0 });
    expect(played(found).shelf.found).toMatchObject({ products: [KETTLE], total: 17 });
    expect(played(found, none).shelf.found).toMatchObject({ query: "zeppelin", products: [] });
  });

  it("saves a product once, with its name even if the message has none", () => {
    const save = tells({ type: "product_saved", number: 2, product: null });
    expect(played(found, save, save).shelf.saved).toEqual([KETTLE]);
    expect(played(save).shelf.saved).toEqual([{ number: 2, name: "Product 2" }]);
  });

  it("drops a removed product", () => {
    const state = played(
      tells({ type: "product_saved", number: 2, product: KETTLE }),
      tells({ type: "product_removed", number: 2, product: KETTLE }),
    );
    expect(state.shelf.saved).toEqual([]);
  });

  it.each([null, "text", 5, {}, { type: "response_latency", seconds: 1 }])(
    "ignores other messages: %j",
    (data) => {
      expect(played(tells(data))).toEqual(played());
    },
  );

  it("writes prices in their currency", () => {
    expect(price(KETTLE)).toBe("$89.00");
    expect(price({ ...KETTLE, currency: "EUR" })).toBe("€89.00");
    expect(price({ ...KETTLE, currency: "no currency" })).toBe("89 no currency");
    expect(price({ ...KETTLE, price: null })).toBe("");
  });
});

describe("the ending", () => {
  const ended = (by: "caller" | "bot" | "lost" | "failed", fault: Fault | null = null): CallEvent => ({
    type: "ended",
    by,
    fault,
  });
  const record = (phase: "ended" | "failed", reason: string): CallEvent => ({
    type: "found",
    found: { kind: "record", record: { phase, reason, message: "What a caller may read." } },
  });
  const found = (kind: "unknown" | "service gone" | "offline"): CallEvent => ({
    type: "found",
    found: { kind },
  });

  it("comes from the record if there is one, with the reason for developers", () => {
    expect(ending(played(ended("caller"), record("ended", "caller_left")))).toEqual({
      title: "You hung up",
      text: "What a caller may read.",
      isFailure: false,
      details: "Reason on record: caller_left.",
    });
    const crashed = played(ended("lost"), record("failed", "crashed"));
    expect(ending(crashed)).toMatchObject({ title: "The call failed", isFailure: true });
  });

  it("comes from the bot's farewell until the record arrives, unless the bot was told to stop", () => {
    const farewell = (reason: string) => tells({ type: "call_ended", reason, message: "It is quiet." });
    const idle = ending(played(farewell("idle"), ended("bot")));
    expect(idle).toMatchObject({ title: "Nobody spoke for a while", text: "It is quiet." });
    expect(ending(played(farewell("stopped"), ended("bot")))).toMatchObject({ title: "Call ended" });
    const gone = played(farewell("stopped"), ended("bot"), found("service gone"));
    expect(ending(gone)).toMatchObject({ title: "The service stopped", isFailure: true });
  });

  it("blames nothing before the record has been asked, and then what is left", () => {
    expect(ending(played(ended("lost")))).toMatchObject({ text: "Finding out why…" });
    expect(ending(played(ended("lost"), found("unknown")))).toMatchObject({ title: "Connection lost" });
    expect(ending(played(ended("lost"), found("offline")))).toMatchObject({ title: "You are offline" });
    // The bot saw its caller go, which is no cause.
    const left = ending(played(ended("lost"), record("ended", "caller_left")));
    expect(left).toMatchObject({ title: "Connection lost" });
    const refused = ending(played(ended("failed", NO_PATH), record("failed", "model_refused")));
    expect(refused).toMatchObject({ title: "The call failed" });
  });

  it("says why a call did not start", () => {
    const busy = notStarted("All lines are busy.", "capacity_reached");
    expect(ending(played(ended("failed", busy)))).toMatchObject({
      title: "The call did not start",
      text: "All lines are busy.",
      details: "capacity_reached",
      isFailure: true,
    });
  });
});

it("a call starts with nothing of the last one", () => {
  const last = played(botSays("Hello!"), { type: "ended", by: "caller", fault: null });
  expect(after(last, { type: "phase", phase: "microphone" })).toEqual({ ...NO_CALL, phase: "microphone" });
});
