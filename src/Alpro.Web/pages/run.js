'use strict';

// The page of a run. Its data come as server-sent events while the run goes on, and lie in the page itself when it is a report.
// View is what RunFeed.View says, curves what StepCurves.Drawn says; each event brings the parts that have changed.

const view = {};
const curves = { first: 0, width: 1, count: 0, curves: {} };
let other = null;                                    // the run that this one is compared with
let warningsOnly = false;

// ---- small helpers

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

const percent = share => share === null || share === undefined ? '–' : `${(100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`;

function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds), hours = Math.floor(whole / 3600), two = part => String(part).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)} h` : `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
}

const clock = time => new Date(time).toLocaleTimeString('en-GB');
const day = time => new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const config = () => { try { return JSON.parse(view.run.config); } catch { return null; } };
const isReport = () => !!view.run?.written;

/** A light-dark() colour as it is now; a canvas does not know the function. */
function colour(name, strength = 1) {
  const probe = $('probe') ?? document.body.appendChild(h('span', { id: 'probe', hidden: true }));
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color.replace(/^rgb\((.*)\)$/, `rgba($1, ${strength})`);
}

const terms = ['total', 'vtc', 'vtm', 'mlm', 'pem', 'qa'];
const own = { mpm: 'pem', wait: 'c2', transfer: 'c6', forward: 'c0', backward: 'c3', reduce: 'c5', synchronize: 'c7', optimizer: 'c1', between: 'c4' };

const labels = { clipsPerSecond: 'clips/s', waitShare: 'waiting', learningRate: 'rate', gradientNorm: 'norm', residentMb: 'MB', rejected: 'clips' };

