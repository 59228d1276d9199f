// Moments of the race on its time axis: incidents with their odds, climbs, sprints, the finish.
import { node, refill } from "./dom.js";
import { plural, timeOf } from "./units.js";

const KINDS = {
  crash: "Crash", mechanical: "Mechanical or bike change", comfort_stop: "Comfort stop",
  feed_zone: "Feed zone", level_crossing: "Held up", signal_lost: "Signal lost", abandoned: "Abandoned",
};
const ICONS = { crash: "!", climb: "▲", sprint: "S", bonus: "B", intermediate: "T", finish: "⚑", start: "⚑" };
const PASSED = { climb: "over the top", sprint: "through the sprint", bonus: "takes the bonus", intermediate: "at the time check" };
const MOST_BIBS = 6;
const MOST = 40;

export class Moments {
  constructor({ list, note }, onJump) {
    Object.assign(this, { list, note });
    this.clear();
    list.addEventListener("click", (event) => {
      const at = event.target.closest("button")?.dataset.at;
      if (at) onJump(Number(at));
    });
  }

  clear() {
    [this.known, this.before] = [new Map(), null];
  }

  setCourse(course) {
    this.course = course;
  }

  /** Take the next frame in, in the order of the race. */
  take(frame) {
    this.incidents(frame);
    if (this.course && this.before) this.passings(frame);
    const first = frame.riders.status.findIndex((status, i) => status === "finished" && frame.riders.distance_m[i] !== null);
    if (first >= 0 && this.before?.finished === 0) {
      this.add("finish", frame.at_us, "finish", `Finish: ${nameOf(frame.riders, first)}`, `bib ${frame.riders.bib[first]}, provisional`);
    }
    this.before = { leadM: leadOf(frame), finished: frame.riders.status.filter((one) => one === "finished").length };
  }

  incidents({ incidents, riders, at_us: atUs }) {
    const open = new Set(incidents.incident_id);
    incidents.incident_id.forEach((id, i) => {
      const bibs = incidents.bibs[i];
      const who = bibs.length === 1 ? `${nameOf(riders, riders.bib.indexOf(bibs[0]))}, bib ${bibs[0]}`
        : `bibs ${bibs.slice(0, MOST_BIBS).join(", ")}${bibs.length > MOST_BIBS ? ` and ${bibs.length - MOST_BIBS} more` : ""}`;
      const where = incidents.distance_m[i] === null ? "" : ` · km ${(incidents.distance_m[i] / 1000).toFixed(1)}`;
      this.add(`incident ${id}`, Date.parse(incidents.started_at[i]) * 1000, incidents.kind[i],
        `${KINDS[incidents.kind[i]]}, ${Math.round(incidents.probability[i] * 100)} %`, who + where);
    });
    for (const [key, one] of this.known) {
      if (key.startsWith("incident") && !open.has(Number(key.slice(9)))) one.clearedUs ??= atUs;
    }
  }

  passings(frame) {
    const { distance_m: at, kind, name } = this.course.checkpoints;
    const [wasM, isM] = [this.before.leadM, leadOf(frame)];
    at.forEach((placeM, k) => {
      if (!PASSED[kind[k]] || !(wasM < placeM && isM >= placeM)) return;
      const i = frame.riders.distance_m.indexOf(isM);
      this.add(`point ${k}`, frame.at_us, kind[k], name[k] || kind[k],
        `${nameOf(frame.riders, i)} first ${PASSED[kind[k]]}, km ${(placeM / 1000).toFixed(1)}`);
    });
  }

  add(key, atUs, kind, title, text) {
    this.known.set(key, { clearedUs: null, ...this.known.get(key), atUs, kind, title, text });
  }

  /** What had happened by an instant, newest first. */
  by(instantUs) {
    return [...this.known.values()].filter(({ atUs }) => atUs <= instantUs).sort((a, b) => b.atUs - a.atUs);
  }

  show(instantUs) {
    const shown = this.by(instantUs).slice(0, MOST);
    const open = shown.filter((one) => isOpen(one, instantUs)).length;
    this.note.textContent = open ? plural(open, "open incident") : "";
    const key = JSON.stringify(shown.map((one) => [one.title, one.text, isOpen(one, instantUs)]));
    refill(this.list, key, () => shown.length ? shown.map((one) => node("li", { class: `${one.kind}${isOpen(one, instantUs) ? " open" : ""}` },
      node("span", { class: "icon", "aria-hidden": "true" }, ICONS[one.kind] ?? "•"),
      node("div", {}, node("strong", {}, one.title), node("span", { class: "text" }, one.text)),
      node("button", { type: "button", "data-at": one.atUs, title: "Show this moment" }, timeOf(one.atUs))))
      : [node("li", { class: "none" }, "Nothing has happened since this page was opened.")]);
  }
}

const isOpen = ({ title, clearedUs }, instantUs) => title.endsWith("%") && (clearedUs === null || clearedUs > instantUs);
const nameOf = (riders, i) => (i >= 0 && riders.name[i]) || "a rider";
const leadOf = (frame) => Math.max(-Infinity, ...frame.riders.distance_m.filter((one) => one !== null));
