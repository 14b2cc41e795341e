'use strict';

// How clips flow from the corpus to the checkpoints, as a picture, and the nodes as a table.

const limits = {
  UnreadableStorm: 'corpus',
  SlowDisk: 'corpus',
  WindowTooSmall: 'coordinator',
  TooFewDecoders: 'decoders',
  SlowDecodeNode: 'decoders',
  SlowNetwork: 'decoders',
  OverCommitted: 'decoders',
  SlowRank: 'trainers',
  Healthy: 'trainers',
  SlowCheckpoints: 'results',
};

const several = (count, what) => `${plain.format(count)} ${what}${count === 1 ? '' : 's'}`;
const isGone = node => ['lost', 'left'].includes(node.state);
const nameOf = node => (node.node === 'here' ? 'this process' : node.node);

function showFlow() {
  const { status } = view,
    settings = config(),
    nodes = status.nodes ?? [];
  // Two nodes of a role have rates of their own; a trainer that is alone is the process itself.
  let trainers = nodes.filter(node => node.role === 'trainer');
  if (!trainers.some(node => !isGone(node)) && !trainers.length)
    trainers = [
      { node: 'here', role: 'trainer', clipsPerSecond: status.clipsPerSecond, busy: status.step ? 1 - status.waitShare : 0, state: 'up' },
    ];
  const decoders = nodes.filter(node => node.role === 'decoder'),
    evaluators = nodes.filter(node => node.role === 'evaluator');
  const made = decoders.reduce((sum, node) => sum + node.clipsPerSecond, 0),
    count = decoders.reduce((sum, node) => sum + node.decoders, 0);
  const working = list => list.filter(node => !isGone(node)).length;
  const corpora = settings?.data.corpora ?? [];
  const boxes = [
    {
      id: 'corpus',
      title: corpora.length > 1 ? `${corpora.length} corpora` : 'corpus',
      lines: corpora.slice(0, 4).map(corpus => corpus.name),
    },
    { id: 'coordinator', title: 'coordinator', lines: ['gives out clips', `batches of ${settings?.training.batchSize ?? '?'}`] },
    {
      id: 'decoders',
      title: count ? `${count} decoder${count > 1 ? 's' : ''}` : 'decoders',
      nodes: decoders,
      lines: decoders.length ? [] : ['none yet'],
    },
    {
      id: 'trainers',
      title: working(trainers) > 1 ? `${working(trainers)} trainers` : 'trainer',
      nodes: trainers,
      lines: [`${rate(status.clipsPerSecond)} clips/s in all`],
    },
    {
      id: 'results',
      title: 'checkpoints',
      lines: [
        view.checkpoints.length ? `last: step ${plain.format(view.checkpoints.at(-1))}` : 'none yet',
        view.validations.length ? several(view.validations.length, 'validation') : null,
        working(evaluators) ? several(working(evaluators), 'evaluator') : null,
        view.evaluations.length ? several(view.evaluations.length, 'evaluation') : null,
      ].filter(Boolean),
    },
  ];
  const edges = [
    { text: ['rows'] },
    { text: [`${plain.format(status.clipsInHand ?? 0)} clips`, 'in hand'] },
    {
      text: [rate(working(trainers) > 1 ? status.clipsPerSecond : made), 'clips/s'],
      queue: [status.queueDepth, status.queueRoom || Math.max(1, status.queueDepth)],
    },
    { text: [`${status.step ? plain.format(status.step) : 0}`, 'steps'] },
  ];
  const tall = $('flow').clientWidth < 760;
  $('flow').replaceChildren(tall ? drawTall(boxes, edges) : drawWide(boxes, edges));
}

const rowHeight = 34,
  lineHeight = 18,
  most = 6;

function heightOf(box) {
  const shown = Math.min(box.nodes?.length ?? 0, most);
  return 34 + box.lines.length * lineHeight + shown * rowHeight + ((box.nodes?.length ?? 0) > most ? lineHeight : 0) + 10;
}

