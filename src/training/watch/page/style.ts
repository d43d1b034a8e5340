/** How the page looks: light, dark, or as the system says. */
const light =
  '--back:#f5f6f8;--card:#fff;--ink:#1c2330;--soft:#5b6577;--line:#e3e7ee;--accent:#2563eb;--good:#15803d;--warn:#b45309;--bad:#b91c1c;--s1:#2563eb;--s2:#c2410c;--s3:#15803d;--s4:#7e22ce;--s5:#0e7490;--s6:#a16207;--s7:#be185d;--s8:#475569;--shade:0 1px 2px rgb(20 30 60/.06),0 2px 10px rgb(20 30 60/.05)';
const dark =
  '--back:#10141c;--card:#181e29;--ink:#e6eaf2;--soft:#9aa6ba;--line:#2a3342;--accent:#6ea0ff;--good:#4ade80;--warn:#fbbf24;--bad:#f87171;--s1:#6ea0ff;--s2:#fb923c;--s3:#4ade80;--s4:#c084fc;--s5:#22d3ee;--s6:#facc15;--s7:#f472b6;--s8:#94a3b8;--shade:none';

export const pageStyle = `
:root{color-scheme:light;${light}}
:root[data-theme=dark]{color-scheme:dark;${dark}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;${dark}}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1360px;padding:20px clamp(12px,2.5vw,32px) 48px;background:var(--back);color:var(--ink);
 font:15px/1.5 system-ui,"PingFang SC","Noto Sans CJK SC","Noto Sans SC","Microsoft YaHei",sans-serif}
h1,h2,p{margin:0}
h1{font-size:22px;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:14px;font-weight:600}
header{display:grid;grid-template-columns:1fr auto;gap:12px 16px;margin-bottom:18px}
.heading{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 16px}
.status{font-size:13px;color:var(--soft);white-space:nowrap}
.dot{display:inline-block;width:8px;height:8px;border-radius:50%;margin-right:7px;background:var(--warn)}
[data-state=live] .dot{background:var(--good)}
[data-state=live] .dot{animation:pulse 2s ease-in-out infinite}
[data-state=ended] .dot{background:var(--soft)}
[data-state=stopped] .dot{background:var(--bad)}
@keyframes pulse{50%{opacity:.35}}
@media (prefers-reduced-motion:reduce){.dot{animation:none!important}#bar-fill{transition:none!important}}
.tools{display:flex;gap:8px;align-items:start}
button{font:inherit;font-size:13px;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:8px;padding:4px 12px;cursor:pointer}
button:hover{border-color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.course{grid-column:1/-1}
.course p{display:flex;justify-content:space-between;gap:16px;flex-wrap:wrap;margin-top:6px;font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums}
.bar{height:6px;border-radius:3px;background:var(--line);overflow:hidden}
#bar-fill{height:100%;width:0;background:var(--accent);border-radius:3px;transition:width .3s}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:12px;margin-bottom:12px}
.figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:10px 14px;box-shadow:var(--shade);min-width:0}
.figure dt{font-size:12.5px;color:var(--soft);white-space:nowrap}
.figure dd{margin:0;font-size:20px;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums;white-space:nowrap}
.figure small{display:block;font-weight:400;letter-spacing:0;font-size:12px;color:var(--soft);font-variant-numeric:tabular-nums;min-height:1.5em}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 14px 10px;box-shadow:var(--shade);margin-bottom:12px;min-width:0}
.card-head{display:flex;flex-wrap:wrap;gap:6px 20px;justify-content:space-between;align-items:center;margin-bottom:4px}
.controls{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft)}
.controls label{display:inline-flex;gap:6px;align-items:center}
input{accent-color:var(--accent)}
input[type=range]{width:110px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:0 12px}
.chart{position:relative;height:190px}
.large .chart{height:340px}
.chart svg{display:block;width:100%;height:100%;overflow:visible}
.chart text{font:12px system-ui,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
.rule{stroke:var(--line);stroke-width:1;shape-rendering:crispEdges}
.cursor{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:12px;color:var(--soft);padding-left:52px}
.key{display:inline-flex;align-items:center;gap:6px}
.key svg{width:12px;height:12px}
.tip{position:absolute;top:4px;pointer-events:none;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:5px 9px;font-size:12px;box-shadow:0 4px 16px rgb(0 0 0/.16);white-space:nowrap;font-variant-numeric:tabular-nums;z-index:1}
.tip b{display:block;font-weight:600}
.tip div{display:flex;gap:14px;justify-content:space-between}
.tip .key{color:var(--soft)}
.empty{position:absolute;inset:0;display:grid;place-items:center;color:var(--soft);font-size:13px}
.samples{display:grid;gap:10px;max-height:460px;overflow:auto;padding:4px}
.sample{border-left:3px solid var(--line);padding:2px 0 2px 12px}
.sample small{color:var(--soft)}
.sample p{white-space:pre-wrap;overflow-wrap:anywhere}
.sample .prompt{color:var(--soft)}
.beyond{stroke:var(--card);stroke-width:1}
.runs{display:flex;flex-wrap:wrap;gap:8px 24px;justify-content:space-between;align-items:center;margin-bottom:12px;font-size:13.5px}
.run-boxes{display:flex;flex-wrap:wrap;gap:6px 18px;min-width:0}
.runs label{display:inline-flex;align-items:center;gap:7px;min-width:0;overflow-wrap:anywhere}
.swatch{flex:none;width:16px;border-top:3px solid var(--color)}
.swatch.dashed{border-top-style:dashed}
select{font:inherit;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:8px;padding:3px 8px;min-width:0;max-width:100%}
.setup summary{cursor:pointer}
.setup summary h2{display:inline}
.scroll{overflow-x:auto;margin-top:10px}
.setup table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;min-width:100%}
.setup :is(th,td){padding:3px 14px 3px 0;text-align:start;vertical-align:top;border-bottom:1px solid var(--line);font-weight:400}
.setup tbody th{color:var(--soft);white-space:nowrap}
.setup thead th{font-weight:600;overflow-wrap:anywhere}
.setup td{overflow-wrap:anywhere;min-width:9em}
.setup .differs :is(th,td){background:color-mix(in srgb,var(--warn) 12%,transparent);color:var(--ink)}
.hidden{display:none}
`;
