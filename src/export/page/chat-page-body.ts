/** The frame of the page. Texts with data-text are filled in by client/texts.ts. */
export const chatPageBody = `<header>
  <div><h1 id="title">…</h1><p class="soft" data-text="lead"></p></div>
  <button type="button" id="anew" data-text="anew"></button>
</header>
<main>
  <section id="picker" class="card" hidden>
    <p data-text="chooseWhy"></p>
    <label class="button"><span data-text="choose"></span><input type="file" id="folder" webkitdirectory></label>
  </section>
  <ol id="messages" aria-live="polite"></ol>
</main>
<footer>
  <form id="form" hidden>
    <textarea id="field" rows="2"></textarea>
    <button type="submit" id="send" class="main" data-text="send"></button>
    <button type="button" id="stop" data-text="stop" hidden></button>
  </form>
  <div class="line"><p id="status" role="status" class="soft"></p>
    <label class="soft"><span data-text="temperature"></span> <input type="range" id="temperature" min="0" max="1.5" step="0.1" value="0"> <output id="temperature-value" for="temperature">0</output></label></div>
</footer>
<noscript>This page needs JavaScript. 本页面需要 JavaScript。</noscript>`;
