'use strict';

// Head, tables and pictures of the page, and what keeps it up to date.

const tones = { Healthy: 'good', TooEarly: '', UnreadableStorm: 'bad' };

function showHead() {
  const { run, status } = view,
    settings = config();
  $('name').textContent = run.name;
  document.title = `${run.name}: ${status.totalSteps ? Math.floor((100 * status.step) / status.totalSteps) : 0} % – alpro`;
  $('task').hidden = !settings;
  if (settings) $('task').textContent = settings.task;
  const origin = status.origin;
  $('origin').textContent = [
    origin && `${origin.host}, ${origin.device}`,
    origin && `alpro ${origin.version}`,
    origin && `begun ${day(origin.began)}`,
    run.written && `report of ${day(run.written)}`,
  ]
    .filter(Boolean)
    .join(' · ');

  const verdict = status.verdict,
    box = $('verdict'),
    ill = view.health && !view.health.isTrue;
  box.className = `card ${ill ? 'bad' : (tones[verdict.kind] ?? 'warn')}`;
  const sentence = ill ? `This process does not train as it should: ${view.health.words}.` : verdict.sentence;
  const remedy = ill ? '' : verdict.remedy;
  if (box.textContent !== sentence + remedy)
    // it is read out when it changes
    box.replaceChildren(h('p', {}, h('strong', {}, sentence)), remedy ? h('p', { class: 'remedy' }, remedy) : '');

  const done = status.totalSteps > 0 ? status.step / status.totalSteps : 0;
  const figures = [
    [
      'step',
      [
        plain.format(status.step),
        h('small', {}, ` of ${plain.format(status.totalSteps)}`),
        h('progress', { max: 1, value: done, 'aria-label': 'steps done' }),
      ],
    ],
    isReport() ? null : ['time left', status.step ? duration(status.secondsLeft) : '–'],
    ['clips per second', rate(status.clipsPerSecond)],
    ['waiting for clips', percent(status.waitShare)],
    ['loss', status.step ? (status.loss ?? NaN).toFixed(3) : '–'],
    view.account ? ['goodput', percent(view.account.goodput)] : null,
    [
      'checkpoints kept',
      view.checkpoints.length
        ? [String(view.checkpoints.length), h('small', {}, `, last ${plain.format(view.checkpoints.at(-1))}`)]
        : '0',
    ],
  ].filter(Boolean);
  $('figures').replaceChildren(...figures.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

function showFoot() {
  const began = view.status.origin?.began;
  $('foot').replaceChildren(
    h('span', {}, `alpro ${view.status.origin?.version ?? ''}`),
    began ? h('span', {}, `begun ${day(began)}`) : '',
    ...(isReport()
      ? []
      : [h('a', { href: 'metrics' }, 'metrics'), h('a', { href: 'healthz' }, 'health'), h('a', { href: 'api/status' }, 'status')]),
  );
}

// ---- what others found, what happened, where the time went

function showEvaluations() {
  const records = [...view.evaluations].sort((a, b) => b.step - a.step);
  $('evaluations').hidden = !records.length;
  const names = [...new Set(records.flatMap(record => Object.keys(record.figures)))];
  $('evaluations-table').replaceChildren(
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'step'),
        h('th', { scope: 'col' }, 'corpus'),
        h('th', { scope: 'col' }, 'split'),
        ...names.map(name => h('th', { scope: 'col', class: 'number' }, name)),
      ),
    ),
    h(
      'tbody',
      {},
      ...records.map(record =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, plain.format(record.step)),
          h('td', {}, record.corpus),
          h('td', {}, record.split),
          ...names.map(name => h('td', { class: 'number' }, number(record.figures[name]))),
        ),
      ),
    ),
  );
}

