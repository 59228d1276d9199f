// Moments of the race on its time axis: incidents with their odds, climbs, sprints, the finish.
import { node, refill } from "./dom.js";
import { plural, timeOf } from "./units.js";

const KINDS = {
  crash: "Crash", mechanical: "Mechanical or bike change", comfort_stop: "Comfort stop",
  feed_zone: "Feed zone", level_crossing: "Held up", signal_lost: "Signal lost", abandoned: "Abandoned",
};
const ICONS = { crash: "!", photo: "◉", video: "▶", post: "“", comment: "“", climb: "▲", sprint: "S", bonus: "B", intermediate: "T", finish: "⚑", start: "⚑" };
const PASSED = { climb: "over the top first", sprint: "through the sprint first", bonus: "takes the bonus", intermediate: "first at the time check",
  finish: "first over the line, provisional" };
const TITLES = { climb: "Climb", sprint: "Sprint", bonus: "Bonus", intermediate: "Time check", finish: "Finish" };
const RULED = { abandon: "Out of the race", reinstate: "Back in the race" };
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
    [this.known, this.content, this.names] = [[], [], new Map()];
  }

  /** Take the truck's list in; it knows what came before this page was opened. */
  hear({ moments }) {
    this.known = moments.moment_id.map((id, i) => {
      const [kind, at, bibs] = [moments.kind[i], moments.distance_m[i], moments.bibs[i]];
      const where = at === null ? "" : `km ${(at / 1000).toFixed(1)}`;
      const who = this.who(bibs.slice(0, kind in PASSED ? 1 : undefined));
      const odds = moments.probability[i];
      return { id, kind, atUs: Date.parse(moments.started_at[i]) * 1000, isOpen: moments.is_open[i],
        title: KINDS[kind] ? KINDS[kind] + (odds === null ? "" : `, ${Math.round(odds * 100)} %`) : RULED[kind] ?? (moments.name[i] || TITLES[kind] || kind),
        text: [kind in PASSED ? `${who} ${PASSED[kind]}` : who, where].filter(Boolean).join(" · ") };
    });
  }

  /** Photos, links and words beside what the truck saw. */
  hearContent(rows) {
    this.content = rows;
  }

  /** Names for bibs, as the newest frame has them. */
  learn({ bib, name }) {
    bib.forEach((one, i) => name[i] && this.names.set(one, name[i]));
  }

  who(bibs) {
    if (bibs.length === 1) return this.names.has(bibs[0]) ? `${this.names.get(bibs[0])}, bib ${bibs[0]}` : `bib ${bibs[0]}`;
    return `bibs ${bibs.slice(0, MOST_BIBS).join(", ")}${bibs.length > MOST_BIBS ? ` and ${bibs.length - MOST_BIBS} more` : ""}`;
  }

  /** What had happened by an instant, newest first. */
  by(instantUs) {
    return [...this.known, ...this.content].filter(({ atUs }) => atUs <= instantUs).sort((a, b) => b.atUs - a.atUs);
  }

  show(instantUs) {
    const shown = this.by(instantUs).slice(0, MOST);
    const open = shown.filter((one) => one.isOpen).length;
    this.note.textContent = open ? plural(open, "open incident") : "";
    const key = JSON.stringify(shown.map((one) => [one.title, one.text, one.isOpen]));
    refill(this.list, key, () => shown.length ? shown.map((one) => node("li", { class: `${one.kind}${one.isOpen ? " open" : ""}` },
      node("span", { class: "icon", "aria-hidden": "true" }, ICONS[one.kind] ?? "•"),
      node("div", {}, node("strong", {}, one.title), node("span", { class: "text" }, one.text), ...extras(one)),
      node("button", { type: "button", "data-at": one.atUs, title: "Show this moment" }, timeOf(one.atUs))))
      : [node("li", { class: "none" }, "Nothing has happened yet.")]);
  }
}

function extras({ title, link, picture }) {
  const made = [];
  if (picture) made.push(node("img", { src: picture, alt: title, loading: "lazy" }));
  if (link) made.push(node("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, new URL(link).hostname));
  return made;
}
