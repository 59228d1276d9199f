// Virtual classification: how the general classification stands on the road now.
import { node, put, refill } from "./dom.js";
import { colourOf } from "./naming.js";
import { gapOf } from "./units.js";

const MOST = 20;

export class Standings {
  constructor({ body, table, note }, onFollow) {
    Object.assign(this, { body, table, note });
    body.addEventListener("click", (event) => {
      const bib = Number(event.target.closest("tr")?.dataset.bib);
      if (bib) onFollow(bib);
    });
  }

  update({ riders }) {
    const rows = riders.bib.map((bib, i) => ({ bib, i, gapS: riders.virtual_gap_s[i] })).filter(({ gapS }) => gapS !== null)
      .sort((a, b) => a.gapS - b.gapS).slice(0, MOST);
    this.table.hidden = !rows.length;
    put(this.note, rows.length ? "provisional, with bonuses on the way" : "No general classification is known for this stage.");
    const cells = rows.map(({ bib, i, gapS }, k) => [k + 1, bib, riders.name[i] || `Rider ${bib}`, riders.team[i],
      riders.bonus_s[i] ? `${riders.bonus_s[i]} s` : "", k ? gapOf(gapS - rows[0].gapS) : "leader", colourOf(riders.group_id[i])]);
    refill(this.body, JSON.stringify(cells), () => cells.map(([place, bib, name, team, bonus, gap, colour]) =>
      node("tr", { "data-bib": bib },
        node("td", { class: "number place" }, String(place)),
        node("th", { scope: "row" }, node("span", { class: `dot ${colour}` }), node("b", {}, name), node("span", { class: "team" }, team)),
        node("td", { class: "number bonus" }, bonus),
        node("td", { class: "number" }, gap))));
  }
}
