// A frame put together from the public copy's channels, where the truck itself is cut off.
const ANSWER_MS = 5000;
const HOPS = ["radio", "uplink", "journal", "frame", "commit"];
const SAID_AS_INCIDENTS = new Set(["crash", "mechanical", "comfort_stop", "feed_zone", "level_crossing", "signal_lost", "abandoned"]);
const APART_US = 3e6; // channels of frames further apart than this do not belong together

/** A channel of the feed, version 1, at its base address. */
export async function asked(base, name, end = ".json") {
  const answer = await fetch(new URL(`v1/${name}${end}`, base), { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS) });
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return answer.json();
}

export const courseOf = (base) => asked(base, "course");

/** The page's frame, as text, or an error where the copy has none. What is not public is null in it. */
export async function frameOf(base) {
  const [riders, groups, moments, health] = await Promise.all(["riders", "groups", "moments", "health"].map((name) => asked(base, name)));
  const same = Math.abs(riders.at_us - groups.at_us) <= APART_US;
  const nothing = riders.riders.bib.map(() => null);
  return JSON.stringify({
    at: riders.at,
    at_us: riders.at_us,
    riders: { power_w: nothing, heart_rate_bpm: nothing, ...riders.riders },
    groups: same ? groups.groups : Object.fromEntries(Object.keys(groups.groups).map((name) => [name, []])),
    incidents: incidentsOf(moments.moments),
    latency: latencyOf(health),
  });
}

function incidentsOf(moments) {
  const open = moments.kind.map((kind, i) => i).filter((i) => SAID_AS_INCIDENTS.has(moments.kind[i]) && moments.is_open[i]);
  const of = (name) => open.map((i) => moments[name][i]);
  return { incident_id: of("moment_id"), kind: of("kind"), probability: of("probability"), bibs: of("bibs"),
    started_at: of("started_at"), distance_m: of("distance_m") };
}

function latencyOf({ latency_s: all = {}, budget_s: budgetS, by_hop_p99_s: p99 = {} }) {
  return { p50_s: all.p50, p99_s: all.p99, p99_9_s: all.p99_9, budget_s: budgetS,
    by_hop: Object.fromEntries(HOPS.filter((name) => name in p99).map((name) => [name, { p50_s: null, p99_s: p99[name] }])) };
}
