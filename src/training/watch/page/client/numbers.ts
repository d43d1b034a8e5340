/** Numbers and durations for people. */
import type { Language } from './texts.js';

/** 1234567 -> 1.23M. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [limit, suffix] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (Math.abs(value) >= limit) return `${Number((value / limit).toPrecision(3))}${suffix}`;
  return String(Number(value.toPrecision(3)));
}

export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [limit, suffix] of [
    [1e12, 'TB'],
    [1e9, 'GB'],
    [1e6, 'MB'],
  ] as const)
    if (value >= limit) return `${(value / limit).toPrecision(3)} ${suffix}`;
  return `${Math.round(value / 1e3)} kB`;
}

export function loss(value: number): string {
  return Number.isFinite(value) ? value.toFixed(Math.abs(value) < 10 ? 4 : 2) : '–';
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : '–';
}

/** Small values as 3e-4, others with three digits. */
export function compact(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value !== 0 && Math.abs(value) < 1e-3) {
    const [digits = '', power = ''] = value.toExponential(2).split('e');
    return `${Number(digits)}e${power}`;
  }
  return short(value);
}

const units = {
  en: { second: ' s', minute: ' min', hour: ' h', day: ' d' },
  zh: { second: ' 秒', minute: ' 分', hour: ' 小时', day: ' 天' },
} as const;

export function duration(seconds: number, language: Language): string {
  if (!Number.isFinite(seconds)) return '–';
  const { second, minute, hour, day } = units[language];
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}${second}`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 10) return `${minutes}${minute} ${whole % 60}${second}`;
  if (minutes < 60) return `${minutes}${minute}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}${hour} ${minutes % 60}${minute}`;
  return `${Math.floor(hours / 24)}${day} ${hours % 24}${hour}`;
}
