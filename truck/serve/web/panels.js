// Groups, alarms and the operator's figures.
import { clockOf } from "/riders.js";

const MOST_GROUPS = 14;
const HOPS = [["radio", "Radio"], ["uplink", "Uplink"], ["journal", "Journal"], ["frame", "Frame"], ["commit", "Commit"]];
const $ = (id) => document.getElementById(id);

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const whole = (value) => (value == null ? "–" : Math.round(value).toLocaleString("en-GB"));
const seconds = (value, digits = 2) => (value == null ? "–" : `${value.toFixed(digits)} s`);

/** Replace the children only when what they say has changed. */
function refill(parent, key, make) {
  if (parent.dataset.key === key) return;
  parent.dataset.key = key;
  parent.replaceChildren(...make());
}

export function showGroups(list, frame) {
  const { groups, riders } = frame;
  const count = groups.group_id.length;
  const largest = Math.max(0, ...groups.size);
  const names = riders.bib.reduce((all, bib, i) => all.set(bib, riders.name[i]), new Map());
  const rows = Array.from({ length: Math.min(count, MOST_GROUPS) }, (_, i) => {
    const known = i > 0 && groups.gap_s[i] !== null && groups.gap_s[i - 1] !== null;
    const step = known ? clockOf(groups.gap_s[i] - groups.gap_s[i - 1])
      : i > 0 ? `${whole(groups.gap_m[i] - groups.gap_m[i - 1])} m` : "";
    const who = groups.size[i] === largest && largest > 5 ? "Peloton" : i === 0 ? "Leaders" : `Group ${i + 1}`;
    const riding = `${groups.size[i]} ${groups.size[i] === 1 ? "rider" : "riders"}`;
    const gap = i === 0 ? `km ${(groups.distance_m[i] / 1000).toFixed(1)}`
      : groups.gap_s[i] === null ? `${whole(groups.gap_m[i])} m` : `+${clockOf(groups.gap_s[i])} · ${whole(groups.gap_m[i])} m`;
    const wind = groups.echelon[i] ? "crosswind: echelons likely" : "";
    return { who, riding, gap, step, wind, first: names.get(groups.first_bib[i]) || `Rider ${groups.first_bib[i]}` };
  });
  refill(list, JSON.stringify([rows, count]), () => [
    ...rows.map((row, i) => {
      const block = node("div", { class: "block" }, node("b", {}, `${row.who} · ${row.riding}`),
        node("small", {}, row.gap), node("small", {}, row.first),
        ...(row.wind ? [node("small", { class: "is-warn" }, row.wind)] : []));
      const between = node("div", { class: "between" }, node("span", {}, row.step));
      return node("li", { class: i === 0 ? "lead" : "" }, ...(i === 0 ? [] : [between]), block);
    }),
    ...(count > MOST_GROUPS ? [node("li", { class: "quiet" }, ` and ${count - MOST_GROUPS} more groups`)] : []),
  ]);
}

const KINDS = {
  crash: "Crash", mechanical: "Mechanical or bike change", comfort_stop: "Comfort stop",
  feed_zone: "Feed zone", level_crossing: "Held up", signal_lost: "Signal lost", abandoned: "Abandoned",
};
const MOST_BIBS = 8;

export function showMoments(list, frame) {
  const { incidents } = frame;
  list.hidden = incidents.incident_id.length === 0;
  refill(list, JSON.stringify(incidents), () => incidents.incident_id.map((id, i) => {
    const bibs = incidents.bibs[i];
    const who = bibs.slice(0, MOST_BIBS).join(", ") + (bibs.length > MOST_BIBS ? ` and ${bibs.length - MOST_BIBS} more` : "");
    const where = incidents.distance_m[i] === null ? "" : ` · km ${(incidents.distance_m[i] / 1000).toFixed(1)}`;
    return node("li", { class: incidents.kind[i] === "crash" ? "crash" : "" },
      node("strong", {}, `${KINDS[incidents.kind[i]]}, ${Math.round(incidents.probability[i] * 100)} %`),
      node("span", {}, ` bib ${who}${where} · since ${incidents.started_at[i].slice(11, 19)} · incident ${id}`));
  }));
}

