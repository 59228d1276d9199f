// The route from above, drawn from the course alone: groups on it, the wind over it, no tiles.
import { dress, place, put, shape } from "./dom.js";
import { forget } from "./profile.js";

const MARGIN = 22;
const SHOWN = new Set(["climb", "sprint", "bonus"]);

export class RouteMap {
  constructor(svg) {
    Object.assign(this, { svg, groups: new Map(), course: null });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  setCourse(course) {
    const { latitude_deg: lat, longitude_deg: lon, distance_m: along } = course.profile;
    const middle = Math.cos(((Math.min(...lat) + Math.max(...lat)) / 2) * (Math.PI / 180));
    this.flat = along.map((_, i) => [lon[i] * middle, -lat[i]]);
    Object.assign(this, { course, along });
    this.draw();
  }

  draw() {
    if (!this.course) return;
    const { width, height } = this.svg.getBoundingClientRect();
    if (width < 50) return;
    const [xs, ys] = [this.flat.map(([x]) => x), this.flat.map(([, y]) => y)];
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const [wide, tall] = [Math.max(...xs) - left || 1e-6, Math.max(...ys) - top || 1e-6];
    const scale = Math.min((width - 2 * MARGIN) / wide, (height - 2 * MARGIN) / tall);
    const [dx, dy] = [(width - wide * scale) / 2, (height - tall * scale) / 2];
    this.points = this.flat.map(([x, y]) => [(x - left) * scale + dx, (y - top) * scale + dy]);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const line = `M${this.points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
    // pathLength makes the ridden part a dash of so many metres
    this.lengthM = this.along.at(-1) - this.along[0];
    this.ridden = shape("path", { d: line, class: "way ridden", pathLength: 1000, "stroke-dasharray": "0 2000" });
    const marks = shape("g", {});
    this.course.checkpoints.distance_m.forEach((at, i) => {
      const kind = this.course.checkpoints.kind[i];
      if (!SHOWN.has(kind)) return;
      const [x, y] = this.xy(at);
      marks.append(shape("circle", { class: `spot ${kind}`, cx: x, cy: y, r: 4 },
        shape("title", {}, this.course.checkpoints.name[i] || kind)));
    });
    const [startX, startY] = this.xy(0);
    const [endX, endY] = this.points.at(-1);
    const right = endX > width - 60;
    marks.append(shape("circle", { class: "spot start", cx: startX, cy: startY, r: 5 }),
      shape("rect", { class: "spot finish", x: endX - 5, y: endY - 5, width: 10, height: 10, rx: 2 }),
      shape("text", { x: endX + (right ? -10 : 10), y: endY + 4, "text-anchor": right ? "end" : "start" }, "finish"),
      shape("text", { x: startX, y: startY + (startY > height - 40 ? -10 : 18), "text-anchor": "middle" }, "flag"));
    this.spots = shape("g", {}, ...[...this.groups.values()].map(({ node }) => node));
    this.svg.replaceChildren(shape("path", { d: line, class: "way" }), this.ridden, marks, this.spots);
  }

  /** px of a place on the road. */
  xy(distanceM) {
    const [i, share] = this.index(distanceM);
    const [[x0, y0], [x1, y1]] = [this.points[i], this.points[i + 1]];
    return [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];
  }

  index(distanceM) {
    const at = ((distanceM - this.along[0]) / (this.along.at(-1) - this.along[0])) * (this.along.length - 1);
    const i = Math.max(0, Math.min(this.along.length - 2, Math.floor(at)));
    return [i, Math.max(0, Math.min(1, at - i))];
  }

  /** Degrees clockwise from north that the road runs at a place. */
  bearing(distanceM) {
    const [i] = this.index(distanceM);
    const [a, b] = [this.flat[Math.max(0, i - 1)], this.flat[Math.min(this.flat.length - 1, i + 2)]];
    return (Math.atan2(b[0] - a[0], a[1] - b[1]) * 180) / Math.PI;
  }

  update(groups) {
    if (!this.spots) return;
    for (const { id, colour, size } of [...groups].reverse()) {
      if (!this.groups.has(id)) {
        const [spot, label] = [shape("circle", { class: "group-spot" }), shape("text", { "text-anchor": "middle" })];
        const node = shape("g", {}, spot, label);
        this.spots.append(node);
        this.groups.set(id, { node, spot, label });
      }
      const { node, spot, label } = this.groups.get(id);
      dress(node, `group ${colour}`);
      place(spot, ["r"], [5 + 1.1 * Math.sqrt(Math.min(size, 120))]);
      put(label, size >= 10 ? String(size) : "");
    }
    forget(this.groups, new Set(groups.map(({ id }) => id)), ({ node }) => node);
  }

  move(gliders) {
    if (!this.spots) return;
    for (const [id, { spot, label }] of this.groups) {
      const [x, y] = this.xy(gliders.group(id));
      place(spot, ["cx", "cy"], [x, y]);
      place(label, ["x", "y"], [x, y + 4]);
    }
    const done = Math.max(0, Math.min(1000, ((gliders.firstM - this.along[0]) / this.lengthM) * 1000));
    if (Math.abs((this.done ?? -9) - done) > 0.5) this.ridden.setAttribute("stroke-dasharray", `${(this.done = done).toFixed(1)} 2000`);
  }
}
