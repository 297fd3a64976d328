
'use strict';
// What the page can do: find, sort, and open the evidence that a link names.

// Sorting: each head becomes a button. Figures begin with the smallest, text with A.
document.querySelectorAll('table.sortable').forEach(table => {
  const body = table.tBodies[0];
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    const number = head.dataset.kind === 'number';
    const value = row => {
      const cell = row.cells[Math.min(column, row.cells.length - 1)];
      return number ? Number(cell.dataset.value) : cell.textContent.trim();
    };
    const compare = number ? (a, b) => a - b : (a, b) => a.localeCompare(b);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      table.querySelectorAll('[aria-sort]').forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = Array.from(body.rows, row => ({ row, value: value(row) }));
      rows.sort((a, b) => down ? compare(b.value, a.value) : compare(a.value, b.value));
      body.append(...rows.map(item => item.row));
    });
  });
});

// Finding: rows and evidence without all of the words are hidden, and tests of another stage.
const find = document.getElementById('find');
const found = document.getElementById('found');
const stage = document.getElementById('stage');
const items = Array.from(document.querySelectorAll('[data-find]'),
  item => ({ item, text: item.dataset.find.toLowerCase() }));
const filter = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = stage ? stage.value : '';
  let students = 0;
  for (const { item, text } of items) {
    item.hidden = !words.every(word => text.includes(word))
      || (chosen !== '' && 'stage' in item.dataset && item.dataset.stage !== chosen);
    if (!item.hidden && item.matches('.students tr')) students++;
  }
  found.textContent = words.length ? students + (students === 1 ? ' student' : ' students') : '';
};
find.addEventListener('input', filter);

// The stage: the cells of labs show its points, as "12/20".
const shade = (points, maximum) => maximum <= 0 ? 'none' : points >= maximum ? 'all'
  : 's' + Math.max(0, Math.floor(points * 4 / maximum));
if (stage) {
  const show = () => {
    for (const cell of document.querySelectorAll('td[data-all]')) {
      const text = cell.dataset[stage.value || 'all'] || '';
      const [points, maximum] = text ? text.split('/').map(Number) : [-1, 0];
      cell.className = shade(points, maximum);
      cell.dataset.value = points;
      cell.querySelector('.value').textContent = stage.value ? text || '–' : points;
      const of = cell.querySelector('.of');
      if (of) of.hidden = stage.value !== '';
    }
    filter();
  };
  stage.addEventListener('change', show);
  if (stage.value) show(); // a browser keeps the choice when the page is loaded again
}
document.querySelector('.tools').hidden = false;

// Evidence: opens the part that a link names, for browsers that do not.
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.closest('details');
  if (details && !details.open) {
    details.open = true;
    target.scrollIntoView();
  }
};
addEventListener('hashchange', open);
open();
