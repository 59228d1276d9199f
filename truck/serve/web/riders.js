// The riders' table: one row a bib, kept and moved, cells written only where they changed.
import { dress, node, put } from "./dom.js";
import { colourOf } from "./naming.js";
import { ageOf, ageTone, figure, gapOf, kmhOf, kmOf, powerOf } from "./units.js";

export const WORDS = {
  racing: "racing", signal_lost: "lost", off_route: "off route", stopped: "stopped", in_car: "tracker in a car",
  finished: "finished", abandoned: "abandoned", not_seen: "not seen",
};
const TONE = {
  signal_lost: "is-warn", off_route: "is-bad", stopped: "is-warn", in_car: "is-warn", abandoned: "is-quiet",
  not_seen: "is-quiet", finished: "is-good",
};
const COLUMNS = ["star", "pos", "bib", "name", "gap", "togo", "group", "speed", "grade", "power", "heart", "status", "age"];
const LEFT = new Set(["star", "name", "status"]);
const WIDE = new Set(["grade", "power", "heart", "status"]);

/** A status in words, lost with for how long, doubt and an operator's hand said plainly. */
export function statusOf(riders, i, sinceS = 0) {
  const status = riders.status[i];
  const ageS = riders.age_s[i];
  const live = status === "racing" || status === "stopped";
  const word = status === "signal_lost" ? `lost ${ageOf(ageS + sinceS)}` : WORDS[status] ?? status;
  const doubt = live && riders.quality[i] !== "good" ? `, ${riders.quality[i].replace("_", " ")}` : "";
  return { text: word + doubt + (riders.ruled[i] ? ", by the operator" : ""), tone: TONE[status] ?? (doubt ? "is-warn" : "") };
}

export class Riders {
  constructor(parts, favourites, onFollow, onPick) {
    Object.assign(this, parts, { favourites, onFollow, onPick, rows: new Map(), order: [] });
    [this.followed, this.group, this.onlyFavourites] = [null, null, false];
    this.search.addEventListener("input", () => this.filter());
    this.only.addEventListener("click", () => this.showFavourites(!this.onlyFavourites));
    this.picked.addEventListener("click", () => onPick(null));
    this.body.addEventListener("click", (event) => this.clicked(event.target));
  }

  clicked(target) {
    const bib = Number(target.closest(".row")?.dataset.bib);
    if (!bib) return;
    if (target.closest(".star")) this.star(bib);
    else this.onFollow(bib === this.followed ? null : bib);
  }

  star(bib) {
    this.favourites.toggle(bib);
    this.mark(this.rows.get(bib));
    this.filter();
  }

  showFavourites(only) {
    this.onlyFavourites = only;
    this.only.setAttribute("aria-pressed", String(only));
    this.filter();
  }

  update(frame, groups) {
    const { riders } = frame;
    const called = new Map(groups.map(({ id, i }) => [id, String(i + 1)]));
    this.frame = frame;
    this.order = riders.bib.map((bib, i) => {
      const row = this.rows.get(bib) ?? this.add(bib);
      this.write(row, riders, i, called);
      return row;
    });
    // moving a row costs layout, so only those out of place are moved
    this.order.forEach((row, i) => {
      if (this.body.children[i] !== row.node) this.body.insertBefore(row.node, this.body.children[i] ?? null);
    });
    this.filter();
  }

  add(bib) {
    const cells = Object.fromEntries(COLUMNS.map((name) => {
      const classes = [name, LEFT.has(name) ? "" : "number", WIDE.has(name) ? "wide" : ""].filter(Boolean).join(" ");
      return [name, node("div", { class: classes, role: name === "name" ? "rowheader" : "cell" })];
    }));
    const star = node("button", { type: "button", class: "star", tabindex: "-1" });
    const [called, team, chip] = [node("b"), node("span", { class: "team" }), node("span", { class: "chip" })];
    cells.star.append(star);
    cells.name.append(called, node("span", { class: "bib-small" }, String(bib)), team);
    cells.group.append(chip);
    const row = { bib, cells, star, called, team, chip, ageS: null, text: "", node: node("div", { class: "row", role: "row", "data-bib": bib }, ...COLUMNS.map((name) => cells[name])) };
    this.rows.set(bib, row);
    this.mark(row);
    return row;
  }

