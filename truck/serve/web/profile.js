// The stage profile in SVG, riders and groups gliding along it between frames.
const SVG = "http://www.w3.org/2000/svg";
const EDGE = { left: 44, right: 16, top: 46, bottom: 26 };
const FLAG = { pitch: 36, reach: 50 };
const GLIDE_MS = 600; // how long a correction takes to be taken up
const CARRY_S = 3; // how far on a rider is drawn without a newer frame
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function make(parent, tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

/** A point that is drawn where it should be soon, never jumping. */
class Glider {
  constructor(distanceM) {
    this.shownM = distanceM;
    this.targetM = distanceM;
    this.speedMps = 0;
  }

  aim(distanceM, speedMps) {
    this.targetM = distanceM;
    this.speedMps = speedMps ?? 0;
  }

  at(sinceS, passedMs) {
    const wantedM = this.targetM + this.speedMps * Math.min(sinceS, CARRY_S);
    const far = Math.abs(wantedM - this.shownM) > 2000;
    const share = calm.matches || far ? 1 : 1 - Math.exp(-passedMs / GLIDE_MS);
    this.shownM += (wantedM - this.shownM) * share;
    return this.shownM;
  }
}

export class Profile {
  constructor(svg) {
    this.svg = svg;
    this.course = null;
    this.riders = new Map(); // bib -> {node, glider}
    this.groups = new Map(); // group id -> {node, glider, ...}
    this.followed = null;
    this.arrivedMs = 0;
    this.drawnMs = 0;
    new ResizeObserver(() => this.draw()).observe(svg);
    const turn = (nowMs) => {
      if (nowMs - this.drawnMs >= 40) this.move(nowMs);
      requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  }

  setCourse(course) {
    this.course = course;
    const heights = course.profile.altitude_m;
    this.flat = heights.every((one) => one === null);
    this.heights = this.flat ? heights.map(() => 0) : heights;
    const low = Math.min(...this.heights);
    this.range = [low, Math.max(Math.max(...this.heights), low + 60)];
    this.draw();
  }

  follow(bib) {
    this.followed = bib;
    for (const [one, { node }] of this.riders) node.classList.toggle("followed", one === bib);
  }

  update(frame, arrivedMs) {
    if (!this.course || !this.dots) return;
    this.arrivedMs = arrivedMs;
    const { riders, groups } = frame;
    const seen = new Set();
    riders.bib.forEach((bib, i) => {
      const distanceM = riders.distance_m[i];
      if (distanceM === null) return;
      seen.add(bib);
      const speedMps = ["racing", "signal_lost"].includes(riders.status[i]) ? riders.speed_mps[i] : 0;
      const rider = this.riders.get(bib) ?? this.addRider(bib, distanceM);
      rider.glider.aim(distanceM, speedMps);
      rider.node.classList.toggle("old", riders.status[i] !== "racing" && riders.status[i] !== "finished");
    });
    this.forget(this.riders, seen);
    groups.group_id.forEach((id, i) => {
      const group = this.groups.get(id) ?? this.addGroup(id, groups.distance_m[i]);
      group.glider.aim(groups.distance_m[i], groups.speed_mps[i]);
      group.node.classList.toggle("lead", i === 0);
      group.size = groups.size[i];
      group.label.textContent = group.size;
    });
    this.forget(this.groups, new Set(groups.group_id));
  }

  forget(known, kept) {
    for (const [key, { node }] of known) {
      if (!kept.has(key)) {
        node.remove();
        known.delete(key);
      }
    }
  }

  addRider(bib, distanceM) {
    const node = make(this.dots, "circle", { r: 3, class: "rider" });
    make(node, "title", {}, `bib ${bib}`);
    node.classList.toggle("followed", bib === this.followed);
    const rider = { node, glider: new Glider(distanceM) };
    this.riders.set(bib, rider);
    return rider;
  }

  addGroup(id, distanceM) {
    const node = make(this.flags, "g", { class: "group" });
    const line = make(node, "line", { class: "group-line" });
    const flag = make(node, "rect", { class: "group-flag", width: 32, height: 20, rx: 5 });
    const label = make(node, "text");
    const group = { node, line, flag, label, size: 0, glider: new Glider(distanceM) };
    this.groups.set(id, group);
    return group;
  }

  x(distanceM) {
    const first = -this.course.neutral_m;
    return EDGE.left + ((distanceM - first) / (this.course.length_m - first)) * this.innerWidth;
  }

  y(altitudeM) {
    const [low, high] = this.range;
    const height = this.height - EDGE.top - EDGE.bottom;
    return this.height - EDGE.bottom - height * (this.flat ? 0.25 : 0.12 + 0.88 * ((altitudeM - low) / (high - low)));
  }

  heightAt(distanceM) {
    const along = this.course.profile.distance_m;
    const step = (along[along.length - 1] - along[0]) / (along.length - 1);
    const i = Math.max(0, Math.min(along.length - 1, Math.round((distanceM - along[0]) / step)));
    return this.heights[i];
  }

  draw() {
    if (!this.course) return;
    const box = this.svg.getBoundingClientRect();
    if (box.width < 50) return;
    this.height = box.height;
    this.innerWidth = box.width - EDGE.left - EDGE.right;
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
    const base = this.height - EDGE.bottom;
    const along = this.course.profile.distance_m;
    const line = along.map((d, i) => `${this.x(d).toFixed(1)} ${this.y(this.heights[i]).toFixed(1)}`);
    const hill = `M${this.x(along[0]).toFixed(1)} ${base}L${line.join("L")}V${base}Z`;
    make(this.svg, "path", { d: hill, class: "hill" });
    const clip = make(this.svg, "clipPath", { id: "ridden" });
    this.ridden = make(clip, "rect", { x: 0, y: 0, width: 0, height: this.height });
    make(this.svg, "path", { d: hill, class: "done", "clip-path": "url(#ridden)" });
    this.drawAxes(base);
    this.drawCheckpoints(base);
    this.dots = make(this.svg, "g");
    this.flags = make(this.svg, "g");
    for (const { node } of this.riders.values()) this.dots.append(node);
    for (const { node } of this.groups.values()) this.flags.append(node);
  }

  drawAxes(base) {
    const km = this.course.length_m / 1000;
    const room = Math.max(2, Math.floor(this.innerWidth / 90));
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 25, 50, 100].find((one) => km / one <= room) ?? 200;
    for (let at = 0; at <= km - step * 0.4; at += step) {
      const x = this.x(at * 1000);
      make(this.svg, "line", { class: "axis", x1: x, x2: x, y1: base, y2: base + 5 });
      make(this.svg, "text", { x, y: base + 19, "text-anchor": "middle" }, `${Number(at.toFixed(1))}`);
    }
    make(this.svg, "text", { x: this.x(km * 1000), y: base + 19, "text-anchor": "end" }, `${km.toFixed(1)} km`);
    if (this.flat) return;
    const low = Math.min(...this.heights), high = Math.max(...this.heights);
    for (const metres of [low, high]) {
      make(this.svg, "text", { x: EDGE.left - 6, y: this.y(metres) + 4, "text-anchor": "end" }, `${Math.round(metres)} m`);
    }
  }

  drawCheckpoints(base) {
    const { distance_m: at, name, kind } = this.course.checkpoints;
    let free = -Infinity;
    at.forEach((distanceM, i) => {
      const x = this.x(distanceM);
      make(this.svg, "line", { class: "check", x1: x, x2: x, y1: this.y(this.heightAt(distanceM)), y2: base });
      const label = name[i] || kind[i];
      const width = label.length * 6.5;
      const left = Math.min(x + 4, EDGE.left + this.innerWidth - width);
      if (left < free) return;
      make(this.svg, "text", { x: left, y: base - 6 }, label);
      free = left + width + 10;
    });
  }

  move(nowMs) {
    const passedMs = nowMs - this.drawnMs;
    this.drawnMs = nowMs;
    if (!this.dots) return;
    const sinceS = (nowMs - this.arrivedMs) / 1000;
    let firstM = -Infinity;
    for (const { node, glider } of this.riders.values()) {
      const distanceM = glider.at(sinceS, passedMs);
      firstM = Math.max(firstM, distanceM);
      node.setAttribute("cx", this.x(distanceM).toFixed(2));
      node.setAttribute("cy", this.y(this.heightAt(distanceM)).toFixed(2));
    }
    this.ridden.setAttribute("width", Math.max(0, firstM > -Infinity ? this.x(firstM) : 0).toFixed(1));
    this.moveFlags(passedMs, sinceS);
  }

  /** Flags stand side by side, stems lead to the place; where there is no room only the largest keeps his. */
  moveFlags(passedMs, sinceS) {
    const groups = [...this.groups.values()].sort((a, b) => b.glider.targetM - a.glider.targetM);
    const largest = Math.max(...groups.map(({ size }) => size));
    let left = Infinity;
    for (const group of groups) {
      const distanceM = group.glider.at(sinceS, passedMs);
      const x = this.x(distanceM);
      const centre = Math.min(x, left - FLAG.pitch, EDGE.left + this.innerWidth - 8);
      const keeps = x - centre <= FLAG.reach || group.size === largest;
      group.node.classList.toggle("hidden-flag", !keeps || centre < EDGE.left - 8);
      if (!keeps) continue;
      left = centre;
      group.flag.setAttribute("x", centre - 16);
      group.flag.setAttribute("y", 4);
      group.label.setAttribute("x", centre);
      group.label.setAttribute("y", 18);
      group.line.setAttribute("x1", centre);
      group.line.setAttribute("x2", x);
      group.line.setAttribute("y1", 24);
      group.line.setAttribute("y2", this.y(this.heightAt(distanceM)) - 4);
    }
  }
}
