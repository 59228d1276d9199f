// Where frames come from: the truck's stream; while that is silent, whatever of it still answers: its
// newest frame, or the public copy's.
import { asked, courseOf, frameOf } from "./copy.js";

const SILENT_MS = 4000;
const ASK_MS = 1000;
const MOMENTS_MS = 2000;
const CONTENT_MS = 10_000;
const RETRY_MS = 1000;
const ANSWER_MS = 5000;

export const HERE = new URL("api/", location.href).href;

/** The public copy's address, where the truck was told of one: the page may ask nobody else. */
function copyOf() {
  const named = document.querySelector("meta[name=public-copy]").content;
  return named && (named.endsWith("/") ? named : `${named}/`);
}

export class Source {
  /** `hears` gets (text of a frame, address it came from), `learns` the course when it is new, `tells` moments, `adds` content. */
  constructor(hears, learns, tells, adds) {
    Object.assign(this, { hears, learns, tells, adds, copy: copyOf(), course: "", tag: "", asks: false });
    this.heardMs = performance.now();
    this.listen();
    setInterval(() => this.askAround(), ASK_MS);
    setInterval(() => this.askMoments(), MOMENTS_MS);
    setInterval(() => this.askContent(), CONTENT_MS);
    this.askMoments();
    this.askContent();
  }

  listen() {
    const stream = new EventSource(new URL("stream", HERE));
    stream.addEventListener("open", () => this.askCourse());
    stream.addEventListener("frame", (event) => {
      this.heardMs = performance.now();
      this.hears(event.data, HERE);
    });
    stream.addEventListener("error", () => {
      // the browser retries a broken stream itself, but gives up on a refused one
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.listen(), RETRY_MS);
    });
  }

  /** While the stream is silent both are asked; a frame that is not newer than what is here is left. */
  async askAround() {
    if (this.asks || !this.isSilent) return;
    this.asks = true;
    await Promise.allSettled([this.askHere(), this.copy ? this.askCopy() : null]);
    this.asks = false;
  }

  get isSilent() {
    return performance.now() - this.heardMs >= SILENT_MS;
  }

  async askMoments() {
    const from = this.isSilent ? this.copy : HERE;
    if (from) asked(from, "moments").then(this.tells, () => {}); // asked again soon
  }

  async askContent() {
    if (!this.isSilent) asked(HERE, "content", "").then(this.adds, () => {}); // asked again soon
  }

  async askHere() {
    const answer = await fetch(new URL("frame", HERE), { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS) });
    const tag = answer.headers.get("etag");
    if (!answer.ok || tag === this.tag) return;
    this.tag = tag;
    this.hears(await answer.text(), HERE);
  }

  async askCopy() {
    this.hears(await frameOf(this.copy), this.copy);
    if (!this.course) this.take(await courseOf(this.copy));
  }

  async askCourse() {
    try {
      this.take(await (await fetch(new URL("course", HERE))).json());
    } catch {
      setTimeout(() => this.askCourse(), RETRY_MS);
    }
  }

  take(course) {
    const text = JSON.stringify(course);
    if (text === this.course || !course.profile) return;
    this.course = text;
    this.learns(course);
  }
}