export function showAlarms(list, alarms) {
  list.hidden = alarms.length === 0;
  refill(list, JSON.stringify(alarms), () =>
    alarms.map(({ what, cure }) => node("li", {}, node("strong", {}, what), ` ${cure ?? ""}`)));
}

function figures(list, pairs) {
  refill(list, JSON.stringify(pairs), () => pairs.map(([name, value, tone]) =>
    node("div", {}, node("dt", {}, name), node("dd", { class: tone ?? "" }, value))));
}

export function showOperations(frame) {
  const { latency = {}, packets = {}, relays = [], cloud = {} } = frame;
  const budgetS = latency.budget_s ?? 3;
  const tone = (value) => (value == null ? "" : value > budgetS ? "is-bad" : value > budgetS * 0.8 ? "is-warn" : "");
  figures($("latency-total"), [["p50_s", "half"], ["p99_s", "99 %"], ["p99_9_s", "99.9 %"]].map(
    ([key, name]) => [name, seconds(latency[key]), tone(latency[key])]));
  showHops(latency.by_hop ?? {}, budgetS);
  figures($("packets"), [["stored", whole(packets.stored)], ["heard twice", whole(packets.doubled)]]);
  const refused = Object.entries(packets.refused ?? {}).sort(([, a], [, b]) => b - a);
  refill($("refused"), JSON.stringify(refused), () => refused.length
    ? refused.map(([reason, count]) => node("tr", {}, node("th", { scope: "row" }, reason.replaceAll("_", " ")),
      node("td", { class: "number is-bad" }, whole(count))))
    : [node("tr", {}, node("td", { class: "is-quiet" }, "none"))]);
  refill($("relays"), JSON.stringify(relays), () => relays.length
    ? relays.map((relay) => node("tr", {}, node("th", { scope: "row" }, relay.name),
      node("td", { class: `number ${relay.last_heard_age_s === null || relay.last_heard_age_s > 10 ? "is-bad" : ""}` },
        relay.last_heard_age_s === null ? "never" : `${seconds(relay.last_heard_age_s, 0)} ago`),
      node("td", { class: "number" }, whole(relay.bundles)), node("td", { class: "number" }, whole(relay.backfill))))
    : [node("tr", {}, node("td", { class: "is-quiet", colspan: 4 }, "none heard yet"))]);
  showCloud(cloud);
}

function showHops(hops, budgetS) {
  const known = HOPS.filter(([name]) => hops[name]);
  const box = $("latency-hops");
  if (box.childElementCount !== known.length * 3) {
    box.replaceChildren(...known.flatMap(([name, word]) => [
      node("span", {}, word),
      node("div", { class: "track" }, node("div", { class: "p99" }), node("div", { class: "p50" })),
      node("span", { class: "number", "data-hop": name }),
    ]));
  }
  known.forEach(([name], i) => {
    const [, track, text] = [...box.children].slice(i * 3, i * 3 + 3);
    for (const key of ["p99", "p50"]) {
      const bar = track.querySelector(`.${key}`);
      bar.style.width = `${Math.min(100, ((hops[name][`${key}_s`] ?? 0) / budgetS) * 100)}%`;
      bar.style.background = `var(--hop-${(i % 4) + 1})`;
    }
    text.textContent = `${seconds(hops[name].p50_s)} / ${seconds(hops[name].p99_s)}`;
  });
}

function showCloud(cloud) {
  const pusher = cloud.pusher ?? {};
  $("cloud-state").textContent = cloud.error || cloud.state || pusher.state || "";
  const pairs = [
    ["rows sealed", whole(cloud.sealed_rows ?? cloud.sealed?.rows)],
    ["lag", seconds(cloud.lag_s, 0), cloud.lag_s > 60 ? "is-warn" : ""],
  ];
  if (cloud.uploaded_rows !== undefined) pairs.push(["rows uploaded", whole(cloud.uploaded_rows)]);
  if (cloud.uploaded) pairs.push(["batches there", whole(cloud.uploaded.batches)]);
  if (cloud.pending) pairs.push(["waiting", whole(cloud.pending.batches)]);
  if (cloud.verified_rows !== undefined) pairs.push(["rows verified", whole(cloud.verified_rows)]);
  figures($("cloud"), cloud.state === "off" ? [["copy", "off"]] : pairs);
}
