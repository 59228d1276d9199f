// The gap strip: the kilometres between first and last group, zoomed, a card over each group.
import { dress, node, place, put, shape } from "./dom.js";
import { spread } from "./glider.js";
import { forget } from "./profile.js";
import { stepFor } from "./terrain.js";
import { ageOf, ageTone, clockOf, gapOf, kmhOf, kmOf, whole } from "./units.js";

const SPAN_M = [400, 5000]; // groups further back stand at the edge, with an arrow
const CARD = { most: 158, least: 62, between: 8, height: 84 };
const FULL = 108; // px from which a card has room for names
const TICKS = 14;
const SLIDE_MS = 900;
const OLD_S = 8;
const phone = matchMedia("(max-width: 700px)");

export class Strip {
  constructor(svg, list, onPick) {
    Object.assign(this, { svg, list, onPick, cards: new Map(), riders: new Map(), fromM: null, spanM: null });
    new ResizeObserver(() => this.draw()).observe(svg);
    phone.addEventListener("change", () => this.settle());
  }

  setCourse(course, terrain) {
    Object.assign(this, { course, terrain, fromM: null });
    this.draw();
  }

  draw() {
    if (!this.course) return;
    const { width, height } = this.svg.getBoundingClientRect();
    if (width < 50) return;
    Object.assign(this, { width, height, base: height - 24 });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.land = shape("g", { class: "land" });
    this.cut = null;
    this.line = shape("line", { class: "finish-line", y1: CARD.height + 8, y2: this.base });
    const clip = shape("clipPath", { id: "strip-box" }, shape("rect", { x: 0, y: 0, width, height: this.base }));
    this.ticks = Array.from({ length: TICKS }, () => {
      const [mark, text] = [shape("line", { class: "axis", y1: this.base, y2: this.base + 4 }),
        shape("text", { y: this.base + 18, "text-anchor": "middle" })];
      return { mark, text, node: shape("g", {}, mark, text) };
    });
    this.dots = shape("g", { class: "dots" }, ...this.riders.values());
    this.stems = shape("g", {}, ...[...this.cards.values()].map(({ stem }) => stem));
    this.svg.replaceChildren(clip, shape("g", { "clip-path": "url(#strip-box)" }, this.land, this.line),
      shape("line", { class: "ground", x1: 0, x2: width, y1: this.base, y2: this.base }),
      ...this.ticks.map((tick) => tick.node), this.stems, this.dots);
  }

  update(frame, groups, gliders, trends, picked, followed) {
    this.write(groups, trends, picked);
    if (!this.dots) return;
    const seen = new Set();
    frame.riders.bib.forEach((bib, i) => {
      if (frame.riders.group_id[i] === null) return;
      seen.add(bib);
      const dot = this.riders.get(bib) ?? this.addRider(bib);
      dress(dot, gliders.look(frame, i, followed));
    });
    forget(this.riders, seen, (dot) => dot);
  }

  addRider(bib) {
    const dot = shape("circle", { r: 3.5 });
    this.dots.append(dot);
    this.riders.set(bib, dot);
    return dot;
  }

  /** What the cards say, front first in the list, so that it reads in the order of the road. */
  write(groups, trends, picked) {
    groups.forEach((group, i) => {
      const card = this.cards.get(group.id) ?? this.addCard(group);
      const trend = i ? trends.get(group.id) : null;
      const before = groups[i - 1];
      const step = i > 1 && group.gapS !== null && before.gapS !== null ? group.gapS - before.gapS : null;
      card.group = group;
      put(card.who, group.name);
      put(card.size, String(group.size));
      put(card.riding, group.size === 1 ? "rider" : "riders");
      put(card.gap, i === 0 ? (group.distanceM < 0 ? "neutral" : "front") : group.gapS === null ? `${whole(group.gapM)} m` : gapOf(group.gapS));
      put(card.more, i === 0 ? kmhOf(group.speedMps) : step === null ? `${whole(group.gapM)} m` : `+${clockOf(step)} to group ahead`);
      put(card.trend, group.ageS > OLD_S ? `lost ${ageOf(group.ageS)}` : group.echelon ? "echelons likely" : trend?.short ?? "");
      dress(card.trend, `trend ${group.ageS > OLD_S || group.echelon ? "is-warn" : trend?.sign < 0 ? "closing" : trend?.sign > 0 ? "growing" : ""}`);
      dress(card.node, `token ${group.colour} ${ageTone(group.ageS)}${group.id === picked ? " picked" : ""}`);
      card.button.setAttribute("aria-pressed", String(group.id === picked));
      card.button.title = group.measuredS !== null && i ? `measured ${gapOf(group.measuredS)} at km ${(group.measuredAtM / 1000).toFixed(1)}` : "";
      if (this.list.children[i] !== card.node) this.list.insertBefore(card.node, this.list.children[i] ?? null);
    });
    for (const [id, { stem }] of this.cards) if (!groups.some((group) => group.id === id)) stem.remove();
    forget(this.cards, new Set(groups.map(({ id }) => id)), (card) => card.node);
  }