/** The variable of a curve's colour: a term has the same one in every chart. */
function colourOf(name, place) {
  const term = name.replace(/^.*\//, '').replace(/(Loss|Accuracy)$/, '');
  if (terms.includes(term)) return `--${term}`;
  if (term === 'loss') return '--total';
  return `--${own[term] ?? `c${place % 8}`}`;
}

// ---- the head

const tones = { Healthy: 'good', TooEarly: '', UnreadableStorm: 'bad' };

function showHead() {
  const { run, status } = view, settings = config();
  $('name').textContent = run.name;
  document.title = `${run.name}: ${status.totalSteps ? Math.floor(100 * status.step / status.totalSteps) : 0} % – alpro`;
  $('task').hidden = !settings;
  if (settings) $('task').textContent = settings.task;
  const origin = status.origin;
  $('origin').textContent = [origin && `${origin.host}, ${origin.device}`, origin && `alpro ${origin.version}`,
    origin && `begun ${day(origin.began)}`, run.written && `report of ${day(run.written)}`].filter(Boolean).join(' · ');

  const verdict = status.verdict, box = $('verdict'), ill = view.health && !view.health.isTrue;
  box.className = `card ${ill ? 'bad' : tones[verdict.kind] ?? 'warn'}`;
  const sentence = ill ? `This process does not train as it should: ${view.health.words}.` : verdict.sentence;
  box.replaceChildren(h('p', {}, h('strong', {}, sentence)), verdict.remedy && !ill ? h('p', { class: 'remedy' }, verdict.remedy) : '');

  const done = status.totalSteps > 0 ? status.step / status.totalSteps : 0;
  const figures = [
    ['step', [plain.format(status.step), h('small', {}, ` of ${plain.format(status.totalSteps)}`),
      h('progress', { max: 1, value: done, 'aria-label': 'steps done' })]],
    isReport() ? null : ['time left', status.step ? duration(status.secondsLeft) : '–'],
    ['clips per second', number(status.clipsPerSecond)],
    ['waiting for clips', percent(status.waitShare)],
    ['loss', status.step ? (status.loss ?? NaN).toFixed(3) : '–'],
    view.account ? ['goodput', percent(view.account.goodput)] : null,
    ['checkpoints kept', view.checkpoints.length ? [String(view.checkpoints.length),
      h('small', {}, `, last ${plain.format(view.checkpoints.at(-1))}`)] : '0'],
  ].filter(Boolean);
  $('figures').replaceChildren(...figures.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

function showFoot() {
  const began = view.status.origin?.began;
  $('foot').replaceChildren(h('span', {}, `alpro ${view.status.origin?.version ?? ''}`), began ? h('span', {}, `begun ${day(began)}`) : '',
    ...(isReport() ? [] : [h('a', { href: 'metrics' }, 'metrics'), h('a', { href: 'healthz' }, 'health'), h('a', { href: 'api/status' }, 'status')]));
}

// ---- the flow

const limits = {
  UnreadableStorm: 'corpus', SlowDisk: 'corpus', WindowTooSmall: 'coordinator', TooFewDecoders: 'decoders', SlowDecodeNode: 'decoders',
  SlowNetwork: 'decoders', OverCommitted: 'decoders', SlowRank: 'trainers', Healthy: 'trainers', SlowCheckpoints: 'results',
};

const several = (count, what) => `${plain.format(count)} ${what}${count === 1 ? '' : 's'}`;
const isGone = node => ['lost', 'left'].includes(node.state);
const nameOf = node => node.node === 'here' ? 'this process' : node.node;

function showFlow() {
  const { status } = view, settings = config(), nodes = status.nodes ?? [];
  // Two nodes of a role have rates of their own; a trainer that is alone is the process itself.
  let trainers = nodes.filter(node => node.role === 'trainer');
  if (!trainers.some(node => !isGone(node)) && !trainers.length)
    trainers = [{ node: 'here', role: 'trainer', clipsPerSecond: status.clipsPerSecond, busy: status.step ? 1 - status.waitShare : 0, state: 'up' }];
  const decoders = nodes.filter(node => node.role === 'decoder'), evaluators = nodes.filter(node => node.role === 'evaluator');
  const made = decoders.reduce((sum, node) => sum + node.clipsPerSecond, 0), count = decoders.reduce((sum, node) => sum + node.decoders, 0);
  const working = list => list.filter(node => !isGone(node)).length;
  const corpora = settings?.data.corpora ?? [];
  const boxes = [
    { id: 'corpus', title: corpora.length > 1 ? `${corpora.length} corpora` : 'corpus', lines: corpora.slice(0, 4).map(corpus => corpus.name) },
    { id: 'coordinator', title: 'coordinator', lines: ['gives out clips', `batches of ${settings?.training.batchSize ?? '?'}`] },
    { id: 'decoders', title: count ? `${count} decoder${count > 1 ? 's' : ''}` : 'decoders', nodes: decoders,
      lines: decoders.length ? [] : ['none yet'] },
    { id: 'trainers', title: working(trainers) > 1 ? `${working(trainers)} trainers` : 'trainer', nodes: trainers,
      lines: [`${number(status.clipsPerSecond)} clips/s in all`] },
    { id: 'results', title: 'checkpoints', lines: [
      view.checkpoints.length ? `last: step ${plain.format(view.checkpoints.at(-1))}` : 'none yet',
      view.validations.length ? several(view.validations.length, 'validation') : null,
      working(evaluators) ? several(working(evaluators), 'evaluator') : null,
      view.evaluations.length ? several(view.evaluations.length, 'evaluation') : null,
    ].filter(Boolean) },
  ];
  const edges = [
    { text: ['rows'] },
    { text: [`${plain.format(status.clipsInHand ?? 0)} clips`, 'in hand'] },
    { text: [`${number(made)}`, 'clips/s'], queue: [status.queueDepth, status.queueRoom || Math.max(1, status.queueDepth)] },
    { text: [`${status.step ? plain.format(status.step) : 0}`, 'steps'] },
  ];
  const tall = $('flow').clientWidth < 760;
  $('flow').replaceChildren(tall ? drawTall(boxes, edges) : drawWide(boxes, edges));
}

const rowHeight = 34, lineHeight = 18, most = 6;

function heightOf(box) {
  const shown = Math.min(box.nodes?.length ?? 0, most);
  return 34 + box.lines.length * lineHeight + shown * rowHeight + ((box.nodes?.length ?? 0) > most ? lineHeight : 0) + 10;
}

function drawBox(box, x, y, width, height) {
  const limit = limits[view.status.verdict.kind] === box.id, healthy = view.status.verdict.kind === 'Healthy';
  const group = s('g', { transform: `translate(${x} ${y})` },
    s('rect', { class: `box${limit ? ` limit${healthy ? ' healthy' : ''}` : ''}`, width, height, rx: 9 }),
    text(box.title, 12, 23, 'title'));
  let line = 23 + lineHeight;
  for (const words of box.lines) {
    group.append(text(fit(words, width - 24), 12, line, 'quiet'));
    line += lineHeight;
  }
  for (const node of (box.nodes ?? []).slice(0, most)) {
    const gone = isGone(node), room = width - 24;
    group.append(text(fit(nameOf(node), room), 12, line, gone ? 'gone' : ''));
    if (gone || node.state === 'unreachable')
      group.append(text(`${node.state}${node.since ? ` ${clock(node.since)}` : ''}`, 12, line + 15, 'gone'));
    else
      group.append(
        s('rect', { class: 'track', x: 12, y: line + 8, width: room * 0.42, height: 6, rx: 3 }),
        s('rect', { class: 'busy', x: 12, y: line + 8, width: room * 0.42 * Math.max(0, Math.min(1, node.busy)), height: 6, rx: 3 }),
        text(`${number(node.clipsPerSecond)} clips/s`, 12 + room * 0.42 + 8, line + 15, 'quiet'));
    line += rowHeight;
  }
  if ((box.nodes?.length ?? 0) > most) group.append(text(`and ${box.nodes.length - most} more, below`, 12, line, 'quiet'));
  if (limit) group.append(text(healthy ? 'the limit, as it should be' : 'the limit', width / 2, height + 16, `limit-text${healthy ? ' healthy' : ''}`, 'middle'));
  return group;
}

function text(words, x, y, kind = '', anchor = 'start') {
  return s('text', { x, y, class: kind, 'text-anchor': anchor }, words);
}

/** Words that are cut to a width of pixels, about. */
const fit = (words, width) => words.length * 7 <= width ? words : `${words.slice(0, Math.max(3, Math.floor(width / 7) - 1))}…`;

function queueCells(edge, x, y) {
  if (!edge.queue) return [];
  const [full, room] = edge.queue, shown = Math.min(room, 8), size = 9;
  return Array.from({ length: shown }, (_, i) => s('rect', { class: `cell${i < full ? ' full' : ''}`, x: x + i * (size + 3), y, width: size, height: size, rx: 2 }));
}

const widthOfQueue = edge => Math.min(edge.queue?.[1] ?? 0, 8) * 12 - 3;

function picture(width, height, parts) {
  const said = `From corpus to checkpoints: ${view.status.clipsInHand ?? 0} clips in hand, ${view.status.queueDepth} finished batches wait for the trainer, ` +
    `which trains on ${number(view.status.clipsPerSecond)} clips per second. ${view.status.verdict.sentence}`;
  return s('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': said }, ...parts.flat());
}

function arrow(x1, y1, x2, y2) {
  const across = x1 !== x2;
  return [s('line', { class: 'edge', x1, y1, x2: across ? x2 - 7 : x2, y2: across ? y2 : y2 - 7 }),
    s('polygon', { class: 'tip', points: across ? `${x2 - 8},${y2 - 5} ${x2},${y2} ${x2 - 8},${y2 + 5}` : `${x2 - 5},${y2 - 8} ${x2},${y2} ${x2 + 5},${y2 - 8}` })];
}

function drawWide(boxes, edges) {
  const width = $('flow').clientWidth - 34, gap = Math.max(84, width * 0.085), own = (width - 4 * gap);
  const shares = [0.16, 0.2, 0.24, 0.24, 0.16], heights = boxes.map(heightOf), height = Math.max(...heights), middle = 4 + height / 2, parts = [];
  let x = 2;
  boxes.forEach((box, i) => {
    const wide = own * shares[i] - 1;
    parts.push(drawBox(box, x, middle - heights[i] / 2, wide, heights[i]));
    x += wide;
    if (i === boxes.length - 1) return;
    const edge = edges[i], centre = x + gap / 2;
    parts.push(arrow(x + 6, middle, x + gap - 5, middle));
    parts.push(text(edge.text[0], centre, middle - (edge.text.length > 1 ? 24 : 9), 'number', 'middle'));
    if (edge.text[1]) parts.push(text(edge.text[1], centre, middle - 9, 'quiet', 'middle'));
    if (edge.queue) parts.push(queueCells(edge, centre - widthOfQueue(edge) / 2, middle + 10), text(`${edge.queue[0]} of ${edge.queue[1]}`, centre, middle + 36, 'quiet', 'middle'), text('batches', centre, middle + 51, 'quiet', 'middle'));
    x += gap;
  });
  return picture(width, Math.max(height + 8 + (limits[view.status.verdict.kind] ? 20 : 0), middle + 58), parts);
}

function drawTall(boxes, edges) {
  const width = Math.max(260, $('flow').clientWidth - 26), parts = [];
  let y = 2;
  boxes.forEach((box, i) => {
    const height = heightOf(box), limit = limits[view.status.verdict.kind] === box.id;
    parts.push(drawBox(box, 1, y, width - 2, height));
    y += height + (limit ? 20 : 0);
    if (i === boxes.length - 1) return;
    const edge = edges[i];
    parts.push(arrow(30, y + 4, 30, y + 38), text(edge.text.join(' '), 46, y + 26, 'number'));
    if (edge.queue) {
      const from = 46 + edge.text.join(' ').length * 7 + 14;
      parts.push(queueCells(edge, from, y + 17), text(`${edge.queue[0]} of ${edge.queue[1]} batches`, from + widthOfQueue(edge) + 8, y + 26, 'quiet'));
    }
    y += 42;
  });
  return picture(width, y + 4, parts);
}

// ---- the nodes

function showNodes() {
  const nodes = view.status.nodes ?? [];
  $('nodes').hidden = nodes.every(node => node.node === 'here');                       // the flow says it all
  const head = h('thead', {}, h('tr', {}, ...['node', 'role', 'state'].map(name => h('th', { scope: 'col' }, name)),
    ...['decoders', 'clips/s'].map(name => h('th', { scope: 'col', class: 'number' }, name)), h('th', { scope: 'col' }, 'busy')));
  const order = ['coordinator', 'trainer', 'decoder', 'evaluator'];
  const rows = [...nodes].sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role) || a.node.localeCompare(b.node, 'en', { numeric: true })).map(node => {
    const bad = ['lost', 'unreachable', 'down'].includes(node.state), works = !isGone(node) && (node.busy > 0 || node.decoders > 0);
    const since = node.since && node.state !== 'up' ? ` since ${clock(node.since)}` : '';
    return h('tr', {}, h('th', { scope: 'row' }, nameOf(node)), h('td', {}, node.role),
      h('td', {}, h('span', { class: `tag ${bad ? 'bad' : node.state === 'up' ? 'good' : ''}` }, node.state + since)),
      h('td', { class: 'number' }, node.decoders || '–'), h('td', { class: 'number' }, works ? number(node.clipsPerSecond) : '–'),
      h('td', {}, works ? [meter(node.busy), percent(Math.min(1, node.busy))] : '–'));
  });
  $('nodes-table').replaceChildren(h('caption', { class: 'hidden' }, 'Nodes of the run'), head, h('tbody', {}, ...rows));
}