function showEvents() {
  const all = view.events,
    shown = all.filter(one => !warningsOnly || ['warning', 'error'].includes(one.level));
  $('events').hidden = !all.length;
  const words = { error: 'bad', warning: 'warn' },
    today = new Date().toDateString();
  $('events-list').replaceChildren(
    ...[...shown]
      .reverse()
      .map(one =>
        h(
          'li',
          {},
          h(
            'time',
            { datetime: one.time, title: day(one.time) },
            new Date(one.time).toDateString() === today || !isReport() ? clock(one.time) : clock(one.time),
          ),
          h('span', {}, h('span', { class: `tag ${words[one.level] ?? (one.name === 'TrainingRecovered' ? 'good' : '')}` }, kindOf(one))),
          h('p', {}, one.text, one.node ? h('span', { class: 'quiet small' }, ` (${one.node})`) : ''),
        ),
      ),
  );
  if (!shown.length) $('events-list').append(h('li', {}, h('p', {}, 'No warning so far.')));
}

const kinds = {
  CheckpointWritten: 'checkpoint',
  CheckpointNotWritten: 'checkpoint',
  CheckpointOutdated: 'checkpoint',
  TrainingRecovered: 'recovered',
  TrainerRestarted: 'restart',
  GroupLost: 'group lost',
  GroupFormed: 'group',
  GroupNotFormed: 'group',
  DecodeNodeJoined: 'node joined',
  DecodeNodeLost: 'node lost',
  NodesTakenOut: 'node lost',
  DecodeNodeRefused: 'refused',
  ClipUnreadable: 'unreadable',
  ValidationEnded: 'validation',
  Ready: 'ready',
  RecordsNotWritten: 'disk',
  RecordsWritten: 'disk',
};
const kindOf = one => kinds[one.name] ?? one.level;

function showAccount() {
  const account = view.account;
  $('account').hidden = !account || !account.seconds;
  if (!account || !account.seconds) return;
  const parts = [...account.parts].sort((a, b) => b.seconds - a.seconds).filter(part => part.seconds > 0);
  const tints = {
    Training: '--c1',
    Waiting: '--c2',
    Validation: '--c0',
    Checkpoint: '--c6',
    StartUp: '--c7',
    Restart: '--c4',
    RankLost: '--bad',
    GroupGrown: '--c3',
    Paused: '--c5',
    DoneAgain: '--warn',
    Stopped: '--line',
  };
  const again = account.stepsDoneAgain ? ` ${plain.format(account.stepsDoneAgain)} steps were done again.` : '';
  $('account-card').replaceChildren(
    h(
      'p',
      {},
      h('strong', {}, `${percent(account.goodput)} of ${duration(account.seconds)}`),
      ` on the wall went to training steps that counted: that is the goodput.${again}`,
    ),
    h(
      'div',
      { class: 'bar', 'aria-hidden': 'true' },
      ...parts.map(part =>
        h('span', {
          style: `width: ${(100 * part.seconds) / account.seconds}%; background: var(${tints[part.cause]})`,
          title: `${part.name}: ${percent(part.seconds / account.seconds)}`,
        }),
      ),
    ),
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'cause'),
          h('th', { scope: 'col', class: 'number' }, 'time'),
          h('th', { scope: 'col', class: 'number' }, 'share'),
          h('th', { scope: 'col' }, 'what counts to it'),
        ),
      ),
      h(
        'tbody',
        {},
        ...parts.map(part =>
          h(
            'tr',
            {},
            h(
              'th',
              { scope: 'row' },
              h('span', { class: 'swatch square', style: `background: var(${tints[part.cause]}); margin-right: 8px` }),
              part.name,
            ),
            h('td', { class: 'number' }, duration(part.seconds)),
            h('td', { class: 'number' }, percent(part.seconds / account.seconds)),
            h('td', { class: 'quiet' }, part.meaning),
          ),
        ),
      ),
    ),
  );
}

// ---- pictures, clips, configuration

