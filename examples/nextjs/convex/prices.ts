/** Price ranges as callers say them. */

export interface PriceRange {
  low: number;
  high: number;
}

const CHEAP = 30;
const EXPENSIVE = 150;
const AMOUNT = String.raw`\$?\s*(\d+(?:\.\d+)?)`;
const READERS: [RegExp, (one: number, other: number) => Partial<PriceRange>][] = [
  [new RegExp(String.raw`${AMOUNT}\s*(?:-|\u2013|to|and)\s*${AMOUNT}`), between],
  [new RegExp(String.raw`(?:under|below|less than|cheaper than|at most|up to|max\w*|<=?)\s*${AMOUNT}`), upTo],
  [new RegExp(String.raw`(?:over|above|more than|at least|from|min\w*|>=?)\s*${AMOUNT}`), from],
  [new RegExp(String.raw`${AMOUNT}\s*(?:\+|or more)`), from],
  [new RegExp(String.raw`(?:around|about)\s*${AMOUNT}`), (one) => ({ low: one * 0.8, high: one * 1.2 })],
  [new RegExp(String.raw`^\s*${AMOUNT}(?:\s*(?:dollars|usd|or less))?\s*$`), upTo],
  [/\b(?:cheap\w*|affordable|budget|low)\b/, () => ({ high: CHEAP })],
  [/\b(?:expensive|premium|luxury|high)\b/, () => ({ low: EXPENSIVE })],
];

/** Read `under $100`, `$50-$150`, `over 20`, `between 20 and 50`, `cheap`; anything else is no limit. */
export function parsePriceRange(words: string | null): PriceRange {
  const text = (words ?? "").toLowerCase().replaceAll(",", "");
  for (const [pattern, read] of READERS) {
    const found = pattern.exec(text);
    if (found !== null) return { low: 0, high: Infinity, ...read(Number(found[1]), Number(found[2])) };
  }
  return { low: 0, high: Infinity };
}

function between(one: number, other: number): PriceRange {
  return { low: Math.min(one, other), high: Math.max(one, other) };
}

function upTo(amount: number) {
  return { high: amount };
}

function from(amount: number) {
  return { low: amount };
}