const meter = share => h('span', { class: 'meter', 'aria-hidden': 'true' }, h('i', { style: `width: ${100 * Math.max(0, Math.min(1, share))}%` }));

// ---- the curves

/** The charts of the steps: which curves they hold, and how their values read. */
const charts = [
  { id: 'loss', title: 'Loss', has: name => name.startsWith('loss/'), wide: true },
  { id: 'accuracy', title: 'Accuracy', has: name => name.startsWith('accuracy/'), format: percent, least: 0 },
  { id: 'rate', title: 'Clips per second', has: name => name === 'speed/clipsPerSecond', least: 0 },
  { id: 'wait', title: 'Share of the step spent waiting for clips', has: name => name === 'speed/waitShare', format: percent, least: 0 },
  { id: 'time', title: 'Milliseconds of a step', has: name => name.startsWith('milliseconds/'), least: 0 },
  { id: 'lr', title: 'Learning rate', has: name => name === 'optimizer/learningRate', least: 0, exact: true },
  { id: 'norm', title: 'Gradient norm, before clipping', has: name => name === 'optimizer/gradientNorm', least: 0 },
  { id: 'memory', title: 'Resident memory, MB', has: name => name === 'memory/residentMb', least: 0, exact: true },
  { id: 'rejected', title: 'Clips that could not be read', has: name => name === 'clips/rejected', least: 0, quiet: true, exact: true },
];

