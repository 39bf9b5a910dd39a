// Relative times tick; a click on one shows exact times page-wide, and back. Follows jobs/web/words.py.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const zone = document.documentElement.dataset.zone;
let exact = false;

function parts(date, options) {
  const found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }).formatToParts(date);
  return Object.fromEntries(found.map(({ type, value }) => [type, value]));
}

export function relative(date, now = new Date()) {
  const seconds = (now - date) / 1000;
  const before = seconds <= -MINUTE ? "in " : "";
  const away = Math.abs(seconds);
  if (away < MINUTE) return "now";
  if (away < HOUR) return `${before}${Math.floor(away / MINUTE)} min`;
  if (away < DAY) return `${before}${Math.floor(away / HOUR)} h`;
  const there = parts(date, {
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
  });
  const month = there.month.slice(0, 3);
  if (away < 6 * DAY) return `${there.weekday} ${there.hour}:${there.minute}`;
  if (there.year === parts(now, { year: "numeric" }).year) return `${there.day} ${month} ${there.hour}:${there.minute}`;
  return `${there.day} ${month} ${there.year}`;
}

/** 1.2 s, 41 s, 4:51, 2 h 05, 3 d 4 h, from seconds. */
export function duration(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}:${two(whole % MINUTE)}`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${two(Math.floor((whole % HOUR) / MINUTE))}`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

/** Writes every <time data-relative> below `root` as of now. */
export function tick(root = document) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const text = exact ? time.title.slice(0, 19) : relative(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("time[data-relative]") || event.target.closest("a, button")) return;
  exact = !exact;
  document.documentElement.toggleAttribute("data-exact-times", exact);
  tick();
});
document.addEventListener("htmx:afterSwap", () => tick());
setInterval(() => { if (!document.hidden) tick(); }, 10_000);
