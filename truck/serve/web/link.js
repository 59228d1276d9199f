// What is said of the link: live and how far behind, lost and since when, or that a replay is shown.
import { dress, put } from "./dom.js";
import { HERE } from "./source.js";
import { ageOf, timeOf } from "./units.js";

const LOST_AFTER_S = 3.5;

export class LinkState {
  constructor({ pill, lost, replaying }) {
    Object.assign(this, { pill, lost, replaying, base: HERE });
  }

  /** A frame came from this base address. */
  heard(base) {
    this.base = base;
  }

  show(playhead, nowMs, frame, instantUs) {
    const silentS = playhead.silentS(nowMs);
    const isLost = silentS > LOST_AFTER_S;
    const elsewhere = this.base !== HERE;
    document.body.classList.toggle("is-lost", isLost);
    this.lost.hidden = !isLost;
    this.replaying.hidden = playhead.isLive;
    dress(this.pill, `pill ${isLost ? "pill-lost" : elsewhere ? "pill-copy" : "pill-live"}`);
    if (isLost) {
      put(this.lost, `Link lost. What you see is the last known state, ${ageOf(silentS)} old; it comes back by itself.`);
      put(this.pill, `lost ${ageOf(silentS)}`);
    } else {
      const behindS = frame.latency?.p50_s;
      put(this.pill, elsewhere ? "live, from the public copy" : behindS == null ? "live" : `live, ${behindS.toFixed(1)} s behind the road`);
    }
    if (!playhead.isLive) {
      const pace = !playhead.isPlaying ? "stopped" : playhead.rate === 1 ? "at its own pace" : `at ${playhead.rate} times its pace`;
      put(this.replaying, `Replay of ${timeOf(instantUs)}, ${pace}. The race goes on; press l for live.`);
    }
  }
}
