// What a group is called, its colour, and how old what we know of it is.
import { plural } from "./units.js";

const COLOURS = 12;
const PELOTON = 10; // riders at least
const worn = new Map(); // group id -> number of its colour

/** A group keeps its colour as long as it keeps its id: that of its number, or if taken the next that is free. */
export const colourOf = (id) => (id === null || id === undefined ? "g-none" : `g${worn.get(id) ?? id % COLOURS}`);

function colour(ids) {
  const taken = new Set(ids.map((id) => worn.get(id)));
  for (const id of ids.filter((one) => !worn.has(one))) {
    let number = id % COLOURS;
    for (let k = 0; k < COLOURS && taken.has(number); k++) number = (number + 1) % COLOURS;
    worn.set(id, number);
    taken.add(number);
  }
}

/** A row a group, front first: what the frame says of it, its name and the age of its freshest fix. */
export function groupsOf(frame) {
  const { groups, riders } = frame;
  colour(groups.group_id);
  const row = new Map(riders.bib.map((bib, i) => [bib, i]));
  const freshest = new Map();
  riders.group_id.forEach((id, i) => {
    if (id !== null && riders.age_s[i] !== null) freshest.set(id, Math.min(freshest.get(id) ?? Infinity, riders.age_s[i]));
  });
  const most = Math.max(0, ...groups.size);
  const peloton = most >= PELOTON ? groups.size.indexOf(most) : -1;
  return groups.group_id.map((id, i) => {
    const first = riders.name[row.get(groups.first_bib[i])] || `Rider ${groups.first_bib[i]}`;
    const size = groups.size[i];
    const name = i === peloton ? "Peloton"
      : size === 1 ? first
      : i === 0 ? "Leaders"
      : peloton > 0 && i < peloton ? (peloton === 2 ? "Chase" : `Chase ${i}`)
      : `Group ${i + 1}`;
    return {
      id, i, name, first, size,
      riding: plural(size, "rider"),
      colour: colourOf(id),
      distanceM: groups.distance_m[i],
      speedMps: groups.speed_mps[i],
      gapS: groups.gap_s[i],
      gapM: groups.gap_m[i],
      measuredS: groups.gap_measured_s[i],
      measuredAtM: groups.gap_at_m[i],
      echelon: groups.echelon[i],
      ageS: freshest.get(id) ?? null,
    };
  });
}
