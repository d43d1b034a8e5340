/** Dates as `strftime` of Python prints them, in English. */
import { ValueFault } from './template-error.js';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAY = 86_400_000;

/** In the local time zone. `%-d` and its kin leave out the leading zero. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([\s\S])?/g, (whole, dash: string, code: string | undefined) => {
    if (code === undefined) return whole;
    const text = field(date, code);
    if (text === undefined) throw new ValueFault(`strftime has no "%${code}"`);
    return dash === '-' ? text.replace(/^[0 ]+(?=\d)/, '') : text;
  });
}

function field(date: Date, code: string): string | undefined {
  const two = (value: number) => String(value).padStart(2, '0');
  const hour12 = date.getHours() % 12 || 12;
  const start = new Date(date.getFullYear(), 0, 1);
  const dayOfYear =
    Math.round(
      (new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() - start.getTime()) / DAY,
    ) + 1;
  const composed = (format: string) => strftime(date, format);
  switch (code) {
    case 'a':
      return DAYS[date.getDay()]!.slice(0, 3);
    case 'A':
      return DAYS[date.getDay()];
    case 'b':
    case 'h':
      return MONTHS[date.getMonth()]!.slice(0, 3);
    case 'B':
      return MONTHS[date.getMonth()];
    case 'c':
      return composed('%a %b %e %H:%M:%S %Y');
    case 'C':
      return two(Math.floor(date.getFullYear() / 100));
    case 'd':
      return two(date.getDate());
    case 'D':
    case 'x':
      return composed('%m/%d/%y');
    case 'e':
      return String(date.getDate()).padStart(2, ' ');
    case 'f':
      return String(date.getMilliseconds() * 1000).padStart(6, '0');
    case 'F':
      return composed('%Y-%m-%d');
    case 'H':
      return two(date.getHours());
    case 'I':
      return two(hour12);
    case 'j':
      return String(dayOfYear).padStart(3, '0');
    case 'k':
      return String(date.getHours()).padStart(2, ' ');
    case 'l':
      return String(hour12).padStart(2, ' ');
    case 'm':
      return two(date.getMonth() + 1);
    case 'M':
      return two(date.getMinutes());
    case 'n':
      return '\n';
    case 'p':
      return date.getHours() < 12 ? 'AM' : 'PM';
    case 'P':
      return date.getHours() < 12 ? 'am' : 'pm';
    case 'r':
      return composed('%I:%M:%S %p');
    case 'R':
      return composed('%H:%M');
    case 's':
      return String(Math.floor(date.getTime() / 1000));
    case 'S':
      return two(date.getSeconds());
    case 't':
      return '\t';
    case 'T':
    case 'X':
      return composed('%H:%M:%S');
    case 'u':
      return String(date.getDay() || 7);
    case 'U':
      return two(Math.floor((dayOfYear + 6 - date.getDay()) / 7));
    case 'w':
      return String(date.getDay());
    case 'W':
      return two(Math.floor((dayOfYear + 6 - ((date.getDay() + 6) % 7)) / 7));
    case 'y':
      return two(date.getFullYear() % 100);
    case 'Y':
      return String(date.getFullYear());
    case 'G':
      return String(isoWeek(date).year);
    case 'V':
      return two(isoWeek(date).week);
    // datetime.now() knows no time zone.
    case 'z':
    case 'Z':
      return '';
    case '%':
      return '%';
    default:
      return undefined;
  }
}

function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  const start = new Date(thursday.getFullYear(), 0, 1);
  return {
    year: thursday.getFullYear(),
    week: Math.floor(Math.round((thursday.getTime() - start.getTime()) / DAY) / 7) + 1,
  };
}
