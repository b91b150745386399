// What the pages do without asking the server: light or dark, keys, tooltips, pictures saved as files.
(() => {
  'use strict';
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem('theme'); } catch { return null; } };
  const theme = name => { root.dataset.theme = name; };
  const restore = () => theme(kept() ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'));
  restore();
  const toggle = () => {
    const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('theme', next); } catch { /* private windows forget it */ }
    theme(next);
  };

  // Keys: letters alone, never while something is being written.
  const go = { r: '', s: 'sae', f: 'features', p: 'prompt', c: 'compare', e: 'steer', l: 'rlhf', b: 'labels' };
  const names = { r: 'runs', s: 'SAE', f: 'features', p: 'prompt', c: 'compare', e: 'steer', l: 'RLHF', b: 'labels' };
  let afterG = false;
  const help = () => {
    if (document.querySelector('dialog.keys')) return;
    const box = document.createElement('dialog');
    box.className = 'keys';
    const rows = [['/', 'search'], ['j k', 'next, previous in a list'], ['n p', 'next, previous feature'], ['t', 'light or dark'], ['?', 'these keys'],
      ...Object.keys(go).map(k => ['g ' + k, names[k]])];
    const list = document.createElement('dl');
    for (const [key, what] of rows) {
      const dt = document.createElement('dt'), dd = document.createElement('dd'), kbd = document.createElement('kbd');
      kbd.textContent = key; dd.textContent = what; dt.append(kbd); list.append(dt, dd);
    }
    box.append(list);
    box.addEventListener('close', () => box.remove());
    box.addEventListener('click', () => box.close());
    document.body.append(box);
    box.showModal();
  };
  const follow = selector => { const link = document.querySelector(selector); if (link) link.click(); };
  const move = by => {
    const rows = [...document.querySelectorAll('[data-rows] a[data-row]')];
    if (rows.length === 0) return;
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + by))].focus();
  };
  addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]')) return;
    if (afterG && e.key in go) { afterG = false; location.href = new URL(go[e.key], document.baseURI); e.preventDefault(); return; }
    afterG = e.key === 'g';
    if (e.key === 't') toggle();
    else if (e.key === '?') help();
    else if (e.key === '/') { const search = document.querySelector('[data-search]'); if (search) { search.focus(); e.preventDefault(); } }
    else if (e.key === 'j') move(1);
    else if (e.key === 'k') move(-1);
    else if (e.key === 'n') follow('a[rel=next]');
    else if (e.key === 'p') follow('a[rel=prev]');
  });

  // Tooltips: one listener for every token of every page.
  let tip = null;
  const hide = () => { if (tip) { tip.remove(); tip = null; } };
  const show = at => {
    hide();
    tip = document.createElement('div');
    tip.className = 'tip';
    tip.setAttribute('role', 'tooltip');
    tip.textContent = at.dataset.tip;
    document.body.append(tip);
    const box = at.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(box.left + scrollX, scrollX + innerWidth - tip.offsetWidth - 8)) + 'px';
    tip.style.top = (box.top + scrollY - tip.offsetHeight - 6 < scrollY ? box.bottom + scrollY + 6 : box.top + scrollY - tip.offsetHeight - 6) + 'px';
  };
  addEventListener('pointerover', e => { const at = e.target.closest?.('[data-tip]'); if (at) show(at); else hide(); });
  addEventListener('focusin', e => { const at = e.target.closest?.('[data-tip]'); if (at) show(at); });
  addEventListener('scroll', hide, { passive: true, capture: true });

  // Pictures: the drawing with its colours written out, as SVG or on a canvas as PNG.
  const paint = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'font-family', 'font-size', 'font-weight'];
  const alone = svg => {
    const copy = svg.cloneNode(true);
    const from = [svg, ...svg.querySelectorAll('*')], to = [copy, ...copy.querySelectorAll('*')];
    from.forEach((node, i) => { const style = getComputedStyle(node); for (const name of paint) to[i].setAttribute(name, style.getPropertyValue(name)); to[i].removeAttribute('class'); });
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    const [, , w, h] = svg.getAttribute('viewBox').split(' ');
    copy.setAttribute('width', w); copy.setAttribute('height', h);
    return { text: new XMLSerializer().serializeToString(copy), w: +w, h: +h };
  };
  const save = (blob, name) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob); link.download = name; link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  addEventListener('click', e => {
    if (e.target.closest('[data-theme-switch]')) { toggle(); return; }
    const copy = e.target.closest('[data-copy]');
    if (copy) { navigator.clipboard?.writeText(copy.dataset.copy === 'address' ? location.href : copy.dataset.copy); copy.dataset.copied = 'yes'; return; }
    const from = e.target.closest('[data-copy-from]');
    if (from) { fetch(from.dataset.copyFrom).then(answer => answer.text()).then(text => { navigator.clipboard?.writeText(text); from.dataset.copied = 'yes'; }); return; }
    const token = e.target.closest('[data-token]'), pick = token?.closest('[data-live]')?.querySelector('[data-pick]');
    if (pick && !pick.disabled) { pick.value = token.dataset.token; pick.dispatchEvent(new Event('change', { bubbles: true })); return; }
    const button = e.target.closest('[data-save]');
    if (!button) return;
    const figure = button.closest('figure'), { text, w, h } = alone(figure.querySelector('svg')), name = figure.dataset.name || 'plot';
    if (button.dataset.save === 'svg') { save(new Blob([text], { type: 'image/svg+xml' }), name + '.svg'); return; }
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement('canvas');
      canvas.width = 2 * w; canvas.height = 2 * h;
      const on = canvas.getContext('2d');
      on.fillStyle = getComputedStyle(root).getPropertyValue('--paper');
      on.fillRect(0, 0, 2 * w, 2 * h);
      on.drawImage(image, 0, 0, 2 * w, 2 * h);
      canvas.toBlob(blob => save(blob, name + '.png'));
    };
    image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(text);
  });

  // A page that came in place of another keeps the theme; its address is set by the page itself.
  addEventListener('DOMContentLoaded', () => window.Blazor?.addEventListener?.('enhancedload', restore));
  window.explorer = { address: url => history.replaceState(history.state, '', url) };
})();
