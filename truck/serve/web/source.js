// Where frames come from: the truck's stream, and while that is silent, whoever else has the same paths.
const SILENT_MS = 4000;
const ASK_MS = 1000;
const RETRY_MS = 1000;
const ANSWER_MS = 5000;

/** Base addresses with the same paths: this page's own, then the `also` of the address and of the course. */
function basesOf(named) {
  const asked = new URLSearchParams(location.search).getAll("also");
  const here = new URL(".", location.href).href;
  const given = [...asked, ...named].map((one) => new URL(one.endsWith("/") ? one : `${one}/`, here).href);
  return [...new Set([here, ...given])];
}

export class Source {
  /** `hears` gets (text of a frame, base it came from), `learns` the course when it is new. */
  constructor(hears, learns) {
    Object.assign(this, { hears, learns });
    this.bases = basesOf([]);
    this.heardMs = performance.now();
    this.course = "";
    this.tags = new Map();
    this.listen();
    setInterval(() => this.askOthers(), ASK_MS);
  }

  listen() {
    const stream = new EventSource(new URL("api/stream", this.bases[0]));
    stream.addEventListener("open", () => this.askCourse(this.bases[0]));
    stream.addEventListener("frame", (event) => {
      this.heardMs = performance.now();
      this.hears(event.data, this.bases[0]);
    });
    stream.addEventListener("error", () => {
      // the browser retries a broken stream itself, but gives up on a refused one
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.listen(), RETRY_MS);
    });
  }

  /** While the stream is silent every base is asked for its newest frame; the newest wins. */
  async askOthers() {
    if (performance.now() - this.heardMs < SILENT_MS || this.asks) return;
    this.asks = true;
    await Promise.all(this.bases.map((base) => this.ask(base)));
    this.asks = false;
  }

  async ask(base) {
    try {
      const answer = await fetch(new URL("api/frame", base), { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS) });
      if (!answer.ok) return;
      const tag = answer.headers.get("etag") ?? "";
      if (tag && tag === this.tags.get(base)) return;
      this.tags.set(base, tag);
      this.hears(await answer.text(), base);
      if (!this.course) await this.askCourse(base);
    } catch {
      // silent too, or not to be asked from here: the next turn asks again
    }
  }

  async askCourse(base) {
    try {
      const text = await (await fetch(new URL("api/course", base))).text();
      const course = JSON.parse(text);
      if (text === this.course || !course.profile) return;
      this.course = text;
      this.bases = basesOf([course.also ?? []].flat());
      this.learns(course);
    } catch {
      setTimeout(() => this.askCourse(base), RETRY_MS);
    }
  }
}
