/** Formats numbers and times for people. Pure. */

/** `"1 viewer"`, `"12 viewers"`. */
export function viewers(count: number): string {
  return `${count} ${count === 1 ? 'viewer' : 'viewers'}`;
}

/** A latency or buffer in seconds, with tenths below ten seconds. */
export function seconds(value: number): string {
  return value < 9.95 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

/** Distance from the live edge, as a clock: `"-0:23"`, `"-1:05"`. */
export function behind(value: number): string {
  const whole = Math.max(0, Math.round(value));
  return `-${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** Bits per second: `"800 kbit/s"`, `"2.8 Mbit/s"`. */
export function bitrate(bitsPerSecond: number): string {
  if (bitsPerSecond < 999_500) return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
  const mega = bitsPerSecond / 1e6;
  return `${mega < 9.95 ? mega.toFixed(1) : Math.round(mega)} Mbit/s`;
}

/** A duration: `"moments"`, `"12 min"`, `"3 h 5 min"`, `"2 days"`. */
export function lasted(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'moments';
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return `${days} ${days === 1 ? 'day' : 'days'}`;
}

/** Usual name of a picture size: the short side, and the frame rate if it is above 30. */
export function rungLabel(width: number, height: number, fps: number): string {
  const size = `${Math.min(width, height)}p`;
  return fps > 30.5 ? `${size}${Math.round(fps)}` : size;
}
