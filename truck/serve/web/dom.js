// What every room draws with: nodes, and writes that touch the page only where something has changed.
const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const node = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);
export const shape = (tag, attributes = {}, ...children) => made(document.createElementNS(SVG, tag), attributes, children);

/** The node's text, written only if it is another than was written last. */
export function put(where, text) {
  if (where.said === text) return;
  where.said = text;
  where.textContent = text;
}

/** The node's class, written only if it is another than was written last. */
export function dress(where, classes) {
  if (where.worn === classes) return;
  where.worn = classes;
  where.setAttribute("class", classes);
}

/** Places along one line in px, written only if they moved by more than an eye sees. */
export function place(where, names, values) {
  where.places ??= {};
  names.forEach((name, i) => {
    if (Math.abs((where.places[name] ?? Infinity) - values[i]) < 0.2) return;
    where.places[name] = values[i];
    where.setAttribute(name, values[i].toFixed(1));
  });
}

/** New children, made only if what they say (the key) has changed. */
export function refill(parent, key, make) {
  if (parent.filledWith === key) return;
  parent.filledWith = key;
  parent.replaceChildren(...make());
}

/** A definition list of figures: [name, value, tone, hint] each. */
export function figures(list, rows) {
  refill(list, JSON.stringify(rows), () => rows.map(([name, value, tone = "", hint = ""]) =>
    node("div", hint ? { title: hint } : {}, node("dt", {}, name), node("dd", { class: tone }, value))));
}