const drawn = new Map();                             // the charts on the page, by their ids

function merge(change) {
  if (change.from === 0) Object.assign(curves, { curves: {} });
  const each = change.width === 1 ? 1 : 2;
  for (const [name, values] of Object.entries(change.curves)) {
    const had = curves.curves[name] ??= [];
    had.length = Math.min(had.length, change.from * each);
    while (had.length < change.from * each) had.push(null);
    for (const value of values) had.push(value);
  }
  Object.assign(curves, { first: change.first, width: change.width, count: change.count });
}

/** The steps at which the values of curves lie. */
function stepsOf(data) {
  const steps = [];
  for (let i = 0; i < data.count; i++) {
    steps.push(data.first + i * data.width);
    if (data.width > 1) steps.push(data.first + i * data.width + data.width / 2);
  }
  return steps;
}

const labelOf = name => { const last = name.replace(/^.*\//, ''); return labels[last] ?? last; };

/**
 * The running mean of many values, over an eightieth of them: single steps are noisy. It is taken forwards and backwards, so that it lags
 * behind neither way.
 */
function smooth(values) {
  const keep = 1 - 1 / Math.max(2, values.length / 80), result = values.slice();
  for (const back of [false, true]) {
    let sum = 0, weight = 0;
    for (let i = 0; i < result.length; i++) {
      const place = back ? result.length - 1 - i : i;
      if (result[place] === null || result[place] === undefined) continue;
      sum = keep * sum + (1 - keep) * result[place];
      weight = keep * weight + (1 - keep);
      result[place] = sum / weight;
    }
  }
  return result;
}

/** What a chart shows: steps, and curves with label, colour and values; those of the other run are dashed. */
function linesOf(chart) {
  const named = data => Object.keys(data.curves).filter(chart.has).filter(name => data.curves[name].some(value => value !== null && !(chart.quiet && value === 0)));
  let names = named(curves);
  if (chart.id === 'loss' && names.length === 2) names = ['loss/total'];                // one term is the total
  if (chart.id === 'time') names = names.filter(name => curves.curves[name].some(value => value > 0.5));
  const lines = names.map((name, i) => ({ name, label: labelOf(name), stroke: colourOf(name, i), values: curves.curves[name] }));
  const steps = stepsOf(curves);
  if (!other || !names.length) return smoothed(chart, [steps, ...lines.map(line => line.values)], lines);
  const also = names.filter(name => other.curves.curves[name]).map(name => {
    const mine = lines.find(line => line.name === name);
    return { ...mine, name: `${name} ${other.name}`, label: `${mine.label}, ${other.name}`, values: other.curves.curves[name], dash: [5, 4] };
  });
  const joined = uPlot.join([[steps, ...lines.map(line => line.values)], [stepsOf(other.curves), ...also.map(line => line.values)]]);
  return smoothed(chart, joined, [...lines, ...also]);
}

/** Behind a running mean the values themselves are faint, where there are many; the means follow the values, in their order. */
const smoothed = (chart, data, lines) => chart.exact || data[0].length < 150 ? { data, lines }
  : { data: [...data, ...data.slice(1).map(smooth)], lines, means: true };

/** The charts of validations and evaluations: losses together, accuracies together, and each other figure alone. */
function scoreCharts() {
  const groups = new Map();
  const add = (source, records, name, figure) => {
    const prefix = name.includes('/') ? `${name.replace(/\/[^/]*$/, '')}: ` : '', own = name.replace(/^.*\//, '');
    const kind = /loss$/i.test(own) ? 'losses' : /accuracy$/i.test(own) && own !== 'accuracy' ? 'accuracies' : /R\d+$/.test(own) ? own.replace(/R\d+$/, ' recall, %') : /Rank$/.test(own) ? 'ranks' : own;
    const id = `${source} ${prefix}${kind}`, title = `${source}: ${prefix}${kind}`;
    if (!groups.has(id)) groups.set(id, { id, title, points: true, format: kind === 'accuracies' || own === 'accuracy' ? percent : undefined, records, names: [] });
    groups.get(id).names.push(name);
  };
  const figures = records => [...new Set(records.flatMap(record => Object.keys(record.figures)))];
  for (const name of figures(view.validations)) add('Validation', view.validations, name);
  for (const corpus of new Set(view.evaluations.map(record => record.corpus))) {
    const records = view.evaluations.filter(record => record.corpus === corpus).sort((a, b) => a.step - b.step);
    for (const name of figures(records)) add(corpus, records, name);
  }
  return [...groups.values()].map(group => {
    const label = name => name.replace(/^.*\//, '').replace(/(Loss|Accuracy)$/, '') || name;
    const lines = group.names.map((name, i) => ({ name, label: label(name), stroke: colourOf(name, i), values: group.records.map(record => record.figures[name] ?? null) }));
    const mine = [group.records.map(record => record.step), ...lines.map(line => line.values)];
    const also = other && group.title.startsWith('Validation') ? other.validations.filter(record => group.names.some(name => name in record.figures)) : [];
    if (!also.length) return { ...group, data: mine, lines };
    const theirs = lines.map(line => ({ ...line, name: `${line.name} ${other.name}`, label: `${line.label}, ${other.name}`, dash: [5, 4], values: also.map(record => record.figures[line.name] ?? null) }));
    return { ...group, data: uPlot.join([mine, [also.map(record => record.step), ...theirs.map(line => line.values)]]), lines: [...lines, ...theirs] };
  });
}

function showCurves() {
  const wanted = [...charts.map(chart => ({ ...chart, ...linesOf(chart) })), ...scoreCharts()].filter(chart => chart.lines.length && chart.data[0].length);
  for (const [id, chart] of drawn) if (!wanted.some(one => one.id === id)) {
    chart.plot.destroy();
    chart.card.remove();
    drawn.delete(id);
  }
  for (const chart of wanted) {
    const has = drawn.get(chart.id), key = JSON.stringify(chart.lines.map(line => line.name));
    if (has && has.key === key && has.means === chart.means) update(has, chart);
    else draw(chart, key, has);
  }
  const order = wanted.map(chart => drawn.get(chart.id).card);
  if (order.some((card, i) => $('curves').children[i] !== card)) $('curves').replaceChildren(...order);
}

function update(has, chart) {
  has.chart = chart;
  has.plot.setData(chart.data, false);
  if (!has.zoomed) has.plot.setScale('x', span(chart));
  else has.plot.redraw();
  say(has);
}

/** The steps that are shown when nothing is zoomed: scores lie among all the steps of the run, and a single step in the middle. */
function span(chart) {
  const steps = chart.data[0], all = chart.points && curves.count ? [curves.first, curves.first + curves.count * curves.width] : [];
  const min = Math.min(steps[0], ...all), max = Math.max(steps.at(-1), ...all);
  return min < max ? { min, max } : { min: min - 1, max: max + 1 };
}

function draw(chart, key, before) {
  const card = h('figure', { class: `card chart${chart.wide ? ' wide' : ''}`, style: 'margin: 0' });
  const reset = h('button', { hidden: true, onclick: () => showAll(made) }, 'Show all');
  const plot = h('div', { class: 'plot', tabindex: 0, role: 'application', 'aria-label': `${chart.title}: arrow keys read its values` });
  const keys = h('ul', { class: 'keys', 'aria-live': 'polite' });
  card.append(h('h3', {}, chart.title, reset), plot, keys);
  if (before) before.card.replaceWith(card);
  else $('curves').append(card);
  before?.plot.destroy();
  const made = { chart, key, means: chart.means, card, keys, reset, zoomed: false, at: null, read: null, hidden: before?.hidden ?? new Set() };
  drawn.set(chart.id, made);
  made.plot = new uPlot(optionsOf(made, plot), chart.data, plot);
  made.plot.setScale('x', span(chart));
  plot.addEventListener('keydown', event => press(made, event));
  plot.addEventListener('mousemove', () => made.read = null, true);
  say(made);
}

function optionsOf(made, plot) {
  const { chart } = made, ink = colour('--quiet'), line = colour('--line'), format = chart.format ?? number;
  const few = chart.points || chart.data[0].length < 3;
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '12px system-ui, sans-serif' };
  return {
    width: widthOf(made.card), height: chart.wide ? 260 : 200, ms: 1, legend: { show: false }, padding: [8, 12, 0, 0],
    scales: {
      x: { time: false, range: (_, min, max) => min === max ? [min - 1, max + 1] : [min, max] },
      y: { range: (_, min, max) => rangeOf(min, max, chart.least) },
    },
    cursor: { sync: chart.points ? undefined : { key: 'steps' }, drag: { x: true, y: false, setScale: true }, points: { size: 7 }, y: false },
    hooks: {
      setCursor: [plot => {
        made.at = made.read === null ? plot.cursor.idx : placeOf(made);
        say(made);
      }],
      setScale: [(plot, scale) => { if (scale === 'x') mark(made, plot); }],
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(tick => Number.isInteger(tick) ? short(tick) : ''), size: 34, space: 56 },
      { ...axis, values: (_, ticks) => ticks.map(tick => format(tick)), size: 58, space: 34 },
    ],
    series: [{}, ...(chart.means ? [true, false] : [false]).flatMap(faint => chart.lines.map(one => ({
      label: one.label, stroke: colour(one.stroke, faint ? 0.25 : 1), width: faint ? 1 : 1.8, dash: faint ? undefined : one.dash,
      spanGaps: !!other || !!chart.points, show: !made.hidden.has(one.label),
      points: few ? { show: true, size: 8, fill: colour(one.stroke) } : { show: false },
    })))],
  };
}

const short = step => Math.abs(step) >= 1e6 ? `${+(step / 1e6).toFixed(2)} M` : Math.abs(step) >= 1e4 ? `${+(step / 1e3).toFixed(1)} k` : plain.format(step);
const widthOf = card => Math.max(200, card.clientWidth - 30);

function rangeOf(min, max, least) {
  if (min === null || max === null) return [0, 1];
  if (least !== undefined) min = Math.min(least, min);
  const room = (max - min) * 0.06 || Math.abs(max) * 0.1 || 1;
  return [least !== undefined && min >= least ? min : min - room, max + room];
}

function mark(made, plot) {
  const { min, max } = plot.scales.x, all = span(made.chart);
  made.zoomed = min > all.min + 1e-9 || max < all.max - 1e-9;
  made.reset.hidden = !made.zoomed;
}

function showAll(made) {
  made.zoomed = false;
  made.reset.hidden = true;
  made.plot.setScale('x', span(made.chart));
}

/** The place of the step that a keyboard reads: many steps may share a pixel, and more come meanwhile. */
const placeOf = made => Math.max(0, made.chart.data[0].findLastIndex(step => step <= made.read));

/** What the curves are, and their values where the pointer is, or at the end. */
function say(made) {
  const { chart, keys, at } = made, steps = chart.data[0], format = chart.format ?? number;
  const last = values => { for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null && values[i] !== undefined) return values[i]; return null; };
  const entries = chart.lines.map((line, i) => {
    const value = at === null || at === undefined ? last(chart.data[i + 1]) : chart.data[i + 1][at];
    return { line, value: format(value) };
  });
  const where = at === null || at === undefined ? `step ${plain.format(Math.floor(steps.at(-1)))}` : `step ${plain.format(Math.floor(steps[at]))}`;
  if (keys.children.length !== entries.length + 1)
    keys.replaceChildren(h('li', { class: 'at' }), ...entries.map(({ line }) => h('li', {}, h('button', {
      'aria-pressed': String(!made.hidden.has(line.label)), onclick: event => toggle(made, line.label, event.currentTarget),
    }, h('span', { class: 'swatch', style: `background: var(${line.stroke})${line.dash ? '; opacity: .55' : ''}` }), h('span', {})))));
  keys.children[0].textContent = where;
  entries.forEach(({ line, value }, i) => keys.children[i + 1].querySelector('span:last-child').textContent = `${line.label} ${value}`);
}

function toggle(made, label, button) {
  const place = made.chart.lines.findIndex(line => line.label === label) + 1, hide = !made.hidden.has(label);
  if (hide) made.hidden.add(label); else made.hidden.delete(label);
  button.setAttribute('aria-pressed', String(!hide));
  made.plot.setSeries(place, { show: !hide });
  if (made.chart.means) made.plot.setSeries(place + made.chart.lines.length, { show: !hide });
}

function press(made, event) {
  const { plot } = made, steps = made.chart.data[0], { min, max } = plot.scales.x;
  const move = (from, to) => plot.setScale('x', { min: Math.max(span(made.chart).min, from), max: Math.min(span(made.chart).max, to) });
  const read = place => {
    made.read = steps[Math.max(0, Math.min(steps.length - 1, place))];
    plot.setCursor({ left: plot.valToPos(made.read, 'x'), top: 10 });
    made.at = placeOf(made);
    say(made);
  };
  const stride = event.shiftKey ? 10 : 1, here = made.at ?? steps.length - 1;
  switch (event.key) {
    case 'ArrowRight': read(here + stride); break;
    case 'ArrowLeft': read(here - stride); break;
    case 'Home': read(0); break;
    case 'End': read(steps.length - 1); break;
    case '+': case '=': { const centre = steps[here], half = (max - min) / 4; move(centre - half, centre + half); break; }
    case '-': { const half = max - min, centre = (max + min) / 2; move(centre - half, centre + half); break; }
    case 'Escape': made.read = null; showAll(made); plot.setCursor({ left: -10, top: -10 }); break;
    default: return;
  }
  event.preventDefault();
}

function redrawAll() {
  for (const made of [...drawn.values()]) draw(made.chart, made.key, made);
}

// ---- what others found, what happened, where the time went

function showEvaluations() {
  const records = [...view.evaluations].sort((a, b) => b.step - a.step);
  $('evaluations').hidden = !records.length;
  const names = [...new Set(records.flatMap(record => Object.keys(record.figures)))];
  $('evaluations-table').replaceChildren(h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'step'), h('th', { scope: 'col' }, 'corpus'), h('th', { scope: 'col' }, 'split'),
    ...names.map(name => h('th', { scope: 'col', class: 'number' }, name)))),
  h('tbody', {}, ...records.map(record => h('tr', {}, h('th', { scope: 'row' }, plain.format(record.step)), h('td', {}, record.corpus), h('td', {}, record.split),
    ...names.map(name => h('td', { class: 'number' }, number(record.figures[name])))))));
}

