// What the page asks of the server. Everything that comes back is shown as text, never as markup.

/** Asks; throws an Error with the server's sentence where it refuses. */
export async function ask(path, body, signal) {
  const answer = await fetch(`api/${path}`, body === undefined ? { signal } : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ?? `The server answers ${answer.status}.`);
  return said;
}

const about = moment => new URLSearchParams({ video: moment.video, start: moment.start });

/** The address of a moment's picture. */
export const pictureOf = moment => `api/thumbnail?${about(moment)}`;

/** The address of a moment's file, at its second. */
export const fileOf = moment => `api/media?${new URLSearchParams({ video: moment.video })}#t=${moment.start}`;

/** Whether a moment is an image, which an index of a corpus may have. */
export const isImage = moment => moment.length === 0;

/** Seconds as 1:02:03 or 4:05, with tenths where there are any. */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10), whole = Math.floor(tenths / 10);
  const two = number => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (h > 0 ? `${h}:${two(m)}` : `${m}`) + `:${two(s)}` + (tenths % 10 > 0 ? `.${tenths % 10}` : "");
}

/** From when to when a moment is. */
export const timesOf = moment => `${clock(moment.start)}–${clock(moment.end)}`;

/** A probability, for people; never 0 % or 100 %, which no model can know. */
export const percent = share => share > 0.995 ? "> 99 %" : share < 0.005 ? "< 1 %" : `${Math.round(share * 100)} %`;

/** An element with a class and a text. */
export function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}
