/** Formats numbers and times for people, in their language. */

import { t } from './words/words.ts';

/** `"1 viewer"`, `"12 viewers"`. */
export function viewers(count: number): string {
  return t(count === 1 ? 'viewers.one' : 'viewers.other', { count });
}

/**
 * A number with a fixed number of decimals: `"1.5"`, in German `"1,5"`. The first use of the browser's own
 * formats loads tables for 50 ms and more, right before the first picture.
 */
export function decimal(value: number, decimals: number): string {
  return value.toFixed(decimals).replace('.', t('number.point'));
}

/** A latency or buffer in seconds, with tenths below ten seconds. */
export function seconds(value: number): string {
  return `${decimal(value, value < 9.95 ? 1 : 0)} s`;
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
  return `${decimal(mega, mega < 9.95 ? 1 : 0)} Mbit/s`;
}

/** A duration: `"moments"`, `"12 min"`, `"3 h 5 min"`, `"2 days"`. */
export function lasted(ms: number): string {
  const whole = Math.floor(ms / 60_000);
  if (whole < 1) return t('time.moments');
  if (whole < 60) return t('time.minutes', { minutes: whole });
  const hours = Math.floor(whole / 60);
  const minutes = whole % 60;
  if (hours < 24) return t(minutes ? 'time.hoursMinutes' : 'time.hours', { hours, minutes });
  const days = Math.floor(hours / 24);
  return t(days === 1 ? 'time.day' : 'time.days', { days });
}

/** Usual name of a picture size: the short side, and the frame rate if it is above 30. */
export function rungLabel(width: number, height: number, fps: number): string {
  const size = `${Math.min(width, height)}p`;
  return fps > 30.5 ? `${size}${Math.round(fps)}` : size;
}