function showEvents() {
  const all = view.events, shown = all.filter(one => !warningsOnly || ['warning', 'error'].includes(one.level));
  $('events').hidden = !all.length;
  const words = { error: 'bad', warning: 'warn' }, today = new Date().toDateString();
  $('events-list').replaceChildren(...[...shown].reverse().map(one => h('li', {},
    h('time', { datetime: one.time, title: day(one.time) }, new Date(one.time).toDateString() === today || !isReport() ? clock(one.time) : clock(one.time)),
    h('span', {}, h('span', { class: `tag ${words[one.level] ?? (one.name === 'TrainingRecovered' ? 'good' : '')}` }, kindOf(one))),
    h('p', {}, one.text, one.node ? h('span', { class: 'quiet small' }, ` (${one.node})`) : ''))));
  if (!shown.length) $('events-list').append(h('li', {}, h('p', {}, 'No warning so far.')));
}

const kinds = {
  CheckpointWritten: 'checkpoint', CheckpointNotWritten: 'checkpoint', CheckpointOutdated: 'checkpoint', TrainingRecovered: 'recovered', TrainerRestarted: 'restart',
  GroupLost: 'group lost', GroupFormed: 'group', GroupNotFormed: 'group', DecodeNodeJoined: 'node joined', DecodeNodeLost: 'node lost', NodesTakenOut: 'node lost',
  DecodeNodeRefused: 'refused', ClipUnreadable: 'unreadable', ValidationEnded: 'validation', Ready: 'ready', RecordsNotWritten: 'disk', RecordsWritten: 'disk',
};
const kindOf = one => kinds[one.name] ?? one.level;

