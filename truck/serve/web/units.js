// How figures are said: one word for "not known", units beside the number.
export const NONE = "–";
const MINUS = "\u2212";

const known = (value) => value !== null && value !== undefined;

/** 3725 is 1:02:05. */
export function clockOf(seconds) {
  if (!known(seconds)) return NONE;
  const whole = Math.round(Math.abs(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (one) => String(one).padStart(2, "0");
  return (seconds <= -0.5 ? MINUS : "") + (h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`);
}

export const gapOf = (seconds) => (known(seconds) ? `+${clockOf(seconds)}` : NONE);
export const figure = (value, digits = 0, unit = "") =>
  known(value) ? value.toFixed(digits).replace("-", MINUS) + unit : NONE;
export const kmOf = (metres, digits = 1) => figure(known(metres) ? metres / 1000 : null, digits, " km");
export const kmhOf = (mps, digits = 0, unit = " km/h") => figure(known(mps) ? mps * 3.6 : null, digits, unit);
export const whole = (value) => (known(value) ? Math.round(value).toLocaleString("en-GB") : NONE);
export const secondsOf = (value, digits = 2) => figure(value, digits, " s");
export const timeOf = (atUs) => new Date(atUs / 1000).toISOString().slice(11, 19);

/** An age as it is said: seconds up to 100, minutes beyond. */
export const ageOf = (seconds) =>
  !known(seconds) ? NONE : seconds < 100 ? `${Math.max(0, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;

/** How old looks: some feeds speak every 6 s, so old begins at 8 s, and very old at 20. */
export const ageTone = (seconds) => (!known(seconds) ? "" : seconds <= 8 ? "" : seconds <= 20 ? "old" : "very-old");

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** A rider's power: the meter's word, or else the range that road, wind and shelter leave. */
export function powerOf(riders, i) {
  if (known(riders.power_w[i])) return `${riders.power_w[i].toFixed(0)} W`;
  return rangeOf(riders.effort_low_w[i], riders.effort_high_w[i]);
}

export const rangeOf = (low, high) =>
  known(low) ? `${Math.round(low / 10) * 10}–${Math.round(high / 10) * 10} W` : NONE;
