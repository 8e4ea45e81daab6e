/** The significant words of a text, in one form for query and catalogue. */

const STOP_WORDS = new Set(
  (
    "a an and any are at buy can do find for from get give have i in is it just like list look looking me my " +
    "need of on or please product products search show some something that the them these thing things to want " +
    "with you your item items option options cheap cheapest affordable expensive under over below above dollar " +
    "dollars"
  ).split(" "),
);

const IRREGULAR = new Map([
  ["knives", "knife"],
  ["scarves", "scarf"],
  ["mice", "mouse"],
  ["leaves", "leaf"],
  ["shelves", "shelf"],
]);

const ENDINGS: [string, string][] = [
  ["ies", "y"],
  ["sses", "ss"],
  ["shes", "sh"],
  ["ches", "ch"],
  ["xes", "x"],
];

export function significantWords(text: string): string[] {
  const words =
    text
      .toLowerCase()
      .replaceAll("'", "")
      .match(/[a-z0-9]+/g) ?? [];
  return [...new Set(words.filter((word) => !STOP_WORDS.has(word)).map(stem))];
}

/** Remove a word's plural or -ing, roughly. Convex's search index knows no word forms. */
function stem(given: string): string {
  let word = IRREGULAR.get(given) ?? given;
  const ending = ENDINGS.find(([ending]) => word.endsWith(ending) && word.length > ending.length + 1);
  if (ending !== undefined) return word.slice(0, -ending[0].length) + ending[1];
  if (word.endsWith("s") && !word.endsWith("ss") && word.length > 3) word = word.slice(0, -1);
  if (word.endsWith("ing") && word.length > 6) {
    word = word.slice(0, -3);
    if (word.at(-1) === word.at(-2)) word = word.slice(0, -1);
  }
  return word;
}