function showAccount() {
  const account = view.account;
  $('account').hidden = !account || !account.seconds;
  if (!account || !account.seconds) return;
  const parts = [...account.parts].sort((a, b) => b.seconds - a.seconds).filter(part => part.seconds > 0);
  const tints = { Training: '--c1', Waiting: '--c2', Validation: '--c0', Checkpoint: '--c6', StartUp: '--c7', Restart: '--c4', RankLost: '--bad', GroupGrown: '--c3', Paused: '--c5', DoneAgain: '--warn', Stopped: '--line' };
  const again = account.stepsDoneAgain ? ` ${plain.format(account.stepsDoneAgain)} steps were done again.` : '';
  $('account-card').replaceChildren(
    h('p', {}, h('strong', {}, `${percent(account.goodput)} of ${duration(account.seconds)}`), ` on the wall went to training steps that counted: that is the goodput.${again}`),
    h('div', { class: 'bar', 'aria-hidden': 'true' }, ...parts.map(part => h('span', { style: `width: ${100 * part.seconds / account.seconds}%; background: var(${tints[part.cause]})`, title: `${part.name}: ${percent(part.seconds / account.seconds)}` }))),
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Where the time went, as a table' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'cause'), h('th', { scope: 'col', class: 'number' }, 'time'), h('th', { scope: 'col', class: 'number' }, 'share'), h('th', { scope: 'col' }, 'what counts to it'))),
      h('tbody', {}, ...parts.map(part => h('tr', {}, h('th', { scope: 'row' }, h('span', { class: 'swatch square', style: `background: var(${tints[part.cause]}); margin-right: 8px` }), part.name),
        h('td', { class: 'number' }, duration(part.seconds)), h('td', { class: 'number' }, percent(part.seconds / account.seconds)), h('td', { class: 'quiet' }, part.meaning)))))));
}

