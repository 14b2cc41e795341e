// One moment, opened: its video at its second, and what a question about it is answered.
import { ask, clock, element, fileOf, isImage, percent, pictureOf, timesOf } from "./api.js";

const find = id => document.getElementById(id);
const dialog = find("moment"), player = find("player"), picture = find("still"), said = find("said");
let shown = null, asking = null;

/** Makes the dialog work; `leave` is told when it was closed, `like` and `likeVideo` what is sought. */
export function prepare(about, { leave, like, likeVideo }) {
  find("ask").hidden = about.cannotAsk != null;
  find("cannotAsk").hidden = about.cannotAsk == null;
  find("cannotAsk").textContent = about.cannotAsk ?? "";
  find("question").maxLength = about.limits.text;
  find("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", event => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => { empty(); leave(); });
  find("like").addEventListener("click", () => like(shown));
  find("likeVideo").addEventListener("click", () => likeVideo(shown));
  find("ask").addEventListener("submit", event => { event.preventDefault(); answer(); });
  player.addEventListener("error", () => {
    if (!player.hasAttribute("src")) return;
    [player.hidden, picture.hidden, find("unplayed").hidden] = [true, false, false];
  });
}

/** Opens a moment; the video starts at its second. */
export function open(moment, link) {
  if (shown && dialog.open && shown.video === moment.video && shown.start === moment.start) return;
  empty();
  shown = moment;
  find("title").textContent = moment.name;
  const image = isImage(moment);
  find("facts").textContent = image ? moment.video : `${moment.video} · ${timesOf(moment)} of ${clock(moment.length)}`;
  find("link").href = link;
  [player.hidden, picture.hidden, find("unplayed").hidden] = [image, !image, true];
  picture.src = image ? fileOf(moment) : pictureOf(moment);
  if (!dialog.open) dialog.showModal();
  if (image) return;
  [player.poster, player.src] = [picture.src, fileOf(moment)];
  player.focus();
  player.play().catch(() => {});                                    // a browser may want a click first
}

/** Closes the dialog, if it is open. */
export const close = () => dialog.open && dialog.close();

function empty() {
  asking?.abort();
  shown = null;
  player.removeAttribute("src");
  player.load();
  said.replaceChildren();
  find("question").value = "";
}

async function answer() {
  const question = find("question").value.trim();
  if (!question) return;
  asking?.abort();
  const { signal } = asking = new AbortController();
  said.replaceChildren(element("p", "quiet", "Thinking …"));
  const whole = document.querySelector("[name=scope]:checked").value === "video";
  try {
    const answers = await ask("ask", { question, video: shown.video, start: whole ? null : shown.start }, signal);
    said.replaceChildren(...told(answers, whole));
  } catch (error) {
    if (error.name !== "AbortError") said.replaceChildren(element("p", "problem", error.message));
  }
}

function* told({ answers, frames, unknownWords }, whole) {
  const list = element("ol", "answers");
  for (const { answer, probability } of answers) {
    const row = element("li"), bar = element("meter");
    Object.assign(bar, { min: 0, max: 1, value: probability });
    bar.setAttribute("aria-hidden", "true");
    row.append(element("span", "", answer), bar, element("span", "score", percent(probability)));
    list.append(row);
  }
  yield list;
  if (unknownWords.length > 0) yield element("p", "quiet", unknown(unknownWords));
  yield element("p", "quiet", `Drawn from ${frames.length === 1 ? "this frame" : `these ${frames.length} frames`} of ${
    whole ? "the video" : "the moment"}:`);
  const row = element("p", "frames");
  for (const { second, picture } of frames) {
    const frame = element("button"), image = element("img");
    Object.assign(image, { src: `data:image/jpeg;base64,${picture}`, alt: `Show ${clock(second)}` });
    frame.append(image, element("span", "when", clock(second)));
    frame.addEventListener("click", () => { player.pause(); player.currentTime = second; });
    row.append(frame);
  }
  yield row;
}

/** What is said of words that a model does not know. */
export const unknown = words =>
  `The model does not know ${words.map(word => `“${word}”`).join(", ")}: ${words.length === 1 ? "it says" : "they say"} nothing to it.`;
