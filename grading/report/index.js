
'use strict';
// What the page can do beyond being read: find, sort, and open the evidence that was asked for.

// Sorting: each head becomes a button; figures start with the least, text with A.
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

// Finding: what does not have every word is not shown, in the tables as in the evidence.
const find = document.getElementById('find');
const found = document.getElementById('found');
const items = Array.from(document.querySelectorAll('[data-find]'),
  item => ({ item, text: item.dataset.find.toLowerCase() }));
find.addEventListener('input', () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let students = 0;
  for (const { item, text } of items) {
    item.hidden = !words.every(word => text.includes(word));
    if (!item.hidden && item.matches('.students tr')) students++;
  }
  found.textContent = words.length ? students + (students === 1 ? ' student' : ' students') : '';
});
document.querySelector('.tools').hidden = false;

// Evidence: a browser that does not open what a link leads into gets it opened.
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
