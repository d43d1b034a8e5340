/** How the page looks: light, dark, or as the system says; the colours are those of the chat page. */
export const reportStyle = `
:root{color-scheme:light dark;--ground:light-dark(#f5f6f8,#10141c);--surface:light-dark(#fff,#171d27);--sunken:light-dark(#eceff3,#0c1017);
--hover:light-dark(rgb(23 52 74/6%),rgb(170 200 224/8%));--line:light-dark(#dfe4ea,#262f3c);--line-strong:light-dark(#c5cdd6,#3a4656);
--text:light-dark(#1b2733,#dde4eb);--soft:light-dark(#586674,#98a5b3);--river:light-dark(#23597c,#8fbbd6);--wash:light-dark(#e4edf3,#1b2b39);
--star:light-dark(#a8701c,#ecc383);--right:light-dark(#1f7a4d,#79c79a);--wrong:light-dark(#b23a2e,#ee9a8d);
--r0:light-dark(#3f7ea8,#6ea6cb);--r1:light-dark(#c07a25,#e0aa62);--r2:light-dark(#5b8f57,#8cc08a);--r3:light-dark(#8a5fa8,#bd9ad6);--r4:light-dark(#a8505f,#dc8c9a);--r5:light-dark(#5d6a76,#98a5b3);
--mark:light-dark(#fde9a9,#5d4a12);--mono:ui-monospace,"SF Mono","Cascadia Code",Menlo,Consolas,"DejaVu Sans Mono","Noto Sans Mono CJK SC",monospace}
:root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1320px;padding:28px clamp(12px,3vw,36px) 56px;background:var(--ground);color:var(--text);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif;font-variant-numeric:tabular-nums}
h1,h2,h3,p,ul{margin:0;padding:0}ul{list-style:none}
h1{font-size:24px;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere;line-height:1.25}
h2{font-size:17px;font-weight:620}h3{font-size:13px;font-weight:600;color:var(--soft)}
.soft{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
.kind{color:var(--star);font-size:13px;font-weight:600;letter-spacing:.02em}
header{display:flex;justify-content:space-between;gap:16px;margin-bottom:28px}
.heading{min-width:0;display:grid;gap:4px}
.tools{display:flex;gap:8px;align-items:start;flex:none}
button,select,input[type=search]{font:inherit;font-size:13.5px;color:var(--text);background:var(--surface);border:1px solid var(--line-strong);border-radius:8px;padding:5px 11px;min-width:0;max-width:100%}
button,select{cursor:pointer}button:hover,select:hover{border-color:var(--river)}button:disabled{opacity:.45;cursor:default}
:focus-visible{outline:2px solid var(--river);outline-offset:2px}
section{margin-bottom:36px}
.section-head{display:flex;flex-wrap:wrap;gap:6px 24px;justify-content:space-between;align-items:baseline;margin-bottom:10px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:12.5px;color:var(--soft)}
.legend li{display:inline-flex;gap:7px;align-items:center}
.swatch{width:14px;height:9px;border-radius:2px;background:var(--color)}
.whisker-key{width:16px;height:9px;border:solid var(--text);border-width:0 1.5px;background:linear-gradient(var(--text),var(--text)) center/100% 1.5px no-repeat}
.diamond{width:8px;height:8px;border:1.6px solid var(--star);background:var(--surface);transform:rotate(45deg);border-radius:1px}
.chance-key{height:12px;border-left:2px dotted var(--soft)}
.warning{background:color-mix(in srgb,var(--star) 12%,var(--surface));border:1px solid color-mix(in srgb,var(--star) 40%,transparent);border-radius:10px;padding:8px 14px;margin-bottom:10px;font-size:13.5px}
.tasks{background:var(--surface);border:1px solid var(--line);border-radius:14px}
.task{padding:14px 18px 12px;border-top:1px solid var(--line)}.task:first-child{border-top:0}
.task-head{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;margin-bottom:6px}
.task-head b{font-weight:620;font-size:15px}
.bar-row{display:grid;grid-template-columns:minmax(90px,190px) minmax(120px,1fr) 200px;gap:2px 16px;align-items:center;min-height:26px;font-size:13.5px}
.bar-row .name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--soft)}
.bar-row .value{white-space:nowrap}.bar-row .value b{font-weight:620;display:inline-block;min-width:3.3em;text-align:end;margin-inline-end:8px}
.bar-row .value small{color:var(--soft);font-size:12.5px}
.track{position:relative;height:14px;background:var(--sunken);border-radius:4px}
.track .fill{position:absolute;inset:0 auto 0 0;background:var(--color);border-radius:4px;opacity:.85}
.track .whisker{position:absolute;top:3px;bottom:3px;border:solid var(--text);border-width:0 1.5px;background:linear-gradient(var(--text),var(--text)) center/100% 1.5px no-repeat;min-width:2px}
.track .chance{position:absolute;top:-3px;bottom:-3px;border-left:2px dotted var(--soft)}
.track .published{position:absolute;top:50%;width:10px;height:10px;margin:-5px;border:1.6px solid var(--star);background:var(--surface);transform:rotate(45deg);border-radius:1px}
.published-line{font-size:12.5px;color:var(--soft);margin-top:4px;padding-inline-start:206px}
.published-line .diamond{display:inline-block;margin-inline-end:8px}
.published-line i{font-style:normal;color:var(--text)}
.difference{font-size:13.5px;margin-top:4px;padding-inline-start:206px}
.difference b{font-weight:620}.difference .up{color:var(--right)}.difference .down{color:var(--wrong)}
.notes{font-size:12.5px;color:var(--soft);margin-top:6px;padding-inline-start:206px;overflow-wrap:anywhere}
.notes li::before{content:"· "}
details.groups{margin-top:6px}details.groups>summary,.shared>summary{cursor:pointer;color:var(--river);font-size:13px;width:max-content;max-width:100%}
.group-tools{display:flex;gap:8px;margin:8px 0 4px}
.group-bars{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,560px),1fr));gap:0 32px;margin-top:4px}
.group-bars .bar-row{grid-template-columns:minmax(90px,1fr) minmax(90px,1.2fr) 150px;min-height:24px}
.group-bars .track{height:10px}
.filters{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-bottom:10px}
.filters .search{flex:1 1 240px}.filters input[type=search]{width:100%}.filters select{max-width:230px}
.filters .check{font-size:13.5px;display:inline-flex;gap:6px;align-items:center}
input[type=checkbox]{accent-color:var(--river);margin:0}
#count{font-size:13px;color:var(--soft);margin-inline-start:auto}
.hidden-text{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.browser{display:grid;grid-template-columns:minmax(260px,360px) minmax(0,1fr);height:min(78vh,900px);border:1px solid var(--line);border-radius:14px;overflow:hidden;background:var(--surface)}
.list{overflow-y:auto;overflow-x:hidden;border-inline-end:1px solid var(--line);position:relative;outline-offset:-3px;overscroll-behavior:contain}
#rows{position:relative}
.row{position:absolute;left:0;right:0;height:50px;padding:6px 14px;border-bottom:1px solid var(--line);cursor:pointer;display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 10px;align-content:center;line-height:1.35}
.row:hover{background:var(--hover)}.row[aria-selected=true]{background:var(--wash);box-shadow:inset 3px 0 var(--river)}
.row .dots{grid-row:1/3;display:flex;gap:4px;align-items:center}
.row .id{font-size:13.5px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;unicode-bidi:isolate}
.row .gist{font-size:12px;color:var(--soft);white-space:nowrap;overflow:hidden;text-overflow:ellipsis;unicode-bidi:isolate}
.dot{width:18px;height:18px;border-radius:50%;display:grid;place-items:center;font-size:11px;line-height:1;font-weight:700;color:var(--surface);background:var(--soft);flex:none}
.dot[data-verdict=right]{background:var(--right)}.dot[data-verdict=wrong]{background:var(--wrong)}.dot[data-verdict=partly]{background:var(--star)}
.dot[data-verdict=missing],.dot[data-verdict=unlabelled],.dot[data-verdict=absent]{background:none;border:1.5px solid var(--soft);color:var(--soft)}
.list .none{padding:24px 16px;color:var(--soft);font-size:13.5px}
.sample{overflow-y:auto;padding:16px 20px 28px;min-width:0;outline-offset:-3px;overscroll-behavior:contain}
.sample-head{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:center;margin-bottom:4px}
.sample-head .id{font-weight:620;font-size:16px;overflow-wrap:anywhere;unicode-bidi:isolate}
.sample-head .steps{margin-inline-start:auto;display:flex;gap:6px}.back{display:none}
.chips{display:flex;flex-wrap:wrap;gap:6px;margin:6px 0 12px}
.chip{font-size:12px;color:var(--soft);background:var(--sunken);border-radius:99px;padding:1px 10px;unicode-bidi:isolate;overflow-wrap:anywhere}
.badge{font-size:12.5px;font-weight:600;display:inline-flex;gap:6px;align-items:center}
.part{margin-top:14px}.part h3{margin-bottom:4px;display:flex;gap:8px;align-items:center}
.text{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--sunken);border-radius:9px;padding:9px 13px;font:13.5px/1.6 var(--mono);unicode-bidi:plaintext;text-align:start;max-height:46vh;overflow:auto}
.text.small{display:inline-block;padding:3px 10px;max-width:100%}
.text mark,.gist mark,.id mark{background:var(--mark);color:inherit;border-radius:2px}
.control{font:600 10.5px/1 var(--mono);color:var(--star);border:1px solid currentColor;border-radius:4px;padding:1px 3px;margin:0 1px;unicode-bidi:isolate;white-space:nowrap}
.answers{display:grid;gap:0 20px;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr))}
.answer{min-width:0}.answer>.badge{margin-top:16px}
.pair{display:flex;flex-wrap:wrap;gap:4px 28px}
table.options{border-collapse:collapse;font-size:13px;width:100%;max-width:560px}
table.options :is(td,th){padding:2px 10px 2px 0;text-align:start;font-weight:400;white-space:nowrap}
table.options td.option-text{white-space:normal;overflow-wrap:anywhere;color:var(--soft);padding-bottom:6px}
table.options .number{text-align:end}table.options td.wide{width:99%}
table.options .meter{height:8px;background:var(--sunken);border-radius:3px;min-width:60px}table.options .meter i{display:block;height:100%;border-radius:3px;background:var(--r0)}
table.options tr[data-right=true] .meter i{background:var(--right)}table.options .chosen{font-weight:620}
.hint{margin-top:8px}
.card{background:var(--surface);border:1px solid var(--line);border-radius:14px;padding:12px 18px}
.card summary{cursor:pointer}.card summary h2{display:inline}
.facts{border-collapse:collapse;font-size:13px;margin-top:12px;width:100%;table-layout:fixed}
.facts :is(th,td){text-align:start;vertical-align:top;padding:3px 16px 3px 0;border-bottom:1px solid var(--line);font-weight:400;overflow-wrap:anywhere}
.facts th{color:var(--soft);width:13em}.facts td{font-family:var(--mono);font-size:12.5px}
.facts caption{text-align:start;font-weight:620;padding:14px 0 4px}
@media (max-width:760px){
 header{flex-direction:column-reverse}.tools{align-self:end}
 .bar-row,.group-bars .bar-row{grid-template-columns:minmax(0,1fr) auto;padding:3px 0}.bar-row .track{grid-column:1/-1;grid-row:2}
 .bar-row .value b{min-width:0}
 .published-line,.difference,.notes{padding-inline-start:0}
 .task{padding:12px 14px 10px}
 .filters select{flex:1 1 40%;max-width:none}.filters label{flex:1 1 40%}.filters label select{width:100%}.filters .check{flex:1 1 100%}
 .browser{grid-template-columns:1fr;height:82vh}.sample{display:none}
 .browser.reading .list{display:none}.browser.reading .sample{display:block}.back{display:inline-block}
 .list{border:0}.facts th{width:8em}
}
@media print{.browser,.filters,.tools,.hint{display:none}}
`.replaceAll('\n', '');