function drawBox(box, x, y, width, height) {
  const limit = limits[view.status.verdict.kind] === box.id,
    healthy = view.status.verdict.kind === 'Healthy';
  const group = s(
    'g',
    { transform: `translate(${x} ${y})` },
    s('rect', { class: `box${limit ? ` limit${healthy ? ' healthy' : ''}` : ''}`, width, height, rx: 9 }),
    text(box.title, 12, 23, 'title'),
  );
  let line = 23 + lineHeight;
  for (const words of box.lines) {
    group.append(text(fit(words, width - 24), 12, line, 'quiet'));
    line += lineHeight;
  }
  for (const node of (box.nodes ?? []).slice(0, most)) {
    const gone = isGone(node),
      room = width - 24;
    group.append(text(fit(nameOf(node), room), 12, line, gone ? 'gone' : ''));
    if (gone || node.state === 'unreachable')
      group.append(text(`${node.state}${node.since ? ` ${clock(node.since)}` : ''}`, 12, line + 15, 'gone'));
    else
      group.append(
        s('rect', { class: 'track', x: 12, y: line + 8, width: room * 0.42, height: 6, rx: 3 }),
        s('rect', { class: 'busy', x: 12, y: line + 8, width: room * 0.42 * Math.max(0, Math.min(1, node.busy)), height: 6, rx: 3 }),
        text(`${rate(node.clipsPerSecond)} clips/s`, 12 + room * 0.42 + 8, line + 15, 'quiet'),
      );
    line += rowHeight;
  }
  if ((box.nodes?.length ?? 0) > most) group.append(text(`and ${box.nodes.length - most} more, below`, 12, line, 'quiet'));
  if (limit)
    group.append(
      text(
        healthy ? 'the limit, as it should be' : 'the limit',
        width / 2,
        height + 16,
        `limit-text${healthy ? ' healthy' : ''}`,
        'middle',
      ),
    );
  return group;
}

function text(words, x, y, kind = '', anchor = 'start') {
  return s('text', { x, y, class: kind, 'text-anchor': anchor }, words);
}

/** Words that are cut to a width of pixels, about. */
const fit = (words, width) => (words.length * 7 <= width ? words : `${words.slice(0, Math.max(3, Math.floor(width / 7) - 1))}…`);

function queueCells(edge, x, y) {
  if (!edge.queue) return [];
  const [full, room] = edge.queue,
    shown = Math.min(room, 8),
    size = 9;
  return Array.from({ length: shown }, (_, i) =>
    s('rect', { class: `cell${i < full ? ' full' : ''}`, x: x + i * (size + 3), y, width: size, height: size, rx: 2 }),
  );
}

const widthOfQueue = edge => Math.min(edge.queue?.[1] ?? 0, 8) * 12 - 3;

function picture(width, height, parts) {
  const said =
    `From corpus to checkpoints: ${view.status.clipsInHand ?? 0} clips in hand, ` +
    `${view.status.queueDepth} finished batches wait for the trainer, ` +
    `which trains on ${rate(view.status.clipsPerSecond)} clips per second. ${view.status.verdict.sentence}`;
  return s('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': said }, ...parts.flat());
}

function arrow(x1, y1, x2, y2) {
  const across = x1 !== x2;
  return [
    s('line', { class: 'edge', x1, y1, x2: across ? x2 - 7 : x2, y2: across ? y2 : y2 - 7 }),
    s('polygon', {
      class: 'tip',
      points: across ? `${x2 - 8},${y2 - 5} ${x2},${y2} ${x2 - 8},${y2 + 5}` : `${x2 - 5},${y2 - 8} ${x2},${y2} ${x2 + 5},${y2 - 8}`,
    }),
  ];
}

