// Gaps over time: a line a group, the front along the top, names at the lines' ends.
import { node, refill, shape } from "./dom.js";
import { spread } from "./glider.js";
import { stepFor } from "./terrain.js";
import { clockOf, gapOf, timeOf } from "./units.js";

const EDGE = { left: 44, right: 116, top: 12, bottom: 24 };
const SHOWN_US = 1800e6;
const AGAIN_US = 4e6; // as often as the history grows
const BROKEN_US = 30e6; // without a sample for so long the line is cut
const MINUTES = [1, 2, 5, 10];

export class Trend {
  constructor(svg, caption, table) {
    Object.assign(this, { svg, caption, table });
    new ResizeObserver(() => this.latest && this.draw(...this.latest)).observe(svg);
    this.drawnUs = 0;
  }

  update(frame, groups, history) {
    this.latest = [frame, groups, history];
    if (Math.abs(frame.at_us - this.drawnUs) >= AGAIN_US) this.draw(frame, groups, history);
  }

  /** Draw the last half hour up to the frame. */
  draw(frame, groups, history) {
    this.drawnUs = frame.at_us;
    const { width, height } = this.svg.getBoundingClientRect();
    if (width < 50 || history.firstUs === null) return;
    const toUs = frame.at_us;
    const fromUs = Math.max(history.firstUs, toUs - SHOWN_US);
    const lines = groups.map((group) => ({ group, samples: history.of(group.id, fromUs, toUs) })).filter(({ samples }) => samples.length);
    const mostS = Math.max(30, ...lines.flatMap(({ samples }) => samples.map(({ gapS }) => gapS))) * 1.04;
    const spanUs = Math.max(60e6, toUs - fromUs);
    const x = (atUs) => EDGE.left + ((atUs - toUs + spanUs) / spanUs) * (width - EDGE.left - EDGE.right);
    const y = (gapS) => EDGE.top + (gapS / mostS) * (height - EDGE.top - EDGE.bottom);
    this.caption.textContent = toUs - fromUs < SHOWN_US - 10e6 ? `since ${timeOf(fromUs)}, the first frame this page has` : "last 30 minutes";
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...this.axes(width, height, mostS, toUs, spanUs, x, y),
      ...lines.map(({ group, samples }) => shape("path", { class: `gap-line ${group.colour}`, d: path(samples, x, y) })));
    this.names(lines, width, height, y);
    this.tell(frame, groups, history);
  }

  axes(width, height, mostS, toUs, spanUs, x, y) {
    const made = [];
    const step = stepFor(mostS / 60, 4) * 60;
    for (let gapS = 0; gapS <= mostS; gapS += Math.max(10, step)) {
      made.push(shape("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(gapS), y2: y(gapS) }),
        shape("text", { x: EDGE.left - 7, y: y(gapS) + 4, "text-anchor": "end" }, gapS ? clockOf(gapS) : "front"));
    }
    const every = (MINUTES.find((one) => spanUs / (one * 60e6) <= Math.max(2, (width - 160) / 70)) ?? 15) * 60e6;
    for (let atUs = Math.ceil((toUs - spanUs) / every) * every; atUs <= toUs; atUs += every) {
      made.push(shape("text", { x: x(atUs), y: height - 6, "text-anchor": "middle" }, timeOf(atUs).slice(0, 5)));
    }
    return made;
  }

  names(lines, width, height, y) {
    const ends = lines.map(({ group, samples }) => ({ group, at: y(samples.at(-1).gapS) })).sort((a, b) => a.at - b.at);
    const room = Math.floor((height - EDGE.top - EDGE.bottom + 14) / 14);
    const kept = ends.length <= room ? ends
      : ends.filter(({ group }) => [...ends].sort((a, b) => b.group.size - a.group.size).slice(0, room).some((one) => one.group === group));
    spread(kept.map(({ at }) => at + 4), 14, EDGE.top + 4, height - EDGE.bottom + 8).forEach((at, k) => {
      const { group } = kept[k];
      const text = `${group.name.slice(0, 12)}${group.i ? ` ${gapOf(group.gapS)}` : ""}`;
      this.svg.append(shape("text", { class: `gap-name ${group.colour}`, x: width - EDGE.right + 8, y: at }, text));
    });
  }

  /** The same as a table, for who does not see the drawing. */
  tell(frame, groups, history) {
    const rows = groups.map((group) => [group.name, group.i ? gapOf(group.gapS) : "front", history.trend(group.id, frame.at_us)?.text ?? "–"]);
    refill(this.table, JSON.stringify(rows), () => rows.map(([name, ...cells]) =>
      node("tr", {}, node("th", { scope: "row" }, name), ...cells.map((cell) => node("td", {}, cell)))));
  }
}

const path = (samples, x, y) => samples.map(({ atUs, gapS }, i) => {
  const joins = i > 0 && atUs - samples[i - 1].atUs <= BROKEN_US;
  return `${joins ? "L" : "M"}${x(atUs).toFixed(1)} ${y(gapS).toFixed(1)}`;
}).join("");
