// What a bot, a model or a panel sent, made safe to show: plain text of bounded length, and numbers that are numbers.

const DEEPEST = 64;

/** Return an element with a class and a text. Text is never read as HTML. */
export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = String(text);
  return made;
}

/** Return a string's beginning, with a mark if something is left out. Anything but a string is empty. */
export function clipped(value, most) {
  if (typeof value !== "string") return "";
  return value.length > most ? `${value.slice(0, most)}…` : value;
}

/** Return a JSON value as text of bounded length; "" for undefined. */
export function asJson(value, most, indent) {
  return value === undefined ? "" : clipped(JSON.stringify(value, null, indent), most);
}

/** Return a number from 0 to `most`, or null if it is anything else. */
export function quantity(value, most = 1e12) {
  return typeof value === "number" && value >= 0 && value <= most ? value : null;
}

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return the entries of a list that are objects, `most` at most; none of anything but a list. */
export function objects(value, most) {
  return Array.isArray(value) ? value.slice(0, most).filter(isObject) : [];
}

/** Return whether a JSON value is nested so deeply that code which walks it may overflow the stack. */
export function isTooDeep(value, left = DEEPEST) {
  if (typeof value !== "object" || value === null) return false;
  return left === 0 || Object.values(value).some((each) => isTooDeep(each, left - 1));
}

/** Return a pair of a term and its description for a <dl>. */
export function figure(label, value) {
  const pair = element("div");
  pair.append(element("dt", "", label), element("dd", "", value));
  return pair;
}

/** Return whole seconds as 1:05. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function duration(seconds) {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`;
}

export function number(value) {
  return new Intl.NumberFormat().format(value);
}

export function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}
