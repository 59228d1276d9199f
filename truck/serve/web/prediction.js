// What the truck works out beyond what was measured, always with its range; nothing is made up here.
import { node, put, refill } from "./dom.js";
import { figure, NONE, rangeOf } from "./units.js";

const SHOWN = 5;

export class Prediction {
  constructor({ body, note }) {
    Object.assign(this, { body, note });
  }

  update(frame, groups) {
    const { riders } = frame;
    // the front, and the largest of the others
    const largest = [...groups].sort((a, b) => (a.i && b.i ? b.size - a.size : a.i - b.i)).slice(0, SHOWN).sort((a, b) => a.i - b.i);
    const rows = largest.map((group) => {
      const of = (column) => riders[column].filter((value, k) => riders.group_id[k] === group.id && value !== null);
      const [low, high] = [middle(of("effort_low_w")), middle(of("effort_high_w"))];
      const reserve = middle(of("w_balance"));
      const risk = middle(of("echelon_risk"));
      return [group.colour, group.name, rangeOf(low, high), reserve === null ? NONE : figure(reserve * 100, 0, " %"),
        risk === null ? NONE : figure(risk * 100, 0, " %")];
    });
    refill(this.body, JSON.stringify(rows), () => rows.map(([colour, name, ...cells]) => node("tr", {},
      node("th", { scope: "row" }, node("span", { class: `dot ${colour}` }), name),
      ...cells.map((cell) => node("td", { class: "number" }, cell)))));
    put(this.note, frame.predictions ? "" : "Catches and attacks: this truck sends no prediction of them, so none is shown.");
  }
}

function middle(values) {
  return values.length ? values.sort((a, b) => a - b)[values.length >> 1] : null;
}