// ---- pictures, clips, configuration

function showBatch() {
  const batch = view.batch;
  $('batch').hidden = !batch;
  if (!batch) return;
  $('batch-note').textContent = `Some clips of step ${plain.format(batch.step)}, of ${batch.corpus}, at ${clock(batch.time)}. Marked words are those that the model has to guess.`;
  $('batch-clips').replaceChildren(...batch.clips.map(clip => {
    const words = clip.caption.map(piece => piece.text).join(' ');
    const caption = clip.caption.flatMap((piece, i) => [i && !piece.joined ? ' ' : '',
      piece.shown === undefined || piece.shown === null ? piece.text : h('mark', { title: `shown as ${piece.shown}` }, piece.text)]);
    return h('figure', { class: 'card clip' },
      h('img', { src: `data:image/jpeg;base64,${clip.picture}`, alt: `${clip.frames} frames of a clip: ${words}`, width: clip.frames * Math.min(clip.side, 224), height: Math.min(clip.side, 224) }),
      h('figcaption', {}, h('p', {}, ...caption, clip.answer ? h('strong', {}, ` ${clip.answer}`) : ''),
        h('p', { class: 'key' }, clip.key, clip.region ? h('span', {}, ' · ', h('span', { class: 'region' }), `region of ${clip.region.width} × ${clip.region.height} pixels`) : '')));
  }));
}

