'use strict';

// The page of a run. Its data come as server-sent events while the run goes on, and lie in the page itself when it is a report.
// View is what RunFeed.View says, curves what StepCurves.Drawn says; each event brings the parts that have changed.

const view = {};
const curves = { first: 0, width: 1, count: 0, curves: {} };
let other = null; // the run that this one is compared with
let warningsOnly = false;

const $ = id => document.getElementById(id);

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'class') element.className = value;
    else if (name === 'style') element.style.cssText = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A number as people read it: three or four digits that count, and no more zeros than help. */
function number(value) {
  if (value === null || value === undefined || !isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.001) return value.toExponential(1).replace('e-', 'e−');
  if (size < 1) return String(+value.toPrecision(3));
  if (size < 1000) return String(+value.toPrecision(4));
  return plain.format(value);
}

/** Clips per second. */
const rate = value => (value >= 100 ? plain.format(value) : number(+(value ?? NaN).toPrecision(3)));

const percent = share =>
  share === null || share === undefined ? '–' : `${(100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`;

function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds),
    hours = Math.floor(whole / 3600),
    two = part => String(part).padStart(2, '0');
  return hours > 0
    ? `${hours}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)} h`
    : `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
}

const clock = time => new Date(time).toLocaleTimeString('en-GB');
const day = time => new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const config = () => {
  try {
    return JSON.parse(view.run.config);
  } catch {
    return null;
  }
};
const isReport = () => !!view.run?.written;

/** A light-dark() colour as it is now; a canvas does not know the function. */
function colour(name, strength = 1) {
  const probe = $('probe') ?? document.body.appendChild(h('span', { id: 'probe', hidden: true }));
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color.replace(/^rgb\((.*)\)$/, `rgba($1, ${strength})`);
}

const terms = ['total', 'vtc', 'vtm', 'mlm', 'pem', 'qa'];
const own = {
  mpm: 'pem',
  wait: 'c2',
  transfer: 'c6',
  forward: 'c0',
  backward: 'c3',
  reduce: 'c5',
  synchronize: 'c7',
  optimizer: 'c1',
  between: 'c4',
};

const labels = {
  clipsPerSecond: 'clips/s',
  waitShare: 'waiting',
  learningRate: 'rate',
  gradientNorm: 'norm',
  residentMb: 'MB',
  rejected: 'clips',
};

/** The variable of a curve's colour: a term has the same one in every chart. */
function colourOf(name, place) {
  const term = name.replace(/^.*\//, '').replace(/(Loss|Accuracy)$/, '');
  if (terms.includes(term)) return `--${term}`;
  if (term === 'loss') return '--total';
  return `--${own[term] ?? `c${place % 8}`}`;
}
