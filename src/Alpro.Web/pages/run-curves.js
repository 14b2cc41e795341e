'use strict';

// The curves of a run: charts that zoom, say their values, and compare it with another.

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

const drawn = new Map(); // the charts on the page, by their ids

function merge(change) {
  if (change.from === 0) Object.assign(curves, { curves: {} });
  const each = change.width === 1 ? 1 : 2;
  for (const [name, values] of Object.entries(change.curves)) {
    const had = (curves.curves[name] ??= []);
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

const labelOf = name => {
  const last = name.replace(/^.*\//, '');
  return labels[last] ?? last;
};

/**
 * The running mean of many values, over an eightieth of them: single steps are noisy. It is taken forwards and backwards, so that it lags
 * behind neither way.
 */
function smooth(values) {
  const keep = 1 - 1 / Math.max(2, values.length / 80),
    result = values.slice();
  for (const back of [false, true]) {
    let sum = 0,
      weight = 0;
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
  const named = data =>
    Object.keys(data.curves)
      .filter(chart.has)
      .filter(name => data.curves[name].some(value => value !== null && !(chart.quiet && value === 0)));
  let names = named(curves);
  if (chart.id === 'loss' && names.length === 2) names = ['loss/total']; // one term is the total
  if (chart.id === 'time') names = names.filter(name => curves.curves[name].some(value => value > 0.5));
  const lines = names.map((name, i) => ({ name, label: labelOf(name), stroke: colourOf(name, i), values: curves.curves[name] }));
  const steps = stepsOf(curves);
  if (!other || !names.length) return smoothed(chart, [steps, ...lines.map(line => line.values)], lines);
  const also = names
    .filter(name => other.curves.curves[name])
    .map(name => {
      const mine = lines.find(line => line.name === name);
      return {
        ...mine,
        name: `${name} ${other.name}`,
        label: `${mine.label}, ${other.name}`,
        values: other.curves.curves[name],
        dash: [5, 4],
      };
    });
  const joined = uPlot.join([
    [steps, ...lines.map(line => line.values)],
    [stepsOf(other.curves), ...also.map(line => line.values)],
  ]);
  return smoothed(chart, joined, [...lines, ...also]);
}

/** Behind a running mean the values themselves are faint, where there are many; the means follow the values, in their order. */
const smoothed = (chart, data, lines) =>
  chart.exact || data[0].length < 150 ? { data, lines } : { data: [...data, ...data.slice(1).map(smooth)], lines, means: true };

/** The charts of validations and evaluations: losses together, accuracies together, and each other figure alone. */
function scoreCharts() {
  const groups = new Map();
  const add = (source, records, name, figure) => {
    const prefix = name.includes('/') ? `${name.replace(/\/[^/]*$/, '')}: ` : '',
      own = name.replace(/^.*\//, '');
    const kind = /loss$/i.test(own)
      ? 'losses'
      : /accuracy$/i.test(own) && own !== 'accuracy'
        ? 'accuracies'
        : /R\d+$/.test(own)
          ? own.replace(/R\d+$/, ' recall, %')
          : /Rank$/.test(own)
            ? 'ranks'
            : own;
    const id = `${source} ${prefix}${kind}`,
      title = `${source}: ${prefix}${kind}`;
    if (!groups.has(id))
      groups.set(id, {
        id,
        title,
        points: true,
        format: kind === 'accuracies' || own === 'accuracy' ? percent : undefined,
        records,
        names: [],
      });
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
    const lines = group.names.map((name, i) => ({
      name,
      label: label(name),
      stroke: colourOf(name, i),
      values: group.records.map(record => record.figures[name] ?? null),
    }));
    const mine = [group.records.map(record => record.step), ...lines.map(line => line.values)];
    const also =
      other && group.title.startsWith('Validation')
        ? other.validations.filter(record => group.names.some(name => name in record.figures))
        : [];
    if (!also.length) return { ...group, data: mine, lines };
    const theirs = lines.map(line => ({
      ...line,
      name: `${line.name} ${other.name}`,
      label: `${line.label}, ${other.name}`,
      dash: [5, 4],
      values: also.map(record => record.figures[line.name] ?? null),
    }));
    return {
      ...group,
      data: uPlot.join([mine, [also.map(record => record.step), ...theirs.map(line => line.values)]]),
      lines: [...lines, ...theirs],
    };
  });
}

function showCurves() {
  const wanted = [...charts.map(chart => ({ ...chart, ...linesOf(chart) })), ...scoreCharts()].filter(
    chart => chart.lines.length && chart.data[0].length,
  );
  for (const [id, chart] of drawn)
    if (!wanted.some(one => one.id === id)) {
      chart.plot.destroy();
      chart.card.remove();
      drawn.delete(id);
    }
  for (const chart of wanted) {
    const has = drawn.get(chart.id),
      key = JSON.stringify(chart.lines.map(line => line.name));
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
  const steps = chart.data[0],
    all = chart.points && curves.count ? [curves.first, curves.first + curves.count * curves.width] : [];
  const min = Math.min(steps[0], ...all),
    max = Math.max(steps.at(-1), ...all);
  return min < max ? { min, max } : { min: min - 1, max: max + 1 };
}

function draw(chart, key, before) {
  const card = h('figure', { class: `card chart${chart.wide ? ' wide' : ''}`, style: 'margin: 0' });
  const reset = h('button', { hidden: true, onclick: () => showAll(made) }, 'Show all');
  const plot = h('div', { class: 'plot', tabindex: 0, role: 'application', 'aria-label': `${chart.title}: arrow keys read its values` });
  const keys = h('ul', { class: 'keys' });
  card.append(h('div', { class: 'top' }, h('h3', {}, chart.title), reset), plot, keys);
  if (before) before.card.replaceWith(card);
  else $('curves').append(card);
  const shown = before?.zoomed ? { min: before.plot.scales.x.min, max: before.plot.scales.x.max } : span(chart);
  before?.plot.destroy();
  const made = {
    chart,
    key,
    means: chart.means,
    card,
    keys,
    reset,
    zoomed: false,
    at: null,
    read: null,
    hidden: before?.hidden ?? new Set(),
  };
  drawn.set(chart.id, made);
  made.plot = new uPlot(optionsOf(made, plot), chart.data, plot);
  made.plot.setScale('x', shown);
  plot.addEventListener('keydown', event => press(made, event));
  plot.addEventListener('mousemove', () => (made.read = null), true);
  say(made);
}

function optionsOf(made, plot) {
  const { chart } = made,
    ink = colour('--quiet'),
    line = colour('--line'),
    format = chart.format ?? number;
  const few = chart.points || chart.data[0].length < 3;
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '12px system-ui, sans-serif' };
  return {
    width: widthOf(made.card),
    height: chart.wide ? 260 : 200,
    ms: 1,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    scales: {
      x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
      y: { range: (_, min, max) => rangeOf(min, max, chart.least) },
    },
    cursor: {
      sync: chart.points ? undefined : { key: 'steps' },
      drag: { x: true, y: false, setScale: true },
      points: { size: 7 },
      y: false,
    },
    hooks: {
      setCursor: [
        plot => {
          made.at = made.read === null ? plot.cursor.idx : placeOf(made);
          say(made);
        },
      ],
      setScale: [
        (plot, scale) => {
          if (scale === 'x') mark(made, plot);
        },
      ],
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(tick => (Number.isInteger(tick) ? short(tick) : '')), size: 34, space: 56 },
      { ...axis, values: (_, ticks) => ticks.map(tick => format(tick)), size: 58, space: 34 },
    ],
    series: [
      {},
      ...(chart.means ? [true, false] : [false]).flatMap(faint =>
        chart.lines.map(one => ({
          label: one.label,
          stroke: colour(one.stroke, faint ? 0.25 : 1),
          width: faint ? 1 : 1.8,
          dash: faint ? undefined : one.dash,
          spanGaps: !!other || !!chart.points,
          show: !made.hidden.has(one.label),
          points: few ? { show: true, size: 8, fill: colour(one.stroke) } : { show: false },
        })),
      ),
    ],
  };
}

const short = step =>
  Math.abs(step) >= 1e6 ? `${+(step / 1e6).toFixed(2)} M` : Math.abs(step) >= 1e4 ? `${+(step / 1e3).toFixed(1)} k` : plain.format(step);
const widthOf = card => Math.max(200, card.clientWidth - 30);

function rangeOf(min, max, least) {
  if (min === null || max === null) return [0, 1];
  if (least !== undefined) min = Math.min(least, min);
  const room = (max - min) * 0.06 || Math.abs(max) * 0.1 || 1;
  return [least !== undefined && min >= least ? min : min - room, max + room];
}

function mark(made, plot) {
  const { min, max } = plot.scales.x,
    all = span(made.chart);
  made.zoomed = min > all.min + 1e-9 || max < all.max - 1e-9;
  made.reset.hidden = !made.zoomed;
}

function showAll(made) {
  made.zoomed = false;
  made.reset.hidden = true;
  made.plot.setScale('x', span(made.chart));
}

/** The place of the step that a keyboard reads: many steps may share a pixel, and more come meanwhile. */
const placeOf = made =>
  Math.max(
    0,
    made.chart.data[0].findLastIndex(step => step <= made.read),
  );

/** What the curves are, and their values where the pointer is, or at the end. */
function say(made) {
  const { chart, keys, at } = made,
    steps = chart.data[0],
    format = chart.format ?? number;
  const last = values => {
    for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null && values[i] !== undefined) return values[i];
    return null;
  };
  const entries = chart.lines.map((line, i) => {
    const value = at === null || at === undefined ? last(chart.data[i + 1]) : chart.data[i + 1][at];
    return { line, value: format(value) };
  });
  const where =
    at === null || at === undefined ? `step ${plain.format(Math.floor(steps.at(-1)))}` : `step ${plain.format(Math.floor(steps[at]))}`;
  if (keys.children.length !== entries.length + 1)
    keys.replaceChildren(
      h('li', { class: 'at' }),
      ...entries.map(({ line }) =>
        h(
          'li',
          {},
          h(
            'button',
            { 'aria-pressed': String(!made.hidden.has(line.label)), onclick: event => toggle(made, line.label, event.currentTarget) },
            h('span', { class: 'swatch', style: `background: var(${line.stroke})${line.dash ? '; opacity: .55' : ''}` }),
            h('span', {}),
          ),
        ),
      ),
    );
  keys.setAttribute('aria-live', made.read === null ? 'off' : 'polite');
  keys.children[0].textContent = where;
  entries.forEach(({ line, value }, i) => (keys.children[i + 1].querySelector('span:last-child').textContent = `${line.label} ${value}`));
}

function toggle(made, label, button) {
  const place = made.chart.lines.findIndex(line => line.label === label) + 1,
    hide = !made.hidden.has(label);
  if (hide) made.hidden.add(label);
  else made.hidden.delete(label);
  button.setAttribute('aria-pressed', String(!hide));
  made.plot.setSeries(place, { show: !hide });
  if (made.chart.means) made.plot.setSeries(place + made.chart.lines.length, { show: !hide });
}

function press(made, event) {
  const { plot } = made,
    steps = made.chart.data[0],
    { min, max } = plot.scales.x;
  const move = (from, to) => plot.setScale('x', { min: Math.max(span(made.chart).min, from), max: Math.min(span(made.chart).max, to) });
  const read = place => {
    made.read = steps[Math.max(0, Math.min(steps.length - 1, place))];
    plot.setCursor({ left: plot.valToPos(made.read, 'x'), top: 10 });
    made.at = placeOf(made);
    say(made);
  };
  const stride = event.shiftKey ? 10 : 1,
    here = made.at ?? steps.length - 1;
  switch (event.key) {
    case 'ArrowRight':
      read(here + stride);
      break;
    case 'ArrowLeft':
      read(here - stride);
      break;
    case 'Home':
      read(0);
      break;
    case 'End':
      read(steps.length - 1);
      break;
    case '+':
    case '=': {
      const centre = steps[here],
        half = (max - min) / 4;
      move(centre - half, centre + half);
      break;
    }
    case '-': {
      const half = max - min,
        centre = (max + min) / 2;
      move(centre - half, centre + half);
      break;
    }
    case 'Escape':
      made.read = null;
      showAll(made);
      plot.setCursor({ left: -10, top: -10 });
      break;
    default:
      return;
  }
  event.preventDefault();
}

function redrawAll() {
  for (const made of [...drawn.values()]) draw(made.chart, made.key, made);
}
