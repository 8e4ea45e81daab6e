import { describe, expect, it } from "vitest";

import { describe as ending } from "./ending";
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

  it("drops noise that produced no words", () => {
    const state = played({ type: "caller-started" }, { type: "caller-started" }, callerSays("Shoes."));
    expect(words(state)).toEqual(["you: Shoes."]);
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
      { type: "ended", by: "lost", sentence: null },
    );
    expect(words(state)).toEqual(["bot: Good"]);
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
  const ended = (by: "caller" | "bot" | "lost" | "failed", sentence: string | null = null): CallEvent => ({
    type: "ended",
    by,
    sentence,
  });
  const record = (phase: "ended" | "failed", reason: string): CallEvent => ({
    type: "record",
    record: { phase, reason, message: "What the controller says." },
  });

  it("comes from the record if there is one", () => {
    expect(ending(played(ended("caller"), record("ended", "caller_left")))).toEqual({
      title: "You hung up",
      text: "What the controller says.",
      reason: "caller_left",
      isFailure: false,
    });
  });

  it("comes from the bot's farewell until the record arrives, unless the bot was terminated", () => {
    const farewell = (reason: string) => tells({ type: "call_ended", reason, message: "It went quiet." });
    expect(ending(played(farewell("idle"), ended("bot")))).toMatchObject({
      title: "It went quiet",
      reason: "idle",
    });
    expect(ending(played(farewell("terminated"), ended("bot")))).toMatchObject({
      title: "Call ended",
      reason: null,
    });
  });

  it("calls a failure a failure", () => {
    const crashed = played(ended("lost"), record("failed", "crashed"));
    expect(ending(crashed)).toMatchObject({ title: "The call failed", reason: "crashed", isFailure: true });
    expect(ending(played(ended("lost")))).toMatchObject({ title: "Connection lost", isFailure: true });
  });

  it("says why a call did not start", () => {
    expect(ending(played(ended("failed", "All assistants are busy.")))).toMatchObject({
      title: "The call did not start",
      text: "All assistants are busy.",
      isFailure: true,
    });
  });
});

it("a call starts with nothing of the last one", () => {
  const last = played(botSays("Hello!"), { type: "ended", by: "caller", sentence: null });
  expect(after(last, { type: "phase", phase: "microphone" })).toEqual({ ...NO_CALL, phase: "microphone" });
});