const meanings = {
  planned: 'places of the steps done, clips that stood in for others, and the tail', delivered: 'clips that were trained on',
  rejected: 'clips that could not be made, for which others stood in', tail: 'rows at the end of an epoch that do not fill a batch',
  'in hand': 'clips that were on their way when the run stopped', 'given out again': 'clips whose decoder died or did not answer',
  'arrived twice': 'clips that two decoders made, of which one was dropped',
};

function showClips() {
  $('clips').hidden = !view.clips.length;
  $('clips-table').replaceChildren(h('caption', { class: 'hidden' }, 'Accounts of the clips'), h('tbody', {}, ...view.clips.map(entry => h('tr', {},
    h('th', { scope: 'row' }, entry.key), h('td', { class: 'number' }, /^\d+$/.test(entry.value) ? plain.format(entry.value) : entry.value), h('td', { class: 'quiet' }, meanings[entry.key] ?? '')))));
}

function showConfig() {
  $('config').hidden = !view.run.config;
  $('config-text').textContent = view.run.config ?? '';
}

function showOthers() {
  const select = $('other'), names = view.run.others;
  $('compare').hidden = !names.length;
  if (select.options.length - 1 === names.length) return;
  select.replaceChildren(h('option', { value: '' }, 'no other run'), ...names.map(name => h('option', { value: name }, name)));
  if (other) select.value = other.name;
}

// ---- putting it together

const shows = {
  run: [showHead, showConfig, showOthers, showFoot], status: [showHead, showFlow, showNodes, showFoot], health: [showHead], account: [showAccount, showHead],
  validations: [showCurves, showFlow], evaluations: [showEvaluations, showCurves, showFlow], events: [showEvents], checkpoints: [showHead, showFlow], clips: [showClips], batch: [showBatch],
};

function apply(message) {
  Object.assign(view, message.view);
  if (message.curves) merge(message.curves);
  const due = new Set(Object.keys(message.view).flatMap(part => shows[part] ?? []));
  if (message.curves) due.add(showCurves);
  for (const show of due) show();
}

function link(words, tone) {
  $('link').textContent = words;
  $('link').className = `tag ${tone}`;
}

function watch() {
  const events = new EventSource('api/events');
  events.onmessage = event => {
    const message = JSON.parse(event.data);
    apply(message);
    link('live', 'good');
  };
  events.onerror = () => link(view.status?.totalSteps && view.status.step >= view.status.totalSteps
    ? 'the run has ended: its report.html stays' : `not reached since ${clock(Date.now())}, trying again`, view.status?.step >= view.status?.totalSteps ? '' : 'warn');
}

async function compare(name) {
  other = null;
  if (name) {
    const answer = await fetch(`api/runs/${encodeURIComponent(name)}`);
    if (answer.ok) other = await answer.json();
  }
  showCurves();
}

let settled;
addEventListener('resize', () => {
  clearTimeout(settled);
  settled = setTimeout(() => {
    if (!view.status) return;
    showFlow();
    for (const made of drawn.values()) made.plot.setSize({ width: widthOf(made.card), height: made.plot.height });
  }, 120);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);
$('other').addEventListener('change', event => compare(event.target.value));
$('events-all').addEventListener('click', event => {
  warningsOnly = !warningsOnly;
  event.currentTarget.setAttribute('aria-pressed', String(warningsOnly));
  showEvents();
});

// The address does not go on to show the token: the browser has it in a cookie now.
if (new URLSearchParams(location.search).has('token')) history.replaceState(null, '', location.pathname);

const embedded = $('data');
if (embedded) {
  apply(JSON.parse(embedded.textContent));
  link('report', '');
} else watch();