function drawWide(boxes, edges) {
  const width = $('flow').clientWidth - 34,
    gap = Math.max(84, width * 0.085),
    own = width - 4 * gap;
  const shares = [0.16, 0.2, 0.24, 0.24, 0.16],
    heights = boxes.map(heightOf),
    height = Math.max(...heights),
    middle = 4 + height / 2,
    parts = [];
  let x = 2;
  boxes.forEach((box, i) => {
    const wide = own * shares[i] - 1;
    parts.push(drawBox(box, x, middle - heights[i] / 2, wide, heights[i]));
    x += wide;
    if (i === boxes.length - 1) return;
    const edge = edges[i],
      centre = x + gap / 2;
    parts.push(arrow(x + 6, middle, x + gap - 5, middle));
    parts.push(text(edge.text[0], centre, middle - (edge.text.length > 1 ? 24 : 9), 'number', 'middle'));
    if (edge.text[1]) parts.push(text(edge.text[1], centre, middle - 9, 'quiet', 'middle'));
    if (edge.queue)
      parts.push(
        queueCells(edge, centre - widthOfQueue(edge) / 2, middle + 10),
        text(`${edge.queue[0]} of ${edge.queue[1]}`, centre, middle + 36, 'quiet', 'middle'),
        text('batches', centre, middle + 51, 'quiet', 'middle'),
      );
    x += gap;
  });
  return picture(width, Math.max(height + 8 + (limits[view.status.verdict.kind] ? 20 : 0), middle + 58), parts);
}

function drawTall(boxes, edges) {
  const width = Math.max(260, $('flow').clientWidth - 26),
    parts = [];
  let y = 2;
  boxes.forEach((box, i) => {
    const height = heightOf(box),
      limit = limits[view.status.verdict.kind] === box.id;
    parts.push(drawBox(box, 1, y, width - 2, height));
    y += height + (limit ? 20 : 0);
    if (i === boxes.length - 1) return;
    const edge = edges[i];
    parts.push(arrow(30, y + 4, 30, y + 38), text(edge.text.join(' '), 46, y + 26, 'number'));
    if (edge.queue) {
      const from = 46 + edge.text.join(' ').length * 7 + 14;
      parts.push(
        queueCells(edge, from, y + 17),
        text(`${edge.queue[0]} of ${edge.queue[1]} batches`, from + widthOfQueue(edge) + 8, y + 26, 'quiet'),
      );
    }
    y += 42;
  });
  return picture(width, y + 4, parts);
}

function showNodes() {
  const nodes = view.status.nodes ?? [];
  $('nodes').hidden = nodes.every(node => node.node === 'here'); // the flow says it all
  $('nodes-note').hidden = nodes.filter(node => node.role === 'trainer' && !isGone(node)).length < 2;
  const head = h(
    'thead',
    {},
    h(
      'tr',
      {},
      ...['node', 'role', 'state'].map(name => h('th', { scope: 'col' }, name)),
      ...['decoders', 'clips/s'].map(name => h('th', { scope: 'col', class: 'number' }, name)),
      h('th', { scope: 'col' }, 'busy'),
    ),
  );
  const order = ['coordinator', 'trainer', 'decoder', 'evaluator'];
  const rows = [...nodes]
    .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role) || a.node.localeCompare(b.node, 'en', { numeric: true }))
    .map(node => {
      const bad = ['lost', 'unreachable', 'down'].includes(node.state),
        works = !isGone(node) && (node.busy > 0 || node.decoders > 0);
      const since = node.since && node.state !== 'up' ? ` since ${clock(node.since)}` : '';
      return h(
        'tr',
        {},
        h('th', { scope: 'row' }, nameOf(node)),
        h('td', {}, node.role),
        h('td', {}, h('span', { class: `tag ${bad ? 'bad' : node.state === 'up' ? 'good' : ''}` }, node.state + since)),
        h('td', { class: 'number' }, node.decoders || '–'),
        h('td', { class: 'number' }, works ? rate(node.clipsPerSecond) : '–'),
        h('td', {}, works ? [meter(node.busy), percent(Math.min(1, node.busy))] : '–'),
      );
    });
  $('nodes-table').replaceChildren(h('caption', { class: 'hidden' }, 'Nodes of the run'), head, h('tbody', {}, ...rows));
}

const meter = share =>
  h('span', { class: 'meter', 'aria-hidden': 'true' }, h('i', { style: `width: ${100 * Math.max(0, Math.min(1, share))}%` }));
