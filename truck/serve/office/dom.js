// Small things every room of this page needs.
export const $ = (id) => document.getElementById(id);

/** An element with attributes, and text or elements inside; never HTML from a string. */
export function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** New children only when what they say has changed, so that focus and reader stay where they are. */
export function refill(parent, said, make) {
  const key = JSON.stringify(said);
  if (parent.dataset.key === key) return;
  parent.dataset.key = key;
  parent.replaceChildren(...make());
}

export const whole = (value) => (value == null ? "–" : Math.round(value).toLocaleString("en-GB"));
export const seconds = (value, digits = 2) => (value == null ? "–" : `${value.toFixed(digits)} s`);

export function size(bytes) {
  if (bytes == null) return "–";
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

export function span(value) {
  if (value == null) return "–";
  if (value < 90) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  return value < 5400 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
}

export const clockAt = (s) => new Date(s * 1000).toISOString().slice(11, 19);
