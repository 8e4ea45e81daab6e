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
  it("keeps the place of what the caller said, though the words come after the answer began", () => {
    const state = played(
      { type: "caller-started" },
      botSays("I found"),
      callerSays("Shoes."),
      botSays(" two."),
    );
    expect(words(state)).toEqual(["you: Shoes.", "bot: I found two."]);
  });

  it("replaces interim words by final ones, and adds to those", () => {
    const state = played(
      { type: "caller-started" },
      callerSays("fine", false),
      callerSays("Find shoes."),
      callerSays("Under", false),
      callerSays("Under a hundred."),
    );
    expect(words(state)).toEqual(["you: Find shoes. Under a hundred."]);
  });

  it("has a new turn of the bot's for each time it speaks", () => {
    const state = played(botSays("Hello!"), { type: "bot-stopped" }, botSays("Still there?"));
    expect(words(state)).toEqual(["bot: Hello!", "bot: Still there?"]);
  });

  it("drops noise that became no words", () => {
    const state = played({ type: "caller-started" }, { type: "caller-started" }, callerSays("Shoes."));
    expect(words(state)).toEqual(["you: Shoes."]);
  });

  it("shows typed words at once, and spoken ones in a turn of their own", () => {
    const state = played({ type: "caller-typed", text: "shoes" }, callerSays("Red ones."));
    expect(words(state)).toEqual(["you: shoes", "you: Red ones."]);
    expect(state.conversation.turns.map(({ isTyped }) => isTyped)).toEqual([true, false]);
  });

  it("waits for no more words when the call has ended", () => {
    const state = played(
      botSays("Good"),
      { type: "caller-started" },
      { type: "ended", by: "lost", told: null },
    );
    expect(words(state)).toEqual(["bot: Good"]);
    expect(state.conversation.turns.every(({ isOpen }) => !isOpen)).toBe(true);
    expect(after(state, callerSays("too late"))).toEqual(state);
  });
});

describe("the shelf", () => {
  const found = tells({ type: "products_found", query: "kettle", products: [KETTLE], total: 17 });

  it("shows what was found last", () => {
    const none = tells({ type: "products_found", query: "zeppelin", products: [], total: 0 });
    expect(played(found).shelf.found).toMatchObject({ products: [KETTLE], total: 17 });
    expect(played(found, none).shelf.found).toMatchObject({ query: "zeppelin", products: [] });
  });

  it("keeps a product once, by its name even where the message has none", () => {
    const save = tells({ type: "product_saved", number: 2, product: null });
    expect(played(found, save, save).shelf.saved).toEqual([KETTLE]);
    expect(played(save).shelf.saved).toEqual([{ number: 2, name: "Product 2" }]);
  });

  it("lets a removed product go", () => {
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
  const ended = (by: "caller" | "bot" | "lost" | "failed", told: string | null = null): CallEvent => ({
    type: "ended",
    by,
    told,
  });
  const record = (phase: "ended" | "failed", reason: string): CallEvent => ({
    type: "record",
    record: { phase, reason, message: "What the controller says." },
  });

  it("is told by the record, which knows best", () => {
    expect(ending(played(ended("caller"), record("ended", "caller_left")))).toEqual({
      title: "You hung up",
      text: "What the controller says.",
      reason: "caller_left",
      isFailure: false,
    });
  });

  it("is told by the bot's farewell until the record is there, but not of a bot that was told to go", () => {
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

  it("names a failure as one", () => {
    const crashed = played(ended("lost"), record("failed", "crashed"));
    expect(ending(crashed)).toMatchObject({ title: "The call failed", reason: "crashed", isFailure: true });
    expect(ending(played(ended("lost")))).toMatchObject({ title: "Connection lost", isFailure: true });
  });

  it("tells what was said about a call that never began", () => {
    expect(ending(played(ended("failed", "All assistants are busy.")))).toMatchObject({
      title: "No call was made",
      text: "All assistants are busy.",
      isFailure: true,
    });
  });
});

it("a new call begins with nothing of the last one", () => {
  const last = played(botSays("Hello!"), { type: "ended", by: "caller", told: null });
  expect(after(last, { type: "phase", phase: "microphone" })).toEqual({ ...NO_CALL, phase: "microphone" });
});