  addCard(group) {
    const span = (name) => node("span", { class: name });
    const [who, size, riding, gap, more, trend] = ["who", "size", "riding", "gap", "more", "trend"].map(span);
    const button = node("button", { type: "button", "aria-pressed": "false" }, who, size, riding, gap, more, trend);
    button.addEventListener("click", () => this.onPick(group.id));
    const card = { node: node("li", {}, button), button, who, size, riding, gap, more, trend, group,
      stem: shape("line", { class: `stem ${group.colour}` }) };
    this.stems?.append(card.stem);
    this.cards.set(group.id, card);
    return card;
  }

  settle() {
    for (const card of this.cards.values()) {
      card.shownX = card.shownWidth = undefined;
      card.node.removeAttribute("style");
    }
  }

  /** The window glides after the groups. */
  slide(gliders, passedMs) {
    const behind = gliders.firstM - gliders.lastM;
    const spanM = Math.min(SPAN_M[1], Math.max(SPAN_M[0], behind * 1.08));
    const fromM = gliders.firstM - spanM;
    const leaps = this.fromM === null || Math.abs(fromM - this.fromM) > SPAN_M[1];
    const share = leaps ? 1 : 1 - Math.exp(-passedMs / SLIDE_MS);
    this.fromM = leaps ? fromM : this.fromM + (fromM - this.fromM) * share;
    this.spanM = leaps ? spanM : this.spanM + (spanM - this.spanM) * share;
  }

  x(distanceM) {
    return 10 + ((distanceM - this.fromM) / this.spanM) * (this.width - 40);
  }

  move(gliders, passedMs) {
    if (!this.dots || !this.cards.size || phone.matches) return;
    this.slide(gliders, passedMs);
    const toM = this.fromM + this.spanM;
    // only the road in sight is drawn, with some to either side: a whole stage in one path is slow to move
    if (!this.cut || this.fromM < this.cut[0] || toM > this.cut[1]) {
      this.cut = [this.fromM - SPAN_M[0], toM + SPAN_M[1]];
      this.terrain.draw(this.land, ...this.cut);
    }
    const [low, high] = this.terrain.range(this.fromM, toM);
    const perM = (this.width - 40) / this.spanM;
    const perUp = Math.min((this.base - CARD.height - 44) / Math.max(20, high - low), perM * 12);
    const y = (metres) => this.base - 12 - (metres - low) * perUp;
    const scale = `matrix(${perM.toFixed(5)} 0 0 ${perUp.toFixed(4)} ${(10 - this.fromM * perM).toFixed(1)} ${(this.base - 12 + low * perUp).toFixed(1)})`;
    if (this.scale !== scale) this.land.setAttribute("transform", this.scale = scale);
    const lineX = this.x(this.course.length_m);
    place(this.line, ["x1", "x2"], [lineX, lineX]);
    this.moveTicks();
    for (const [bib, dot] of this.riders) {
      const distanceM = gliders.rider(bib);
      place(dot, ["cx", "cy"], [Math.max(-9, this.x(distanceM)), y(this.terrain.at(distanceM))]);
    }
    this.moveCards(gliders, y);
  }

  moveTicks() {
    const toGoM = this.course.length_m - this.fromM;
    const step = stepFor(this.spanM / 1000, Math.min(TICKS - 2, this.width / 120)) * 1000;
    const firstM = Math.floor(toGoM / step) * step;
    this.ticks.forEach(({ mark, text }, k) => {
      const goM = firstM - k * step;
      const at = this.x(this.course.length_m - goM);
      const x = goM >= 0 && at > 50 && at < this.width - 30 ? at : -200;
      place(mark, ["x1", "x2"], [x, x]);
      place(text, ["x"], [x]);
      put(text, goM === 0 ? "finish" : `${kmOf(goM, step < 1000 ? 1 : 0)} to go`);
    });
  }

  moveCards(gliders, y) {
    const row = [...this.cards.values()].sort((a, b) => gliders.group(a.group.id) - gliders.group(b.group.id));
    const pitch = Math.min(CARD.most + CARD.between, this.width / row.length);
    const width = Math.max(CARD.least, pitch - CARD.between);
    const xs = row.map(({ group }) => this.x(gliders.group(group.id)));
    const middles = spread(xs, width + CARD.between, width / 2, this.width - width / 2);
    this.list.classList.toggle("narrow", width < FULL);
    row.forEach((card, k) => {
      const left = middles[k] - width / 2;
      if (!(Math.abs(card.shownX - left) < 0.3)) card.node.style.transform = `translateX(${(card.shownX = left).toFixed(1)}px)`;
      if (!(Math.abs(card.shownWidth - width) < 0.5)) card.node.style.width = `${(card.shownWidth = width).toFixed(1)}px`;
      place(card.stem, ["x1", "y1", "x2", "y2"],
        [middles[k], CARD.height, Math.max(2, xs[k]), y(this.terrain.at(gliders.group(card.group.id))) - 5]);
    });
  }
}
