// Results as pictures that play under the pointer or the keyboard's focus.
import { element, fileOf, isImage, percent, pictureOf, timesOf } from "./api.js";

const REST = 120;                                                   // milliseconds until a card that is passed over plays
const still = matchMedia("(prefers-reduced-motion: reduce)");
const unplayable = new Set();                                       // videos that this browser cannot play
let preview = null;

/** Shows results; `open` and `like` are told which moment was chosen. */
export function show(list, moments, open, like) {
  stop();
  list.replaceChildren(...moments.map(moment => card(moment, open, like)));
}

/** Ends the preview. */
export function stop() {
  if (!preview) return;
  clearTimeout(preview.timer);
  if (preview.video) {
    preview.video.removeAttribute("src");
    preview.video.load();                                           // gives the connection back
    preview.video.remove();
  }
  preview.card.classList.remove("plays");
  preview = null;
}

/** Moves the focus among the cards as an arrow says; returns whether it would leave them upwards. */
export function move(list, key) {
  const cards = [...list.querySelectorAll(".open")], tops = cards.map(card => card.getBoundingClientRect().top);
  const at = cards.indexOf(document.activeElement?.closest("li")?.querySelector(".open"));
  if (at < 0) return false;
  const second = tops.findIndex(top => top > tops[0] + 1), columns = second < 0 ? cards.length : second;
  const next = at + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  cards[next]?.focus();
  return next < 0 && key === "ArrowUp";
}

function card(moment, open, like) {
  const item = element("li"), opener = element("button", "open"), frame = element("span", "frame"), picture = element("img");
  Object.assign(picture, { src: pictureOf(moment), alt: "", loading: "lazy", decoding: "async" });
  frame.append(picture);
  if (!isImage(moment)) frame.append(element("span", "when", timesOf(moment)));
  opener.append(frame, element("span", "name", moment.name));
  if (moment.match != null) opener.append(element("span", "score", `match ${percent(moment.match)}`));
  else if (moment.similarity != null) opener.append(element("span", "score", `similarity ${moment.similarity.toFixed(2)}`));
  opener.title = moment.video;
  opener.addEventListener("click", () => open(moment));
  const more = element("button", "like", "More like this");
  more.addEventListener("click", () => like(moment));
  more.setAttribute("aria-label", `More like this: ${moment.name}, ${timesOf(moment)}`);
  item.moment = moment;
  item.append(opener, more);
  item.addEventListener("pointerenter", event => event.pointerType === "mouse" && begin(item, frame));
  item.addEventListener("pointerleave", () => item === preview?.card && stop());
  opener.addEventListener("focus", () => opener.matches(":focus-visible") && begin(item, frame));
  opener.addEventListener("blur", () => item === preview?.card && stop());
  if (unplayable.has(moment.video)) say(item, frame);
  return item;
}

function begin(card, frame) {
  stop();
  if (still.matches || isImage(card.moment) || unplayable.has(card.moment.video)) return;
  preview = { card, timer: setTimeout(() => play(card, frame), REST) };
}

/** Plays a moment without sound, over and over. */
function play(card, frame) {
  const { moment } = card, video = element("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", tabIndex: -1, src: fileOf(moment) });
  video.setAttribute("aria-hidden", "true");
  const again = () => { video.currentTime = moment.start; video.play().catch(() => {}); };
  video.addEventListener("playing", () => card.classList.add("plays"));
  video.addEventListener("timeupdate", () => video.currentTime >= moment.end && again());
  video.addEventListener("ended", again);
  video.addEventListener("error", () => {
    if (preview?.video !== video) return;                           // it was taken away, and no file is at fault
    unplayable.add(moment.video);
    stop();
    say(card, frame);
  });
  preview.video = video;
  frame.prepend(video);
  video.play().catch(() => {});                                     // the event says why
}

function say(card, frame) {
  if (!frame.querySelector(".unplayed")) frame.append(element("span", "unplayed", "cannot be played in this browser"));
}