  mark(row) {
    const is = this.favourites.has(row.bib);
    row.star.textContent = is ? "★" : "☆";
    row.star.setAttribute("aria-pressed", String(is));
    row.star.setAttribute("aria-label", `Favourite: bib ${row.bib}`);
  }

  write(row, riders, i, called) {
    const { cells } = row;
    const placed = riders.distance_m[i] !== null;
    const live = ["racing", "stopped", "signal_lost"].includes(riders.status[i]);
    const name = riders.name[i] || `Rider ${riders.bib[i]}`;
    const { text, tone } = statusOf(riders, i);
    Object.assign(row, { i, ageS: riders.age_s[i], id: riders.group_id[i], text: `${row.bib} ${name} ${riders.team[i]}`.toLowerCase() });
    put(row.called, name);
    put(row.team, riders.team[i]);
    put(cells.pos, placed ? String(i + 1) : "–");
    put(cells.bib, String(row.bib));
    put(cells.gap, i === 0 && placed ? "front" : gapOf(riders.gap_s[i]));
    put(cells.togo, placed ? kmOf(riders.to_go_m[i]) : "–");
    put(row.chip, row.id === null ? "–" : called.get(row.id) ?? "–");
    dress(row.chip, `chip ${colourOf(row.id)}`);
    put(cells.speed, live ? kmhOf(riders.speed_mps[i], 1, "") : "–");
    put(cells.grade, placed ? figure(riders.gradient_pct[i], 1, " %") : "–");
    put(cells.power, powerOf(riders, i));
    put(cells.heart, figure(riders.heart_rate_bpm[i]));
    put(cells.status, text);
    dress(cells.status, `status wide ${tone}`);
    this.wear(row, row.ageS);
  }

  /** A row fades with the age of what it says; it never hides it. */
  wear(row, ageS) {
    put(row.cells.age, ageOf(ageS));
    const { status } = this.frame.riders;
    const tone = ["finished", "not_seen"].includes(status[row.i]) ? "" : ageTone(ageS);
    dress(row.node, `row ${tone}${row.bib === this.followed ? " followed" : ""}`);
  }

  /** Ages run on between frames, and when there are none. */
  age(sinceS) {
    for (const row of this.order) {
      if (row.ageS === null || row.node.hidden) continue;
      this.wear(row, row.ageS + sinceS);
      if (this.frame.riders.status[row.i] === "signal_lost") put(row.cells.status, statusOf(this.frame.riders, row.i, sinceS).text);
    }
  }

  follow(bib) {
    this.followed = bib;
    for (const row of this.order) {
      if (row.bib === bib) row.node.setAttribute("aria-current", "true");
      else row.node.removeAttribute("aria-current");
      this.wear(row, row.ageS);
    }
  }

  /** The next rider up or down the table, among those that are shown. */
  next(step) {
    const shown = this.order.filter((row) => !row.node.hidden);
    const at = shown.findIndex((row) => row.bib === this.followed);
    const row = shown[at < 0 ? (step > 0 ? 0 : shown.length - 1) : Math.max(0, Math.min(shown.length - 1, at + step))];
    row?.node.scrollIntoView({ block: "nearest" });
    return row?.bib ?? null;
  }

  pick(id, name) {
    this.group = id;
    this.picked.hidden = id === null;
    this.picked.textContent = `${name} ✕`;
    this.filter();
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of this.order) {
      const shown = words.every((word) => row.text.includes(word)) && (this.group === null || row.id === this.group)
        && (!this.onlyFavourites || this.favourites.has(row.bib));
      if (row.node.hidden === shown) row.node.hidden = !shown;
      found += shown ? 1 : 0;
    }
    this.nobody.hidden = found > 0 || !this.order.length;
    put(this.nobody, this.onlyFavourites && !this.favourites.bibs.size
      ? "No favourites yet: the star in a row makes one, or f for the rider you follow." : "No rider matches.");
  }
}
