// The stage profile in SVG: the road by steepness, every rider on it, a flag over each group.
import { dress, place, put, shape } from "./dom.js";
import { Glider, spread } from "./glider.js";
import { stepFor } from "./terrain.js";

const EDGE = { left: 48, right: 14, top: 40, bottom: 44 };
const FLAG = { width: 34, height: 20, pitch: 38 };
const MARKS = { climb: "▲", sprint: "S", bonus: "B", feed: "F", crossing: "✕", intermediate: "T" };
const RANKS = ["climb", "sprint", "bonus", "intermediate", "feed", "crossing"]; // who keeps his name where it is narrow

export class Profile {
  constructor(svg) {
    Object.assign(this, { svg, course: null, riders: new Map(), groups: new Map(), followed: null });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  setCourse(course, terrain) {
    Object.assign(this, { course, terrain });
    this.draw();
  }

  follow(bib) {
    this.followed = bib;
  }

  /** Take a frame's places; `gliders` are shared with the other drawings of the road. */
  update(frame, groups, gliders) {
    if (!this.dots) return;
    const seen = new Set();
    frame.riders.bib.forEach((bib, i) => {
      if (frame.riders.distance_m[i] === null) return;
      seen.add(bib);
      const dot = this.riders.get(bib) ?? this.addRider(bib);
      dress(dot, gliders.look(frame, i, this.followed));
      if (bib === this.followed) this.dots.append(dot);
    });
    forget(this.riders, seen, (dot) => dot);
    for (const group of groups) {
      const flag = this.groups.get(group.id) ?? this.addGroup(group);
      Object.assign(flag, { size: group.size, target: group.distanceM });
      put(flag.label, String(group.size));
    }
    forget(this.groups, new Set(groups.map(({ id }) => id)), ({ node }) => node);
  }

  addRider(bib) {
    const dot = shape("circle", { r: 3 });
    this.dots.append(dot);
    this.riders.set(bib, dot);
    return dot;
  }

  addGroup({ id, colour }) {
    const line = shape("line", { class: "stem" });
    const box = shape("rect", { class: "flag", width: FLAG.width, height: FLAG.height, y: 2, rx: 5 });
    const label = shape("text", { y: 16.5, "text-anchor": "middle" });
    const node = shape("g", { class: `group ${colour}` }, line, box, label);
    this.flags.append(node);
    const flag = { node, line, box, label, size: 0, target: 0 };
    this.groups.set(id, flag);
    return flag;
  }

  x(distanceM) {
    return EDGE.left + (distanceM - this.firstM) * this.perM;
  }

  y(altitudeM) {
    return this.base - 14 - (altitudeM - this.terrain.lowM) * this.perUp;
  }

  draw() {
    if (!this.course) return;
    const { width, height } = this.svg.getBoundingClientRect();
    if (width < 50) return;
    this.innerWidth = width - EDGE.left - EDGE.right;
    this.base = height - EDGE.bottom;
    this.firstM = this.terrain.along[0];
    this.perM = this.innerWidth / (this.course.length_m - this.firstM);
    this.perUp = (this.base - 14 - EDGE.top) / Math.max(60, this.terrain.highM - this.terrain.lowM);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const clip = shape("clipPath", { id: "road-box" },
      shape("rect", { x: EDGE.left, y: 0, width: this.innerWidth, height: this.base }));
    const land = shape("g", { class: "land", transform:
      `matrix(${this.perM} 0 0 ${this.perUp} ${this.x(0)} ${this.base - 14 + this.terrain.lowM * this.perUp})` });
    // on the whole stage a climb is one colour, not a bar code
    this.terrain.draw(land, this.firstM, this.course.length_m, Math.max(1000, this.course.length_m / 50));
    this.ridden = shape("rect", { class: "ridden", x: EDGE.left, y: 0, width: 0, height: this.base });
    this.dots = shape("g", { class: "dots" }, ...this.riders.values());
    this.flags = shape("g", {}, ...[...this.groups.values()].map(({ node }) => node));
    this.svg.replaceChildren(clip, shape("g", { "clip-path": "url(#road-box)" }, land, this.ridden));
    this.drawAxes();
    this.drawCheckpoints();
    this.svg.append(this.dots, this.flags);
  }

  drawAxes() {
    const { svg, base } = this;
    const km = this.course.length_m / 1000;
    const step = stepFor(km, Math.max(2, Math.floor(this.innerWidth / 90)));
    svg.append(shape("line", { class: "ground", x1: EDGE.left, x2: EDGE.left + this.innerWidth, y1: base, y2: base }));
    for (let at = 0; at <= km - step * 0.45; at += step) {
      svg.append(shape("line", { class: "axis", x1: this.x(at * 1000), x2: this.x(at * 1000), y1: base, y2: base + 4 }),
        shape("text", { x: this.x(at * 1000), y: base + 17, "text-anchor": "middle" }, `${Number(at.toFixed(1))}`));
    }
    svg.append(shape("text", { x: this.x(km * 1000), y: base + 17, "text-anchor": "end", class: "strong" }, `${km.toFixed(1)} km`));
    if (this.terrain.isFlat) return;
    for (const metres of [this.terrain.lowM, this.terrain.highM]) {
      svg.append(shape("text", { x: EDGE.left - 8, y: this.y(metres) + 4, "text-anchor": "end" }, `${Math.round(metres)} m`));
    }
  }

  /** A mark for each; names by rank, where they do not run into one another. */
  drawCheckpoints() {
    const { distance_m: at, name, kind } = this.course.checkpoints;
    const taken = [];
    const rank = (i) => (RANKS.indexOf(kind[i]) + RANKS.length) % RANKS.length;
    for (const i of [...at.keys()].sort((a, b) => rank(a) - rank(b))) {
      const x = this.x(at[i]);
      const text = `${MARKS[kind[i]] ?? "•"} ${name[i] || kind[i]}`;
      this.svg.append(shape("line", { class: `check ${kind[i]}`, x1: x, x2: x, y1: this.y(this.terrain.at(at[i])), y2: this.base }));
      const half = text.length * 3.1 + 6;
      const middle = Math.min(Math.max(x, EDGE.left + half), EDGE.left + this.innerWidth - half);
      if (taken.some(([left, right]) => middle + half > left && middle - half < right)) continue;
      taken.push([middle - half, middle + half]);
      this.svg.append(shape("text", { class: `check-name ${kind[i]}`, x: middle, y: this.base + 36, "text-anchor": "middle" }, text));
    }
  }

  /** One step of the glide: places only. */
  move(gliders) {
    if (!this.dots) return;
    for (const [bib, dot] of this.riders) {
      const distanceM = gliders.rider(bib);
      place(dot, ["cx", "cy"], [this.x(distanceM), this.y(this.terrain.at(distanceM))]);
    }
    place(this.ridden, ["width"], [Math.max(0, this.x(gliders.firstM) - EDGE.left)]);
    // as many flags as there is room for, the largest groups first, in the order of the road
    const room = Math.floor((this.innerWidth + EDGE.left) / FLAG.pitch);
    const all = [...this.groups.entries()];
    const kept = new Set(all.sort(([, a], [, b]) => b.size - a.size || b.target - a.target).slice(0, room).map(([id]) => id));
    const row = all.filter(([id]) => kept.has(id)).sort(([a], [b]) => gliders.group(a) - gliders.group(b));
    const half = FLAG.width / 2;
    const xs = row.map(([id]) => this.x(gliders.group(id)));
    const middles = spread(xs, FLAG.pitch, half, EDGE.left + this.innerWidth + EDGE.right - half);
    for (const [id, { node }] of all) node.toggleAttribute("hidden", !kept.has(id));
    row.forEach(([id, { line, box, label }], k) => {
      place(box, ["x"], [middles[k] - half]);
      place(label, ["x"], [middles[k]]);
      place(line, ["x1", "y1", "x2", "y2"],
        [middles[k], FLAG.height + 2, xs[k], this.y(this.terrain.at(gliders.group(id))) - 4]);
    });
  }
}

/** Take away what is not in the frame any more. */
export function forget(known, kept, nodeOf) {
  for (const [key, one] of known) {
    if (kept.has(key)) continue;
    nodeOf(one).remove();
    known.delete(key);
  }
}
