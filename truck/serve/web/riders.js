// The riders' table: one row a bib, kept and moved, cells written only where they changed.
const WORDS = {
  racing: "racing", signal_lost: "signal lost", off_route: "off route",
  stopped: "stopped", in_car: "tracker in a car", finished: "finished", abandoned: "abandoned",
  not_seen: "not seen",
};
const TONE = { signal_lost: "is-warn", off_route: "is-bad", stopped: "is-warn",
  in_car: "is-warn", abandoned: "is-quiet", not_seen: "is-quiet" };
const COLUMNS = ["pos", "bib", "name", "gap", "togo", "group", "speed", "grade", "power", "heart", "status", "age"];
const WIDE = new Set(["group", "grade", "power", "heart"]);
const LEFT = new Set(["name", "status"]);

export function clockOf(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (one) => String(one).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const figure = (value, digits = 0, unit = "") => (value === null ? "–" : value.toFixed(digits) + unit);

// the meter's word, or else the range that road, wind and shelter leave
const powerOf = (riders, i) => {
  const [meter, low, high] = [riders.power_w[i], riders.effort_low_w[i], riders.effort_high_w[i]];
  if (meter !== null) return `${meter.toFixed(0)} W`;
  return low === null ? "–" : `${Math.round(low / 10) * 10}–${Math.round(high / 10) * 10} W`;
};

export class Riders {
  constructor(body, search, nobody, onFollow) {
    Object.assign(this, { body, search, nobody, onFollow });
    this.rows = new Map();
    this.followed = null;
    search.addEventListener("input", () => this.filter());
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && document.activeElement !== search) {
        event.preventDefault();
        search.focus();
      } else if (event.key === "Escape") {
        search.value = "";
        this.filter();
        search.blur();
      }
    });
    body.addEventListener("click", (event) => {
      const bib = Number(event.target.closest("tr")?.dataset.bib);
      if (bib) this.follow(bib === this.followed ? null : bib);
    });
  }

  update(riders, groups) {
    const place = new Map(groups.group_id.map((id, i) => [id, i + 1]));
    riders.group_place = riders.group_id.map((id) => place.get(id) ?? "–");
    const order = riders.bib.map((bib, i) => {
      const row = this.rows.get(bib) ?? this.add(bib);
      this.write(row, riders, i);
      return row;
    });
    // moving a row costs layout, so only those out of place are moved
    order.forEach((row, i) => {
      if (this.body.children[i] !== row.node) this.body.insertBefore(row.node, this.body.children[i] ?? null);
    });
    this.filter();
  }

  /** Ages run on between frames, and when there are none. */
  age(sinceFrameS) {
    for (const row of this.rows.values()) {
      const ageS = row.ageS === null ? null : row.ageS + sinceFrameS;
      this.put(row, "age", ageS === null ? "–" : ageS < 100 ? `${ageS.toFixed(0)} s` : clockOf(ageS));
      row.cells.age.className = `number ${ageS > 60 ? "is-bad" : ageS > 10 ? "is-warn" : "is-quiet"}`;
    }
  }

  add(bib) {
    const node = document.createElement("tr");
    node.dataset.bib = bib;
    const cells = {};
    for (const name of COLUMNS) {
      cells[name] = document.createElement("td");
      const classes = LEFT.has(name) ? [name] : ["number", name];
      cells[name].className = [...classes, WIDE.has(name) ? "wide" : ""].join(" ").trim();
      node.append(cells[name]);
    }
    const row = { node, cells, shown: {}, ageS: null, text: "" };
    this.rows.set(bib, row);
    return row;
  }

  write(row, riders, i) {
    const status = riders.status[i];
    const placed = riders.distance_m[i] !== null;
    const name = riders.name[i] || `Rider ${riders.bib[i]}`;
    const live = status === "racing" || status === "stopped";
    row.ageS = riders.age_s[i];
    row.text = `${riders.bib[i]} ${name} ${riders.team[i]}`.toLowerCase();
    if (row.shown.name !== name + riders.team[i]) {
      row.shown.name = name + riders.team[i];
      const team = document.createElement("span");
      team.textContent = riders.team[i];
      row.cells.name.replaceChildren(name, team);
    }
    const gapS = riders.gap_s[i];
    this.put(row, "pos", placed ? String(i + 1) : "–");
    this.put(row, "bib", String(riders.bib[i]));
    this.put(row, "gap", i === 0 && placed ? "first" : gapS === null ? "–" : `+${clockOf(gapS)}`);
    this.put(row, "togo", figure(placed ? riders.to_go_m[i] / 1000 : null, 1, " km"));
    this.put(row, "group", riders.group_id[i] === null ? "–" : String(riders.group_place[i]));
    this.put(row, "speed", figure(live && riders.speed_mps[i] !== null ? riders.speed_mps[i] * 3.6 : null, 1));
    this.put(row, "grade", figure(placed ? riders.gradient_pct[i] : null, 1, " %"));
    this.put(row, "power", powerOf(riders, i));
    this.put(row, "heart", figure(riders.heart_rate_bpm[i]));
    const ruled = riders.ruled[i] ? ", by the operator" : "";
    const doubt = live && riders.quality[i] !== "good" ? `, ${riders.quality[i].replace("_", " ")}` : "";
    this.put(row, "status", WORDS[status] + doubt + ruled);
    row.cells.status.className = `status ${TONE[status] ?? (doubt ? "is-warn" : "")}`;
  }

  put(row, name, text) {
    if (row.shown[name] === text) return;
    row.shown[name] = text;
    row.cells[name].textContent = text;
  }

  follow(bib) {
    this.followed = bib;
    for (const [one, { node }] of this.rows) node.classList.toggle("followed", one === bib);
    this.onFollow(bib);
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of this.rows.values()) {
      row.node.hidden = !words.every((word) => row.text.includes(word));
      found += row.node.hidden ? 0 : 1;
    }
    this.nobody.hidden = found > 0 || this.rows.size === 0;
  }
}