function showBatch() {
  const batch = view.batch;
  $('batch').hidden = !batch;
  if (!batch) return;
  $('batch-note').textContent =
    `Some clips of step ${plain.format(batch.step)}, of ${batch.corpus}, at ${clock(batch.time)}. ` +
    'Marked words are those that the model has to guess.';
  $('batch-clips').replaceChildren(
    ...batch.clips.map(clip => {
      const words = clip.caption.map(piece => piece.text).join(' ');
      const caption = clip.caption.flatMap((piece, i) => [
        i && !piece.joined ? ' ' : '',
        piece.shown === undefined || piece.shown === null ? piece.text : h('mark', { title: `shown as ${piece.shown}` }, piece.text),
      ]);
      return h(
        'figure',
        { class: 'card clip' },
        h('img', {
          src: `data:image/jpeg;base64,${clip.picture}`,
          alt: `${clip.frames} frames of a clip: ${words}`,
          width: clip.frames * Math.min(clip.side, 224),
          height: Math.min(clip.side, 224),
        }),
        h(
          'figcaption',
          {},
          h('p', {}, ...caption, clip.answer ? h('strong', {}, ` ${clip.answer}`) : ''),
          h(
            'p',
            { class: 'key' },
            clip.key,
            clip.region
              ? h('span', {}, ' · ', h('span', { class: 'region' }), `region of ${clip.region.width} × ${clip.region.height} pixels`)
              : '',
          ),
        ),
      );
    }),
  );
}

const meanings = {
  planned: 'places of the steps done, clips that stood in for others, and the tail',
  delivered: 'clips that were trained on',
  rejected: 'clips that could not be made, for which others stood in',
  tail: 'rows at the end of an epoch that do not fill a batch',
  'in hand': 'clips that were on their way when the run stopped',
  'given out again': 'clips whose decoder died or did not answer',
  'arrived twice': 'clips that two decoders made, of which one was dropped',
};

function showClips() {
  $('clips').hidden = !view.clips.length;
  $('clips-table').replaceChildren(
    h('caption', { class: 'hidden' }, 'Accounts of the clips'),
    h(
      'tbody',
      {},
      ...view.clips.map(entry =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, entry.key),
          h('td', { class: 'number' }, /^\d+$/.test(entry.value) ? plain.format(entry.value) : entry.value),
          h('td', { class: 'quiet' }, meanings[entry.key] ?? ''),
        ),
      ),
    ),
  );
}

function showConfig() {
  $('config').hidden = !view.run.config;
  $('config-text').textContent = view.run.config ?? '';
}

function showOthers() {
  const select = $('other'),
    names = view.run.others;
  $('compare').hidden = !names.length;
  if (select.options.length - 1 === names.length) return;
  select.replaceChildren(h('option', { value: '' }, 'no other run'), ...names.map(name => h('option', { value: name }, name)));
  if (other) select.value = other.name;
}

// ---- putting it together

const shows = {
  run: [showHead, showConfig, showOthers, showFoot],
  status: [showHead, showFlow, showNodes, showFoot],
  health: [showHead],
  account: [showAccount, showHead],
  validations: [showCurves, showFlow],
  evaluations: [showEvaluations, showCurves, showFlow],
  events: [showEvents],
  checkpoints: [showHead, showFlow],
  clips: [showClips],
  batch: [showBatch],
};

function apply(message) {
  Object.assign(view, message.view);
  if (message.curves) merge(message.curves);
  const due = new Set(Object.keys(message.view).flatMap(part => shows[part] ?? []));
  if (message.curves) due.add(showCurves);
  for (const show of due) show();
}

function link(words, tone) {
  if ($('link').textContent !== words) $('link').textContent = words;
  $('link').className = `tag ${tone}`;
}

function watch() {
  const events = new EventSource('api/events');
  events.onmessage = event => {
    const message = JSON.parse(event.data);
    apply(message);
    link('live', 'good');
  };
  events.onerror = () =>
    link(
      view.status?.totalSteps && view.status.step >= view.status.totalSteps
        ? 'the run has ended: its report.html stays'
        : `not reached since ${clock(Date.now())}, trying again`,
      view.status?.step >= view.status?.totalSteps ? '' : 'warn',
    );
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
